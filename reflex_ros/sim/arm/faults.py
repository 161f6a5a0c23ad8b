# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The faults that can be switched on, one row each, and the set of those that are on.

A row says where a fault acts: on a `reply` (its bytes and its time), on the `line` (the whole
bus), in a `servo` (its body or firmware), or `once`, at the moment it is asked for. Only what
happens per message can have a probability; the line as a whole has no ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import math
from typing import NamedTuple


class Param(NamedTuple):
    """A fault's own parameter: default and allowed range."""

    default: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One row of the table."""

    layer: str
    text: str
    params: Mapping[str, Param]


def _row(layer: str, text: str, **params: tuple[float, float, float]) -> FaultKind:
    return FaultKind(layer, text, {name: Param(*value) for name, value in params.items()})


FAULTS: dict[str, FaultKind] = {
    'drop': _row('reply', 'the reply is lost'),
    'delay': _row('reply', 'the reply comes later', ms=(10, 0, 60_000)),
    'jitter': _row('reply', 'the reply comes later by a random time', ms=(16, 0, 60_000)),
    'turnaround': _row('reply', 'the servo answers slowly and holds the line', us=(500, 0, 1e6)),
    'corrupt': _row('reply', 'one byte is changed (byte -1: any)', byte=(-1, -1, 255)),
    'bad_checksum': _row('reply', 'the check byte is wrong'),
    'truncate': _row('reply', 'only the first bytes arrive', keep=(4, 0, 255)),
    'wrong_id': _row('reply', 'the reply names another servo', as_id=(99, 0, 253)),
    'duplicate': _row('reply', 'the reply comes twice'),
    'stale': _row('reply', 'the reply before is sent again'),
    'noise': _row('reply', 'random bytes around the reply', before=(3, 0, 64), after=(0, 0, 64)),
    'value': _row('reply', 'payload bytes from an offset on read a value, with a right checksum',
                  offset=(0, 0, 250), value=(2048, 0, 65535)),
    'request_loss': _row('line', 'the servos do not hear the request'),
    'echo': _row('line', 'the adapter returns what was sent'),
    'chain_cut': _row('line', 'servos from an id on are off the bus', id=(3, 1, 253)),
    'power_loss': _row('line', 'no servo has power; registers reset when it is back'),
    'bus_silent': _row('line', 'no servo is heard, but all keep going'),
    'sag': _row('line', 'the supply is lower', volts=(4, 0, 25)),
    'blocked': _row('line', 'the adapter takes no bytes from the host'),
    'silent': _row('servo', 'the servo neither hears nor answers'),
    'jam': _row('servo', 'the joint is locked where it is'),
    'push': _row('servo', 'a torque from outside', nm=(0.5, -10, 10)),
    'heat': _row('servo', 'the motor warms up', c_per_s=(5, 0.01, 1000), to_c=(80, 0, 250)),
    'frozen': _row('servo', 'the feedback registers stand still'),
    'goal_ignored': _row('servo', 'goals are acknowledged, but not followed'),
    'error_bits': _row('servo', 'bits in the error byte', bits=(0x20, 0, 255)),
    'encoder_jump': _row('servo', 'the measured position is off', ticks=(200, -8192, 8192),
                         ticks_per_s=(0, -1e5, 1e5)),
    'lock_stuck': _row('servo', 'EEPROM writes never persist'),
    'reboot': _row('once', 'the servo restarts with power-on registers'),
    'torque_dropped': _row('once', 'torque is off, and nobody asked'),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A fault that is on.

    :param ids: the servos it concerns; None is all.
    :param end_ns: when it ends by itself; None is never.
    """

    name: str
    ids: frozenset[int] | None
    probability: float
    start_ns: int
    end_ns: int | None
    params: Mapping[str, float]

    @property
    def layer(self) -> str:
        """Where it acts."""
        return FAULTS[self.name].layer

    def concerns(self, servo_id: int) -> bool:
        """Whether it touches a servo."""
        return self.ids is None or servo_id in self.ids


def parse_fault(name: str, now_ns: int, *, ids: Collection[int] | None = None,
                probability: float = 1.0, duration_s: float | None = None,
                **params: float) -> Fault:
    """
    Check a request and make the fault.

    :raises ValueError: naming what is wrong and what is allowed.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(f'unknown fault {name!r}; there are: {", ".join(FAULTS)}')
    if ids is not None and not _are_ids(ids):
        raise ValueError(f'ids {ids!r}: allowed is a list of one or more ids from 0 to 253')
    _check('probability', probability, 0, 1)
    is_per_message = kind.layer == 'reply' or name == 'request_loss'
    if probability != 1 and not is_per_message:
        raise ValueError(f'probability {probability!r}: fault {name!r} is either on or off')
    if ids is not None and kind.layer == 'line' and not is_per_message:
        raise ValueError(f'ids {ids!r}: fault {name!r} concerns the whole line')
    if duration_s is not None:
        _check('duration_s', duration_s, 0, 1e6)
    for key, value in params.items():
        if key not in kind.params:
            allowed = ', '.join(kind.params) or 'none'
            raise ValueError(f'fault {name!r} has no parameter {key!r}; there are: {allowed}')
        _check(f'{name}.{key}', value, kind.params[key].low, kind.params[key].high)
    values = {key: params.get(key, param.default) for key, param in kind.params.items()}
    end_ns = None if duration_s is None else now_ns + round(duration_s * 1e9)
    chosen = None if ids is None else frozenset(ids)
    return Fault(name, chosen, probability, now_ns, end_ns, values)


def _are_ids(ids: object) -> bool:
    return (isinstance(ids, (list, tuple, set, frozenset)) and bool(ids)
            and all(type(i) is int and 0 <= i <= 253 for i in ids))


def _check(name: str, value: object, low: float, high: float) -> None:
    if (not isinstance(value, (int, float)) or isinstance(value, bool)
            or not math.isfinite(value) or not low <= value <= high):
        raise ValueError(f'{name} {value!r}: allowed are {low:g} to {high:g}')


class FaultSet:
    """The faults that are on, in the order in which they came."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._next_end_ns: int | None = None

    def add(self, fault: Fault) -> None:
        """Switch a fault on; one of the same name and servos is replaced."""
        self.active = [f for f in self.active if (f.name, f.ids) != (fault.name, fault.ids)]
        self.active.append(fault)
        self._plan()

    def clear(self, name: str | None = None) -> list[Fault]:
        """Switch all faults off, or those of one name, and return them."""
        gone = [f for f in self.active if name is None or f.name == name]
        self.active = [f for f in self.active if f not in gone]
        self._plan()
        return gone

    def expire(self, now_ns: int) -> list[Fault]:
        """Remove and return what has run out."""
        if self._next_end_ns is None or now_ns < self._next_end_ns:
            return []
        gone = [f for f in self.active if f.end_ns is not None and f.end_ns <= now_ns]
        self.active = [f for f in self.active if f not in gone]
        self._plan()
        return gone

    def on_line(self, name: str) -> Fault | None:
        """Return the active fault of a name, if any."""
        for fault in self.active:
            if fault.name == name:
                return fault
        return None

    def _plan(self) -> None:
        self._next_end_ns = min(
            (f.end_ns for f in self.active if f.end_ns is not None), default=None)
