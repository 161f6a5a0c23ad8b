# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of a connector's control loop, which its report and its beat have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from reflex_ros.domain.fault_code import FaultCode


# Without slots: a class cannot have two bases with slots, and the beat has another one.
@dataclass(frozen=True, kw_only=True)
class ControlFigures:
    """
    A figure that a connector does not measure keeps its default.

    :param rejected: number of refused chunks, by fault code.
    :param playback_rate: speed of the playback, 0 at rest, 1 as the policy asks.
    :param pace: rate at which the chunks last until the next ones come; 1 when they are long
        enough.
    :param rows_left: rows of the newest chunk that are not played yet.
    :param holds: how often the arm came to rest because nothing was left to play.
    :param observation_age_s: age of the observation behind what is played [s]; negative when
        nothing is.
    :param disagreements: chunks that were not followed at once, because they lead elsewhere.
    :param max_step_rad: largest change of one setpoint between two cycles [rad].
    :param lead_slowdowns: cycles in which a lagging joint slowed the playback down.
    :param cycles: control cycles with a measurement, since configure.
    :param missed_cycles: control cycles without a measurement.
    :param late_cycles: cycles that began more than half a period late.
    :param refused_samples: measurements that cannot be true, and were not used.
    :param rate_hz: rate of the last cycles, each of which commands the joints [1/s].
    :param target_hz: the rate that was asked for [1/s].
    :param cycle_ms_p50: median work time of a cycle [ms].
    :param cycle_ms_p99: 99th percentile of the work time of a cycle [ms].
    :param late_ms_p99: 99th percentile of the delay of a cycle's start [ms].
    :param late_ms_max: largest delay of a cycle's start [ms].
    """

    rejected: Mapping[FaultCode, int] = field(default_factory=dict)
    playback_rate: float = 0.0
    pace: float = 1.0
    rows_left: int = 0
    holds: int = 0
    observation_age_s: float = -1.0
    disagreements: int = 0
    max_step_rad: float = 0.0
    lead_slowdowns: int = 0
    cycles: int = 0
    missed_cycles: int = 0
    late_cycles: int = 0
    refused_samples: int = 0
    rate_hz: float = 0.0
    target_hz: float = 0.0
    cycle_ms_p50: float = 0.0
    cycle_ms_p99: float = 0.0
    late_ms_p99: float = 0.0
    late_ms_max: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Return name -> value of these figures, without the fields of a subclass."""
        return {each.name: getattr(self, each.name) for each in fields(ControlFigures)}
