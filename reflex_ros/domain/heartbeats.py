# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Beats: the state and counters that each node publishes many times a second.

There is one dataclass per node. Its field names are the keys on the topic ``_beat/NODE``, and its
types say how the values travel (``domain.key_values``). A reader uses the default of a field when
its key is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.control_figures import ControlFigures
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.safe_stop import State
from reflex_ros.errors import ConfigurationError

DRIVER = 'so101'
"""Name of the connector's node; its beat is ``_beat/so101``, its command ``so101/command``."""
STREAM = 'action_stream'
"""Name of the transport's node."""
SUPERVISOR = 'supervisor'
"""Name of the supervisor's node."""
LEADER = 'leader'
"""Name of the node that reads the arm with which a person takes over."""
LEADER_TOPIC = f'{LEADER}/joint_states'
"""Pose of that arm, in the angles of the arm that follows it."""


class Lifecycle(Enum):
    """States of a managed node; UNKNOWN before its first beat."""

    UNKNOWN = 'unknown'
    UNCONFIGURED = 'unconfigured'
    INACTIVE = 'inactive'
    ACTIVE = 'active'
    FINALIZED = 'finalized'

    @property
    def is_configured(self) -> bool:
        """Whether the node has passed *configure*."""
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


class ServiceChange(Enum):
    """What somebody else did to the session at the service; it never moves the arm."""

    NONE = ''
    PROMOTED = 'promoted'
    """The service says apply_actions, and the arm waits for a promotion here."""
    DEMOTED = 'demoted'
    """The service said dry_run while actions were applied."""


class Commander(Enum):
    """Who says where the arm goes while actions are applied."""

    POLICY = 'policy'
    PERSON = 'person'
    """A person guides it with a leader arm."""
    RETURNING = 'returning'
    """A person has handed it back; it rests until the policy has seen where it is now."""

    @property
    def text(self) -> str:
        """What a person must know about it; empty while the policy commands."""
        return {Commander.POLICY: '', Commander.PERSON: 'a person guides the arm',
                Commander.RETURNING: 'the arm rests until the policy has seen where it is'}[self]


class Readiness(Enum):
    """Whether the deployment may apply actions; UNCHECKED when a setting allows it unchecked."""

    UNKNOWN = 'unknown'
    READY = 'ready'
    BLOCKED = 'blocked'
    UNCHECKED = 'unchecked'


@dataclass(frozen=True, slots=True)
class Beat:
    """
    The fields of every node.

    :param instance: id of the process. It differs for two nodes with the same name.
    :param problem: why the last transition failed, in one line; empty if it succeeded.
    :param shortage: memory or descriptors that run out, in one line; mostly empty.
    """

    instance: str = ''
    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    problem: str = ''
    shortage: str = ''


@dataclass(frozen=True)
class DriverBeat(ControlFigures, Beat):
    """
    Beat of the connector, ``so101``.

    :param gripper_closed_rad: closed end of the gripper's calibrated travel [rad]; None before
        configure, and for an arm that has not exactly one gripper.
    :param gripper_open_rad: open end of that travel [rad].
    :param torque: whether all servos were under torque when they answered last.
    :param torque_known: whether they have answered since the last fault; until then they may hold
        the arm or not.
    :param at_rest: whether no joint moves.
    :param parked: whether the arm is in its rest pose with torque off, after a park.
    :param alone: whether it parks by itself, because it is hot and nobody moves it.
    :param heat: what a person must know about hot joints under torque, or an empty text.
    :param unfit: what speaks against moving the arm now, by item of the gate.
    :param epoch: epoch of the present activation, or of the last one.
    :param cause: what stopped the present activation.
    :param port_lost: whether the port is gone. Then the driver must be configured again.
    :param degraded: whether the bus is so bad that the arm is slowed down.
    :param starved: whether nothing is left to play.
    :param accepted: chunks that passed every check of the driver.
    :param permit_age_s: time since the last permit of the supervisor [s]; negative if there was
        none.
    :param foreign_s: time since the last command without a valid tag [s]; negative if there was
        none.
    :param intruders: nodes that could command the arm and must not; empty when there are none.
    :param setpoint: last commanded position (joints,) [rad].
    """

    gripper_closed_rad: float | None = None
    gripper_open_rad: float | None = None
    motion: MotionState = MotionState.PASSIVE
    torque: bool = False
    torque_known: bool = True
    epoch: int = 0
    at_rest: bool = False
    parked: bool = False
    alone: bool = False
    heat: str = ''
    unfit: Mapping[str, str] = field(default_factory=dict)
    cause: Cause | None = None
    port_lost: bool = False
    degraded: bool = False
    starved: bool = False
    accepted: int = 0
    permit_age_s: float = -1.0
    foreign_s: float = -1.0
    intruders: str = ''
    setpoint: tuple[float, ...] = ()

    @property
    def torque_text(self) -> str:
        """What is known of the torque, in two words."""
        if not self.torque_known:
            return 'torque unknown'
        return 'torque on' if self.torque else 'torque off'

    @property
    def gripper_travel(self) -> GripperTravel | None:
        """The gripper's calibrated travel; None when the beat does not name a valid one."""
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

    :param progress: counter that grows while the session works; negative if the beat has none.
    :param remark: what the link waits for, or why it was lost.
    :param session_mode: mode that the arm asked the service for.
    :param service_change: what somebody else did to the session at the service since then.
    :param commander: who says where the arm goes while actions are applied.
    :param prompt: task text for the policy.
    :param chunk_prompt: task text that the last accepted chunk answers; empty before the first.
    :param fault: why no further session is opened.
    :param lost: why the last session ended.
    :param policy_remark: what the rows of a dry run look like, when they look like a mistake in
        units; stops nothing.
    :param gap: why no observation can be sent now.
    :param slow_cameras: which cameras miss the rate that the gate asks for.
    :param session_received: chunks received since the stream was opened.
    :param session_accepted: chunks since then that passed every check.
    :param sent: observations sent since the node started.
    :param received: chunks received since the node started.
    :param accepted: chunks since the node started that passed every check.
    :param superseded: requests that were dropped because a newer chunk came first.
    :param refusal: why the last chunk was refused for what it says.
    :param refused: observations whose chunk was refused.
    :param unanswered: observations whose stream ended before the answer.
    :param prefixes: observations that carried what the arm will execute.
    :param strays: frames that answered no observation that was waiting.
    :param in_flight: observations that wait for their chunk.
    :param rejected: refused chunks since the node started, by fault code.
    :param since_chunk_s: time since the last accepted chunk [s]; negative before the first.
    :param open_s: time since the stream was opened [s]; 0 while it is not open.
    :param age_ms: age of the observation that the last chunk answers [ms].
    :param age_ms_p95: 95th percentile of that age [ms].
    :param rtt_ms_p50: median time from observation to chunk [ms]; negative when unknown.
    :param round_trip_ms: p50, p95 and p99 of that time [ms].
    :param service_ms: the same of the time at the service.
    :param network_ms: the same of the way there and back.
    :param ping_ms: time of the last WebSocket ping [ms]; negative before the first answer.
    :param expires_s: time until the session ends [s]; negative when unknown.
    :param robot: id of the robot for which heartbeats are sent; empty for none.
    :param deployment: id of the deployment; empty for none.
    :param unready: each check that bars ``apply_actions``, and its message with the next step.
    """

    progress: int = -1
    link: Link = Link.CLOSED
    remark: str = ''
    session_mode: SessionMode = SessionMode.NONE
    service_change: ServiceChange = ServiceChange.NONE
    commander: Commander = Commander.POLICY
    prompt: str = ''
    chunk_prompt: str = ''
    policy_remark: str = ''
    fault: Cause | None = None
    lost: Cause | None = None
    gap: Cause | None = None
    slow_cameras: str = ''
    refusal: Cause | None = None
    session_received: int = 0
    session_accepted: int = 0
    sent: int = 0
    received: int = 0
    accepted: int = 0
    refused: int = 0
    superseded: int = 0
    unanswered: int = 0
    prefixes: int = 0
    strays: int = 0
    in_flight: int = 0
    rejected: Mapping[FaultCode, int] = field(default_factory=dict)
    since_chunk_s: float = -1.0
    open_s: float = 0.0
    age_ms: float = 0.0
    age_ms_p95: float = 0.0
    rtt_ms_p50: float = -1.0
    round_trip_ms: tuple[float, ...] = ()
    service_ms: tuple[float, ...] = ()
    network_ms: tuple[float, ...] = ()
    ping_ms: float = -1.0
    expires_s: float = -1.0
    robot: str = ''
    deployment: str = ''
    readiness: Readiness = Readiness.UNKNOWN
    unready: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SupervisorBeat(Beat):
    """Beat of the supervisor."""

    state: State = State.UNCONFIGURED
    epoch: int = 0
