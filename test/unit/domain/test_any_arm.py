# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chunks are checked and played for every arm of 1 to 32 joints, by its own limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from made_up_arms import ARMS, FOURTEEN, SEVEN
import numpy as np
import pytest

from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.hardware.so101 import SO101

RATE_HZ = 50.0
MOTION = Motion()
every_arm = pytest.mark.parametrize('arm', [*ARMS, SO101], ids=lambda arm: arm.name)
end_joints = pytest.mark.parametrize(('arm', 'joint'), [
    pytest.param(arm, index, id=f'{arm.name}-{arm.joint_names[index]}')
    for arm in (*ARMS, SO101) for index in sorted({0, len(arm.joints) - 1, *arm.grippers})])


def middle(arm: ArmDescription) -> Vector:
    """Return the pose in the middle of all limits (joints,) [rad]."""
    pose: Vector = (arm.lower + arm.upper) / 2.0
    return pose


def chunk(arm: ArmDescription, rows: Vector | None = None, **changes: Any) -> ActionChunk:
    """Make a chunk of an arm; without rows, one that stays in the middle of the limits."""
    if rows is None:
        rows = np.tile(middle(arm), (20, 1))
    values = {'joint_names': arm.joint_names, **changes}
    return ActionChunk(0, rows, RATE_HZ, 0.0, **values)


def refusal(made: ActionChunk, arm: ArmDescription, reference: Vector | None = None) -> str:
    """Return code and text of the refusal; empty when the chunk is accepted."""
    try:
        check_chunk(made, ChunkBounds(arm), 0.01, middle(arm) if reference is None else reference)
    except ChunkRejected as exc:
        return f'{exc.code.name} {exc}'
    return ''


@every_arm
def test_chunk_of_the_arm_is_accepted(arm: ArmDescription) -> None:
    assert refusal(chunk(arm), arm) == ''


@every_arm
@pytest.mark.parametrize('change', [-1, 1])
def test_chunk_of_another_width_is_refused(arm: ArmDescription, change: int) -> None:
    width = len(arm.joints) + change
    text = refusal(chunk(arm, np.zeros((20, width))), arm)
    assert text.startswith(FaultCode.BAD_SHAPE.name)
    assert f'rows of {len(arm.joints)} joints' in text


@every_arm
def test_chunk_of_other_joints_is_refused_with_the_names_of_the_arm(arm: ArmDescription) -> None:
    text = refusal(chunk(arm, joint_names=('stranger', *arm.joint_names[1:])), arm)
    assert text.startswith(FaultCode.BAD_SHAPE.name)
    assert f'expected {", ".join(arm.joint_names)}' in text


@end_joints
def test_row_outside_the_limits_names_its_joint(arm: ArmDescription, joint: int) -> None:
    rows = np.tile(middle(arm), (20, 1))
    rows[-1, joint] = arm.upper[joint] + 0.1
    text = refusal(chunk(arm, rows), arm)
    assert text.startswith(FaultCode.RANGE.name) and f' {arm.joint_names[joint]} ' in text


@end_joints
def test_first_row_must_be_near_but_for_grippers(arm: ArmDescription, joint: int) -> None:
    reference = middle(arm)
    reference[joint] += 0.2
    text = refusal(chunk(arm), arm, reference)
    if joint in arm.grippers:
        assert text == ''
    else:
        assert text.startswith(FaultCode.JUMP.name) and arm.joint_names[joint] in text


@end_joints
@pytest.mark.parametrize('share', [2.99, 3.01])
def test_each_joint_has_its_own_speed_limit(arm: ArmDescription, joint: int, share: float) -> None:
    rows = np.tile(middle(arm), (20, 1))
    rows[12:, joint] += share * arm.velocity[joint] / RATE_HZ
    text = refusal(chunk(arm, rows), arm)
    is_refused = share > 3.0 and joint not in arm.grippers
    assert text.startswith(FaultCode.RATE.name if is_refused else '')
    assert bool(text) == is_refused and (not text or arm.joint_names[joint] in text)


@end_joints
def test_arm_follows_a_chunk_within_its_limits(arm: ArmDescription, joint: int) -> None:
    start = middle(arm)
    goal = start.copy()
    goal[joint] += 0.2 * (arm.upper[joint] - start[joint])
    rows = start + np.linspace(0.0, 1.0, 50)[:, None] * (goal - start)
    player = ChunkPlayer(arm, MOTION)
    player.seed(start)
    player.play(chunk(arm, rows), 0.0)
    path = [player.setpoint.copy()]
    for _ in range(200):
        path.append(player.tick(path[-1], 0.0).copy())
    steps = np.abs(np.diff(path, axis=0))
    assert (steps <= arm.velocity * MOTION.period_s + 1e-9).all()
    assert player.is_starved and player.is_at_rest
    assert path[-1] == pytest.approx(goal, abs=1e-6)


@pytest.mark.parametrize('arm', [SEVEN, FOURTEEN], ids=lambda arm: arm.name)
def test_gripper_that_is_blocked_slows_no_other_joint(arm: ArmDescription) -> None:
    start = middle(arm)
    goal = start + 0.2
    player = ChunkPlayer(arm, MOTION)
    player.seed(start)
    player.play(chunk(arm, start + np.linspace(0.0, 1.0, 60)[:, None] * (goal - start)), 0.0)
    measured, blocked = start.copy(), list(arm.grippers)
    for _ in range(300):
        measured = player.tick(measured, 0.0).copy()
        measured[blocked] = start[blocked]
    free = [index for index in range(len(arm.joints)) if index not in blocked]
    assert player.setpoint[free] == pytest.approx(goal[free], abs=1e-6)
    assert (player.setpoint - start)[blocked].max() <= MOTION.max_lead_rad + 1e-9
    assert player.lead_slowdowns == 0


def test_limits_that_were_calibrated_count() -> None:
    limits = [joint.limits for joint in SEVEN.joints]
    limits[2] = replace(limits[2], upper=0.1)
    narrow = SEVEN.with_limits(limits)
    rows = np.tile(middle(SEVEN), (20, 1))
    rows[:, 2] = 0.2
    assert refusal(chunk(SEVEN, rows), SEVEN, rows[0]) == ''
    assert refusal(chunk(SEVEN, rows), narrow, rows[0]).startswith(FaultCode.RANGE.name)
