# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which goals an arm gets when it is put under torque: pure; the rest is in test_arm."""

from __future__ import annotations

import numpy as np
import pytest

from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.arming import goals_to_hold, MAX_LEAD_RAD
from reflex_ros.hardware.calibration import JointCalibration, RAD_PER_TICK

MIDDLE = 2000
ARM = [JointCalibration(1000, 3000, 0, MIDDLE)] * 6
LEAD_TICKS = int(MAX_LEAD_RAD / RAD_PER_TICK)


@pytest.mark.parametrize(('away_ticks', 'is_kept'), [
    (0, True), (LEAD_TICKS, True), (LEAD_TICKS + 1, True), (LEAD_TICKS + 2, False)])
def test_joint_keeps_a_goal_that_the_driver_may_have_written(
        away_ticks: int, is_kept: bool) -> None:
    # The driver's largest lead, rounded to a tick: a goal there must not be moved to the joint.
    zero, pushing = np.zeros(6), np.full(6, 0.5)
    sample = JointSample(0.0, zero, zero, zero, pushing, zero, zero, zero, (0,) * 6)
    told = [MIDDLE + away_ticks] * 6
    assert goals_to_hold(sample, ARM, told, ()) == (told if is_kept else [MIDDLE] * 6)
