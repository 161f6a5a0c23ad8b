# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was heard of a running graph and how old that is; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import math

from reflex_ros.domain.heartbeats import (
    DRIVER,
    DriverBeat,
    MotionState,
    STREAM,
    StreamBeat,
    SUPERVISOR,
    SupervisorBeat,
)
from reflex_ros.domain.supervision import SafetyState

SILENT_S = 1.0
"""A node without news for this long is silent [s]: the slowest beat comes ten times a second."""


@dataclass(frozen=True, slots=True)
class GraphStatus:
    """
    The newest messages of a graph.

    :param ages_s: age of the news of each node, by its name [s]. A node that was never heard is
        missing.
    """

    safety: SafetyState = field(default_factory=SafetyState)
    driver: DriverBeat = field(default_factory=DriverBeat)
    stream: StreamBeat = field(default_factory=StreamBeat)
    supervisor: SupervisorBeat = field(default_factory=SupervisorBeat)
    ages_s: Mapping[str, float] = field(default_factory=dict)

    def is_silent(self, node: str) -> bool:
        """Whether a node has not been heard for a second."""
        return self.ages_s.get(node, math.inf) > SILENT_S

    @property
    def warning(self) -> str:
        """Say that the shown state is old, and what the arm does then; empty while it is not."""
        if not self.is_silent(SUPERVISOR):
            return ''
        age_s = self.ages_s.get(SUPERVISOR, math.inf)
        if not self.is_silent(DRIVER) and self.driver.permit_age_s >= 0.0:
            # The driver has heard the supervisor's permits for longer than we have listened.
            age_s = self.driver.permit_age_s
        since = f' for {age_s:.0f} s' if math.isfinite(age_s) else ''
        return f'no news from the {SUPERVISOR}{since}; {self._arm()}'

    def _arm(self) -> str:
        if self.is_silent(DRIVER):
            return 'none from the driver either: the servos keep their last goals'
        if self.driver.motion is MotionState.HOLD or self.driver.torque:
            return 'the driver holds the arm' if self.driver.at_rest else \
                'the driver brings the arm to rest'
        if not self.driver.torque_known:
            return 'the driver has lost the servos, which may still hold the arm'
        return 'the arm is without torque'


NAMES = (DRIVER, STREAM, SUPERVISOR)
"""Nodes of every graph."""
