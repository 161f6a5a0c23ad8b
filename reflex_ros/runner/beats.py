# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Beats of stream and driver from what a session and a connector report of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DriverBeat, Lifecycle, Link, StreamBeat
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.runner.session_status import SessionStatus

Identity = tuple[str, Lifecycle, str, str]
"""The first fields of every beat."""
NONE: Mapping[FaultCode, int] = {}


def stream_beat(identity: Identity, status: SessionStatus, now: float, *, progress: int,
                prompt: str = '', fault: Cause | None = None,
                slow_cameras: str = '') -> StreamBeat:
    """
    Return the beat of the transport.

    :param now: monotonic instant [s].
    :param progress: counter that grows while the session works.
    :param prompt: task text for the policy.
    :param fault: fault of the thread that the session runs in; None: that of the session counts.
    :param slow_cameras: which cameras miss the rate that the gate asks for.
    """
    counts, times = status.counts, status.times
    return StreamBeat(
        *identity,
        progress=progress, link=status.link, remark=status.remark,
        session_mode=status.mode, service_change=status.service_change, prompt=prompt,
        chunk_prompt=status.chunk_prompt, policy_remark=status.policy_remark,
        fault=fault or status.fault, lost=status.lost, gap=status.gap,
        slow_cameras=slow_cameras,
        refusal=status.refusal,
        session_received=counts.received - status.received_before,
        session_accepted=counts.accepted - status.accepted_before,
        sent=counts.sent, received=counts.received, accepted=counts.accepted,
        refused=counts.refused, superseded=counts.superseded, unanswered=counts.unanswered,
        prefixes=status.prefixes, strays=counts.strays,
        in_flight=status.in_flight, rejected=counts.rejected,
        since_chunk_s=now - status.chunk_at if status.chunk_at else -1.0,
        open_s=now - status.opened_at if status.link is Link.OPEN else 0.0,
        age_ms=max(times.age[0], 0.0), age_ms_p95=max(times.age[1], 0.0),
        rtt_ms_p50=times.round_trip[0], round_trip_ms=rounded(times.round_trip),
        service_ms=rounded(times.service), network_ms=rounded(times.network),
        ping_ms=round(status.ping_ms, 1),
        expires_s=-1.0 if status.expires_at is None else max(0.0, status.expires_at - now))


def driver_beat(identity: Identity, report: ConnectorReport, *,
                travel: GripperTravel | None = None, refused: Mapping[FaultCode, int] = NONE,
                permit_age_s: float = -1.0, foreign_s: float = -1.0,
                intruders: str = '') -> DriverBeat:
    """
    Return the beat of the connector.

    :param travel: of its gripper, if it has exactly one.
    :param refused: commands that were refused before they came to the connector.
    :param permit_age_s: time since the last permit [s]; negative: none.
    :param foreign_s: time since the last command without a valid tag [s]; negative: none.
    :param intruders: nodes that could command the arm and must not.
    """
    return DriverBeat(
        *identity,
        gripper_closed_rad=travel.closed if travel else None,
        gripper_open_rad=travel.opened if travel else None,
        motion=report.state, torque=report.has_torque,
        torque_known=report.knows_torque, epoch=report.epoch,
        at_rest=report.at_rest, parked=report.is_parked, alone=report.is_alone,
        heat=report.heat, unfit=report.unfit, cause=report.cause,
        port_lost=report.link_lost, degraded=report.is_degraded, starved=report.is_starved,
        accepted=report.accepted, permit_age_s=permit_age_s, foreign_s=foreign_s,
        intruders=intruders, setpoint=report.setpoint,
        **report.figures() | {'rejected': Counter(refused) + Counter(report.rejected)})


def rounded(values: Iterable[float]) -> tuple[float, ...]:
    """Round times to a tenth of a millisecond: a beat is read fifty times a second."""
    return tuple(round(value, 1) for value in values)
