# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages <-> domain values; pure functions, and the only place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
import re

from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DriverBeat, StreamBeat
from reflex_ros.domain.joints import GripperTravel, JOINT_NAMES
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ConfigurationError

_TAG = re.compile(r'epoch=(\d{1,9}) seq=(\d{1,12}) age_ms=(\d{1,7}(?:\.\d{1,3})?)')


def to_time(nanoseconds: int) -> Time:
    """Make a stamp from nanoseconds of ROS time."""
    return Time(sec=nanoseconds // 10 ** 9, nanosec=nanoseconds % 10 ** 9)


def to_joint_state(sample: JointSample, stamp: Time) -> JointState:
    """Make a joint state [rad, rad/s, N m]."""
    message = JointState(name=list(JOINT_NAMES), position=sample.position.tolist(),
                         velocity=sample.velocity.tolist(), effort=sample.effort.tolist())
    message.header.stamp = stamp
    return message


def positions(message: JointState) -> tuple[float, ...] | None:
    """Read the positions in joint order [rad]; None when one is missing or not finite."""
    by_name = dict(zip(message.name, message.position, strict=False))
    pose = tuple(by_name.get(name, math.nan) for name in JOINT_NAMES)
    return pose if all(map(math.isfinite, pose)) else None


def to_trajectory(chunk: ActionChunk, stamp: Time, age_s: float) -> JointTrajectory:
    """
    Make the message of a chunk.

    ``header.stamp`` is the instant of the observation. ``header.frame_id`` carries what a
    receiver decides on without trusting any clock but its own: epoch, sequence number and the
    age of the observation when this was sent.

    :param age_s: now minus the instant of the observation [s].
    """
    message = JointTrajectory(joint_names=list(chunk.joint_names))
    message.header.stamp = stamp
    message.header.frame_id = f'epoch={chunk.epoch} seq={chunk.seq} age_ms={age_s * 1e3:.1f}'
    for index, row in enumerate(chunk.rows.tolist()):
        point = JointTrajectoryPoint(positions=row)
        nanoseconds = round(index * 1e9 / chunk.rate_hz)
        point.time_from_start = Duration(sec=nanoseconds // 10 ** 9,
                                         nanosec=nanoseconds % 10 ** 9)
        message.points.append(point)
    return message


def from_trajectory(message: JointTrajectory, now: float) -> ActionChunk:
    """
    Read a chunk.

    :param now: monotonic instant of receipt [s].
    :raises ChunkRejected: BAD_SHAPE, for what is no chunk of ours.
    """
    tag = _TAG.fullmatch(message.header.frame_id)
    if tag is None:
        raise ChunkRejected(FaultCode.SEQ_EPOCH, 'a command without epoch, seq and age in '
                            f'header.frame_id: {message.header.frame_id!r:.80}')
    rows = [point.positions for point in message.points]
    if len(rows) < 2 or any(len(row) != len(message.joint_names) for row in rows):
        raise ChunkRejected(FaultCode.BAD_SHAPE,
                            f'a command of {len(rows)} points, or of points that do '
                            f'not name {len(message.joint_names)} positions')
    last = message.points[-1].time_from_start
    duration_s = last.sec + last.nanosec * 1e-9
    if duration_s <= 0.0:
        raise ChunkRejected(FaultCode.BAD_SHAPE, 'a command whose last point is due at its start')
    return ActionChunk(
        seq=int(tag[2]), epoch=int(tag[1]), rows=np.array(rows, dtype=float),
        rate_hz=(len(rows) - 1) / duration_s, observed_at=now - float(tag[3]) / 1e3,
        joint_names=tuple(message.joint_names))


def to_status(name: str, values: Mapping[str, object], *, level: bytes = DiagnosticStatus.OK,
              message: str = '', hardware_id: str = '') -> DiagnosticStatus:
    """Make a status; values become text, numbers with at most four decimals."""
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware_id,
                            values=[KeyValue(key=key, value=_text(value))
                                    for key, value in values.items()])


def values(message: DiagnosticStatus) -> dict[str, str]:
    """Read the key-value pairs of a status."""
    return {pair.key: pair.value for pair in message.values}


def to_permit(permit: Permit) -> DiagnosticStatus:
    """Make the message of a permit."""
    return to_status('safety/permit', {'epoch': permit.epoch, 'mode': permit.mode.value,
                                       'speed_scale': permit.speed_scale})


def from_permit(message: DiagnosticStatus) -> Permit | None:
    """Read a permit; None when it is none: then it renews nothing."""
    found = values(message)
    try:
        permit = Permit(int(found['epoch']), Mode(found['mode']), float(found['speed_scale']))
    except (KeyError, ValueError):
        return None
    return permit if 0.0 <= permit.speed_scale <= 1.0 else None


def to_driver_beat(message: DiagnosticStatus) -> DriverBeat:
    """Read the connector's beat; what is missing or no number has its default."""
    found = values(message)
    return DriverBeat(
        lifecycle=found.get('lifecycle', 'unknown'), problem=found.get('problem', ''),
        motion=found.get('motion', 'passive'), torque=found.get('torque') == 'true',
        at_rest=found.get('at_rest') == 'true', parked=found.get('parked') == 'true',
        epoch=int(_number(found, 'epoch')), cause=_cause(found, 'cause'),
        port_lost=found.get('port_lost') == 'true', cycles=int(_number(found, 'cycles')),
        rate_hz=_number(found, 'rate_hz'), cycle_ms_p99=_number(found, 'cycle_ms_p99'),
        late_ms_p99=_number(found, 'late_ms_p99'),
        foreign_s=_number(found, 'foreign_s', -1.0))


def to_gripper_travel(message: DiagnosticStatus) -> GripperTravel | None:
    """Read from the driver's beat how far the gripper travels; None when it does not say."""
    found = values(message)
    try:
        return GripperTravel(float(found['gripper_closed_rad']), float(found['gripper_open_rad']))
    except (KeyError, ValueError, ConfigurationError):
        return None


def to_stream_beat(message: DiagnosticStatus) -> StreamBeat:
    """Read the transport's beat; what is missing or no number has its default."""
    found = values(message)
    return StreamBeat(
        lifecycle=found.get('lifecycle', 'unknown'), problem=found.get('problem', ''),
        progress=int(_number(found, 'progress')), link=found.get('link', 'closed'),
        remark=found.get('remark', ''), session_mode=found.get('session_mode', ''),
        gap=_cause(found, 'gap'), lost=_cause(found, 'lost'), fault=_cause(found, 'fault'),
        received=int(_number(found, 'session_received')),
        accepted=int(_number(found, 'session_accepted')),
        open_s=_number(found, 'open_s'), age_ms_p95=_number(found, 'age_ms_p95'),
        expires_s=_number(found, 'expires_s', -1.0))


def _cause(found: Mapping[str, str], name: str) -> Cause | None:
    code = found.get(name, '')
    return Cause.named(code, found.get(f'{name}_text', '')) if code else None


def _number(found: Mapping[str, str], name: str, default: float = 0.0) -> float:
    try:
        value = float(found.get(name, default))
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def to_stop(source: str, cause: Cause) -> String:
    """Make a stop request: who, which code, why."""
    return String(data=f'{source}: {cause}')


def from_stop(message: String) -> Cause:
    """Read a stop request; whatever it says, it is one."""
    parts = [part.strip() for part in message.data[:500].split(':', 2)]
    if len(parts) == 3 and re.fullmatch('[A-Z][A-Z_0-9]*', parts[1]):
        return Cause.named(parts[1], f'{parts[0]}: {parts[2]}')
    return Cause(FaultCode.OP_STOP, ''.join(filter(str.isprintable,
                                                   message.data[:200])) or 'asked to')


def _text(value: object) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return f'{value:.4f}'.rstrip('0').rstrip('.')
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value)
    return str(value)
