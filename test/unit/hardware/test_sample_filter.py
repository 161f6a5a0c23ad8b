# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be true is refused three times, and believed then."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import pytest
from watch_samples import one, sample

from reflex_ros.hardware.sample_filter import BELIEVED_AFTER, MAX_SPEED, PLAY_RAD, SampleFilter


def test_first_measurement_is_believed_wherever_the_arm_is() -> None:
    assert SampleFilter().judge(sample(position=2.5)) == (True, '')


def test_joint_at_full_speed_is_believed() -> None:
    judge = SampleFilter()
    for k in range(50):
        assert judge.judge(sample(0.01 * k, position=0.01 * k * MAX_SPEED)) == (True, '')


@pytest.mark.parametrize('jump, hint', ((0.3, 'did its homing offset change'),
                                        (2 * math.pi, 'run over the end of its encoder')))
def test_jump_is_refused_and_believed_when_it_stays(jump: float, hint: str) -> None:
    judge = SampleFilter()
    judge.judge(sample(0.0))
    for k in range(1, BELIEVED_AFTER + 1):
        is_usable, problem = judge.judge(sample(0.01 * k, position=one(2, jump)))
        assert not is_usable and 'elbow_flex' in problem and hint in problem
    assert judge.refused == BELIEVED_AFTER
    is_usable, problem = judge.judge(sample(0.04, position=one(2, jump)))
    assert is_usable and 'elbow_flex' in problem
    assert judge.judge(sample(0.05, position=one(2, jump))) == (True, '')


def test_single_wrong_value_leaves_no_trace() -> None:
    judge = SampleFilter()
    judge.judge(sample(0.0))
    assert not judge.judge(sample(0.01, position=one(0, 1.0)))[0]
    assert judge.judge(sample(0.02, position=0.01)) == (True, '')


@pytest.mark.parametrize('of', ({'temperature': one(1, 200.0, 35.0)},
                                {'voltage': one(1, 25.0, 12.0)}))
def test_value_that_no_servo_can_have_is_refused(of: dict[str, list[float]]) -> None:
    is_usable, problem = SampleFilter().judge(sample(**of))
    assert not is_usable and problem.startswith('shoulder_lift claims')


@given(st.lists(st.floats(0.0, 0.1), max_size=20), st.data())
def test_no_motion_within_the_fastest_joint_is_ever_refused(pauses: list[float],
                                                            data: st.DataObject) -> None:
    judge, at, position = SampleFilter(), 0.0, 0.0
    assert judge.judge(sample())[0]
    for pause in pauses:
        most = MAX_SPEED * pause + 0.9 * PLAY_RAD
        at, position = at + pause, position + data.draw(st.floats(-most, most))
        assert judge.judge(sample(at, position=position)) == (True, '')
