# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of servos in made-up measurements."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

import numpy as np
import pytest
from watch_samples import one, sample

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.servo_health import ServoHealth
from reflex_ros.hardware.so101 import GRIPPER, JOINT_NAMES

PERIOD_S = 0.01
STILL = np.zeros(6)


def run(make: Callable[[float], JointSample], setpoint: Callable[[float], Any], seconds: float,
        **options: bool) -> tuple[str, float, str]:
    """Evaluate a stream at 100 Hz; return the first code, when it came, and its text."""
    watch = ServoHealth(JOINT_NAMES, (GRIPPER,), math.radians(10.0), lambda found: '')
    for k in range(int(seconds / PERIOD_S)):
        now = k * PERIOD_S
        # The values of a real servo flicker.
        found = watch.evaluate(make(now), np.asarray(setpoint(now)), now, **options)
        if found is not None:
            return found.code, now, found.text
    return '', seconds, ''


def alive(now: float, **of: Any) -> JointSample:
    """Make a sample whose voltage flickers like that of a real servo."""
    return sample(now, voltage=12.0 + 0.1 * (round(now / PERIOD_S) % 2), **of)


@pytest.mark.parametrize('of, code, at, text', (
    ({'load': one(1, 0.8)}, FaultCode.OVERLOAD, 1.0, 'shoulder_lift pushes with 80%'),
    ({'load': one(1, -0.8)}, FaultCode.OVERLOAD, 1.0, 'shoulder_lift pushes with 80%'),
    ({'current': one(2, 2.2, 0.1)}, FaultCode.OVERCURRENT, 1.0, 'elbow_flex draws 2.2 A'),
    ({'temperature': one(3, 62.0, 35.0)}, FaultCode.OVERHEAT, 0.0, 'wrist_flex is at 62 degC'),
    ({'errors': (0, 0, 0, 0, 0x20, 0)}, FaultCode.OVERLOAD, 0.0, 'wrist_roll reports overload'),
    ({'position': one(0, 0.16)}, FaultCode.TRACKING, 0.3, 'shoulder_pan does not follow'),
))
def test_trouble_is_found_after_its_time(of: dict[str, Any], code: str, at: float,
                                         text: str) -> None:
    found, when, said = run(lambda now: alive(now, **of), lambda now: STILL, 3.0)
    assert (found, when) == (code, pytest.approx(at, abs=0.03)) and text in said


@pytest.mark.parametrize('of', (
    {'load': one(1, 0.8), 'velocity': one(1, 0.5)},
    {'load': 0.7},
    {'current': 1.9},
    {'temperature': 61.0},
    {'errors': (0x10,) * 6},
    {'position': one(GRIPPER, 0.17)},
), ids=('a load that moves', 'load', 'current', 'heat', 'bit of the angle', 'a grip'))
def test_what_may_be_is_borne(of: dict[str, Any]) -> None:
    assert run(lambda now: alive(now, **of), lambda now: STILL, 3.0)[0] == ''


def test_load_that_lets_go_now_and_then_is_borne() -> None:
    assert run(lambda now: alive(now, load=one(1, 0.9 if now % 0.9 > 0.05 else 0.1)),
               lambda now: STILL, 4.0)[0] == ''


def test_one_reading_of_heat_is_no_fault_and_three_are() -> None:
    def hot_for(samples: int) -> str:
        def heat(now: float) -> float:
            return 99.0 if 0.105 < now < 0.105 + samples * PERIOD_S else 35.0
        return run(lambda now: alive(now, temperature=one(3, heat(now), 35.0)), lambda now: STILL,
                   1.0)[0]

    assert [hot_for(samples) for samples in (1, 2, 3)] == ['', '', FaultCode.OVERHEAT]


def test_heat_does_not_stop_the_way_to_the_rest_pose_before_the_trip() -> None:
    for heat, code in ((67.0, ''), (68.0, FaultCode.OVERHEAT)):
        assert run(lambda now: alive(now, temperature=one(3, heat, 35.0)),  # noqa: B023
                   lambda now: STILL, 1.0, is_parking=True)[0] == code


def test_values_that_stand_still_while_the_joint_is_told_to_move_are_stale() -> None:
    code, when, text = run(lambda now: sample(now, velocity=0.4), lambda now: one(1, 0.4 * now),
                           2.0)
    assert (code, when) == (FaultCode.JOINTS_STALE, pytest.approx(0.31, abs=0.03))
    assert text.startswith('shoulder_lift repeats the same values')


@pytest.mark.parametrize('speed', (0.0, 0.02))
def test_values_may_stand_still_while_the_arm_does(speed: float) -> None:
    assert run(lambda now: sample(now), lambda now: one(1, speed * now), 2.0)[0] == ''


def test_one_flickering_count_is_a_sign_of_life() -> None:
    assert run(lambda now: alive(now, position=one(1, 0.4 * now)), lambda now: one(1, 0.4 * now),
               1.0)[0] == ''


# Turns a second, two to a swing; 5 degrees at 4 Hz are 8 turns of 0.17 rad.
@pytest.mark.parametrize('swings_per_s, amplitude, code', (
    (10, 0.2, FaultCode.OSCILLATION), (8, 0.087, FaultCode.OSCILLATION),
    (8, 0.04, FaultCode.OSCILLATION), (8, 0.02, ''), (4, 0.2, ''), (30, 0.01, '')))
def test_goals_that_swing_are_an_oscillation(swings_per_s: float, amplitude: float,
                                             code: str) -> None:
    def swing(now: float) -> list[float]:
        return one(4, amplitude * math.sin(math.pi * swings_per_s * now))

    found, when, text = run(lambda now: alive(now, position=swing(now)), swing, 3.0)
    assert found == code
    if code:
        assert when < 1.2 and text.startswith('the goals of wrist_roll swing')
