# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state and the figures that a connector reports: for beats, diagnostics and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import MotionState


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorReport:
    """
    A snapshot of a connector. A figure that a connector does not measure keeps its default.

    :param has_torque: whether all joints were under torque when they were last measured.
    :param at_rest: whether neither the commanded nor the measured joints move.
    :param is_parked: whether the last motion ended in the rest pose, with torque off.
    :param epoch: epoch of the present activation, or of the last one.
    :param cause: what stopped the present activation, or None.
    :param accepted: number of accepted chunks.
    :param rejected: number of refused chunks, by fault code.
    :param is_starved: whether nothing is left to play.
    :param setpoint: last commanded position (joints,) [rad].
    :param link_lost: whether the link to the robot is gone for good. Only a new configuration
        helps.
    :param playback_rate: speed of the playback, 0 at rest, 1 as the policy asks.
    :param pace: rate at which the chunks last until the next ones come; 1 when they are long
        enough.
    :param observation_age_s: age of the observation behind what is played [s]; negative when
        nothing is.
    :param disagreements: chunks that were not followed at once, because they lead elsewhere.
    :param max_step_rad: largest change of one setpoint between two cycles [rad].
    :param lead_slowdowns: cycles in which a lagging joint slowed the playback down.
    :param cycles: control cycles with a measurement.
    :param missed_cycles: control cycles without a measurement.
    :param late_cycles: cycles that began more than half a period late.
    :param refused_samples: measurements that cannot be true, and were not used.
    :param bad_share: share of the last 100 cycles with damaged answers, 0..1.
    :param is_degraded: whether the link is so bad that the robot is slowed down.
    :param rate_hz: rate of the last cycles [1/s].
    :param cycle_ms_p50: median work time of a cycle [ms].
    :param cycle_ms_p99: 99th percentile of the work time of a cycle [ms].
    :param late_ms_p99: 99th percentile of the delay of a cycle's start [ms].
    :param late_ms_max: largest delay of a cycle's start [ms].
    """

    state: MotionState
    has_torque: bool
    at_rest: bool
    is_parked: bool
    epoch: int
    cause: Cause | None
    accepted: int
    rejected: Mapping[FaultCode, int] = field(default_factory=dict)
    is_starved: bool
    setpoint: tuple[float, ...]
    link_lost: bool = False
    playback_rate: float = 0.0
    pace: float = 1.0
    observation_age_s: float = -1.0
    disagreements: int = 0
    max_step_rad: float = 0.0
    lead_slowdowns: int = 0
    cycles: int = 0
    missed_cycles: int = 0
    late_cycles: int = 0
    refused_samples: int = 0
    bad_share: float = 0.0
    is_degraded: bool = False
    rate_hz: float = 0.0
    cycle_ms_p50: float = 0.0
    cycle_ms_p99: float = 0.0
    late_ms_p99: float = 0.0
    late_ms_max: float = 0.0
