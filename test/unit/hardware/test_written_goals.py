# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A servo that does not hold the written values has restarted, or another program wrote to it."""

from __future__ import annotations

from dataclasses import replace
import struct
from typing import Any

import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.hardware.registers import Control
from reflex_ros.hardware.written_goals import (
    GOAL_ACCELERATION,
    GOAL_SPEED,
    GOALS_REMEMBERED,
    WrittenGoals,
)

HELD = Control(torque=1, acceleration=GOAL_ACCELERATION, goal=2000, speed=GOAL_SPEED,
               torque_limit=1000)


@pytest.fixture
def written() -> WrittenGoals:
    made = WrittenGoals([GOAL_SPEED] * 6, [1000] * 6)
    made.record_goals([2000] * 6)
    return made


def test_servo_that_holds_its_orders_is_well(written: WrittenGoals) -> None:
    assert written.check(0, HELD) is None


@pytest.mark.parametrize('change, code', (
    ({'torque': 0}, FaultCode.SERVO_REBOOT), ({'torque': 2}, FaultCode.SERVO_REBOOT),
    ({'acceleration': 0}, FaultCode.SERVO_REBOOT), ({'speed': 0}, FaultCode.SERVO_REBOOT),
    ({'torque_limit': 999}, FaultCode.FOREIGN_WRITE), ({'goal': 2001}, FaultCode.FOREIGN_WRITE),
    ({'torque': 0, 'goal': 0}, FaultCode.SERVO_REBOOT),
))
def test_deviation_is_named(written: WrittenGoals, change: dict[str, Any], code: str) -> None:
    found = written.check(3, replace(HELD, **change))
    assert found is not None and (found.index, found.code) == (3, code)


def wire(found: Control) -> bytes:
    """Lay a control block out as the memory table does."""
    return struct.pack('<BBHHHH6x', found.torque, found.acceleration, found.goal, 0, found.speed,
                       found.torque_limit)


@pytest.mark.parametrize('change', (
    {}, {'torque': 0}, {'acceleration': 0}, {'goal': 2001}, {'speed': 0}, {'torque_limit': 1}))
def test_block_as_written_is_recognised(written: WrittenGoals, change: dict[str, Any]) -> None:
    assert written.is_held(2, wire(replace(HELD, **change))) is not bool(change)


def test_goals_are_remembered_for_a_moment(written: WrittenGoals) -> None:
    for goal in range(2001, 2000 + GOALS_REMEMBERED):
        written.record_goals([goal] * 6)
    assert written.check(0, HELD) is None
    written.record_goals([3000] * 6)
    found = written.check(0, HELD)
    assert found is not None and found.text == 'its goal is 2000, 3000 was written'


def test_new_beginning_forgets_the_goals(written: WrittenGoals) -> None:
    written.clear()
    written.record_goals([1500] * 6)
    assert written.check(0, HELD) is not None
