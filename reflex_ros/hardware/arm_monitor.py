# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure an arm and detect its faults, once per cycle of the bus thread; writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout
from reflex_ros.hardware import port
from reflex_ros.hardware.bus_health import BusHealth
from reflex_ros.hardware.driven_arm import DrivenArm
from reflex_ros.hardware.host_load import is_busy
from reflex_ros.hardware.sample_filter import SampleFilter
from reflex_ros.hardware.servo_health import ServoHealth
from reflex_ros.hardware.silence import Silence

BUS_FAULT_S = 0.06
"""Time without a measurement after which the driver becomes passive (see ``silence``)."""
LONGEST_EXCHANGE = 8
"""Time from one failed measurement to the next, at most: two tries, and a period at 100 Hz, in
slices of the port."""
CHECK_CONFIGURATION_S = 0.8
"""Time between two servos whose EEPROM is checked: six servos are checked every 5 s."""


class ArmMonitor:
    """
    The measurements and checks of one arm. Bus thread only; any thread may read the counters.

    :param max_lead_rad: bound of the distance between setpoint and measured position [rad].
    :param period_s: time between two measurements [s].
    :param hold: called with a fault that brings the arm to rest.
    :param go_passive: called with a fault after which nothing may be written any more.
    :param is_host_busy: whether the machine is busy now.
    """

    def __init__(self, arm: DrivenArm, description: ArmDescription, max_lead_rad: float,
                 period_s: float, hold: Callable[[Cause], None],
                 go_passive: Callable[[Cause], None],
                 is_host_busy: Callable[[], bool] = is_busy) -> None:
        self._arm = arm
        self._names = description.joint_names
        self._hold = hold
        self._go_passive = go_passive
        self._servos = ServoHealth(self._names, description.grippers, max_lead_rad,
                                   arm.supply_problem)
        self._filter = SampleFilter(self._names)
        self._period_s = period_s
        self._is_host_busy = is_host_busy
        self._silence = Silence()
        self._asked_at = arm.clock.monotonic()
        self._checked_at = self._asked_at
        self._next_check = 0
        self._unconfirmed = 0
        self.silence: Cause | None = None
        """Why no servo, or not every servo, has answered for too long; None while all do."""
        self.bus = BusHealth()
        """Health of the bus in this activation."""
        self.cycles = 0
        """Number of measurements."""
        self.missed = 0
        """Number of exchanges without an answer."""

    @property
    def refused_samples(self) -> int:
        """Number of measurements that cannot be true, and were not used."""
        return self._filter.refused + self._unconfirmed

    def restart(self) -> None:
        """Count the time without a measurement from now on; called before the first cycle."""
        self._asked_at = self._arm.clock.monotonic()

    def reset(self) -> None:
        """Forget the faults of the last activation."""
        self._servos.reset()
        self.bus.reset()

    def measure(self) -> tuple[JointSample | None, str]:
        """
        Measure all joints.

        :returns: the sample, None when none came that can be true; and what is implausible about
            a sample that is used because it repeats.
        """
        before = self._arm.damaged
        try:
            sample = self._arm.read(retries=1)
        except BusTimeout as exc:
            self.missed += 1
            self.bus.record_cycle(is_bad=self._arm.damaged != before, is_missed=True)
            self._record_silence(exc)
            return None, ''
        self.bus.record_cycle(is_bad=self._arm.damaged != before)
        self._silence, self.silence = Silence(), None
        self._asked_at = sample.taken_at
        self.cycles += 1
        is_usable, problem = self._filter.check(sample)
        return (sample if is_usable else None), problem

    def _record_silence(self, exc: BusTimeout) -> None:
        now, silence = self._arm.clock.monotonic(), self._silence
        longest_s = max(LONGEST_EXCHANGE * port.READ_SLICE_S, 2.0 * self._period_s)
        silence.record(now - self._asked_at, longest_s, is_busy=self._is_host_busy())
        self._asked_at = now
        if not silence.is_fault(BUS_FAULT_S):
            return
        cause = self._arm.silence_cause(exc)
        if silence.was_busy:
            cause = replace(cause, text=f'{cause.text} (or the machine is too busy: '
                            f'{silence.asked_s * 1e3:.0f} ms without an answer under load)')
        self.silence = cause
        self._go_passive(cause)

    def check(self, sample: JointSample, setpoint: Vector, now: float, *, played_s: float,
              is_parking: bool, is_alone: bool = False) -> bool:
        """
        Check servos and bus while the arm is armed; call ``hold`` or ``go_passive`` for a fault.

        :param setpoint: last commanded position (joints,) [rad].
        :param now: monotonic time [s].
        :param played_s: playback time of the setpoint [s].
        :returns: whether goals may be written: every servo holds what was written before, or
            another program has overwritten it.
        """
        cause = self._servos.evaluate(sample, setpoint, now, played_s=played_s,
                                      is_parking=is_parking,
                                      is_alone=is_alone) or self.bus.evaluate()
        if cause is not None:
            self._hold(cause)
        if now - self._checked_at > CHECK_CONFIGURATION_S:
            self._check_configuration(now)
        found = self._arm.deviation()
        try:
            deviation = found and self._arm.confirm(found)
        except BusTimeout:
            self.missed += 1
            return False
        if deviation is None:
            self._unconfirmed += found is not None
            return True
        cause = Cause(deviation.code, f'{self._names[deviation.index]}: {deviation.text}')
        if deviation.code is FaultCode.SERVO_REBOOT:
            self._go_passive(replace(cause, text=f'{cause.text}. Did its supply fail for a '
                                     'moment?'))
            return False
        # Another program moves the arm: the old goal is written again, and the arm stops there.
        self._hold(cause)
        return True

    def _check_configuration(self, now: float) -> None:
        self._checked_at = now
        self._next_check = (self._next_check + 1) % len(self._names)
        try:
            found = self._arm.check_configuration(self._next_check)
        except BusTimeout:
            self.missed += 1
            return
        if found is not None:
            self._hold(Cause(found.code, f'{self._names[found.index]}: {found.text}'))
