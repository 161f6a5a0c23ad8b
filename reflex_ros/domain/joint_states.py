# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Joint states that come in parts: one pose from messages that name some of the joints each.

Drivers publish arm and gripper in two messages, in any order, with joints that are not ours. The
pose is complete when each joint was measured lately; it is as old as its oldest joint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
import math
import struct

import numpy as np

from reflex_ros.domain.cdr import CdrReader
from reflex_ros.domain.joints import Vector

MOST_RAD = 1e3
"""Some 160 turns: no arm is there, and in other units a number may become infinite."""
_SHOWN = 8
_LATELY_S = 1.0
_LITTLE_ENDIAN = b'\0\1\0\0'
_STAMP, _STAMP_END = struct.Struct('<iI'), 12


class JointStates:
    """
    The newest position of each joint.

    :param joint_names: the joints of a pose, in its order.
    :param age_s: oldest position of a joint in a complete pose [s].
    """

    def __init__(self, joint_names: Sequence[str], age_s: float) -> None:
        self._names = tuple(joint_names)
        self._age_s = age_s
        self._position = [math.nan] * len(self._names)
        self._at = [-math.inf] * len(self._names)
        self._order: tuple[str, ...] = ()
        # Place of each of our joints in the pose, and in a message whose names are _order.
        self._places: list[tuple[int, int]] = []
        self._refusal = ''
        # When each set of names came last; more than a few drivers do not publish together.
        self._came: dict[tuple[str, ...], float] = {}

    def put(self, names: Sequence[str], positions: Sequence[float],
            at: float) -> tuple[tuple[float, ...], float] | None:
        """
        Record one message.

        :param positions: of the named joints [rad].
        :param at: monotonic instant of the measurement [s].
        :return: the pose (joints,) [rad] and the instant of its oldest joint, when the message
            has completed or renewed one.
        """
        self._refusal = self._order_refusal(names)
        self._came[self._order] = at
        if not self._refusal and len(positions) != len(names):
            self._refusal = f'{len(names)} names and {len(positions)} positions'
        if not self._refusal:
            wrong = [self._names[place] for place, index in self._places
                     if not math.isfinite(positions[index])]
            far = [self._names[place] for place, index in self._places
                   if abs(positions[index]) > MOST_RAD]
            if wrong:
                self._refusal = f'the position of {", ".join(wrong)} is not a finite number'
            elif far:
                self._refusal = (f'the position of {", ".join(far)} is beyond {MOST_RAD:.0f} rad, '
                                 'so it is not measured')
        if self._refusal or not self._places:
            return None
        for place, index in self._places:
            # A part that was late on its way, or a second publisher: the newest one counts.
            if at >= self._at[place]:
                self._position[place], self._at[place] = positions[index], at
        oldest = min(self._at)
        return (tuple(self._position), oldest) if at - oldest <= self._age_s else None

    def refuse(self, reason: str) -> None:
        """Record a message that could not be read."""
        self._refusal = reason

    def gap(self, now: float) -> str:
        """
        Say why there is no complete pose; empty when there is one.

        :param now: monotonic instant [s].
        """
        if self._refusal:
            return f'joint states are refused: {self._refusal}'
        seen = self._seen(now)
        missing = [name for name, at in zip(self._names, self._at, strict=True) if at == -math.inf]
        if len(missing) == len(self._names):
            return f'joint states came, with none of the joints {_listed(self._names)}; they ' \
                   f'name {_listed(seen)}' if seen else 'no joint state yet'
        if missing:
            return f'joint states lack {_listed(missing)}; they name {_listed(seen) or "nothing"}'
        late = [f'{name} for {now - at:.2f} s'
                for name, at in zip(self._names, self._at, strict=True) if now - at > self._age_s]
        if len(late) == len(self._names):
            return f'no joint state for {now - max(self._at):.2f} s'
        return f'no joint state of {_listed(late)}' if late else ''

    def _order_refusal(self, names: Sequence[str]) -> str:
        if len(names) == len(self._order) and all(map(str.__eq__, names, self._order)):
            return ''
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            self._order, self._places = (), []
            return f'{_listed(repeated)} is named twice in one message'
        self._order = tuple(names)
        self._places = [(place, self._order.index(name))
                        for place, name in enumerate(self._names) if name in self._order]
        self._came.pop(self._order, None)
        if len(self._came) >= _SHOWN:
            self._came.pop(next(iter(self._came)))
        return ''

    def _seen(self, now: float) -> list[str]:
        """Return the names of the messages that came lately."""
        return list(dict.fromkeys(name for names, at in self._came.items()
                                  if now - at <= _LATELY_S for name in names))


def in_order(names: Sequence[str], positions: Sequence[float], wanted: Sequence[str]) -> Vector:
    """
    Return the positions of these joints in this order (joints,) [rad].

    :raises KeyError: when one is missing or not a finite number.
    """
    found = dict(zip(names, positions, strict=False))
    pose = np.array([found[name] for name in wanted])
    if not np.isfinite(pose).all():
        raise KeyError('a position is not finite')
    return pose


def _listed(names: Sequence[str]) -> str:
    shown = [''.join(filter(str.isprintable, name))[:40] for name in names[:_SHOWN]]
    rest = len(names) - len(shown)
    return ', '.join(shown) + (f' and {rest} more' if rest else '')


class JointStateReader:
    """
    Reads serialized ``sensor_msgs/msg/JointState``, names and positions only.

    A driver sends the same names again and again, a hundred times a second: as long as everything
    in front of the positions is the same, only the positions are read.
    """

    def __init__(self) -> None:
        self._front = b''
        self._names: tuple[str, ...] = ()
        self._positions = struct.Struct('')

    def read(self, message: bytes) -> tuple[int, tuple[str, ...], tuple[float, ...]]:
        """
        Return stamp [ns], names and positions.

        :raises DamagedMessage: when it does not hold what it should.
        """
        if self._front and message[_STAMP_END:len(self._front) + _STAMP_END] == self._front \
                and message[:4] == _LITTLE_ENDIAN:
            seconds, nanoseconds = _STAMP.unpack_from(message, 4)
            at = _STAMP_END + len(self._front)
            at += -(at - 4) % 8
            if len(message) >= at + self._positions.size:
                return (seconds * 10 ** 9 + nanoseconds, self._names,
                        self._positions.unpack_from(message, at))
        reader = CdrReader(message)
        stamp_ns, self._names = reader.header(), reader.texts()
        begin = reader.offset + -(reader.offset) % 4
        positions = reader.doubles()
        # The number of positions stands in front of them.
        self._front = message[_STAMP_END:begin + 4] if message[:4] == _LITTLE_ENDIAN else b''
        self._positions = struct.Struct(f'<{len(positions)}d')
        return stamp_ns, self._names, positions
