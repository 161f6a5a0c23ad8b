# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The half-duplex line: requests with their time in, replies with their due times out (sans-I/O).

Timing: a byte takes ten bits at the line's baud rate; each servo waits for its turnaround before
it replies; replies to a sync read follow each other in the order of the list. A request waits
until the line is free.
"""

from __future__ import annotations

from collections.abc import Collection
import random
from typing import NamedTuple

from reflex_ros.sim.arm import hand
from reflex_ros.sim.arm.disturbance import Disturbance
from reflex_ros.sim.arm.fault_set import FaultSet
from reflex_ros.sim.arm.faults import Fault
from reflex_ros.sim.arm.framing import (
    BROADCAST_ID,
    Code,
    Instruction,
    InstructionParser,
    SILENCE_NS,
    status_frame,
)
from reflex_ros.sim.arm.instructions import execute, is_readable
from reflex_ros.sim.arm.joints import JOINTS, POSES
from reflex_ros.sim.arm.journal import Journal
from reflex_ros.sim.arm.plant import Plant
from reflex_ros.sim.arm.replies import ReplyPath
from reflex_ros.sim.arm.servo import Servo
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.usb import Delivery, schedule

_RETURN_DELAY = 7
_DEFAULT_BAUD = 1_000_000


class Slot(NamedTuple):
    """One reply on the line; `frame` is None for the gap that a missing servo leaves."""

    servo_id: int
    frame: bytes | None
    length: int
    turnaround_ns: int


class ArmBus:
    """
    Six servos on one line, and the faults of this line.

    :param now_ns: time at which the simulation begins.
    """

    def __init__(self, settings: Settings, now_ns: int = 0) -> None:
        self.settings = settings
        self._began_ns = now_ns
        self.journal = Journal(tuple(spec.name for spec in JOINTS))
        pose = settings.pose or POSES['rest']
        self.servos = [Servo(spec, settings, angle, self.journal)
                       for spec, angle in zip(JOINTS, pose, strict=True)]
        self.plant = Plant(self.servos, settings.no_load_v, now_ns)
        self.faults = FaultSet()
        # The client pauses in real time, so the silence is longer in fast simulated time.
        self.parser = InstructionParser(round(SILENCE_NS * max(settings.speed, 1.0)))
        self._rng = random.Random(settings.seed)
        self._path = ReplyPath(self._rng)
        self._turnaround_ns = 0 if settings.fast else round(settings.turnaround_us * 1000)
        self._line_free_ns = 0
        self.set_baud(_DEFAULT_BAUD)
        self.mark(now_ns)

    # Line
    def set_baud(self, baud: int) -> None:
        """Set the line's baud rate; servos at another baud rate receive nothing."""
        self.baud = baud
        self._byte_ns = 0 if self.settings.fast or not baud else round(10e9 / baud)

    def receive(self, data: bytes, now_ns: int) -> list[Delivery]:
        """Process bytes from the client; return the replies with their due times."""
        self.journal.bus.bytes_in += len(data)
        deliveries: list[Delivery] = []
        instructions = self.parser.parse(data, now_ns)
        if self.parser.skipped:
            self.journal.record_noise(now_ns, self.parser.pop_skipped())
        for instruction in instructions:
            heard_ns = max(now_ns, self._line_free_ns) + len(instruction.frame) * self._byte_ns
            self.journal.record_request(heard_ns, instruction.frame)
            self.advance(heard_ns)
            if self.faults.find('echo'):
                deliveries.append(Delivery(heard_ns, instruction.frame))
            deliveries += self._send(self._execute(instruction, heard_ns), heard_ns)
        return deliveries

    def advance(self, now_ns: int) -> None:
        """Advance joints and faults to `now_ns`."""
        begun, ended = self.faults.pop_due(now_ns)
        for fault in begun:
            self._begin(fault, now_ns)
        if ended:
            self._faults_changed(ended, now_ns)
        self.plant.advance(now_ns)
        if self.settings.hand:
            for servo, angle in zip(self.servos, hand.pose((now_ns - self._began_ns) / 1e9),
                                    strict=True):
                servo.place(angle)

    def mark(self, now_ns: int) -> None:
        """Reset all figures."""
        self.advance(now_ns)
        self.journal.mark(now_ns)
        for servo in self.servos:
            servo.motion.mark()

    def _send(self, slots: list[Slot], now_ns: int) -> list[Delivery]:
        """Put replies on the line one after the other; return what reaches the client."""
        deliveries: list[Delivery] = []
        active = self.faults.active
        for slot in slots:
            late_ns = self._path.turnaround_ns(slot.servo_id, active) if active else 0
            now_ns += slot.turnaround_ns + late_ns + slot.length * self._byte_ns
            if slot.frame is None:
                continue
            for delay_ns, data in self._path.distort(slot.servo_id, slot.frame, active):
                if data:
                    deliveries.append(Delivery(now_ns + delay_ns, data))
        self._line_free_ns = now_ns
        return deliveries if self.settings.fast else schedule(deliveries, self.settings.usb)

    # Instructions
    def _execute(self, instruction: Instruction, now_ns: int) -> list[Slot]:
        servo_id, code, params, _ = instruction
        listening = self._listening(now_ns)
        broadcast = servo_id == BROADCAST_ID
        if code == Code.SYNC_READ:
            return self._sync_read(params, listening, now_ns) if broadcast else []
        if code == Code.SYNC_WRITE:
            if broadcast:
                _sync_write(params, listening, now_ns)
            return []
        slots: list[Slot] = []
        for servo in listening:
            # A write of the id or the response level is acknowledged with the old values.
            own_id, level = servo.servo_id, servo.response_level
            if not broadcast and own_id != servo_id:
                continue
            payload = execute(servo, code, params, now_ns, self.settings.boot_s)
            answered = code == Code.PING or (
                not broadcast and (level > 0 or code == Code.READ))
            if payload is not None and answered:
                slots.append(self._slot(servo, own_id, payload))
        # Servos answer a broadcast PING in the order of their ids, not of the chain.
        ids = sorted({slot.servo_id for slot in slots})
        return [slot for servo_id in ids
                for slot in _collide([s for s in slots if s.servo_id == servo_id])]

    def _sync_read(self, params: bytes, listening: list[Servo], now_ns: int) -> list[Slot]:
        if not is_readable(params):
            return []
        address, count = params[0], params[1]
        slots: list[Slot] = []
        by_id = _by_id(listening)
        for servo_id in params[2:]:
            servos = by_id.get(servo_id)
            if servos:
                slots += _collide([self._slot(s, servo_id, s.read(address, count, now_ns))
                                   for s in servos])
            elif self.settings.chain_stops:
                break
            else:
                slots.append(Slot(servo_id, None, count + 6, self._turnaround_ns))
        # Gaps at the end of the list take no time.
        while slots and slots[-1].frame is None:
            slots.pop()
        return slots

    def _listening(self, now_ns: int) -> list[Servo]:
        """Return the servos that receive this request, in the order of the chain."""
        servos = [s for s in self.servos if s.answers(now_ns, self.baud)]
        cut, loss = self.faults.find('chain_cut'), self.faults.find('request_loss')
        if cut is not None:
            servos = [s for s in servos if s.servo_id < cut.params['id']]
        if loss is not None and self._rng.random() < loss.probability:
            servos = [s for s in servos if not loss.concerns(s.servo_id)]
        return servos

    def _slot(self, servo: Servo, servo_id: int, payload: bytes) -> Slot:
        own_ns = 0 if self.settings.fast else servo.memory.live[_RETURN_DELAY] * 2000
        frame = None
        if self.faults.find('bus_silent') is None:
            frame = status_frame(servo_id, servo.error_bits, payload)
        return Slot(servo_id, frame, len(payload) + 6, self._turnaround_ns + own_ns)

    # Faults and power
    def add_fault(self, fault: Fault, now_ns: int) -> None:
        """Start a fault, now or at its start time."""
        self.advance(now_ns)
        if fault.start_ns > now_ns:
            self.faults.plan(fault)
        else:
            self._begin(fault, now_ns)

    def _begin(self, fault: Fault, now_ns: int) -> None:
        self.journal.record_event(now_ns, f'fault {fault.name} on')
        if fault.layer != 'once':
            self.faults.add(fault)
            self._faults_changed([fault], now_ns)
            return
        for servo in self.servos:
            if not fault.concerns(servo.servo_id):
                continue
            if fault.name == 'reboot':
                servo.power_cycle(now_ns, self.settings.boot_s)
            elif fault.name == 'offset_changed':
                servo.shift_offset(int(fault.params['ticks']))
            else:
                servo.drop_torque(now_ns)

    def clear_faults(self, now_ns: int, name: str | None = None) -> int:
        """Switch all faults off, or those with one name; return their number."""
        self.advance(now_ns)
        gone = self.faults.clear(name)
        self._faults_changed(gone, now_ns)
        return len(gone)

    def connect(self, names: Collection[str], now_ns: int) -> None:
        """
        Connect the servos of these joints to the chain, and disconnect all others.

        A servo that was not connected before starts with its power-on registers.
        """
        self.advance(now_ns)
        for servo in self.servos:
            is_in = servo.spec.name in names
            if is_in != servo.is_connected:
                servo.is_connected = is_in
                is_powered = is_in and self.plant.is_powered
                servo.power_cycle(now_ns, self.settings.boot_s if is_powered else None)
        self.journal.record_event(now_ns, f'chain {" ".join(names) or "empty"}')

    def set_power(self, on: bool, now_ns: int) -> None:
        """Switch the motor supply; servos lose their SRAM registers with it."""
        self.advance(now_ns)
        if on == self.plant.is_powered:
            return
        self.plant.switch(on)
        self.parser.reset()
        for servo in self.servos:
            is_powered = on and servo.is_connected
            servo.power_cycle(now_ns, self.settings.boot_s if is_powered else None)
        self.journal.record_event(now_ns, f'power {"on" if on else "off"}')

    def _faults_changed(self, changed: list[Fault], now_ns: int) -> None:
        """Apply the active faults to the servos and the supply again."""
        active = self.faults.active
        for fault in changed:
            if fault not in active:
                self.journal.record_event(now_ns, f'fault {fault.name} off')
            if fault.name == 'power_loss':
                self.set_power(self.faults.find('power_loss') is None, now_ns)
        sag = self.faults.find('sag')
        self.plant.sag_v = sag.params['volts'] if sag is not None else 0.0
        self.plant.extra_ohm = sag.params['ohm'] if sag is not None else 0.0
        for servo in self.servos:
            servo.disturb(Disturbance.of(active, servo.servo_id))


def _sync_write(params: bytes, listening: list[Servo], now_ns: int) -> None:
    """Write one row per servo; ignore the whole request when its length does not fit."""
    if len(params) < 2 or not params[1] or (len(params) - 2) % (params[1] + 1):
        return
    address, width, by_id = params[0], params[1] + 1, _by_id(listening)
    for at in range(2, len(params), width):
        for servo in by_id.get(params[at], ()):
            servo.write(address, params[at + 1:at + width], now_ns)


def _by_id(servos: list[Servo]) -> dict[int, list[Servo]]:
    """Return the servos by id; two servos may have the same id."""
    found: dict[int, list[Servo]] = {}
    for servo in servos:
        found.setdefault(servo.servo_id, []).append(servo)
    return found


def _collide(slots: list[Slot]) -> list[Slot]:
    """Merge the replies of servos with the same id: on the line, a low bit wins."""
    frames = [slot.frame for slot in slots if slot.frame is not None]
    if len(frames) < 2:
        return slots[:1]
    merged = bytearray(max(frames, key=len))
    for frame in frames:
        for k, byte in enumerate(frame):
            merged[k] &= byte
    return [slots[0]._replace(frame=bytes(merged), length=len(merged))]
