# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An hour of operation, in virtual time.

The whole driver and the whole emulator in one process; the time is that of the simulated line, so
the counters must come out to the cycle. At 20 Hz, for the test to end within a minute.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
import math
import threading

import numpy as np
import pytest

from reflex_ros.domain.action import ActionChunk, ChunkBounds
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.arm_monitor import CHECK_CONFIGURATION_S
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm, RAD_PER_TICK
from reflex_ros.hardware.so101 import SO101
from reflex_ros.sim.arm.settings import Model, Settings
from reflex_ros.sim.arm.virtual import VirtualArm

HOUR_S = 3600.0
RATE_HZ = 20.0
SWEEP_S = 10.0
ROWS_HZ = 5.0


class Hour:
    """Supervisor and policy of a long run, called by the driver with every measurement."""

    def __init__(self) -> None:
        self.sim = VirtualArm(Settings(model=Model.INSTANT, dither=False, pose=(0.0,) * 6))
        self.arm = So101Arm(Bus(self.sim.open(), self.sim.clock))
        self.arm.bring_up()
        self.guard = MotionGuard(GuardBounds())
        bounds = ChunkBounds(calibrated_arm(self.arm.calibration, 2.0))
        self.driver = ArmDriver(self.arm, self.guard, bounds, Motion(period_s=1.0 / RATE_HZ))
        self.samples = self.chunks = 0
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.began_at = self.taken_at = 0.0
        self.steps: Counter[int] = Counter()
        """Times between two measurements [us], and how often each came."""
        self.is_over = threading.Event()
        self.renew()

    def renew(self) -> None:
        now = self.sim.clock.monotonic()
        self.guard.renew_permit(Permit(epoch=1, mode=Mode.APPLY_ACTIONS), now)
        self.guard.renew_beat(self.samples, None, now)

    def on_sample(self, sample: JointSample) -> None:
        self.renew()
        if not self.guard.epoch:
            # Virtual time already runs before the test has activated the driver.
            return
        if self.samples:
            self.steps[round((sample.taken_at - self.taken_at) * 1e6)] += 1
        else:
            self.began_at, self.first = sample.taken_at, self.look()
        self.samples += 1
        self.taken_at = sample.taken_at
        if sample.taken_at - self.began_at >= HOUR_S and not self.is_over.is_set():
            # Here, because time goes on while the test's thread reads the values.
            self.report, self.last = self.driver.report(), self.look()
            self.state = self.sim.control.state()
            self.is_over.set()
        if self.samples % (SWEEP_S * RATE_HZ) == 1:
            self.offer()

    def look(self) -> dict[str, int]:
        """Return all counters of driver and emulator."""
        report, line = self.driver.report(), self.sim.control.state()['bus']
        return {**asdict(self.arm.bus.counters), 'cycles': report.cycles,
                'missed': report.missed_cycles, 'late': report.late_cycles,
                'refused': report.refused_samples, 'requests': line['requests'],
                'noise': line['noise_bytes'] + line['bad_checksums'], 'lost': line['bytes_lost']}

    def offer(self) -> None:
        """Sweep the first joint there and back, once every ten seconds."""
        at = np.arange(int((SWEEP_S - 1.0) * ROWS_HZ)) / ROWS_HZ
        rows = np.zeros((len(at), 6))
        rows[:, 0] = 0.3 * np.sin(2.0 * math.pi * at / at[-1])
        self.driver.command(ActionChunk(self.chunks, rows, ROWS_HZ, self.sim.clock.monotonic(),
                                        epoch=1, is_scripted=True,
                                        joint_names=SO101.joint_names))
        self.chunks += 1


@pytest.mark.slow
def test_hour_leaves_no_drift_in_the_counters() -> None:
    hour = Hour()
    hour.driver.start(hour.on_sample)
    hour.driver.activate(timeout_s=10.0)
    assert hour.is_over.wait(timeout=120.0), hour.driver.report()
    hour.driver.close()
    report = hour.report
    grown = {name: value - hour.first[name] for name, value in hour.last.items()}
    assert report.cause is None and report.rejected == {}
    # Every cycle began at its planned time.
    cycles = round(HOUR_S * RATE_HZ)
    assert set(hour.steps) == {round(1e6 / RATE_HZ)}
    assert grown['cycles'] == pytest.approx(cycles, abs=1)
    assert report.rate_hz == pytest.approx(RATE_HZ, rel=1e-6)
    assert report.accepted == pytest.approx(HOUR_S / SWEEP_S, abs=1)
    # The EEPROM of one servo after the other, every 0.8 s, rounded up to a cycle.
    checks = HOUR_S / ((math.floor(CHECK_CONFIGURATION_S * RATE_HZ) + 1) / RATE_HZ)
    assert grown['exchanges'] == pytest.approx(cycles + checks, rel=0.002)
    # The servos received all that the driver sent, and the arm is where the last sweep ended.
    assert grown['requests'] == pytest.approx(grown['exchanges'] + cycles, abs=2)
    for name in ('missed', 'late', 'refused', 'retries', 'timeouts', 'damaged', 'discarded_bytes',
                 'bad_checksums', 'noise', 'lost'):
        assert grown[name] == 0, name
    pan = hour.state['joints']['shoulder_pan']
    assert pan['position_rad'] == pytest.approx(report.setpoint[0], abs=RAD_PER_TICK)
    assert hour.state['max_goal_step_ticks'] <= math.ceil(2.0 / RATE_HZ / RAD_PER_TICK)
