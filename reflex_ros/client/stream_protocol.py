# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Frames that the service sends on the action stream, decoded without a socket (d.3 and d.6).

Every frame is one text message with one JSON object. It is not trusted: nesting and size are
limited, no name may occur twice in an object, numbers must be finite. A message of an unknown type
becomes an event that can be counted and skipped. ``stream_frames`` makes the frames that are sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
import json
from operator import eq
from typing import Any, NoReturn

from reflex_ros.client.adapters import ADAPTER, row_keys
from reflex_ros.client.texts import printable
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode

MAX_FRAME = 2 ** 20
MAX_ROWS = 1000
MAX_CONTAINERS = 20_000
"""Lists and objects in one frame: six times the largest chunk, read within some milliseconds."""
MAX_TEXT = 200
MAX_VALUE = 1e6


@dataclass(frozen=True, slots=True)
class Ready:
    """
    The service accepted the session.

    :param fields: all fields of the message.
    """

    session_id: str
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ChunkFrame(Mapping[str, Any]):
    """
    One action chunk: rows of finite numbers, all of the same length.

    It is also a mapping: ``frame['actions']`` returns ``rows``, whatever name the service used for
    them; any other name returns the field of the message, unchecked.

    :param seq: number of the observation that the chunk answers.
    :param rows: (horizon, joints), in the units of the requested action adapter: ``so101_joint``
        degrees, gripper in percent; ``aloha_joint`` radians, grippers 0 to 1.
    :param infer_ms: duration of the inference on the server [ms]; None if the service sent none.
    :param total_ms: time from receipt to answer on the server [ms]; None if the service sent none.
    :param fields: all fields of the message.
    """

    seq: int
    rows: tuple[tuple[float, ...], ...]
    infer_ms: float | None = None
    total_ms: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __getitem__(self, name: str) -> Any:
        """Return the rows for ``actions``, else a field of the message."""
        return self.rows if name == 'actions' else self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.fields, 'actions': None})

    def __len__(self) -> int:
        return len(self.fields) + ('actions' not in self.fields)


@dataclass(frozen=True, slots=True)
class ServerError:
    """
    The service reports an error; the stream ends after it.

    :param code: reason slug; empty if the message has none.
    """

    detail: str
    code: str = ''


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that this version does not know."""

    type: str


Event = Ready | ChunkFrame | ServerError | Unknown


def parse_frame(data: str | bytes, names: Sequence[str] = row_keys(ADAPTER)) -> Event:
    """
    Decode one frame.

    :param names: fields of a chunk that may hold its rows, from ``adapters.row_keys``.
    :raises ChunkRejected: BAD_FRAME if the frame is not a JSON object; BAD_SHAPE or BAD_NUMBER if
        its rows are not valid. Skip the whole frame then.
    """
    message = _load(data)
    kind = message.get('type')
    if kind == 'session.ready':
        session_id = message.get('session_id')
        return Ready(session_id if isinstance(session_id, str) else '', message)
    if kind == 'action_chunk':
        return chunk(message, names)
    if kind == 'error':
        code = message.get('code')
        return ServerError(_error_text(message), code[:MAX_TEXT] if isinstance(code, str) else '')
    return Unknown(str(kind)[:MAX_TEXT])


def _load(data: str | bytes) -> dict[str, Any]:
    if isinstance(data, bytes):
        raise ChunkRejected(FaultCode.BAD_FRAME, f'a binary frame of {len(data)} bytes')
    # Counted first: a frame of 1 MiB that is full of lists would hold the event loop up for 0.2 s.
    containers = data.count('[') + data.count('{')
    if containers > MAX_CONTAINERS:
        raise ChunkRejected(FaultCode.BAD_FRAME, f'a frame with {containers} lists and objects; '
                            f'at most {MAX_CONTAINERS} are read')
    try:
        message = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as exc:
        # RecursionError: json stops at deep nesting, long before the stack is full.
        raise ChunkRejected(FaultCode.BAD_FRAME, f'a frame that is not JSON: {exc}') from exc
    if not isinstance(message, dict):
        raise ChunkRejected(FaultCode.BAD_FRAME, 'a frame that is not a JSON object')
    return message


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f'{name} is not a number')


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) != len(pairs):
        raise ValueError('a name occurs twice in one object')
    return message


def chunk(message: Mapping[str, Any], names: Sequence[str]) -> ChunkFrame:
    """
    Check the rows of a message, and make the chunk.

    :raises ChunkRejected: BAD_SHAPE if there are no rows or not all have the same length,
        BAD_NUMBER if a value is not a finite number up to 1e6.
    """
    seq = message.get('seq')
    if type(seq) is not int or not 0 <= seq < 2 ** 63:
        raise ChunkRejected(FaultCode.BAD_SHAPE,
                            f'a chunk without a whole number for seq: {seq!r:.50}')
    rows = next((message[key] for key in names if message.get(key)), None)
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_ROWS:
        came = '' if rows is None or rows == [] else f', but {described(rows)}'
        raise ChunkRejected(FaultCode.BAD_SHAPE,
                            f'chunk {seq}: no list of 1 to {MAX_ROWS} rows in '
                            f'{" or ".join(names)}{came}')
    return ChunkFrame(seq, _rectangle(seq, rows), _milliseconds(message, 'infer_ms'),
                      _milliseconds(message, 'total_ms'), message)


def _rectangle(seq: int, rows: list[Any]) -> tuple[tuple[float, ...], ...]:
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            raise ChunkRejected(FaultCode.BAD_SHAPE, f'chunk {seq}: row {index} is '
                                f'{described(row)}, expected is a list of numbers')
        if len(row) != width or not width:
            raise ChunkRejected(FaultCode.BAD_SHAPE,
                                f'chunk {seq}: row {index} is not a list of {width} '
                                'numbers')
    # All numbers together: one by one, the checks take as long as the JSON parser. The type check
    # refuses bool, which is an int to Python. max and min refuse infinity, which json makes of
    # 1e999. eq refuses NaN, which would hide other values from max and min.
    values = list(chain.from_iterable(rows))
    kinds = set(map(type, values))
    if not (kinds <= {int, float} and all(map(eq, values, values))
            and max(values) <= MAX_VALUE and min(values) >= -MAX_VALUE):
        place = next(place for place, value in enumerate(values)
                     if type(value) not in (int, float) or not abs(value) <= MAX_VALUE)
        raise ChunkRejected(FaultCode.BAD_NUMBER, f'chunk {seq}: row {place // width} holds '
                            f'{values[place]!r:.50}')
    if kinds == {float}:
        return tuple(map(tuple, rows))
    return tuple(tuple(map(float, row)) for row in rows)


def described(value: object) -> str:
    """Say what a JSON value is, for a text about what came instead of something else."""
    if isinstance(value, dict):
        keys = ', '.join(printable(str(key), 30) for key in list(value)[:8])
        return f'an object with the keys {keys}{", ..." if len(value) > 8 else ""}'
    if isinstance(value, list):
        return f'a list of {len(value)}'
    return f'{value!r:.50}'


def _milliseconds(message: Mapping[str, Any], name: str) -> float | None:
    value = message.get(name)
    if isinstance(value, (int, float)) and 0.0 <= value <= 1e9:
        return float(value)
    return None


def _error_text(message: Mapping[str, Any]) -> str:
    parts = [str(message[name]) for name in ('code', 'detail', 'message') if message.get(name)]
    # The same text can be in two fields.
    text = ': '.join(dict.fromkeys(parts)) or json.dumps(message, sort_keys=True)
    return ''.join(char for char in text if char.isprintable())[:MAX_TEXT]
