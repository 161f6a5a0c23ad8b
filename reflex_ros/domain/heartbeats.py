# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What driver and stream say of themselves, as the supervisor uses it."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.domain.cause import Cause


@dataclass(frozen=True, slots=True)
class DriverBeat:
    """
    The connector's beat.

    :param motion: passive, hold, playing, stopping or parking.
    :param port_lost: the port is gone; it must be configured again.
    :param foreign_s: since a command came that was not the stream's [s]; negative when never.
    """

    lifecycle: str = 'unknown'
    problem: str = ''
    motion: str = 'passive'
    torque: bool = False
    at_rest: bool = False
    parked: bool = False
    epoch: int = 0
    cause: Cause | None = None
    port_lost: bool = False
    cycles: int = 0
    rate_hz: float = 0.0
    cycle_ms_p99: float = 0.0
    late_ms_p99: float = 0.0
    foreign_s: float = -1.0


@dataclass(frozen=True, slots=True)
class StreamBeat:
    """
    The transport's beat.

    :param progress: grows while the session's loop works.
    :param gap: why no observation can be sent.
    :param lost: why the last session ended.
    :param fault: why no further session is opened.
    :param received: chunks since the stream was opened.
    :param accepted: of them, those that passed every check.
    :param open_s: for how long the stream has been open [s].
    :param age_ms_p95: of the chunks at receipt [ms].
    :param expires_s: until the session ends [s]; negative when unknown.
    """

    lifecycle: str = 'unknown'
    problem: str = ''
    progress: int = 0
    link: str = 'closed'
    remark: str = ''
    session_mode: str = ''
    gap: Cause | None = None
    lost: Cause | None = None
    fault: Cause | None = None
    received: int = 0
    accepted: int = 0
    open_s: float = 0.0
    age_ms_p95: float = 0.0
    expires_s: float = -1.0
