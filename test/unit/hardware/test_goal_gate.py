# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last check before the wire: whatever is wanted and measured, no goal leaps."""

from __future__ import annotations

import math
from pathlib import Path
import re

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import reflex_ros
from reflex_ros.domain.joints import Vector
from reflex_ros.hardware.calibration import RAD_PER_TICK
from reflex_ros.hardware.goal_gate import GoalBounds, GoalGate
from reflex_ros.hardware.so101 import SO101

LEAD = math.radians(10.0)
BOUNDS = GoalBounds.of(SO101, 0.01, LEAD)
EPS = 1e-9

anywhere = st.one_of(st.floats(-7.0, 7.0), st.floats(allow_nan=False, allow_infinity=False),
                     st.sampled_from((0.0, math.pi, -math.pi, 1e300, -1e300)))
reading = st.one_of(anywhere, st.just(math.nan))


def pose(of: st.SearchStrategy[float]) -> st.SearchStrategy[Vector]:
    return st.lists(of, min_size=6, max_size=6).map(np.array)


@given(held=pose(st.floats(-3.2, 3.2)),
       turns=st.lists(st.tuples(pose(anywhere), pose(reading)), max_size=20))
def test_whatever_is_wanted_and_measured_every_written_goal_keeps_all_bounds(
        held: Vector, turns: list[tuple[Vector, Vector]]) -> None:
    wire: list[Vector] = []
    gate = GoalGate(BOUNDS, held, wire.append)
    last = held
    for wanted, measured in turns:
        written = gate.write(wanted, measured)
        assert written is wire[-1]
        assert (np.abs(written - last) <= BOUNDS.step + EPS).all()
        ticks = np.rint(written / RAD_PER_TICK) - np.rint(last / RAD_PER_TICK)
        assert (np.abs(ticks) <= np.ceil(BOUNDS.step / RAD_PER_TICK)).all()
        # Outside of a bound a goal may only come back.
        assert (written >= np.minimum(BOUNDS.lower, last) - EPS).all()
        assert (written <= np.maximum(BOUNDS.upper, last) + EPS).all()
        lead, before = np.abs(written - measured), np.abs(last - measured)
        assert ((lead <= LEAD + 1e-6) | (lead <= before) | np.isnan(measured)).all()
        assert (written == last)[np.isnan(measured)].all()
        last = written
    assert len(wire) == len(turns)


@given(held=pose(st.floats(-1.6, 1.6)), delta=pose(st.floats(-0.019, 0.019)))
def test_goal_that_keeps_the_bounds_passes_unchanged(held: Vector, delta: Vector) -> None:
    held = np.clip(held, SO101.lower + 0.02, SO101.upper - 0.02)
    wire: list[Vector] = []
    GoalGate(BOUNDS, held, wire.append).write(held + delta, held + 0.1)
    assert (wire[0] == held + delta).all()


@pytest.mark.parametrize('wanted', (math.nan, math.inf, -math.inf))
def test_what_is_no_pose_is_not_written_and_changes_nothing(wanted: float) -> None:
    wire: list[Vector] = []
    gate = GoalGate(BOUNDS, np.zeros(6), wire.append)
    with pytest.raises(ValueError, match='finite'):
        gate.write(np.array([0.0, wanted, 0.0, 0.0, 0.0, 0.0]), np.zeros(6))
    with pytest.raises(ValueError, match='6 finite'):
        gate.write(np.zeros(5), np.zeros(6))
    assert wire == [] and (gate.last == 0.0).all()


def test_goal_that_was_not_written_is_not_remembered() -> None:
    def lost(goal: Vector) -> None:
        raise OSError('the port is gone')

    gate = GoalGate(BOUNDS, np.zeros(6), lost)
    with pytest.raises(OSError, match='gone'):
        gate.write(np.full(6, 0.01), np.zeros(6))
    assert (gate.last == 0.0).all()


def test_there_is_one_place_that_writes_goals() -> None:
    # Another one would be a way around the gate.
    root = Path(reflex_ros.__file__).parent
    writers = {f'{path.relative_to(root)}': len(found) for path in root.rglob('*.py')
               if 'sim' not in path.parts
               and (found := re.findall(r'write\(\s*(?:\w+,\s*)?(?:reg\.)?GOAL_POSITION',
                                        path.read_text()))}
    assert writers == {'hardware/arm.py': 1}
    arm = (root / 'hardware' / 'arm.py').read_text()
    # The handshake that puts the arm under torque, and the gate.
    assert arm.count('self._write_goals(') == 2
