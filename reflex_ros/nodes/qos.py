# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Named QoS profiles; the reasons stand in doc/interfaces.md."""

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    qos_profile_sensor_data,
    QoSProfile,
    ReliabilityPolicy,
)


def _profile(depth: int, *, reliable: bool = True, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)


JOINT_STATES = _profile(10)
CAMERA = qos_profile_sensor_data
CAMERA_DRIVER = _profile(5)
"""REP-2003: a driver publishes reliably, whoever reads it decides how it wants it."""
CHUNK = _profile(1)
"""Volatile, depth 1: a late command must never be replayed."""
LEASE = _profile(1, reliable=False)
"""Its absence is the signal; an old one is worth nothing."""
STOP = _profile(10)
STATE = _profile(1, latched=True)
"""Who comes late must learn that we are stopped."""
DIAGNOSTICS = _profile(10)
PROMPT = _profile(1)
