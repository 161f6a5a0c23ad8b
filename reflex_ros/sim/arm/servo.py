# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One STS3215: the effects of register writes, torque, goals, trips, power.

Frames and the bus are handled elsewhere: `read` and `write` get addresses and bytes. Times are
CLOCK_MONOTONIC nanoseconds.
"""

from __future__ import annotations

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm import sensors
from reflex_ros.sim.arm.disturbance import Disturbance
from reflex_ros.sim.arm.dynamics import (
    DAMPED_VISCOUS_NM_S,
    FREE_VISCOUS_NM_S,
    MAX_DUTY,
    Motion,
    STEP_NS,
)
from reflex_ros.sim.arm.factory import calibrated, VIRGIN
from reflex_ros.sim.arm.goals import command
from reflex_ros.sim.arm.joints import JointSpec
from reflex_ros.sim.arm.listener import GoalWrite, Listener
from reflex_ros.sim.arm.memory import Memory, swap_words
from reflex_ros.sim.arm.protection import Protection
from reflex_ros.sim.arm.settings import OverloadClears, Settings
from reflex_ros.sim.arm.tuning import POSITION, PWM, SPEED, Tuning

BAUDS = (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)

_ID, _LEVEL, _TORQUE, _GOAL, _SPEED = 5, 8, 40, 42, 46
# Below the first voltage the controller resets, above the second it starts. 4.3 V is known to
# suffice.
_BROWN_OUT_V, _START_V = 3.5, 4.0
_DAMPED, _MIDDLE_HERE = 2, 128
_NEVER_NS = 1 << 62
# Addresses of homing offset and operating mode.
_TORQUE_PROTECTED = frozenset((31, 32, 33))


class Servo:
    """One servo and the joint that it moves."""

    def __init__(self, spec: JointSpec, settings: Settings, position_rad: float,
                 listener: Listener) -> None:
        self.spec = spec
        self._settings = settings
        self._listener = listener
        self.memory = Memory(round(settings.eeprom_read_s * 1e9),
                             round(settings.eeprom_commit_s * 1e9))
        self.memory.set_persistent(reg.MAX_INPUT_VOLTAGE, settings.motor.max_input)
        # RECOVERY restores these values until BACKUP stores others.
        self.memory.backup()
        for register, value in VIRGIN if settings.factory else calibrated(spec):
            self.memory.set_persistent(register, value)
        self.protection = Protection()
        self.disturbance = Disturbance()
        self.motion = Motion(spec, settings, spec.to_ticks(position_rad) + spec.offset_ticks)
        self.sensors = sensors.Sensors(settings, spec.servo_id)
        self.silent_until_ns = 0
        self.is_connected = True
        self._is_browned_out = False
        self._tuning = Tuning.read(self.memory)
        self._pending: tuple[int, bytes] | None = None
        self._stepped_from: int | None = None
        self.power_cycle(0, 0.0)

    @property
    def servo_id(self) -> int:
        """The id that the servo replies to now."""
        forced = self.disturbance.as_id
        return self.memory.live[_ID] if forced is None else forced

    @property
    def response_level(self) -> int:
        """1 when the servo replies to every instruction, 0 when to READ and PING only."""
        return self.disturbance.overlay.get(_LEVEL, self.memory.live[_LEVEL])

    @property
    def torque_on(self) -> bool:
        """Whether the drive holds the joint; in damped mode (2) it does not."""
        return self.memory.live[_TORQUE] == 1

    @property
    def error_bits(self) -> int:
        """The status byte of every reply."""
        return self.protection.bits | self.disturbance.error_bits

    @property
    def position_rad(self) -> float:
        """The true URDF angle [rad], independent of all registers."""
        return self.spec.to_rad(self.motion.angle - self.spec.offset_ticks)

    def present_ticks(self, now_ns: int) -> int:
        """Return the present position [tick] as register 56 holds it."""
        return self.sensors.position(now_ns, self.motion, self._tuning, self.disturbance)

    def answers(self, now_ns: int, baud: int) -> bool:
        """Whether the servo receives requests at this baud rate, and replies."""
        index = self.memory.live[reg.BAUD_INDEX.address]
        if (now_ns < self.silent_until_ns or not self.is_connected or self.disturbance.is_silent
                or index >= len(BAUDS) or BAUDS[index] != baud):
            return False
        loose = self.disturbance.loose_between
        return loose is None or not loose[0] <= self.present_ticks(now_ns) <= loose[1]

    # Instructions
    def read(self, address: int, count: int, now_ns: int) -> bytes:
        """Return the register bytes at `now_ns`."""
        if address < sensors.END and address + count > sensors.FIRST:
            self.sensors.refresh(self.memory.live, now_ns, self.motion, self._tuning,
                                 self.disturbance, self.error_bits)
        data = self.memory.read(address, count, now_ns)
        disturbance = self.disturbance
        if disturbance.overlay:
            data = bytes(disturbance.overlay.get(at, byte)
                         for at, byte in enumerate(data, address))
        return swap_words(address, data) if disturbance.is_big_endian else data

    def write(self, address: int, data: bytes, now_ns: int) -> None:
        """Write register bytes, with all side effects."""
        end = address + len(data)
        if self.disturbance.is_big_endian:
            data = swap_words(address, data)
        torque_before = self.memory.live[_TORQUE]
        goal_before = bytes(self.memory.live[_GOAL:_GOAL + 2])
        is_protected = torque_before == 1 and not self._settings.mode_change_under_torque
        self.memory.write(address, data, now_ns,
                          _TORQUE_PROTECTED if is_protected else frozenset())
        if address < 40 or end > 48:
            mode = self._tuning.mode
            self._tuning = Tuning.read(self.memory)
            if mode != self._tuning.mode:
                # A new mode takes effect with the next goal, not with the goal registers as they
                # are.
                self.motion.release()
        if address <= _TORQUE < end:
            self._write_torque(torque_before, now_ns)
        if address < _GOAL + 2 and end > _GOAL:
            self._write_goal(goal_before, torque_before, now_ns)
        elif address < _SPEED + 2 and end > 41:
            # In speed mode the goal speed is the goal: writing it switches torque on.
            if self._tuning.mode == SPEED and end > _SPEED and not self.torque_on:
                self._switch_on(now_ns)
            if self.torque_on:
                self._command(now_ns)

    def store_pending(self, address: int, data: bytes) -> None:
        """Store a REG WRITE until `execute_pending`."""
        self._pending = (address, data)
        self.memory.set(reg.ASYNC_WRITE_FLAG, 1)

    def execute_pending(self, now_ns: int) -> None:
        """Execute the stored REG WRITE, if there is one."""
        if self._pending is not None:
            address, data = self._pending
            self._pending = None
            self.memory.set(reg.ASYNC_WRITE_FLAG, 0)
            self.write(address, data, now_ns)

    def recover(self) -> None:
        """Restore the stored parameters; torque goes off and the goal is cleared."""
        self.memory.recover()
        self.memory.set(reg.GOAL_POSITION, 0)
        self.memory.set(reg.TORQUE_ENABLE, 0)
        self._commanded = 0
        self._torque_off()
        self._tuning = Tuning.read(self.memory)

    def reset_turns(self) -> None:
        """Reset the count of full turns; only a multi-turn position depends on it."""
        self.sensors.forget_turns(self.motion, self._tuning.direction)

    def calibrate(self, reads: int, now_ns: int) -> None:
        """Change the homing offset so that the present position reads `reads`."""
        offset = self._tuning.offset + self.present_ticks(now_ns) - reads
        wrapped = (offset + 2048) % 4096 - 2048
        # -2048 does not fit into the register; the result is one tick off.
        value = reg.HOMING_OFFSET.encode(max(wrapped, -2047))
        self.memory.write(reg.HOMING_OFFSET.address, value, now_ns)
        self._tuning = Tuning.read(self.memory)

    # Power and faults
    def power_cycle(self, now_ns: int, silent_s: float | None) -> None:
        """Restart with power-on registers after `silent_s`; None leaves the servo off."""
        self._is_browned_out = False
        self.memory.power_cycle(now_ns)
        self.protection.reset()
        self._pending = None
        self._commanded = 0
        self._stepped_from = None
        self.motion.release()
        self.memory.set(reg.GOAL_SPEED, self._settings.power_on_speed)
        self._tuning = Tuning.read(self.memory)
        self.sensors.forget_turns(self.motion, self._tuning.direction)
        self.silent_until_ns = _NEVER_NS if silent_s is None else now_ns + round(silent_s * 1e9)

    def shift_offset(self, ticks: int) -> None:
        """Change the homing offset in the EEPROM, as another program would."""
        offset = (self._tuning.offset + ticks + 2048) % 4096 - 2048
        self.set_register(reg.HOMING_OFFSET, max(offset, -2047))

    def disturb(self, disturbance: Disturbance) -> None:
        """Replace the faults that affect this servo."""
        has_new_wall = disturbance.wall_ticks != self.disturbance.wall_ticks
        self.disturbance = disturbance
        self.memory.is_lock_stuck = disturbance.is_lock_stuck
        self.memory.read_ns = max(round(self._settings.eeprom_read_s * 1e9),
                                  disturbance.eeprom_busy_ns)
        if has_new_wall:
            self.motion.obstruct(*disturbance.walls(
                self.motion.angle, self._tuning.offset, self._tuning.direction))

    def drop_torque(self, now_ns: int) -> None:
        """Switch torque off without a command."""
        self.memory.set(reg.TORQUE_ENABLE, 0)
        self._torque_off()
        self._listener.record_event(now_ns, f'torque {self.spec.name} 0')

    def set_register(self, register: reg.Register, value: int) -> None:
        """
        Set a register directly, also a read-only or EEPROM register.

        :raises ValueError: when the value does not fit.
        """
        self.memory.set_persistent(register, value)
        self._tuning = Tuning.read(self.memory)

    def place(self, position_rad: float) -> None:
        """Put the joint at a URDF angle [rad], at rest, and drop its goals."""
        self.motion.place(self.spec.to_ticks(position_rad) + self.spec.offset_ticks)

    def advance(self, start_ns: int, steps: int, gravity_nm: float, voltage: float) -> None:
        """Simulate `steps` milliseconds with a load and a supply, then update the protection."""
        motion, tuning, disturbance = self.motion, self._tuning, self.disturbance
        torque = self.memory.live[_TORQUE]
        motion.enabled = torque == 1
        motion.free_viscous = DAMPED_VISCOUS_NM_S if torque == _DAMPED else FREE_VISCOUS_NM_S
        motion.locked = disturbance.is_jammed
        motion.load_nm = gravity_nm + disturbance.external_nm
        motion.voltage = voltage
        motion.duty_per_tick, motion.dead_zone = tuning.duty_per_tick, tuning.dead_zone
        motion.is_positioning = tuning.is_positioning
        motion.open_duty = None if tuning.mode != PWM else (
            tuning.direction * self.memory.get(reg.GOAL_TIME) / 1000)
        motion.duty_limit = min(tuning.duty_limit, MAX_DUTY,
                                self.protection.duty_limit(tuning.thresholds))
        motion.run(start_ns, steps)
        self._watch_supply(start_ns + steps * STEP_NS, voltage)
        dt_s = steps * STEP_NS / 1e9
        self.sensors.advance(dt_s, motion, disturbance, voltage)
        self.protection.update(
            dt_s, tuning.thresholds, load=motion.duty, current_a=motion.current_a,
            temperature_c=self.sensors.temperature_c, voltage=voltage)

    def _watch_supply(self, now_ns: int, voltage: float) -> None:
        """Reset while the supply is too low for the controller; restart when it is sufficient."""
        if voltage < _BROWN_OUT_V and self.silent_until_ns < _NEVER_NS:
            self.power_cycle(now_ns, None)
            self._is_browned_out = True
            self._listener.record_event(now_ns, f'brown-out {self.spec.name}')
        elif voltage >= _START_V and self._is_browned_out:
            self.power_cycle(now_ns, self._settings.boot_s)

    # Torque and goals
    def _write_torque(self, before: int, now_ns: int) -> None:
        value = self.memory.live[_TORQUE]
        if value == _MIDDLE_HERE:
            self.memory.set(reg.TORQUE_ENABLE, before)
            self.calibrate(2048, now_ns)
            return
        if value == 1 and before != 1:
            if self._settings.latch_goal_on_torque:
                self.memory.set(reg.GOAL_POSITION, self.present_ticks(now_ns))
            self._switch_on(now_ns)
            self._command(now_ns)
        elif value != 1:
            self._torque_off()
            if before == 1:
                self._listener.record_event(now_ns, f'torque {self.spec.name} {value}')

    def _switch_on(self, now_ns: int) -> None:
        self.memory.set(reg.TORQUE_ENABLE, 1)
        self._stepped_from = None
        self.motion.release()
        self._listener.record_event(now_ns, f'torque {self.spec.name} 1')

    def _torque_off(self) -> None:
        self._stepped_from = None
        self.motion.release()
        if self._settings.overload_clears is not OverloadClears.POWER_CYCLE:
            self.protection.clear()

    def _write_goal(self, raw_before: bytes, torque_before: int, now_ns: int) -> None:
        goal, before = self.memory.get(reg.GOAL_POSITION), self._commanded
        present = self.present_ticks(now_ns)
        step = None
        if torque_before == 1 and self._stepped_from is not None:
            step = abs(goal - self._stepped_from)
        self._commanded = goal
        if self.disturbance.ignores_goals:
            self.memory.live[_GOAL:_GOAL + 2] = raw_before
        else:
            self._follow_goal(goal, present, goal != before, now_ns)
        self._stepped_from = goal if self.torque_on else None
        self._listener.record_goal(GoalWrite(
            self.spec.name, before, goal, step, abs(goal - present) if self.torque_on else None,
            self._tuning.is_outside(goal)), now_ns)

    def _follow_goal(self, goal: int, present: int, is_new: bool, now_ns: int) -> None:
        if self._tuning.mode == POSITION:
            # Limits in the EEPROM may be wider than a goal can be.
            most = reg.GOAL_POSITION.maximum
            self.memory.set(reg.GOAL_POSITION, max(-most, min(self._tuning.clamp(goal), most)))
        if self._settings.overload_clears is OverloadClears.NEW_GOAL and is_new:
            self.protection.clear()
        if not self.torque_on and goal != present and self._settings.torque_on_goal_write:
            self._switch_on(now_ns)
        if self.torque_on:
            self._command(now_ns, is_goal=True)

    def _command(self, now_ns: int, *, is_goal: bool = False) -> None:
        command(self.memory, self.motion, self._tuning, self.sensors.turn_ticks, now_ns,
                is_goal=is_goal)
