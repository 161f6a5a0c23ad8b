# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The SO-101 arm: bring-up checks, one measurement, one command, torque on, torque off.

Not thread-safe: one thread owns the arm. A method blocks only as long as the servos need to
answer, and moves the arm only if its docstring says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import logging
import math
import statistics

import numpy as np

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusError, BusTimeout, ConfigurationError, ServoFault
from reflex_ros.hardware import arming, codec
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import ArmBuild, FOLLOWER, Supply
from reflex_ros.hardware.bring_up import (
    find_servos,
    identify,
    protect,
    read_configuration,
    ServoInfo,
)
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import (
    doubts,
    from_range,
    JointCalibration,
    with_trim,
    WRONG_TICKS,
)
from reflex_ros.hardware.clock import Clock
from reflex_ros.hardware.feedback import FeedbackArrays
from reflex_ros.hardware.goal_gate import GoalBounds, GoalGate
from reflex_ros.hardware.so101 import SO101_JOINTS
from reflex_ros.hardware.written_goals import (
    Deviation,
    GOAL_ACCELERATION,
    GOAL_SPEED,
    WrittenGoals,
)

_log = logging.getLogger(__name__)

SERVO_IDS = tuple(joint.servo_id for joint in SO101_JOINTS)
CALIBRATED = (reg.HOMING_OFFSET, reg.MIN_POSITION_LIMIT, reg.MAX_POSITION_LIMIT)
"""The registers that hold the calibration of a joint."""
MEASURED_CYCLES = 15
PATIENCE = 3
"""A measurement is requested again after ``PATIENCE`` times 5 ms of silence, so that a machine
that is busy for a moment still receives the replies to the first request."""


class So101Arm:
    """
    Six STS3215 servos on one bus.

    :param bus: open; closed by ``close``.
    :param reference: calibration that the servos must agree with; None accepts the servos' own.
    :param build: build of the arm: follower or leader.
    :param trim: added to the angles of some joints, by name [rad].
    :param accepts_range: whether calibrated ranges that differ from other arms are accepted.
    """

    def __init__(self, bus: Bus, reference: Sequence[JointCalibration] | None = None, *,
                 build: ArmBuild = FOLLOWER, trim: Mapping[str, float] | None = None,
                 accepts_range: bool = False) -> None:
        self.bus = bus
        self._accepts_range = accepts_range
        self.build = build
        self._trim = dict(trim or {})
        self._reference = tuple(reference) if reference else None
        self.servos: tuple[ServoInfo, ...] = ()
        self.calibration: tuple[JointCalibration, ...] = ()
        self._zero = np.zeros(len(SERVO_IDS))
        self._scale = np.ones(len(SERVO_IDS))
        self._torque_per_load = np.ones(len(SERVO_IDS))
        self._speed_unit = np.ones(len(SERVO_IDS))
        self._lowest_v = self._highest_v = np.zeros(len(SERVO_IDS))
        self._written = WrittenGoals()
        self._configuration: list[bytes] = []
        self._control: list[bytes] = []
        self._gate: GoalGate | None = None
        self._position = np.full(len(SERVO_IDS), math.nan)
        # Whether damaged bytes came in every failed measurement since the last good one.
        self._is_noisy = False
        self.cycle_s = 0.0
        """Duration of one measurement on this bus [s]; known after ``bring_up``."""
        self.has_torque: bool | None = None
        """Whether all joints were under torque when last measured; None when that is unknown."""
        self.holds = False
        """Whether any joint was under torque when last measured."""

    def bring_up(self) -> None:
        """
        Check that this is a calibrated SO-101 that may be driven; write no goal, move nothing.

        Protection registers that are laxer than the build asks for are set until the servo loses
        power: the EEPROM is locked first. Blocks for about half a second.

        :raises BusTimeout: naming the servos that do not answer.
        :raises ConfigurationError: for a wrong model, mode, phase or calibration.
        :raises ServoFault: for a supply voltage that forbids driving, or a register that does not
            hold the written value.
        """
        self.bus.detect_echo(SERVO_IDS[0])
        find_servos(self.bus)
        blocks = [read_configuration(self.bus, servo_id) for servo_id in SERVO_IDS]
        self.servos = tuple(map(identify, SO101_JOINTS, blocks))
        if len({servo.firmware for servo in self.servos}) > 1:
            _log.warning('port %s: the servos have different firmware: %s', self.bus.port.name,
                         ', '.join(f'{own.servo_id}: {own.firmware}' for own in self.servos))
        self.calibration = tuple(
            from_range(index, reg.MIN_POSITION_LIMIT.decode_in(block),
                       reg.MAX_POSITION_LIMIT.decode_in(block), reg.HOMING_OFFSET.decode_in(block))
            for index, block in enumerate(blocks))
        # A margin for floating point: a voltage is a count times 0.1.
        self._lowest_v = np.array([servo.supply.allowed[0] for servo in self.servos]) - 0.01
        self._highest_v = np.array([servo.supply.allowed[1] for servo in self.servos]) + 0.01
        self._compare_with_reference()
        self._check_travel()
        self.calibration = with_trim(self.calibration, self._trim)
        self._zero = np.array([own.zero_ticks for own in self.calibration])
        self._scale = np.array([own.rad_per_tick for own in self.calibration])
        self._torque_per_load = np.array([
            self.build.stall_torque(index, servo.supply) / 1000.0
            for index, servo in enumerate(self.servos)])
        # Phase bit 2: whether the speed registers count 1 or 50 ticks per second.
        self._speed_unit = np.array(
            [1.0 if reg.PHASE.decode_in(block) & 0b100 else 50.0 for block in blocks])
        self._configuration = [protect(self.bus, self.build, index, block)
                               for index, block in enumerate(blocks)]
        self._written = WrittenGoals(
            speeds=[int(GOAL_SPEED / unit) for unit in self._speed_unit],
            torque_limits=[min(reg.MAX_TORQUE.decode_in(block), most) for block, most in zip(
                blocks, self.build.torque_limits, strict=True)])
        self._measure_cycle()
        self._check_supply(self.read())

    @property
    def max_rate_hz(self) -> float:
        """Highest rate of a measurement and a command on this bus [1/s]; after ``bring_up``."""
        goals = codec.OVERHEAD + 2 + len(SERVO_IDS) * (1 + reg.GOAL_POSITION.size)
        block = codec.OVERHEAD + reg.CYCLE_BLOCK[1]
        # Goals get no reply, but they occupy the line.
        return 1.0 / (self.cycle_s * (1.0 + goals / (len(SERVO_IDS) * block)))

    def read(self, *, retries: int = 2) -> JointSample:
        """
        Measure all joints in one exchange, and read their control registers with it.

        :raises BusTimeout: when a servo does not answer.
        """
        address, length = reg.CYCLE_BLOCK
        before = self.bus.counters.corrupted
        try:
            answers = self.bus.sync_read(SERVO_IDS, address, length, retries=retries,
                                         patience=PATIENCE)
        except BusTimeout:
            self._is_noisy &= self.bus.counters.corrupted > before
            raise
        self._is_noisy = True
        taken_at = self.bus.clock.monotonic()
        blocks = [answers[servo_id].data for servo_id in SERVO_IDS]
        size = reg.CONTROL_BLOCK[1]
        self._control = [block[:size] for block in blocks]
        under_torque = [block[0] == 1 for block in blocks]
        self.has_torque, self.holds = all(under_torque), any(under_torque)
        raw = FeedbackArrays(b''.join([block[size:] for block in blocks]))
        self._position = (raw.position - self._zero) * self._scale
        return JointSample(
            taken_at=taken_at, position=self._position,
            velocity=raw.speed * self._speed_unit * self._scale,
            effort=raw.load * self._torque_per_load, load=raw.load * 0.001,
            current=raw.current * 0.0065, voltage=raw.voltage * 0.1, temperature=raw.temperature,
            errors=tuple([answers[servo_id].error | status
                          for servo_id, status in zip(SERVO_IDS, raw.status, strict=True)]))

    def command(self, pose: Vector) -> Vector:
        """
        Write a goal for every joint (joints,) [rad], bounded by the ``GoalGate``; joints move.

        :returns: the goals that were written (joints,) [rad].
        :raises ValueError: for a pose that is not finite.
        :raises ServoFault: when the arm was not put under torque by ``arm``, with bounds.
        """
        if self._gate is None:
            raise ServoFault('a goal was not written, because this program has not put the arm '
                             'under torque to move it. Activate the driver first')
        return self._gate.write(pose, self._position)

    def silence_cause(self, exc: BusTimeout) -> Cause:
        """Return the fault that the silent servos of ``exc`` indicate."""
        if self._is_noisy:
            return Cause(FaultCode.BUS_NOISE, f'{exc}, but damaged bytes. Check cables and '
                         'supply, and that no other program uses the port')
        if len(exc.servo_ids) == len(SERVO_IDS):
            return Cause(FaultCode.UNPOWERED,
                         'no servo answers, but the adapter is there. Is the servo supply on?')
        names = ', '.join(joint.name for joint in SO101_JOINTS if joint.servo_id in exc.servo_ids)
        return Cause(FaultCode.SERVO_MISSING,
                     f'{names} does not answer. Check the cable before it')

    def supply_problem(self, sample: JointSample) -> str:
        """Name a servo whose supply voltage is outside its variant's range, or return ''."""
        if ((sample.voltage >= self._lowest_v) & (sample.voltage <= self._highest_v)).all():
            return ''
        for servo, joint, volts in zip(self.servos, SO101_JOINTS, sample.voltage, strict=True):
            low, high = servo.supply.allowed
            if not low <= volts <= high:
                return (f'servo {joint.servo_id} ({joint.name}) has {volts:.1f} V, allowed '
                        f'{low:g} to {high:g} V for the {servo.supply.name} variant. Check the '
                        'servo supply')
        return ''

    def deviation(self) -> Deviation | None:
        """
        Compare the control registers of the last measurement with the written values.

        :returns: the first difference that is not a lost command, or None. Lost torque comes
            before any other: a goal would switch it on again.
        """
        first: Deviation | None = None
        for index, block in enumerate(self._control):
            if self._written.is_held(index, block):
                continue
            found = self._written.check(index, reg.Control.from_block(block))
            if found is not None and found.code is FaultCode.SERVO_REBOOT:
                return found
            first = first or found
        return first

    def confirm(self, deviation: Deviation) -> Deviation | None:
        """
        Read the servo's control registers again: a valid checksum does not make a value right.

        :returns: the deviation, or None when the servo holds the written values after all.
        :raises BusTimeout: when the servo does not answer.
        """
        address, length = reg.CONTROL_BLOCK
        block = self.bus.read_block(SERVO_IDS[deviation.index], address, length)
        return self._written.check(deviation.index, reg.Control.from_block(block))

    def check_configuration(self, index: int) -> Deviation | None:
        """
        Compare one servo's EEPROM registers with their values at bring-up.

        :raises BusTimeout: when the servo does not answer.
        """
        before = self._configuration[index]
        found = read_configuration(self.bus, SERVO_IDS[index])
        if found != before:
            # Read again: a valid checksum does not make a value right.
            found = read_configuration(self.bus, SERVO_IDS[index])
        return None if found == before else self._compare(index, found)

    def calibration_problem(self, index: int) -> str:
        """
        Return how one joint's calibration differs from that at bring-up; mostly empty.

        :raises BusTimeout: when the servo does not answer.
        """
        before, joint = self._configuration[index], SO101_JOINTS[index]
        text = ''
        for _ in range(2):
            # Read again: a valid checksum does not make a value right.
            found = read_configuration(self.bus, joint.servo_id)
            row = next((row for row in CALIBRATED
                        if row.decode_in(found) != row.decode_in(before)), None)
            if row is None:
                return ''
            text = (f'servo {joint.servo_id} ({joint.name}) has {row.decode_in(found)} in '
                    f'{row.name}, at the start it was {row.decode_in(before)}: another program '
                    'wrote it. Calibrate again, or start the driver again if that was meant')
        return text

    def unfitness(self, sample: JointSample) -> dict[str, str]:
        """Return what speaks against putting the arm under torque, by item of the gate."""
        limp = _limp([reg.Control.from_block(block) for block in self._control])
        found: dict[str, str] = {}
        checks: tuple[tuple[str, Callable[[], None]], ...] = (
                ('servos', lambda: arming.check_errors(sample, self._configuration)),
                ('pose', lambda: arming.check_range(sample, self.calibration)),
                # A joint that holds is looked at too: moving would soon make it too hot.
                ('heat', lambda: arming.check_heat(sample, SERVO_IDS)),
                ('supply', lambda: self._check_supply(sample)),
                ('supply', lambda: arming.check_feed(sample, self._supplies, limp)))
        for name, check in checks:
            try:
                check()
            except ServoFault as exc:
                found.setdefault(name, str(exc))
        return found

    def arm(self, bounds: GoalBounds | None = None) -> Vector:
        """
        Put the joints under torque where they are; return the pose that they hold [rad].

        From now on ``command`` may move the arm, within ``bounds``; without them it may not.

        A joint that is under torque already keeps its goal if the goal is near the measured
        position: a new goal would let a loaded arm sag. For a limp joint the order is: torque
        limit to zero, goal to the measured position, read back, torque on, read back, torque limit
        restored. This order is safe whatever the firmware does with an old goal (SO-101 reference,
        2.7). A joint under torque with torque limit zero counts as limp: a driver that was killed
        in the middle of this order leaves it so. When a step fails, the joints that were limp are
        made limp again.

        :raises ConfigurationError: for a leader, which is moved by hand.
        :raises BusTimeout: when a servo does not answer.
        :raises ServoFault: when a servo does not hold the written values, has other settings than
            at bring-up, is too warm, or a joint is outside its calibrated range.
        """
        if not self.build.is_driven:
            raise ConfigurationError(f'a {self.build.name} arm is moved by hand, and never put '
                                     'under torque')
        self._gate = None
        self._check_unchanged()
        sample = self.read()
        told = [reg.Control.from_block(block) for block in self._control]
        limp = _limp(told)
        self._check_supply(sample)
        arming.check_errors(sample, self._configuration)
        arming.check_range(sample, self.calibration)
        arming.check_heat(sample, limp)
        arming.check_feed(sample, self._supplies, limp)
        again = self.read()
        arming.check_still(sample, again)
        goals = arming.goals_to_hold(again, self.calibration, [
            reg.Control.from_block(block).goal for block in self._control], limp)
        limits = dict(zip(SERVO_IDS, self._written.torque_limits, strict=True))
        try:
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_LIMIT, 0)
            for servo_id, cap, own in zip(SERVO_IDS, self._written.speeds, told, strict=True):
                self.bus.write(servo_id, reg.ACCELERATION, GOAL_ACCELERATION)
                self.bus.write(servo_id, reg.GOAL_SPEED, cap)
                if servo_id not in limp and own.torque_limit != limits[servo_id]:
                    self.bus.write(servo_id, reg.TORQUE_LIMIT, limits[servo_id])
            ticks = [min(max(goal, own.lower_ticks), own.upper_ticks) for goal, own in zip(
                goals, self.calibration, strict=True)]
            self._written.clear()
            # Not through the gate: joints that were limp take the pose in which they are.
            self._write_goals(ticks)
            self._verify(reg.GOAL_POSITION, ticks)
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_ENABLE, 1)
            self._verify(reg.TORQUE_ENABLE, [1] * len(SERVO_IDS))
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_LIMIT, limits[servo_id])
            self._verify(reg.TORQUE_LIMIT, self._written.torque_limits)
        except Exception:
            self._make_limp(limp, limits)
            raise
        self.has_torque = True
        held = (np.array(ticks) - self._zero) * self._scale
        if bounds is not None:
            self._gate = GoalGate(bounds, held,
                                  lambda goals: self._write_goals(self._to_ticks(goals)))
        return held

    def torque_off(self) -> None:
        """
        Switch the torque of every joint off, also when servos report faults.

        The arm falls unless it is in its rest pose.

        :raises ServoFault: naming the servos that keep their torque after three tries.
        """
        self._gate = None
        stuck = list(SERVO_IDS)
        for _ in range(3):
            stuck = [servo_id for servo_id in stuck if not self._release(servo_id)]
            if not stuck:
                self.has_torque = False
                return
        raise ServoFault(f'servo {", ".join(map(str, stuck))} keeps its torque. Support the arm, '
                         'and switch the servo supply off', stuck[0])

    def close(self) -> None:
        """Close the port; torque stays as it is. May be called twice, and from another thread."""
        self.bus.close()

    @property
    def clock(self) -> Clock:
        """The clock of the bus."""
        return self.bus.clock

    @property
    def damaged(self) -> int:
        """Number of exchanges with damaged bytes so far."""
        return self.bus.counters.damaged

    @property
    def _supplies(self) -> list[Supply]:
        return [servo.supply for servo in self.servos]

    def _release(self, servo_id: int) -> bool:
        # A sync write needs no acknowledgement, so it also reaches a servo that is set not to
        # answer writes.
        self.bus.sync_write(reg.TORQUE_ENABLE, {servo_id: 0})
        try:
            return self.bus.read(servo_id, reg.TORQUE_ENABLE) == 0
        except BusTimeout:
            return False

    def _make_limp(self, servo_ids: Sequence[int], limits: Mapping[int, int]) -> None:
        """Switch torque off and restore the limits, servo by servo; go on when one fails."""
        for servo_id in servo_ids:
            try:
                self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
                self.bus.write(servo_id, reg.TORQUE_LIMIT, limits[servo_id])
            except BusError as exc:
                _log.warning('the torque of servo %d was not switched off again: %s', servo_id,
                             exc)

    def _measure_cycle(self) -> None:
        durations = []
        for _ in range(MEASURED_CYCLES):
            began = self.bus.clock.monotonic()
            self.read()
            durations.append(self.bus.clock.monotonic() - began)
        # The median, because the machine may be busy during single measurements.
        self.cycle_s = statistics.median(durations)

    def _compare(self, index: int, found: bytes) -> Deviation:
        before = self._configuration[index]
        row = next(row for row in reg.REGISTERS
                   if row.is_eeprom and row.decode_in(found) != row.decode_in(before))
        return Deviation(index, FaultCode.CALIBRATION,
                         f'its {row.name} is {row.decode_in(found)}, it was '
                         f'{row.decode_in(before)}. Did another program write it?')

    def _check_unchanged(self) -> None:
        for index, joint in enumerate(SO101_JOINTS):
            block = read_configuration(self.bus, joint.servo_id)
            if block != self._configuration[index]:
                # Protection registers that were set at bring-up are lost when a servo loses power.
                block = protect(self.bus, self.build, index, block)
            if block != self._configuration[index]:
                text = self._compare(index, block).text
                raise ServoFault(f'servo {joint.servo_id} ({joint.name}): {text} Configure this '
                                 'driver again', joint.servo_id)

    def _compare_with_reference(self) -> None:
        if self._reference is None:
            return
        for joint, wanted, found in zip(SO101_JOINTS, self._reference, self.calibration,
                                        strict=True):
            if not wanted.agrees_with(found):
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) holds the calibration '
                    f'{found.lower_ticks}..{found.upper_ticks}, offset {found.offset_ticks}; the '
                    f'file says {wanted.lower_ticks}..{wanted.upper_ticks}, offset '
                    f'{wanted.offset_ticks}. Use the right file, or calibrate again')

    def _check_travel(self) -> None:
        wrong = doubts(self.calibration, WRONG_TICKS) if self.build.is_driven else []
        if wrong and not self._accepts_range:
            raise ConfigurationError(
                f'the calibration in the servos is doubtful: {"; ".join(wrong)} If not, all '
                'angles are wrong. Calibrate again (`reflex so101 calibrate`), or accept it: the '
                "parameter 'accept_range' of so101, --accept-range")
        for doubt in doubts(self.calibration) if self.build.is_driven else ():
            _log.warning('port %s: %s', self.bus.port.name, doubt)

    def _check_supply(self, sample: JointSample) -> None:
        problem = self.supply_problem(sample)
        if problem:
            raise ServoFault(problem)

    def _to_ticks(self, pose: Vector) -> list[int]:
        if not np.isfinite(pose).all():
            raise ValueError(f'pose {pose}: expected finite angles')
        ticks: list[int] = np.rint(pose / self._scale + self._zero).astype(int).tolist()
        return ticks

    def _write_goals(self, ticks: Sequence[int]) -> None:
        self.bus.sync_write(reg.GOAL_POSITION, dict(zip(SERVO_IDS, ticks, strict=True)))
        self._written.record_goals(ticks)

    def _read_all(self, register: reg.Register) -> list[int]:
        answers = self.bus.sync_read(SERVO_IDS, register.address, register.size)
        return [register.decode(answers[servo_id].data) for servo_id in SERVO_IDS]

    def _verify(self, register: reg.Register, values: Sequence[int]) -> None:
        found = self._read_all(register)
        for joint, wanted, value in zip(SO101_JOINTS, values, found, strict=True):
            if wanted != value:
                raise ServoFault(f'servo {joint.servo_id} ({joint.name}) holds {value} in '
                                 f'{register.name}, {wanted} was written', joint.servo_id)


def _limp(control: Sequence[reg.Control]) -> list[int]:
    """Return the ids of the servos without torque."""
    return [servo_id for servo_id, own in zip(SERVO_IDS, control, strict=True)
            if own.torque != 1 or own.torque_limit == 0]
