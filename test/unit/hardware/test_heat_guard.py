# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a hot arm that nobody moves must park by itself."""

from __future__ import annotations

import numpy as np
import pytest

from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.heat_guard import ALONE_C, HeatGuard, HOT_S, RETRY_S, TRIP_C
from reflex_ros.hardware.servo_health import OVERHEAT_C
from reflex_ros.hardware.so101 import JOINT_NAMES


def sample(celsius: float, errors: int = 0) -> JointSample:
    zero, heat = np.zeros(6), np.full(6, 35.0)
    heat[2] = celsius
    return JointSample(0.0, zero, zero, zero, zero, zero, np.full(6, 12.0), heat,
                       (0, errors, 0, 0, 0, 0))


def wants(guard: HeatGuard, celsius: float, now: float, *, errors: int = 0,
          holds: bool = True, is_whole: bool = True, is_idle: bool = True) -> bool:
    return guard.evaluate(sample(celsius, errors), now, holds=holds, is_whole=is_whole,
                          is_idle=is_idle)


def test_bound_is_between_that_of_a_driven_arm_and_the_trip_of_the_servo() -> None:
    assert OVERHEAT_C < ALONE_C < TRIP_C - 4


def test_arm_that_stays_hot_must_park_and_one_reading_is_not_enough() -> None:
    guard = HeatGuard(JOINT_NAMES)
    assert not wants(guard, 65.0, 0.0)
    assert not wants(guard, 60.0, 0.5)
    assert not wants(guard, 65.0, 1.0) and not wants(guard, 65.0, 1.0 + HOT_S)
    assert wants(guard, 65.0, 1.1 + HOT_S)


@pytest.mark.parametrize('changes', ({'holds': False}, {'is_whole': False}, {'is_idle': False},
                                     {'errors': 0x20}, {'errors': 0x04}))
def test_arm_that_is_limp_driven_or_faulty_does_not_park_by_itself(changes: dict) -> None:
    guard = HeatGuard(JOINT_NAMES)
    assert not any(wants(guard, 66.0, 0.1 * turn, **changes) for turn in range(100))


def test_person_s_stop_bars_it_until_a_person_moves_the_arm_again() -> None:
    guard = HeatGuard(JOINT_NAMES)
    wants(guard, 66.0, 0.0)
    guard.bar('a person has stopped it')
    assert not wants(guard, 66.0, 9.0) and 'because a person has stopped it' in guard.text
    guard.allow()
    assert wants(guard, 66.0, 10.0)


def test_refusal_is_told_and_tried_again_later() -> None:
    guard = HeatGuard(JOINT_NAMES)
    wants(guard, 66.0, 0.0)
    assert wants(guard, 66.0, 4.0)
    guard.retry_later(4.0, 'servo 2 is limp')
    assert not wants(guard, 66.0, 5.0) and guard.text.endswith('(not possible: servo 2 is limp)')
    assert wants(guard, 66.0, 4.1 + RETRY_S)


def test_warm_joint_is_named_with_what_happens_and_what_to_do() -> None:
    guard = HeatGuard(JOINT_NAMES)
    wants(guard, 54.0, 0.0)
    assert guard.text == ''
    wants(guard, 56.0, 1.0)
    assert guard.text == (
        'elbow_flex is at 56 degC, under torque: at 70 the servo lets go and the arm falls; from '
        '64 on the arm parks by itself. Run `reflex park`, or support the arm')
    wants(guard, 66.0, 2.0, holds=False)
    assert guard.text == ''


def test_hot_arm_of_which_one_joint_is_limp_says_that_it_does_not_park_by_itself() -> None:
    guard = HeatGuard(JOINT_NAMES)
    wants(guard, 66.0, 0.0, is_whole=False)
    assert 'because not every joint is under torque' in guard.text
    assert guard.text.endswith('Run `reflex park`, or support the arm')


def test_way_to_the_rest_pose_that_was_ended_is_not_begun_again_at_once() -> None:
    guard = HeatGuard(JOINT_NAMES)
    wants(guard, 66.0, 0.0)
    guard.wait(4.0)
    assert not wants(guard, 66.0, 3.9 + RETRY_S) and wants(guard, 66.0, 4.1 + RETRY_S)
    guard.wait(20.0)
    guard.allow()
    assert wants(guard, 66.0, 20.1)
