# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
ROS messages <-> values of the domain. All functions are pure: any thread may call them.

Beats, permits and the safety state are in ``status_codec``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
import re

from builtin_interfaces.msg import Duration, Time
import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from reflex_ros.domain import key_values
from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.cause import Cause, ChunkRejected, one_line
from reflex_ros.domain.command_tag import CommandTag
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.outlook import Outlook
from reflex_ros.domain.sample import JointSample

PLAYED = 'played_s'
"""Last column of a plan: no joint, but the playback time of the row."""


def to_time(nanoseconds: int) -> Time:
    """Make a stamp from nanoseconds of ROS time."""
    return Time(sec=nanoseconds // 10 ** 9, nanosec=nanoseconds % 10 ** 9)


def to_joint_state(sample: JointSample, joint_names: Sequence[str], stamp: Time) -> JointState:
    """Make a joint state [rad, rad/s, N m]."""
    message = JointState(name=list(joint_names), position=sample.position.tolist(),
                         velocity=sample.velocity.tolist(), effort=sample.effort.tolist())
    message.header.stamp = stamp
    return message


def to_goals(goals: Vector, joint_names: Sequence[str], stamp: Time) -> JointState:
    """Make a joint state of goals [rad]: positions only."""
    message = JointState(name=list(joint_names), position=goals.tolist())
    message.header.stamp = stamp
    return message


def positions(message: JointState, joint_names: Sequence[str]) -> tuple[float, ...] | None:
    """Read the positions of these joints [rad]; None when one is missing or not finite."""
    by_name = dict(zip(message.name, message.position, strict=False))
    pose = tuple(by_name.get(name, math.nan) for name in joint_names)
    return pose if all(map(math.isfinite, pose)) else None


def to_trajectory(chunk: ActionChunk, stamp: Time) -> JointTrajectory:
    """
    Make the message of a chunk.

    ``header.frame_id`` is empty: a trajectory of joints needs no frame.

    :param stamp: instant of the observation that the chunk answers.
    """
    message = JointTrajectory(joint_names=list(chunk.joint_names))
    message.header.stamp = stamp
    for index, row in enumerate(chunk.rows.tolist()):
        point = JointTrajectoryPoint(positions=row)
        nanoseconds = round(index * 1e9 / chunk.rate_hz)
        point.time_from_start = Duration(sec=nanoseconds // 10 ** 9,
                                         nanosec=nanoseconds % 10 ** 9)
        message.points.append(point)
    return message


def command_tag(chunk: ActionChunk, age_s: float) -> str:
    """
    Make the ``header.frame_id`` of a chunk on the private command topic.

    :param age_s: now minus the instant of the observation [s].
    """
    return key_values.to_line(CommandTag(chunk.epoch, chunk.seq, max(round(age_s * 1e3, 1), 0.0)))


def from_command(message: JointTrajectory, now: float) -> ActionChunk:
    """
    Read a chunk from the private command topic.

    :param now: monotonic instant of receipt [s].
    :raises ChunkRejected: SEQ_EPOCH for a command without a valid tag, BAD_SHAPE if the points
        are not the rows of a chunk.
    """
    tag = key_values.from_line(CommandTag, message.header.frame_id)
    if tag is None:
        raise ChunkRejected(FaultCode.SEQ_EPOCH, 'the command has no epoch, seq and age_ms in '
                            f'header.frame_id: {message.header.frame_id!r:.80}')
    rows = [point.positions for point in message.points]
    if len(rows) < 2 or any(len(row) != len(message.joint_names) for row in rows):
        raise ChunkRejected(FaultCode.BAD_SHAPE,
                            f'the command has {len(rows)} points, or a point that does not '
                            f'have {len(message.joint_names)} positions')
    last = message.points[-1].time_from_start
    duration_s = last.sec + last.nanosec * 1e-9
    if duration_s <= 0.0:
        raise ChunkRejected(FaultCode.BAD_SHAPE,
                            'the last point of the command is due at its start')
    return ActionChunk(
        seq=tag.seq, epoch=tag.epoch, rows=np.array(rows, dtype=float),
        rate_hz=(len(rows) - 1) / duration_s, observed_at=now - tag.age_ms / 1e3,
        joint_names=tuple(message.joint_names))


def to_plan(outlook: Outlook, joint_names: Sequence[str], now: float,
            stamp: Time) -> JointTrajectory:
    """
    Make the message of an outlook for the private plan topic.

    The points before the making of the plan have a negative ``time_from_start``. The last column
    is the playback time [s].

    :param now: monotonic instant of sending [s].
    :param stamp: the same instant on the ROS clock, less the age of the plan.
    """
    message = JointTrajectory(joint_names=[*joint_names, PLAYED])
    message.header.stamp = stamp
    message.header.frame_id = key_values.to_line(CommandTag(
        outlook.epoch, outlook.seq, max(round((now - outlook.made_at) * 1e3, 1), 0.0)))
    first_ns = round((outlook.begins_at - outlook.made_at) * 1e9)
    # A playback clock that began long ago would cost decimals.
    played = outlook.played_s - outlook.played_s[0]
    for index, (row, played_s) in enumerate(
            zip(outlook.rows.tolist(), played.tolist(), strict=True)):
        sec, nanosec = divmod(first_ns + round(index * 1e9 / outlook.rate_hz), 10 ** 9)
        message.points.append(JointTrajectoryPoint(
            positions=[*row, played_s], time_from_start=Duration(sec=sec, nanosec=nanosec)))
    return message


def from_plan(message: JointTrajectory, joint_names: Sequence[str], now: float) -> Outlook | None:
    """
    Read an outlook. Returns None if the message is no valid outlook, or if its joints differ.

    :param now: monotonic instant of receipt [s].
    """
    tag = key_values.from_line(CommandTag, message.header.frame_id)
    width = len(joint_names) + 1
    if (tag is None or tuple(message.joint_names) != (*joint_names, PLAYED)
            or len(message.points) < 2
            or any(len(point.positions) != width for point in message.points)):
        return None
    table = np.array([point.positions for point in message.points], dtype=float)
    first, last = (message.points[index].time_from_start for index in (0, -1))
    first_s, last_s = (time.sec + time.nanosec * 1e-9 for time in (first, last))
    if not np.isfinite(table).all() or (np.diff(table[:, -1]) < 0.0).any() or last_s <= first_s:
        return None
    made_at = now - tag.age_ms / 1e3
    return Outlook(table[:, :-1], table[:, -1], made_at + first_s, made_at,
                   (len(table) - 1) / (last_s - first_s), tag.epoch, tag.seq)


@dataclass(frozen=True, slots=True)
class StopRequest:
    """
    A message on ``safety/stop``.

    :param source: the node that asks; empty when the message does not name one.
    """

    source: str
    cause: Cause


def to_stop(source: str, cause: Cause) -> String:
    """Make a stop request: the node that asks, the fault code, and why."""
    return String(data=f'{source}: {cause}')


def from_stop(message: String) -> StopRequest:
    """
    Read a stop request. Any text is one.

    ``SOURCE: CODE: TEXT`` names its cause; any other text is the cause OP_STOP, and so is a code
    that would move the arm.
    """
    parts = [part.strip() for part in message.data[:500].split(':', 2)]
    if len(parts) == 3 and re.fullmatch('[A-Z][A-Z_0-9]*', parts[1]):
        return StopRequest(one_line(parts[0]),
                           Cause.named(parts[1], f'{parts[0]}: {parts[2]}').as_told())
    text = ''.join(filter(str.isprintable, message.data[:200])) or 'asked to'
    return StopRequest('', Cause(FaultCode.OP_STOP, text))
