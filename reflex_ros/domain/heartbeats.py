# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Beats: what each node says of itself many times a second.

One dataclass a node. Its field names are the keys on the topic ``beat/NODE``, and its types say
how the values travel (``domain.key_values``). Every field has a default, which is also what a
reader assumes when the key is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.safe_stop import State
from reflex_ros.errors import ConfigurationError


class Lifecycle(Enum):
    """States of a managed node; UNKNOWN when it has not said one yet."""

    UNKNOWN = 'unknown'
    UNCONFIGURED = 'unconfigured'
    INACTIVE = 'inactive'
    ACTIVE = 'active'
    FINALIZED = 'finalized'

    @property
    def is_configured(self) -> bool:
        """Whether the node holds its port, its session thread or whatever it needs."""
        return self in (Lifecycle.INACTIVE, Lifecycle.ACTIVE)


class MotionState(Enum):
    """What the driver does with the arm."""

    PASSIVE = 'passive'
    HOLD = 'hold'
    PLAYING = 'playing'
    STOPPING = 'stopping'
    PARKING = 'parking'


class Link(Enum):
    """State of the action stream."""

    CLOSED = 'closed'
    OPENING = 'opening'
    OPEN = 'open'
    LOST = 'lost'


class SessionMode(Enum):
    """Mode of the session at the service; NONE when there is no session."""

    NONE = ''
    DRY_RUN = 'dry_run'
    APPLY_ACTIONS = 'apply_actions'


@dataclass(frozen=True, slots=True)
class Beat:
    """
    What every node says.

    :param instance: id of the process, which tells it from another one of the same node name.
    :param problem: why the last transition failed, in one line; empty when it did not.
    """

    instance: str = ''
    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    problem: str = ''


@dataclass(frozen=True, slots=True)
class DriverBeat(Beat):
    """
    Beat of the connector, ``so101``.

    :param gripper_closed_rad: end of the gripper's calibrated travel; None before configure.
    :param gripper_open_rad: the other end.
    :param torque: whether the servos are under torque.
    :param at_rest: whether no joint moves.
    :param parked: whether the arm was brought to its rest pose and let go.
    :param epoch: of the present activation, or of the last one.
    :param cause: what stopped this activation.
    :param port_lost: whether the port is gone, so that the driver must be configured again.
    :param cycles: bus cycles with a measurement since configure.
    :param missed_cycles: without one.
    :param late_cycles: that began more than half a period late.
    :param refused_samples: measurements that cannot be true, and were not used.
    :param degraded: whether the bus is so bad that the arm is slowed down.
    :param cycle_ms_p99: 99th percentile of the work in one cycle [ms].
    :param late_ms_p99: 99th percentile of how late a cycle begins [ms].
    :param max_step_rad: largest step between two setpoints.
    :param playback_rate: speed of the playback clock, 0..1.
    :param starved: whether nothing is left to play.
    :param lead_slowdowns: times that playback waited for a joint that was behind.
    :param accepted: chunks that passed every check of the driver.
    :param foreign_s: time since a command that is not the stream's [s]; negative when none came.
    :param rejected: chunks and commands refused, by fault code.
    :param setpoint: (joints,) [rad].
    """

    gripper_closed_rad: float | None = None
    gripper_open_rad: float | None = None
    motion: MotionState = MotionState.PASSIVE
    torque: bool = False
    epoch: int = 0
    at_rest: bool = False
    parked: bool = False
    cause: Cause | None = None
    port_lost: bool = False
    cycles: int = 0
    missed_cycles: int = 0
    late_cycles: int = 0
    refused_samples: int = 0
    degraded: bool = False
    rate_hz: float = 0.0
    cycle_ms_p50: float = 0.0
    cycle_ms_p99: float = 0.0
    late_ms_p99: float = 0.0
    late_ms_max: float = 0.0
    max_step_rad: float = 0.0
    playback_rate: float = 0.0
    starved: bool = False
    lead_slowdowns: int = 0
    accepted: int = 0
    foreign_s: float = -1.0
    rejected: Mapping[FaultCode, int] = field(default_factory=dict)
    setpoint: tuple[float, ...] = ()

    @property
    def gripper_travel(self) -> GripperTravel | None:
        """How far the gripper travels; None when the driver does not say."""
        if self.gripper_closed_rad is None or self.gripper_open_rad is None:
            return None
        try:
            return GripperTravel(self.gripper_closed_rad, self.gripper_open_rad)
        except ConfigurationError:
            return None


@dataclass(frozen=True, slots=True)
class StreamBeat(Beat):
    """
    Beat of the transport, ``action_stream``.

    :param progress: grows while the session's loop works; negative when the beat names none.
    :param remark: what the link waits for.
    :param fault: why no further session is opened.
    :param lost: why the last session ended.
    :param gap: why no observation can be sent.
    :param session_received: chunks since the stream was opened.
    :param session_accepted: of them, those that passed every check.
    :param sent: observations since the node started.
    :param received: chunks since the node started; ``accepted`` and ``rejected`` too.
    :param superseded: requests whose answer came after that of a newer one.
    :param in_flight: observations that wait for their chunk.
    :param since_chunk_s: time since the last accepted chunk [s]; negative when there is none.
    :param open_s: for how long the stream has been open [s].
    :param age_ms: age of the observation that the last chunk answers [ms].
    :param rtt_ms_p50: median time from observation to chunk [ms]; negative when unknown.
    :param expires_s: time until the session ends [s]; negative when unknown.
    """

    progress: int = -1
    link: Link = Link.CLOSED
    remark: str = ''
    session_mode: SessionMode = SessionMode.NONE
    prompt: str = ''
    fault: Cause | None = None
    lost: Cause | None = None
    gap: Cause | None = None
    session_received: int = 0
    session_accepted: int = 0
    sent: int = 0
    received: int = 0
    accepted: int = 0
    superseded: int = 0
    in_flight: int = 0
    rejected: Mapping[FaultCode, int] = field(default_factory=dict)
    since_chunk_s: float = -1.0
    open_s: float = 0.0
    age_ms: float = 0.0
    age_ms_p95: float = 0.0
    rtt_ms_p50: float = -1.0
    expires_s: float = -1.0


@dataclass(frozen=True, slots=True)
class SupervisorBeat(Beat):
    """Beat of the supervisor."""

    state: State = State.UNCONFIGURED
    epoch: int = 0
