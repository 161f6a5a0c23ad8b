# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A status says how old it is, and what the arm does while the supervisor is silent."""

from __future__ import annotations

import pytest

from reflex_ros.domain.graph_status import GraphStatus
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat, MotionState, SUPERVISOR

HOLDS = DriverBeat(motion=MotionState.HOLD, torque=True, at_rest=True, permit_age_s=3.2)


@pytest.mark.parametrize(('driver', 'ages_s', 'warning'), [
    (HOLDS, {SUPERVISOR: 0.9, DRIVER: 0.0}, ''),
    (HOLDS, {SUPERVISOR: 1.1, DRIVER: 0.0},
     'no news from the supervisor for 3 s; the driver holds the arm'),
    (HOLDS, {DRIVER: 0.0}, 'no news from the supervisor for 3 s; the driver holds the arm'),
    # A driver that has never heard a permit, or is silent itself, does not know for how long.
    (DriverBeat(), {DRIVER: 0.0}, 'no news from the supervisor; the arm is without torque'),
    (DriverBeat(), {DRIVER: 0.0, SUPERVISOR: 7.4},
     'no news from the supervisor for 7 s; the arm is without torque'),
    (DriverBeat(torque_known=False), {DRIVER: 0.0},
     'no news from the supervisor; the driver has lost the servos, which may still hold the arm'),
    (DriverBeat(motion=MotionState.STOPPING, torque=True, permit_age_s=0.3), {DRIVER: 0.0},
     'no news from the supervisor for 0 s; the driver brings the arm to rest'),
    (HOLDS, {DRIVER: 2.0}, 'no news from the supervisor; none from the driver either: the servos '
                           'keep their last goals'),
    (HOLDS, {}, 'no news from the supervisor; none from the driver either: the servos keep their '
                'last goals'),
])
def test_silence_of_the_supervisor_is_said(driver: DriverBeat, ages_s: dict[str, float],
                                           warning: str) -> None:
    assert GraphStatus(driver=driver, ages_s=ages_s).warning == warning
