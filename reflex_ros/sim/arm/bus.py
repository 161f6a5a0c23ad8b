# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The half-duplex line: bytes and their time in, replies and their due times out (sans-I/O).

Timing: ten bits per byte at the line's baud; each reply after its own turnaround; the replies to
a sync read back to back in list order. A request waits until the line is free.
"""

from __future__ import annotations

from collections.abc import Collection
import random
from typing import NamedTuple

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
from reflex_ros.sim.arm.instructions import is_readable, perform
from reflex_ros.sim.arm.joints import JOINTS, POSES
from reflex_ros.sim.arm.journal import Journal
from reflex_ros.sim.arm.plant import Plant
from reflex_ros.sim.arm.replies import ReplyPath
from reflex_ros.sim.arm.servo import Servo
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.usb import Delivery, hand_over

_RETURN_DELAY = 7
_DEFAULT_BAUD = 1_000_000


class Slot(NamedTuple):
    """One reply in the order of the line; `frame` None is the gap of a servo that is missing."""

    servo_id: int
    frame: bytes | None
    length: int
    turnaround_ns: int


class ArmBus:
    """
    Six servos on one line, with what can go wrong on it.

    :param now_ns: the instant at which the arm's life begins.
    """

    def __init__(self, settings: Settings, now_ns: int = 0) -> None:
        self.settings = settings
        self.journal = Journal(tuple(spec.name for spec in JOINTS))
        pose = settings.pose or POSES['rest']
        self.servos = [Servo(spec, settings, angle, self.journal)
                       for spec, angle in zip(JOINTS, pose, strict=True)]
        self.plant = Plant(self.servos, settings.no_load_v, now_ns)
        self.faults = FaultSet()
        # The host's pauses are real, whatever the speed of the simulation.
        self.parser = InstructionParser(round(SILENCE_NS * max(settings.speed, 1.0)))
        self._rng = random.Random(settings.seed)
        self._path = ReplyPath(self._rng)
        self._turnaround_ns = 0 if settings.fast else round(settings.turnaround_us * 1000)
        self._line_free_ns = 0
        self.set_baud(_DEFAULT_BAUD)
        self.mark(now_ns)

    # Line
    def set_baud(self, baud: int) -> None:
        """Take over the speed that the host has set; servos at another one hear nothing."""
        self.baud = baud
        self._byte_ns = 0 if self.settings.fast or not baud else round(10e9 / baud)

    def receive(self, data: bytes, now_ns: int) -> list[Delivery]:
        """Take bytes from the host and return what it will get back, and when."""
        self.journal.bus.bytes_in += len(data)
        deliveries: list[Delivery] = []
        instructions = self.parser.feed(data, now_ns)
        if self.parser.skipped:
            self.journal.noise(now_ns, self.parser.take_skipped())
        for instruction in instructions:
            heard_ns = max(now_ns, self._line_free_ns) + len(instruction.frame) * self._byte_ns
            self.journal.request(heard_ns, instruction.frame)
            self.advance(heard_ns)
            if self.faults.on_line('echo'):
                deliveries.append(Delivery(heard_ns, instruction.frame))
            deliveries += self._send(self._execute(instruction, heard_ns), heard_ns)
        return deliveries

    def advance(self, now_ns: int) -> None:
        """Let time pass for joints and faults."""
        begun, ended = self.faults.due(now_ns)
        for fault in begun:
            self._begin(fault, now_ns)
        if ended:
            self._faults_changed(ended, now_ns)
        self.plant.advance(now_ns)

    def mark(self, now_ns: int) -> None:
        """Start all figures anew."""
        self.advance(now_ns)
        self.journal.mark(now_ns)
        for servo in self.servos:
            servo.motion.mark()

    def _send(self, slots: list[Slot], now_ns: int) -> list[Delivery]:
        """Put replies on the line one after the other and return what reaches the host."""
        deliveries: list[Delivery] = []
        active = self.faults.active
        for slot in slots:
            late_ns = self._path.turnaround_ns(slot.servo_id, active) if active else 0
            now_ns += slot.turnaround_ns + late_ns + slot.length * self._byte_ns
            if slot.frame is None:
                continue
            for delay_ns, data in self._path.shape(slot.servo_id, slot.frame, active):
                if data:
                    deliveries.append(Delivery(now_ns + delay_ns, data))
        self._line_free_ns = now_ns
        return deliveries if self.settings.fast else hand_over(deliveries, self.settings.usb)

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
            # An acknowledge still comes from the id that was addressed, at its old level.
            own_id, level = servo.servo_id, servo.response_level
            if not broadcast and own_id != servo_id:
                continue
            payload = perform(servo, code, params, now_ns, self.settings.boot_s)
            answered = code == Code.PING or (
                not broadcast and (level > 0 or code == Code.READ))
            if payload is not None and answered:
                slots.append(self._slot(servo, own_id, payload))
        # A broadcast PING is answered in the order of the ids, whatever that of the chain.
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
        # Nobody waits for gaps at the end of the list.
        while slots and slots[-1].frame is None:
            slots.pop()
        return slots

    def _listening(self, now_ns: int) -> list[Servo]:
        """Return the servos that hear this request, in the order of the chain."""
        servos = [s for s in self.servos if s.answers(now_ns, self.baud)]
        cut, loss = self.faults.on_line('chain_cut'), self.faults.on_line('request_loss')
        if cut is not None:
            servos = [s for s in servos if s.servo_id < cut.params['id']]
        if loss is not None and self._rng.random() < loss.probability:
            servos = [s for s in servos if not loss.concerns(s.servo_id)]
        return servos

    def _slot(self, servo: Servo, servo_id: int, payload: bytes) -> Slot:
        own_ns = 0 if self.settings.fast else servo.memory.live[_RETURN_DELAY] * 2000
        frame = None
        if self.faults.on_line('bus_silent') is None:
            frame = status_frame(servo_id, servo.error_bits, payload)
        return Slot(servo_id, frame, len(payload) + 6, self._turnaround_ns + own_ns)

    # Faults and power
    def add_fault(self, fault: Fault, now_ns: int) -> None:
        """Switch a fault on, or do it, as soon as its time has come."""
        self.advance(now_ns)
        if fault.start_ns > now_ns:
            self.faults.plan(fault)
        else:
            self._begin(fault, now_ns)

    def _begin(self, fault: Fault, now_ns: int) -> None:
        self.journal.event(now_ns, f'fault {fault.name} on')
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
        """Switch all faults off, or those of one name, and return how many."""
        self.advance(now_ns)
        gone = self.faults.clear(name)
        self._faults_changed(gone, now_ns)
        return len(gone)

    def connect(self, names: Collection[str], now_ns: int) -> None:
        """Plug the servos of these joints into the chain, and all others out; new ones start."""
        self.advance(now_ns)
        for servo in self.servos:
            is_in = servo.spec.name in names
            if is_in != servo.is_connected:
                servo.is_connected = is_in
                is_powered = is_in and self.plant.is_powered
                servo.power_cycle(now_ns, self.settings.boot_s if is_powered else None)
        self.journal.event(now_ns, f'chain {" ".join(names) or "empty"}')

    def set_power(self, on: bool, now_ns: int) -> None:
        """Switch the motor supply; whatever was in SRAM is gone when it is back."""
        self.advance(now_ns)
        if on == self.plant.is_powered:
            return
        self.plant.switch(on)
        self.parser.reset()
        for servo in self.servos:
            is_powered = on and servo.is_connected
            servo.power_cycle(now_ns, self.settings.boot_s if is_powered else None)
        self.journal.event(now_ns, f'power {"on" if on else "off"}')

    def _faults_changed(self, changed: list[Fault], now_ns: int) -> None:
        """Work out anew what is wrong with each servo and the supply."""
        active = self.faults.active
        for fault in changed:
            if fault not in active:
                self.journal.event(now_ns, f'fault {fault.name} off')
            if fault.name == 'power_loss':
                self.set_power(self.faults.on_line('power_loss') is None, now_ns)
        sag = self.faults.on_line('sag')
        self.plant.sag_v = sag.params['volts'] if sag is not None else 0.0
        self.plant.extra_ohm = sag.params['ohm'] if sag is not None else 0.0
        for servo in self.servos:
            servo.disturb(Disturbance.of(active, servo.servo_id))


def _sync_write(params: bytes, listening: list[Servo], now_ns: int) -> None:
    """Write one row per servo; a length that does not fit is ignored as a whole."""
    if len(params) < 2 or not params[1] or (len(params) - 2) % (params[1] + 1):
        return
    address, width, by_id = params[0], params[1] + 1, _by_id(listening)
    for at in range(2, len(params), width):
        for servo in by_id.get(params[at], ()):
            servo.write(address, params[at + 1:at + width], now_ns)


def _by_id(servos: list[Servo]) -> dict[int, list[Servo]]:
    """Return the servos under their ids, of which two may be equal."""
    found: dict[int, list[Servo]] = {}
    for servo in servos:
        found.setdefault(servo.servo_id, []).append(servo)
    return found


def _collide(slots: list[Slot]) -> list[Slot]:
    """Merge what servos of the same id say at the same time: a low bit wins on the line."""
    frames = [slot.frame for slot in slots if slot.frame is not None]
    if len(frames) < 2:
        return slots[:1]
    merged = bytearray(max(frames, key=len))
    for frame in frames:
        for k, byte in enumerate(frame):
            merged[k] &= byte
    return [slots[0]._replace(frame=bytes(merged), length=len(merged))]
