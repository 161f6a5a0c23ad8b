# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the bus thread says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import MotionState


@dataclass(frozen=True, slots=True)
class DriverReport:
    """
    A snapshot for beats and diagnostics.

    :param cycles: with a measurement, since start.
    :param missed_cycles: without one.
    :param late_cycles: that began more than half a period late; none is caught up.
    :param refused_samples: measurements that cannot be true, and were not used.
    :param bad_share: share of the last 100 cycles with damaged answers.
    :param is_degraded: whether the bus is so bad that the arm is slowed down.
    :param rate_hz: of the last cycles [1/s].
    :param cycle_ms_p99: 99th percentile of the work in one cycle [ms].
    :param late_ms_p99: 99th percentile of the start being late [ms].
    :param rejected: chunks refused, by fault code.
    :param port_lost: whether the port is gone, or the bus thread ended for another reason; only
        configuring again helps.
    """

    state: MotionState
    has_torque: bool
    at_rest: bool
    is_parked: bool
    epoch: int
    cause: Cause | None
    cycles: int
    missed_cycles: int
    late_cycles: int
    refused_samples: int
    bad_share: float
    is_degraded: bool
    rate_hz: float
    cycle_ms_p50: float
    cycle_ms_p99: float
    late_ms_p99: float
    late_ms_max: float
    max_step_rad: float
    playback_rate: float
    is_starved: bool
    lead_slowdowns: int
    accepted: int
    rejected: dict[FaultCode, int]
    setpoint: tuple[float, ...]
    port_lost: bool
