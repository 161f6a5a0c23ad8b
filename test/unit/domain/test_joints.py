# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Limits of a joint, travel of a gripper, and what was measured."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from reflex_ros.domain.joints import GripperTravel, JointLimits
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ConfigurationError


@pytest.mark.parametrize('values', [
    (1.0, 1.0), (1.0, -1.0), (-1.0, 1.0, 0.0), (-1.0, 1.0, -2.0), (math.nan, 1.0),
    (-1.0, math.nan), (-math.inf, 1.0), (-1.0, math.inf), (-1.0, 1.0, math.nan),
    (-1.0, 1.0, math.inf), (-1.0, 1.0, 2.0, 0.0), (-1.0, 1.0, 2.0, -1.0),
    (-1.0, 1.0, 2.0, math.nan)])
def test_limits_that_bound_nothing_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ConfigurationError, match='lower < upper, velocity > 0 and acc'):
        JointLimits(*values)


@given(st.floats(allow_nan=False))
def test_clamped_position_is_inside_and_near(position: float) -> None:
    limits = JointLimits(-1.0, 2.0)
    clamped = limits.clamp(position)
    assert limits.contains(clamped)
    assert clamped == position or not limits.contains(position)


@pytest.mark.parametrize(('position', 'tolerance', 'expected'), [
    (-1.0, 0.0, True), (2.0, 0.0, True), (2.001, 0.0, False), (-1.001, 0.0, False),
    (2.001, 0.01, True), (-1.001, 0.01, True), (2.02, 0.01, False), (math.nan, 9.0, False)])
def test_position_is_inside_give_or_take_the_tolerance(
        position: float, tolerance: float, expected: bool) -> None:
    assert JointLimits(-1.0, 2.0).contains(position, tolerance) == expected


@pytest.mark.parametrize(('speed', 'expected'), [
    (0.0, True), (0.077, True), (-0.077, True), (0.081, False), (-0.081, False), (1.0, False),
    (math.nan, False)])
def test_arm_is_at_rest_when_no_servo_reports_more_than_one_step(
        speed: float, expected: bool) -> None:
    zero = np.zeros(6)
    velocity = zero.copy()
    velocity[4] = speed
    sample = JointSample(0.0, zero, velocity, zero, zero, zero, zero, zero, (0,) * 6)
    assert sample.is_at_rest() is expected


@pytest.mark.parametrize(('closed', 'opened'), [
    (1.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (0.0, math.inf)])
def test_gripper_that_cannot_travel_is_refused(closed: float, opened: float) -> None:
    with pytest.raises(ConfigurationError, match='cannot travel'):
        GripperTravel(closed, opened)


@given(st.floats(-50.0, 150.0))
def test_percent_of_the_gripper_comes_back(percent: float) -> None:
    travel = GripperTravel(-0.17, 2.09)
    assert travel.to_percent(travel.to_rad(percent)) == pytest.approx(percent, abs=1e-9)
