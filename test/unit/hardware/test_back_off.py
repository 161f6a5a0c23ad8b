# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The way back after a collision, as numbers, and on the emulated arm."""

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.hardware.back_off import (
    BACK_OFF_SPEED,
    BackOff,
    COLLISIONS,
    LONGEST_S,
    RELIEF_SPEED,
)
from reflex_ros.hardware.so101 import SO101

ANGLE = math.radians(5.0)
START = np.array([0.0, -1.0, 1.0, 0.5, 0.0, 0.2])
HIT = {FaultCode.TRACKING}


def moved(joint, way, angle=ANGLE):
    """Return what has seen one joint move along a way (points,) [rad]."""
    back_off = BackOff(SO101, angle)
    for place in way:
        setpoint = START.copy()
        setpoint[joint] = place
        back_off.record(setpoint)
    return back_off, setpoint


def test_joint_goes_back_from_where_it_hit_and_the_others_hold():
    back_off, setpoint = moved(0, np.arange(0.0, 0.5, 0.01))
    measured = setpoint - np.array([0.16, 0.01, 0, 0.02, 0, 0])
    way = back_off.begin(setpoint, measured, 7.0)
    assert way.observed_at == 7.0 and way.is_scripted
    np.testing.assert_allclose(way.rows[0], setpoint)
    assert way.rows[-1][0] == pytest.approx(measured[0] - ANGLE)
    np.testing.assert_array_equal(way.rows[:, 1:], np.tile(setpoint[1:], (len(way.rows), 1)))
    relief = int((way.rows[:, 0] >= measured[0] - 1e-9).sum())
    speeds = -np.diff(way.rows[:, 0]) * way.rate_hz
    assert (speeds[:relief - 1] <= RELIEF_SPEED * 1.001).all() and (speeds > 0.0).all()
    assert (speeds[relief:] <= BACK_OFF_SPEED * 1.001).all()
    assert len(way.rows) / way.rate_hz < LONGEST_S - 0.3


def test_joint_goes_no_further_back_than_it_has_come():
    back_off, setpoint = moved(0, np.arange(0.0, 0.06, 0.01))
    way = back_off.begin(setpoint, setpoint - np.array([0.01, 0, 0, 0, 0, 0]), 0.0)
    assert way.rows[-1][0] == 0.0
    back_off, setpoint = moved(0, [0.0])
    assert back_off.begin(setpoint, setpoint - 0.1, 0.0) is None


@given(st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=60),
       st.floats(-0.17, 0.17), st.integers(0, 4))
def test_way_back_stays_where_the_joint_has_been_and_is_short(steps, lead, joint):
    places = np.cumsum(steps)
    back_off, setpoint = moved(joint, places)
    measured = setpoint.copy()
    measured[joint] -= lead
    way = back_off.begin(setpoint, measured, 0.0)
    if way is None:
        return
    assert way.rows[:, joint].min() >= places.min() - 1e-9
    assert way.rows[:, joint].max() <= places.max() + 1e-9
    assert np.abs(np.diff(way.rows[:, joint])).sum() <= abs(lead) + ANGLE + 1e-9


def test_hand_that_holds_something_is_not_opened_when_the_elbow_hits():
    back_off, setpoint = moved(2, np.arange(0.0, 0.5, 0.01))
    measured = setpoint.copy()
    measured[2] -= math.radians(9.98)
    measured[5] += math.radians(10.0)
    way = back_off.begin(setpoint, measured, 0.0)
    assert way.rows[-1][2] < measured[2] and np.ptp(way.rows[:, 5]) == 0.0


def test_every_other_cause_ends_it_and_so_does_time():
    for other in {*FaultCode} - COLLISIONS:
        back_off, _ = moved(0, [0.0, 0.1])
        assert not back_off.update((), 0.0) and back_off.update(HIT, 1.0)
        assert back_off.is_wanted(HIT) and not back_off.is_wanted({*HIT, other})
        assert not back_off.update({*HIT, other}, 1.1)
        assert not back_off.update(HIT, 1.1) and not back_off.is_wanted(HIT)
    back_off, _ = moved(0, [0.0, 0.1])
    assert back_off.update(HIT, 1.0) and back_off.update(HIT, 0.99 + LONGEST_S)
    assert not back_off.update(HIT, 1.01 + LONGEST_S)


def test_it_is_off_unless_it_is_asked_for():
    back_off, _ = moved(0, [0.0, 0.1], angle=0.0)
    assert not back_off.update(HIT, 1.0) and not back_off.is_wanted(HIT)
