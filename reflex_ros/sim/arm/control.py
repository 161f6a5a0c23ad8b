# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The operations of the control channel: each turns one request object into one reply object.

A reply is ``{"ok": true, "now_ns": CLOCK_MONOTONIC, ...}``, or ``{"ok": false, "error": text}``
with a text that names the value, the reason and the allowed values. Times are CLOCK_MONOTONIC
nanoseconds.

========  ===================================================================================
op        effect, and arguments
========  ===================================================================================
state     return joints, figures since the last mark, counters, active faults: :mod:`state`
mark      reset the figures
fault     switch a fault on: name, ids, probability, duration_s, own parameters: :mod:`faults`
faults    return the table of faults
clear     switch off all faults, or those with one name: name
log       return the newest entries, oldest first: since_ns, limit: :mod:`journal`
set       set supply_v; temperature_c (ids); pose (name or six rad); register (id, value)
power     switch the motor supply: on
chain     connect only these servos to the bus (default: all): joints, a list of names
unplug    unplug the USB cable: the port and its link disappear
replug    plug it in again: a new port behind the same link
quit      end the emulator
========  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any, Protocol

from reflex_ros.hardware.registers import Register, REGISTERS
from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.faults import FAULTS, parse_fault
from reflex_ros.sim.arm.joints import parse_pose
from reflex_ros.sim.arm.journal import CAPACITY, Entry
from reflex_ros.sim.arm.servo import Servo
from reflex_ros.sim.arm.state import describe

# JSON from the client: each operation checks the types of its values.
Json = dict[str, Any]

_REGISTERS: dict[str, Register] = {register.name: register for register in REGISTERS}


class Adapter(Protocol):
    """The USB adapter of an arm, as far as the operations need it."""

    @property
    def is_plugged(self) -> bool:
        """Whether the cable is plugged in, so that a device exists."""

    @property
    def path(self) -> str:
        """The name that a client opens."""

    @property
    def device(self) -> str:
        """The device behind `path`; another one after each replug."""

    def plug(self) -> None:
        """Create the device; do nothing when it exists."""

    def unplug(self) -> None:
        """Unplug the cable; do nothing when it is unplugged."""

    def hold(self, is_held: bool) -> None:
        """Lock the port as another program would, or unlock it."""


class Control:
    """Execute operations on one bus and its port."""

    def __init__(self, bus: ArmBus, port: Adapter) -> None:
        self._bus = bus
        self._port = port
        self.wants_quit = False
        self._is_pulled = self._is_held = False
        self.drop_replies: Callable[[], None] = lambda: None
        self._operations: dict[str, Callable[[Json, int], Json]] = {
            'state': self._state, 'mark': self._mark, 'fault': self._fault,
            'clear': self._clear, 'log': self._log, 'set': self._set, 'power': self._power,
            'chain': self._chain, 'unplug': self._unplug, 'replug': self._replug,
            'faults': self._faults, 'quit': self._quit,
        }

    def handle(self, request: object, now_ns: int) -> Json:
        """Execute one request; the reply to a refused request says why."""
        if not isinstance(request, dict):
            return _refusal(f'request {request!r:.100}: expected a JSON object with "op"')
        arguments = dict(request)
        name = arguments.pop('op', None)
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            return _refusal(f'unknown op {name!r}; known are: {", ".join(self._operations)}')
        try:
            self.advance(now_ns)
            reply = {'ok': True, 'now_ns': now_ns, **operation(arguments, now_ns)}
            self._apply_adapter_faults(now_ns)
            return reply
        except (ValueError, OSError) as error:
            return _refusal(f'{name}: {error}')

    def advance(self, now_ns: int) -> None:
        """Advance the arm and the faults of its adapter to `now_ns`."""
        self._bus.advance(now_ns)
        self._apply_adapter_faults(now_ns)

    def _apply_adapter_faults(self, now_ns: int) -> None:
        """Unplug the cable, or lock the port, while a fault asks for it."""
        find = self._bus.faults.find
        if (find('unplug') is not None) != self._is_pulled:
            self._is_pulled = not self._is_pulled
            if self._is_pulled:
                self._pull(now_ns)
            else:
                self._plug(now_ns)
        if (find('port_held') is not None) != self._is_held:
            self._is_held = not self._is_held
            self._port.hold(self._is_held)

    def _state(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments)
        return {'plugged': self._port.is_plugged, 'port': self._port.path,
                'device': self._port.device, **describe(self._bus, now_ns)}

    def _mark(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments)
        self._bus.mark(now_ns)
        self._bus.journal.record_event(now_ns, 'mark')
        return {}

    def _fault(self, arguments: Json, now_ns: int) -> Json:
        name = arguments.pop('name', None)
        if not isinstance(name, str):
            raise ValueError(f'"name" is missing; known are: {", ".join(FAULTS)}')
        if 'now_ns' in arguments:
            raise ValueError('"now_ns" is not allowed: a fault begins now, or after "after_s"')
        self._bus.add_fault(parse_fault(name, now_ns, **arguments), now_ns)
        return {'active': [f.name for f in self._bus.faults.active]}

    def _clear(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments, 'name')
        name = arguments.get('name')
        if name is not None and name not in FAULTS:
            raise ValueError(f'unknown fault {name!r}; known are: {", ".join(FAULTS)}')
        return {'cleared': self._bus.clear_faults(now_ns, name)}

    def _faults(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments)
        return {'faults': {name: {
            'layer': kind.layer, 'text': kind.text,
            'params': {key: list(param) for key, param in kind.params.items()},
        } for name, kind in FAULTS.items()}}

    def _log(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments, 'since_ns', 'limit')
        since_ns = _integer('since_ns', arguments.get('since_ns', 0), 0, 1 << 63)
        limit = _integer('limit', arguments.get('limit', 1000), 1, CAPACITY)
        return {'entries': [_plain(entry) for entry in
                            self._bus.journal.entries(since_ns, limit)]}

    def _set(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments, 'supply_v', 'temperature_c', 'pose', 'ids', 'id', 'register',
                    'value')
        servos = self._servos(arguments.get('ids'))
        if 'supply_v' in arguments:
            self._bus.plant.supply_v = _number('supply_v', arguments['supply_v'], 0, 25)
        if 'temperature_c' in arguments:
            temperature_c = _number('temperature_c', arguments['temperature_c'], -40, 250)
            for servo in servos:
                servo.sensors.temperature_c = temperature_c
        if 'pose' in arguments:
            for servo, angle in zip(self._bus.servos, parse_pose(arguments['pose']),
                                    strict=True):
                servo.place(angle)
        if 'register' in arguments:
            self._set_register(arguments)
        return {}

    def _set_register(self, arguments: Json) -> None:
        name, value = arguments['register'], arguments.get('value')
        register = _REGISTERS.get(name) if isinstance(name, str) else None
        if register is None:
            raise ValueError(f'unknown register {name!r}; known are: {", ".join(_REGISTERS)}')
        if 'id' not in arguments:
            raise ValueError('"id" is missing: give the id of the servo whose register to set')
        for servo in self._servos([arguments['id']]):
            number = _integer('value', value, -65535, 65535)
            servo.set_register(register, number)

    def _power(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments, 'on')
        on = arguments.get('on')
        if not isinstance(on, bool):
            raise ValueError(f'on {on!r}: allowed are true and false')
        self._bus.set_power(on, now_ns)
        return {'powered': on}

    def _unplug(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments)
        self._pull(now_ns)
        return {}

    def _pull(self, now_ns: int) -> None:
        self.drop_replies()
        self._port.unplug()
        self._bus.parser.reset()
        self._bus.journal.record_event(now_ns, 'unplug')

    def _replug(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments)
        self._plug(now_ns)
        return {'port': self._port.path, 'device': self._port.device}

    def _plug(self, now_ns: int) -> None:
        self._port.plug()
        self._bus.journal.record_event(now_ns, f'replug {self._port.device}')

    def _chain(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments, 'joints')
        names = [servo.spec.name for servo in self._bus.servos]
        joints = arguments.get('joints', names)
        if not isinstance(joints, list) or not all(name in names for name in joints):
            raise ValueError(f'joints {joints!r}: allowed is a list of {", ".join(names)}')
        self._bus.connect(joints, now_ns)
        return {'joints': joints}

    def _quit(self, arguments: Json, now_ns: int) -> Json:
        _allow_only(arguments)
        self.wants_quit = True
        return {}

    def _servos(self, ids: object) -> list[Servo]:
        servos = self._bus.servos
        if ids is None:
            return servos
        known = [servo.servo_id for servo in servos]
        if not isinstance(ids, list) or not ids or not all(i in known for i in ids):
            raise ValueError(f'ids {ids!r}: allowed is a list of {known}')
        return [servo for servo in servos if servo.servo_id in ids]


def _plain(entry: Entry) -> list[object]:
    time_ns, kind, data = entry
    return [time_ns, kind, data.hex() if isinstance(data, bytes) else data]


def _refusal(text: str) -> Json:
    return {'ok': False, 'error': text}


def _allow_only(arguments: Json, *allowed: str) -> None:
    for key in arguments:
        if key not in allowed:
            known = ', '.join(allowed) or 'none'
            raise ValueError(f'unknown argument {key!r}; known are: {known}')


def _number(name: str, value: object, low: float, high: float) -> float:
    if (not isinstance(value, (int, float)) or isinstance(value, bool)
            or not math.isfinite(value) or not low <= value <= high):
        raise ValueError(f'{name} {value!r}: allowed are {low:g} to {high:g}')
    return float(value)


def _integer(name: str, value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f'{name} {value!r}: allowed are whole numbers from {low} to {high}')
    return value
