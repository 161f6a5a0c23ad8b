# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The faults that can be switched on, one row each.

A row says where a fault acts: on a `reply` (its bytes and its time), on the `line` (the whole
bus), in a `servo` (its body or firmware), or `once`, at the moment it is asked for. Only what
happens per message can have a probability; the line as a whole has no ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import math
from typing import Any, NamedTuple


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
    'lost_byte': _row('reply', 'one byte is missing, as when another program reads along '
                      '(byte -1: any)', byte=(-1, -1, 255)),
    'extra_byte': _row('reply', 'one byte too many (byte -1: before any)', byte=(-1, -1, 255)),
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
    'sag': _row('line', 'the supply is lower, and lower still under load (wires of some ohm)',
                volts=(4, 0, 25), ohm=(0, 0, 20)),
    'blocked': _row('line', 'the adapter takes no bytes from the host'),
    'unplug': _row('line', 'the USB cable is out; afterwards the port has a new number'),
    'port_held': _row('line', 'another program holds the lock of the port'),
    'silent': _row('servo', 'the servo neither hears nor answers'),
    'loose_wire': _row('servo', 'silent while the position lies between two ticks',
                       low=(0, -32768, 32767), high=(4095, -32768, 32767)),
    'jam': _row('servo', 'the joint is locked where it is'),
    'wall': _row('servo', 'the joint cannot pass a tick', ticks=(2048, 0, 4095)),
    'push': _row('servo', 'a torque from outside', nm=(0.5, -10, 10)),
    'heat': _row('servo', 'the motor warms up', c_per_s=(5, 0.01, 1000), to_c=(80, 0, 250)),
    'frozen': _row('servo', 'the feedback registers stand still'),
    'goal_ignored': _row('servo', 'goals are acknowledged, but not followed'),
    'error_bits': _row('servo', 'bits in the error byte', bits=(0x20, 0, 255)),
    'encoder_jump': _row('servo', 'the measured position is off', ticks=(200, -8192, 8192),
                         ticks_per_s=(0, -1e5, 1e5)),
    'backlash': _row('servo', 'play between the motor and the output', deg=(1, 0, 20)),
    'lock_stuck': _row('servo', 'EEPROM writes never persist'),
    'eeprom_busy': _row('servo', 'an unlocked EEPROM write reads back as 0 at first',
                        s=(0.25, 0, 60)),
    'other_model': _row('servo', 'another model or firmware', model=(1284, 0, 65535),
                        major=(3, 0, 255), minor=(9, 0, 255)),
    'other_id': _row('servo', 'the servo takes itself for another', as_id=(1, 0, 253)),
    'status_level': _row('servo', 'the servo answers READ and PING only (level 0)',
                         level=(0, 0, 1)),
    'big_endian': _row('servo', 'words come high byte first, as from an SCS servo'),
    'reboot': _row('once', 'the servo restarts with power-on registers'),
    'torque_dropped': _row('once', 'torque is off, and nobody asked'),
    'offset_changed': _row('once', 'the homing offset in the EEPROM is another',
                           ticks=(100, -2047, 2047)),
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
                after_s: float = 0.0, **params: float) -> Fault:
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
    _check('after_s', after_s, 0, 1e6)
    if duration_s is not None:
        _check('duration_s', duration_s, 0, 1e6)
    for key, value in params.items():
        if key not in kind.params:
            allowed = ', '.join(kind.params) or 'none'
            raise ValueError(f'fault {name!r} has no parameter {key!r}; there are: {allowed}')
        _check(f'{name}.{key}', value, kind.params[key].low, kind.params[key].high)
    values = {key: params.get(key, param.default) for key, param in kind.params.items()}
    start_ns = now_ns + round(after_s * 1e9)
    end_ns = None if duration_s is None else start_ns + round(duration_s * 1e9)
    chosen = None if ids is None else frozenset(ids)
    return Fault(name, chosen, probability, start_ns, end_ns, values)


def fault_arguments(text: str) -> dict[str, Any]:
    """
    Read a fault from a command line: ``drop:ids=1+2,probability=0.1,after_s=2,duration_s=3``.

    :raises ValueError: when it is not of this form; names and ranges are `parse_fault`'s affair.
    """
    name, _, rest = text.partition(':')
    arguments: dict[str, Any] = {'name': name}
    for part in rest.split(',') if rest else ():
        key, _, value = part.partition('=')
        try:
            arguments[key] = ([int(one) for one in value.split('+')] if key == 'ids'
                              else float(value))
        except ValueError as error:
            raise ValueError(f'fault {text!r}: {part!r} is not key=number '
                             '(ids=1+2 for several servos)') from error
    return arguments


def _are_ids(ids: object) -> bool:
    return (isinstance(ids, (list, tuple, set, frozenset)) and bool(ids)
            and all(type(i) is int and 0 <= i <= 253 for i in ids))


def _check(name: str, value: object, low: float, high: float) -> None:
    if (not isinstance(value, (int, float)) or isinstance(value, bool)
            or not math.isfinite(value) or not low <= value <= high):
        raise ValueError(f'{name} {value!r}: allowed are {low:g} to {high:g}')
