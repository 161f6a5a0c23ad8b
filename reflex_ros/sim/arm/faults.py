# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The table of faults.

A row says where a fault acts: on a `reply` (its bytes and its time), on the `line` (the whole
bus), in a `servo` (its mechanics or firmware), or `once`, when it is switched on. Only faults
that act on single messages can have a probability; faults of the whole line have no ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import math
from typing import Any, NamedTuple


class Param(NamedTuple):
    """A parameter of a fault: default and allowed range."""

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
    'turnaround': _row('reply', 'the servo replies late and keeps the line busy until then',
                       us=(500, 0, 1e6)),
    'corrupt': _row('reply', 'one byte is changed (byte -1: a random one)', byte=(-1, -1, 255)),
    'lost_byte': _row('reply', 'one byte is missing, as when another program reads the same '
                      'port (byte -1: a random one)', byte=(-1, -1, 255)),
    'extra_byte': _row('reply', 'one byte is inserted (byte -1: at a random place)',
                       byte=(-1, -1, 255)),
    'bad_checksum': _row('reply', 'the checksum is wrong'),
    'truncate': _row('reply', 'only the first bytes arrive', keep=(4, 0, 255)),
    'wrong_id': _row('reply', 'the reply carries the id of another servo', as_id=(99, 0, 253)),
    'duplicate': _row('reply', 'the reply arrives twice'),
    'stale': _row('reply', 'the previous reply is sent again'),
    'noise': _row('reply', 'random bytes before and after the reply', before=(3, 0, 64),
                  after=(0, 0, 64)),
    'value': _row('reply', 'two payload bytes at an offset have this value; the checksum is right',
                  offset=(0, 0, 250), value=(2048, 0, 65535)),
    'request_loss': _row('line', 'the servos do not receive the request'),
    'echo': _row('line', 'the adapter returns the bytes that were sent'),
    'chain_cut': _row('line', 'servos with this id or a higher one are disconnected',
                      id=(3, 1, 253)),
    'power_loss': _row('line', 'no servo has power; afterwards they have power-on registers'),
    'bus_silent': _row('line', 'no reply arrives, but all servos keep working'),
    'sag': _row('line', 'the supply voltage drops by volts, and further under load (ohm)',
                volts=(4, 0, 25), ohm=(0, 0, 20)),
    'blocked': _row('line', 'the adapter accepts no bytes from the client'),
    'unplug': _row('line', 'the USB cable is unplugged; afterwards the port has a new number'),
    'port_held': _row('line', 'another program holds the lock of the port'),
    'silent': _row('servo', 'the servo neither receives nor replies'),
    'loose_wire': _row('servo', 'silent while the position is between two ticks',
                       low=(0, -32768, 32767), high=(4095, -32768, 32767)),
    'jam': _row('servo', 'the joint is locked at its position'),
    'wall': _row('servo', 'the joint cannot pass this position', ticks=(2048, 0, 4095)),
    'push': _row('servo', 'a torque from outside', nm=(0.5, -10, 10)),
    'heat': _row('servo', 'the motor warms up', c_per_s=(5, 0.01, 1000), to_c=(80, 0, 250)),
    'frozen': _row('servo', 'the feedback registers do not change'),
    'goal_ignored': _row('servo', 'goals are acknowledged, but not followed'),
    'error_bits': _row('servo', 'these bits are set in the error byte', bits=(0x20, 0, 255)),
    'encoder_jump': _row('servo', 'the measured position is wrong by ticks, and drifts',
                         ticks=(200, -8192, 8192), ticks_per_s=(0, -1e5, 1e5)),
    'backlash': _row('servo', 'play between the motor and the output', deg=(1, 0, 20)),
    'lock_stuck': _row('servo', 'EEPROM writes never persist'),
    'eeprom_busy': _row('servo', 'an unlocked EEPROM write reads back as 0 for some time',
                        s=(0.25, 0, 60)),
    'other_model': _row('servo', 'another model or firmware version', model=(1284, 0, 65535),
                        major=(3, 0, 255), minor=(9, 0, 255)),
    'other_id': _row('servo', 'the servo has another id', as_id=(1, 0, 253)),
    'status_level': _row('servo', 'the servo replies to READ and PING only (level 0)',
                         level=(0, 0, 1)),
    'big_endian': _row('servo', 'words have the high byte first, as in an SCS servo'),
    'reboot': _row('once', 'the servo restarts with power-on registers'),
    'torque_dropped': _row('once', 'torque goes off without a command'),
    'offset_changed': _row('once', 'the homing offset in the EEPROM changes by ticks',
                           ticks=(100, -2047, 2047)),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A fault that is on.

    :param ids: the affected servos; None means all.
    :param end_ns: time at which it ends by itself; None means never.
    """

    name: str
    ids: frozenset[int] | None
    probability: float
    start_ns: int
    end_ns: int | None
    params: Mapping[str, float]

    @property
    def layer(self) -> str:
        """Where the fault acts: reply, line, servo or once."""
        return FAULTS[self.name].layer

    def concerns(self, servo_id: int) -> bool:
        """Whether the fault affects a servo."""
        return self.ids is None or servo_id in self.ids


def parse_fault(name: str, now_ns: int, *, ids: Collection[int] | None = None,
                probability: float = 1.0, duration_s: float | None = None,
                after_s: float = 0.0, **params: float) -> Fault:
    """
    Check the arguments of a request and make the fault.

    :raises ValueError: naming the wrong argument and the allowed values.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(f'unknown fault {name!r}; known are: {", ".join(FAULTS)}')
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
            raise ValueError(f'fault {name!r} has no parameter {key!r}; known are: {allowed}')
        _check(f'{name}.{key}', value, kind.params[key].low, kind.params[key].high)
    values = {key: params.get(key, param.default) for key, param in kind.params.items()}
    start_ns = now_ns + round(after_s * 1e9)
    end_ns = None if duration_s is None else start_ns + round(duration_s * 1e9)
    chosen = None if ids is None else frozenset(ids)
    return Fault(name, chosen, probability, start_ns, end_ns, values)


def fault_arguments(text: str) -> dict[str, Any]:
    """
    Parse a fault of the command line: ``drop:ids=1+2,probability=0.1,after_s=2,duration_s=3``.

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
            raise ValueError(f'fault {text!r}: {part!r} is not written as key=number '
                             '(ids=1+2 for several servos)') from error
    return arguments


def _are_ids(ids: object) -> bool:
    return (isinstance(ids, (list, tuple, set, frozenset)) and bool(ids)
            and all(type(i) is int and 0 <= i <= 253 for i in ids))


def _check(name: str, value: object, low: float, high: float) -> None:
    if (not isinstance(value, (int, float)) or isinstance(value, bool)
            or not math.isfinite(value) or not low <= value <= high):
        raise ValueError(f'{name} {value!r}: allowed are {low:g} to {high:g}')
