# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of a dry run that look like a mistake in units are remarked on, others never."""

from __future__ import annotations

from collections.abc import Callable
import re

from made_up_arms import SEVEN
import numpy as np
import pytest

from reflex_ros.client.adapters import rows_from_wire, state_to_wire
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.row_remarks import CHUNKS, RowRemarks
from reflex_ros.hardware.so101 import SO101

STATE = [5.0, -6.0, 7.0, 4.0, 0.0, 30.0]
Change = Callable[[Vector], Vector]


def gripper(change: Callable[[Vector], Vector | float]) -> Change:
    """Make a function that changes the last column of rows on the wire."""
    def apply(rows: Vector) -> Vector:
        rows[:, 5] = change(rows[:, 5])
        return rows
    return apply


def remark_after(count: int, change: Change, state: list[float] = STATE, seed: int = 0) -> str:
    """
    Return the remark after some chunks of a policy that stays near a state.

    :param state: degrees and percent.
    """
    rng, watch, remark = np.random.default_rng(seed), RowRemarks(), ''
    position = rows_from_wire([state], SO101)[0]
    for _ in range(count):
        rows = np.array(state) + rng.normal(0.0, 0.3, (50, 6))
        remark = watch.record(rows_from_wire(change(rows).tolist(), SO101), position, SO101)
    return remark


@pytest.mark.parametrize(('change', 'state', 'text'), [
    (gripper(lambda column: column / 100.0), STATE, r'gripper look like 0..1 .* observed is 30 %'),
    (gripper(lambda column: np.linspace(0.0, 1.0, 50)), STATE, 'gripper look like 0..1'),
    (gripper(lambda column: 100.0 - column), STATE, r'look inverted: .* observed is 30.00 %'),
    (gripper(lambda column: 100.0 - column), [*STATE[:5], 85.0], 'look inverted'),
    (lambda rows: np.column_stack((np.radians(rows[:, :5]), rows[:, 5])), STATE,
     'no row has an angle above 0.1. degrees, observed are up to 7'),
    (lambda rows: rows * [0, 0, 0, 0, 0, 1], STATE, 'all rows are 0'),
    (lambda rows: np.tile([1.0, 0.0, 7.0, 4.0, 0.0, 30.0], (50, 1)), STATE,
     'all rows of each chunk are one pose, 6 degrees away in shoulder_lift'),
])
def test_mistake_in_units_is_remarked_on_after_20_chunks(
        change: Change, state: list[float], text: str) -> None:
    assert remark_after(CHUNKS - 1, change, state) == ''
    assert re.search(text, remark_after(CHUNKS, change, state))


@pytest.mark.parametrize(('change', 'state'), [
    (lambda rows: rows, STATE),
    # It holds, to the digit.
    (lambda rows: np.tile(STATE, (50, 1)), STATE),
    # It closes, it opens wide, it goes a good way.
    (gripper(lambda column: 0.0), STATE),
    (gripper(lambda column: 100.0), STATE),
    (gripper(lambda column: np.linspace(30.0, 70.0, 50)), STATE),
    # At its ends nobody can tell.
    (gripper(lambda column: 100.0), [*STATE[:5], 0.0]),
    (gripper(lambda column: 0.0), [*STATE[:5], 100.0]),
    (gripper(lambda column: 0.4), [*STATE[:5], 1.0]),
    # The middle is its own mirror image.
    (gripper(lambda column: 100.0 - column), [*STATE[:5], 50.0]),
    # The arm is in its middle, and it goes there.
    (lambda rows: rows * 0.1, [0.5, -0.5, 0.2, 0.0, 0.0, 30.0]),
    (lambda rows: rows * np.linspace(1.0, 0.0, 50)[:, None], STATE),
])
def test_policy_that_makes_no_mistake_is_not_remarked_on(
        change: Change, state: list[float]) -> None:
    assert remark_after(3 * CHUNKS, change, state) == ''


def test_one_proper_chunk_takes_the_remark_back() -> None:
    watch, position = RowRemarks(), rows_from_wire([STATE], SO101)[0]
    wrong = rows_from_wire([[*STATE[:5], 0.3]] * 2, SO101)
    right = rows_from_wire([STATE] * 2, SO101)
    found = [watch.record(rows, position, SO101)
             for rows in [*[wrong] * CHUNKS, right, *[wrong] * (CHUNKS - 1), wrong]]
    assert [bool(text) for text in found] == [
        *[False] * (CHUNKS - 1), True, False, *[False] * (CHUNKS - 1), True]


def test_fraction_is_no_mistake_where_a_fraction_is_expected() -> None:
    arm: ArmDescription = SEVEN
    position = arm.lower + 0.3 * (arm.upper - arm.lower)
    watch = RowRemarks()
    same = rows_from_wire([state_to_wire(position, arm)] * 10, arm)
    for _ in range(2 * CHUNKS):
        assert watch.record(same, position, arm) == ''
    other = same.copy()
    other[:, 6] = arm.lower[6] + 0.7 * (arm.upper[6] - arm.lower[6])
    found = [watch.record(other, position, arm) for _ in range(CHUNKS)]
    assert 'the rows of jaw look inverted: they begin at 0.30, observed is 0.70' in found[-1]
