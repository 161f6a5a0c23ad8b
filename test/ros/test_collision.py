# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A moving arm runs into something: with ``stop.back_off`` it goes back from it, and holds."""

from dataclasses import replace
import math

import pytest

from reflex_ros.bringup.demo import Demo
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State
from reflex_ros.hardware.calibration import RAD_PER_TICK

from .conftest import wait_for

BACK_RAD = 0.0873


@pytest.fixture
def demo(domain, monkeypatch, tmp_path):
    for name, value in domain.items():
        monkeypatch.setenv(name, value)
    made = Demo(tmp_path, dry_run_s=1.0)
    made.system._nodes = tuple(
        replace(node, parameters={**node.parameters, 'stop.back_off': BACK_RAD})
        if node.name == 'so101' else node for node in made.system._nodes)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_blocked_joint_goes_back_and_the_stop_has_one_cause(demo):
    demo.bring_to_motion()

    def pan():
        return demo.arm.state()['joints']['shoulder_pan']

    # In the middle of its swing: it shall push for a while.
    wait_for(lambda: abs(pan()['position_rad']) < 0.15 and abs(pan()['velocity_rad_s']) > 0.1,
             30, 'the middle of a swing')
    joint = pan()
    way = math.copysign(1.0, joint['velocity_rad_s'])
    wall = joint['position_rad'] + way * 0.03
    demo.arm.fault('wall', ids=[1], ticks=round(joint['zero_ticks'] + wall / RAD_PER_TICK))
    wait_for(lambda: demo.system.view.state is State.LATCHED, 30, 'the latch')
    away = way * (wall - pan()['position_rad'])
    safety = demo.system.view.safety
    assert [cause.code for cause in safety.causes] == [FaultCode.TRACKING], safety
    # On a busy machine its time may be over before the whole way.
    assert 0.3 * BACK_RAD < away < BACK_RAD + 0.02
    assert abs(demo.arm.state()['joints']['shoulder_pan']['velocity_rad_s']) < 0.05
