# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a session with the service is told, and what it shows of itself; values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reflex_ros.client import retry
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.heartbeats import Link, ServiceChange, SessionMode
from reflex_ros.domain.outlook import SendPrefix
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.runner.exchange import Counts, Times
from reflex_ros.runner.session_errors import IN_GRAPH, NextSteps


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """
    Settings of a session.

    :param rpc_url: base URL of the RPC backend.
    :param actions_url: URL of the action stream.
    :param robot_id: id of the robot that the session is for.
    :param prompt: the first task; it may change while the session runs.
    :param rate_hz: rate of the rows to ask for [1/s].
    :param chunk_size: number of rows to ask for.
    :param rules: how requests may follow each other.
    :param execute_horizon: rows of a chunk that are used; 0 uses all.
    :param send_prefix: whether observations carry ``action_prefix``.
    :param send_arrival_state: whether the state of an observation is where the arm will be when
        the chunk comes, instead of where it was measured; then no prefix is sent.
    :param recv_hard_s: how much longer than usual an answer may take while actions are applied
        [s].
    :param first_chunk_s: longest wait for a chunk otherwise: a model may have to start [s].
    :param window_s: how long opening the stream is retried [s].
    :param next_steps: what helps where the session runs.
    :param watch_s: time between two looks at the service's list of sessions [s].
    :param watch_stale_s: longest time without such a look [s].
    """

    rpc_url: str
    actions_url: str
    prompt: str
    model: str = 'pi0.5'
    deployment_id: str | None = None
    robot_id: str | None = None
    cameras: tuple[str, ...] = ()
    rate_hz: float = 30.0
    chunk_size: int = 50
    rules: RequestRules = RequestRules()
    execute_horizon: int = 0
    send_prefix: SendPrefix = SendPrefix.AUTO
    send_arrival_state: bool = False
    recv_hard_s: float = 2.0
    first_chunk_s: float = 60.0
    window_s: float = retry.DEFAULT_WINDOW_S
    next_steps: NextSteps = IN_GRAPH
    watch_s: float = 5.0
    watch_stale_s: float = 15.0

    @property
    def uses_outlook(self) -> bool:
        """Whether the session may need the plan of the driver."""
        return self.send_arrival_state or self.send_prefix is not SendPrefix.NEVER


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """
    What a session has done so far; counters only grow, also from one session to the next.

    Never changed: the session replaces the whole value, so any thread may read it.

    :param remark: what the link waits for, or why it was lost.
    :param mode: mode that we brought the service's session to.
    :param service_change: what somebody else did to the session at the service since then.
    :param received_before: ``received`` when the present stream was opened.
    :param accepted_before: ``accepted`` when the present stream was opened.
    :param counts: what became of observations and frames.
    :param times: quantiles of the last answers.
    :param ping_ms: time of the last WebSocket ping [ms]; negative before the first answer.
    :param chunk_at: monotonic instant of the last accepted chunk [s]; 0 before the first.
    :param prefixes: observations that carried what the arm will execute.
    :param chunk_prompt: the task that the last accepted chunk answers; empty before the first.
    :param refusal: why the last chunk was refused for what it says; None when it was accepted.
    :param policy_remark: what the rows of a dry run look like, when they look like a mistake.
    :param gap: why no observation can be sent now.
    :param lost: why the last session ended.
    :param fault: why no further session is opened.
    :param expires_at: monotonic instant at which the session ends [s]; None when unknown.
    :param opened_at: monotonic instant at which the stream was opened [s].
    :param open_timing: milliseconds of the steps of opening it.
    """

    link: Link = Link.CLOSED
    remark: str = ''
    mode: SessionMode = SessionMode.NONE
    service_change: ServiceChange = ServiceChange.NONE
    session_id: str = ''
    counts: Counts = field(default_factory=Counts)
    times: Times = Times()
    ping_ms: float = -1.0
    received_before: int = 0
    accepted_before: int = 0
    in_flight: int = 0
    chunk_at: float = 0.0
    chunk_prompt: str = ''
    prefixes: int = 0
    refusal: Cause | None = None
    policy_remark: str = ''
    gap: Cause | None = None
    lost: Cause | None = None
    fault: Cause | None = None
    expires_at: float | None = None
    opened_at: float = 0.0
    open_timing: Mapping[str, float] = field(default_factory=dict)
