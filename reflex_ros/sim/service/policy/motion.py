# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Rows of an action chunk for the SO-101: from the observed pose into a moving reference.

Units are the service's: degrees about mid travel for five joints, percent for the gripper.
Plain Python floats: for 50 rows of 6 values that is as quick as numpy, and starts 80 ms sooner.
"""

from __future__ import annotations

from collections.abc import Callable
import math

from reflex_ros.sim.service.so101 import LOWER, Pose, UPPER

# [deg/s] of any row-to-row change; the promise is 60, the rest is for rounding.
MAX_SPEED = 57.0
# [deg/s] at which a large distance to the reference shrinks. So slow that a row of a chunk that
# took 0.3 s to come is less than 10 degrees from an arm that has not moved yet.
APPROACH_SPEED = 32.0
# [s] time constant at which a small distance to the reference shrinks.
BLEND_S = 0.3

Reference = Callable[[float], Pose]


def follow(
    reference: Reference, state: Pose, start_s: float, *, hz: float, count: int
) -> list[list[float]]:
    """
    Make the rows of one chunk.

    :param reference: pose that the policy wants at a time [s]; within the limits.
    :param state: (6,) observed pose, possibly outside the limits.
    :param start_s: time of the observation on the reference's clock.
    :param hz: rate of the rows, > 0.
    :param count: number of rows.
    :returns: (count, 6). Row 0 is the observed pose, row k the target at ``start_s + k / hz``.
        No joint moves faster than ``MAX_SPEED``; none goes further out of its range than it is.
    """
    period_s = 1.0 / hz
    fading = 1.0 - math.exp(-period_s / BLEND_S)
    most, approach = MAX_SPEED * period_s, APPROACH_SPEED * period_s
    row = list(state)
    rows = [row]
    now = reference(start_s)
    for k in range(1, count):
        following = reference(start_s + k * period_s)
        values = []
        for j, value in enumerate(row):
            shrink = _clip((value - now[j]) * fading, -approach, approach)
            step = _clip(following[j] - now[j] - shrink, -most, most)
            values.append(_clip(value + step, min(LOWER[j], value), max(UPPER[j], value)))
        row = values
        rows.append(row)
        now = following
    return [[round(value, 4) for value in row] for row in rows]


def into_range(pose: Pose, margin: float = 1.0) -> Pose:
    """Return the nearest pose that is inside the limits by a margin in degrees and percent."""
    return tuple(
        _clip(value, low + margin, high - margin)
        for value, low, high in zip(pose, LOWER, UPPER, strict=True))


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
