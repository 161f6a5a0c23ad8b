# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A driver in a process of its own that is stopped and goes on, as with a suspended container."""

from __future__ import annotations

from pathlib import Path
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.live

sys.path.insert(0, str(Path(__file__).parents[1] / 'hardware'))
from arm_fixture import DEADLINE_S, GOAL, simulated_arm, SimulatedArm, wait_for  # noqa: E402

ONE_STEP_TICKS = 4
"""0.5 rad/s for one period of 10 ms, rounded up [tick]."""


@pytest.mark.parametrize('phase', range(4))
def test_driver_that_was_stopped_plays_nothing_of_its_old_ramp(phase: int) -> None:
    # Seen on 0.1.0: goals changed after SIGCONT in 10 of 10, and the arm moved up to 1.6 degrees.
    with simulated_arm('--fast', '--model', 'identified') as arm:
        arm.reset()
        process = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.cli.main', 'so101', 'jog', 'shoulder_pan', '60',
             '--speed', '0.5', '--yes', '--port', str(arm.link)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: arm.joint(0)['velocity_rad_s'] > 0.4, 'the arm to move', 30.0)
            time.sleep(random.uniform(0.0, 0.011))      # anywhere in the cycle
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: rests(arm), 'the arm to rest while nobody writes')
            time.sleep(0.3)
            before = arm.joint(0)['goal_ticks']
            since_ns = arm.control.mark()
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(timeout=30.0)
        finally:
            process.kill()
            process.wait(DEADLINE_S)
        assert process.returncode == 1 and 'DRV_STALL' in said, said
        # A goal that was checked before the stop and was on its way cannot be called back.
        goals = [before, *(write.value for write in arm.writes(since_ns)
                           if (write.servo_id, write.address) == (1, GOAL))]
        assert len(goals) > 1 and np.count_nonzero(np.diff(goals)) <= 1, goals
        assert np.abs(np.diff(goals)).max() <= ONE_STEP_TICKS
        assert arm.torque() == [True] * 6


def rests(arm: SimulatedArm) -> bool:
    return abs(float(arm.joint(0)['velocity_rad_s'])) < 0.01
