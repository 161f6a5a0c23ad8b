# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When an input was captured, and when the next one is worth waiting for."""

from __future__ import annotations

from collections.abc import Iterable
import math

STAMP_AGE_S = 1.0
"""A stamp that is older says more about its clock than about the measurement."""
SLACK_S = 0.008
"""How much later than its period a frame may arrive and still be waited for."""
LONGEST_WAIT_S = 0.06
WAIT_COST = 0.5
"""
What a second of waiting costs, in seconds of age.

Waiting makes the answer late by as much, which ages the actions that are executed meanwhile: by
half of it on average, because they are replaced in turn.
"""


def stamp_age(stamp_ns: int, ros_now_ns: int) -> float | None:
    """
    Return how old a measurement is by its stamp [s]; None when the stamp cannot be right.

    :param stamp_ns: ``header.stamp`` [ns].
    :param ros_now_ns: the ROS clock at receipt [ns].
    """
    age_s = (ros_now_ns - stamp_ns) * 1e-9
    return age_s if 0.0 <= age_s <= STAMP_AGE_S and stamp_ns > 0 else None


def stamp_note(stamp_ns: int, ros_now_ns: int) -> str:
    """Say in a few words whether a stamp is used, and why not."""
    if stamp_age(stamp_ns, ros_now_ns) is not None:
        return 'used'
    if stamp_ns <= 0:
        return 'not set: the time of receipt is used'
    seconds = (ros_now_ns - stamp_ns) * 1e-9
    return (f'{seconds:.1f} s old' if seconds > 0.0 else f'{-seconds:.1f} s ahead') \
        + ' on the ROS clock: the time of receipt is used'


def wait_for_fresher(cameras: Iterable[tuple[float, float]]) -> float:
    """
    Return how long to wait until the frames of all cameras are as fresh as they get [s].

    Frames of several cameras come one after the other. The best instant is that of the last one
    of a group: then the oldest frame is youngest. 0: it does not pay to wait.

    :param cameras: for each camera the age of its newest frame, and the time between its frames
        [s]; a time of 0 is unknown.
    """
    rows = [(age, _next_arrival(age, period), period) for age, period in cameras]

    def cost(wait: float) -> float:
        return WAIT_COST * wait + max(age + wait - (period if due <= wait else 0.0)
                                      for age, due, period in rows)

    arrivals = sorted(due for _, due, _ in rows if due <= LONGEST_WAIT_S)
    return min((0.0, *arrivals), key=cost) if rows else 0.0


def _next_arrival(age: float, period: float) -> float:
    """Return when the next frame is due from now [s]; infinite when it cannot be foreseen."""
    if age < period:
        return period - age
    # A frame that is late by more than the slack may not come at all.
    return 0.001 if period > 0.0 and age < period + SLACK_S else math.inf
