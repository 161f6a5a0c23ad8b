# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A hand that moves the joints of an arm without torque, again and again (pure)."""

from __future__ import annotations

import math

WAVE_S = 9.0
"""Period [s]: slow enough for an arm that approaches its leader."""
MIDDLE = (0.0, -0.7, 0.7, 0.7, 0.0, 0.5)
SWING = (0.4, 0.25, 0.25, 0.2, 0.2, 0.4)
"""The pose that it moves around, and how far [rad]."""


def pose(since_start_s: float) -> tuple[float, ...]:
    """Return where the hand holds the joints [rad]."""
    phase = since_start_s * math.tau / WAVE_S
    return tuple(middle + swing * math.sin(phase + index)
                 for index, (middle, swing) in enumerate(zip(MIDDLE, SWING, strict=True)))
