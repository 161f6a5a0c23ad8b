# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of content: what happens to the rows and to the frame of an answer."""

from __future__ import annotations

import itertools
import json
import math

from reflex_ros.sim.service.faults import wire
from reflex_ros.sim.service.faults.switches import Faults
from reflex_ros.sim.service.so101 import GRIPPER, JOINTS, Pose, Rows, UPPER, WRIST_ROLL

Frame = dict[str, object]

# Python's writer cannot write this number; it is put into the text afterwards.
_OVERFLOW = 'replaced by 1e999'

_BAD_VALUES: dict[str, object] = {
    'nan': math.nan, 'inf': math.inf, '1e999': _OVERFLOW, 'null': None, 'bool': True,
    'string': '12.5', 'huge': 10**400,
}
_MOST_ROWS = 1000


def corrupt_rows(rows: Rows, faults: Faults, first_pose: Pose) -> Rows:
    """
    Apply the faults of content that are on; the rows stay well formed.

    :param rows: (T, 6) degrees and percent; not changed.
    :param first_pose: the first observed pose of the stream.
    """
    if faults.consume('constant'):
        rows = [list(first_pose) for _ in rows]
    if fault := faults.consume('oscillate'):
        rows = [_shifted(row, WRIST_ROLL, fault.number * (k % 2)) for k, row in enumerate(rows)]
    if fault := faults.consume('jump'):
        joint = JOINTS.index(fault.text)
        # To the side where there is room, so that the jump is not a range fault as well.
        sign = -1.0 if rows[0][joint] + fault.number > UPPER[joint] else 1.0
        rows = [_shifted(row, joint, sign * fault.number) for row in rows]
    if fault := faults.consume('out_of_range'):
        rows = _out_of_range(rows, JOINTS.index(fault.text), fault.number)
    if fault := faults.consume('gripper_units'):
        rows = [[*row[:GRIPPER], row[GRIPPER] / 100.0 if fault.text == 'fraction'
                 else 100.0 - row[GRIPPER]] for row in rows]
    if faults.consume('radians'):
        rows = [[*(math.radians(value) for value in row[:5]), row[5] / 100.0] for row in rows]
    return rows


def corrupt_frame(frame: Frame, layouts: dict[str, Rows], faults: Faults) -> None:
    """
    Put the rows into a frame, after the faults that are on have been applied.

    :param frame: changed in place.
    :param layouts: key of the frame -> rows, changed in place; the keys may share their rows.
    """
    if faults.consume('all_zero'):
        # Here, because a closed gripper is 0 in one layout and 1 in another.
        layouts.update({key: [[0.0] * len(row) for row in rows] for key, rows in layouts.items()})
    frame.update(layouts)
    if fault := faults.consume('nan'):
        for key, rows in layouts.items():
            values: list[list[object]] = [list(row) for row in rows]
            values[len(rows) // 2][2] = _BAD_VALUES[fault.text]
            frame[key] = values
    if fault := faults.consume('wrong_shape'):
        if fault.text in ('wrong_key', 'missing'):
            for key in layouts:
                del frame[key]
        else:
            frame.update({key: _misshapen(fault.text, rows) for key, rows in layouts.items()})
        if fault.text == 'wrong_key':
            other = 'actions_aloha' if 'actions_so101' in layouts else 'actions_so101'
            frame[other] = [[*row, *[0.0] * 8] for row in layouts['actions']]
    if faults.consume('wrong_session'):
        frame['session_id'] = 'sess_of_somebody_else'


def renumber(frame: Frame, seq: int, kind: str, held: list[Frame]) -> list[Frame]:
    """Return the misnumbered frames to send instead of one; ``held`` keeps one for later."""
    if kind == 'duplicate':
        return [frame, frame]
    if kind == 'reorder':
        if not held:
            held.append(frame)
            return []
        return [frame, held.pop()]
    wrong: dict[str, object] = {'old': max(0, seq - 1), 'future': seq + 1000, 'text': str(seq)}
    renumbered = {name: value for name, value in frame.items() if name != 'seq'}
    return [renumbered | ({'seq': wrong[kind]} if kind in wrong else {})]


def to_text(frame: object) -> str:
    """Write a frame as compact JSON; NaN and infinities come out as Python writes them."""
    return json.dumps(frame, separators=(',', ':'))


def write(frame: Frame) -> str:
    """Write a frame as JSON text, broken numbers included."""
    return to_text(frame).replace(f'"{_OVERFLOW}"', '1e999')


def garbage(kind: str, frame: Frame) -> tuple[int, bytes]:
    """Return opcode and payload of a frame that is not a proper message."""
    text = to_text(frame)
    match kind:
        case 'not_json':
            return wire.TEXT, b'Internal Server Error: worker exited with signal 9'
        case 'truncated':
            return wire.TEXT, text[:len(text) // 2].encode()
        case 'binary':
            return wire.BINARY, text.encode()
        case 'invalid_utf8':
            return wire.TEXT, text.encode().replace(b'action_chunk', b'action_\xff\xfe')
        case 'deep':
            return wire.TEXT, (text[:-1] + ',"extra":' + '[' * 5000 + ']' * 5000 + '}').encode()
        case 'duplicate_keys':
            zeros = to_text([[0.0] * 6] * 2)
            return wire.TEXT, (text[:-1] + f',"seq":0,"actions":{zeros}}}').encode()
        case 'array':
            return wire.TEXT, f'[{text}]'.encode()
        case _:
            return wire.TEXT, to_text(frame | {'type': 'action_chunk.v9'}).encode()


def _shifted(row: list[float], joint: int, offset: float) -> list[float]:
    return [value + offset if j == joint else value for j, value in enumerate(row)]


def _out_of_range(rows: Rows, joint: int, excess: float) -> Rows:
    """Lead one joint beyond its limit in three quarters of the chunk, without a jump."""
    start, end = rows[0][joint], UPPER[joint] + excess
    steps = max(1, len(rows) * 3 // 4)
    return [
        [start + (end - start) * min(1.0, k / steps) if j == joint else value
         for j, value in enumerate(row)]
        for k, row in enumerate(rows)
    ]


def _misshapen(kind: str, rows: Rows) -> object:
    match kind:
        case 'ragged':
            return [row[:-1] if k == len(rows) // 2 else row for k, row in enumerate(rows)]
        case 'wrong_dim':
            return [row[:-1] for row in rows]
        case 'empty':
            return []
        case 'empty_rows':
            return [[] for _ in rows]
        case 'flat':
            return list(itertools.chain.from_iterable(rows))
        case _:
            return list(itertools.islice(itertools.cycle(rows), _MOST_ROWS + 1))
