# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A measurement that cannot be true is refused three times, and accepted then."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import pytest
from watch_samples import one, sample

from reflex_ros.hardware.sample_filter import (
    ACCEPTED_AFTER,
    MAX_SPEED,
    PLAY_RAD,
    SampleFilter,
)
from reflex_ros.hardware.so101 import JOINT_NAMES


def test_first_measurement_is_believed_wherever_the_arm_is() -> None:
    assert SampleFilter(JOINT_NAMES).check(sample(position=2.5)) == (True, '')


def test_joint_at_full_speed_is_believed() -> None:
    checked = SampleFilter(JOINT_NAMES)
    for k in range(50):
        assert checked.check(sample(0.01 * k, position=0.01 * k * MAX_SPEED)) == (True, '')


@pytest.mark.parametrize('jump, hint', ((0.3, 'did its homing offset change'),
                                        (2 * math.pi, 'cross the seam of its encoder')))
def test_jump_is_refused_and_believed_when_it_stays(jump: float, hint: str) -> None:
    checked = SampleFilter(JOINT_NAMES)
    checked.check(sample(0.0))
    for k in range(1, ACCEPTED_AFTER + 1):
        is_usable, problem = checked.check(sample(0.01 * k, position=one(2, jump)))
        assert not is_usable and 'elbow_flex' in problem and hint in problem
    assert checked.refused == ACCEPTED_AFTER
    is_usable, problem = checked.check(sample(0.04, position=one(2, jump)))
    assert is_usable and 'elbow_flex' in problem
    assert checked.check(sample(0.05, position=one(2, jump))) == (True, '')


def test_single_wrong_value_leaves_no_trace() -> None:
    checked = SampleFilter(JOINT_NAMES)
    checked.check(sample(0.0))
    assert not checked.check(sample(0.01, position=one(0, 1.0)))[0]
    assert checked.check(sample(0.02, position=0.01)) == (True, '')


@pytest.mark.parametrize('of', ({'temperature': one(1, 200.0, 35.0)},
                                {'voltage': one(1, 25.0, 12.0)}))
def test_value_that_no_servo_can_have_is_refused(of: dict[str, list[float]]) -> None:
    is_usable, problem = SampleFilter(JOINT_NAMES).check(sample(**of))
    assert not is_usable and problem.startswith('shoulder_lift reports')


@given(st.lists(st.floats(0.0, 0.1), max_size=20), st.data())
def test_no_motion_within_the_fastest_joint_is_ever_refused(pauses: list[float],
                                                            data: st.DataObject) -> None:
    checked, at, position = SampleFilter(JOINT_NAMES), 0.0, 0.0
    assert checked.check(sample())[0]
    for pause in pauses:
        most = MAX_SPEED * pause + 0.9 * PLAY_RAD
        at, position = at + pause, position + data.draw(st.floats(-most, most))
        assert checked.check(sample(at, position=position)) == (True, '')
