# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a session with the service is to run, and what it does; values only."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from reflex_ros.client import retry
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """
    How to run a session.

    :param rpc_url: base URL of the RPC backend.
    :param actions_url: URL of the action stream.
    :param rate_hz: rate of the rows that we ask for [1/s].
    :param replan_s: a new chunk is requested at least this often [s].
    :param margin_s: and so early that it arrives this long before the present one ends [s].
    :param max_in_flight: observations that may wait for their chunk.
    :param recv_hard_s: longest wait for a chunk while actions are applied [s].
    :param watch_s: how often the session's state is asked for [s].
    """

    rpc_url: str
    actions_url: str
    prompt: str
    model: str = 'pi0.5'
    deployment_id: str | None = None
    cameras: tuple[str, ...] = ()
    rate_hz: float = 30.0
    chunk_size: int = 50
    replan_s: float = 0.5
    margin_s: float = 0.2
    max_in_flight: int = 2
    recv_soft_s: float = 1.0
    recv_hard_s: float = 2.0
    first_chunk_s: float = 60.0
    window_s: float = retry.DEFAULT_WINDOW_S
    watch_s: float = 5.0
    watch_stale_s: float = 15.0


@dataclass(slots=True)
class SessionStatus:
    """
    What the session does; counters only grow.

    :param link: ``closed``, ``opening``, ``open`` or ``lost``, with a remark.
    :param mode: of the service's session; empty when there is none.
    :param received_before: ``received`` when the present stream was opened; likewise accepted.
    :param gap: why no observation can be sent now.
    :param lost: why the last session ended.
    :param fault: why no further session is opened.
    :param progress: grows while the loop works.
    :param expires_at: monotonic instant at which the session ends [s].
    """

    link: str = 'closed'
    remark: str = ''
    mode: str = ''
    session_id: str = ''
    progress: int = 0
    sent: int = 0
    received: int = 0
    accepted: int = 0
    superseded: int = 0
    rejected: Counter[FaultCode] = field(default_factory=Counter)
    received_before: int = 0
    accepted_before: int = 0
    in_flight: int = 0
    chunk_at: float = 0.0
    chunk_age_ms: float = 0.0
    gap: Cause | None = None
    lost: Cause | None = None
    fault: Cause | None = None
    expires_at: float | None = None
    rtt_ms: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    ages_ms: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    opened_at: float = 0.0
    open_timing: dict[str, float] = field(default_factory=dict)
