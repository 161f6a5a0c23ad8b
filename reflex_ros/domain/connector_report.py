# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state and the figures that a connector reports: for beats, diagnostics and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.control_figures import ControlFigures
from reflex_ros.domain.heartbeats import MotionState


@dataclass(frozen=True, kw_only=True)
class ConnectorReport(ControlFigures):
    """
    A snapshot of a connector.

    :param has_torque: whether all joints were under torque when they were last measured.
    :param knows_torque: whether that is known: servos that do not answer may hold all the same.
    :param at_rest: whether neither the commanded nor the measured joints move.
    :param is_parked: whether the last motion ended in the rest pose, with torque off.
    :param is_alone: whether it parks by itself, because it is hot and nobody moves it.
    :param heat: what a person must know about hot joints under torque, or an empty text.
    :param unfit: what speaks against moving the robot now, by item of the gate.
    :param epoch: epoch of the present activation, or of the last one.
    :param cause: what stopped the present activation, or None.
    :param accepted: number of accepted chunks.
    :param is_starved: whether nothing is left to play.
    :param setpoint: last commanded position (joints,) [rad].
    :param link_lost: whether the link to the robot is gone for good. Only a new configuration
        helps.
    :param bad_share: share of the last 100 cycles with damaged answers, 0..1.
    :param is_degraded: whether the link is so bad that the robot is slowed down.
    """

    state: MotionState
    has_torque: bool
    at_rest: bool
    is_parked: bool
    epoch: int
    cause: Cause | None
    accepted: int
    is_starved: bool
    setpoint: tuple[float, ...]
    knows_torque: bool = True
    link_lost: bool = False
    bad_share: float = 0.0
    is_degraded: bool = False
    is_alone: bool = False
    heat: str = ''
    unfit: Mapping[str, str] = field(default_factory=dict)
