# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""QoS profiles by name; doc/interfaces.md lists which topic has which."""

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
"""REP-2003: a driver publishes reliably, and each subscriber chooses its own reliability."""
CHUNK = _profile(1)
"""Volatile with depth 1: an old command must never be delivered later."""
LEASE = _profile(1, reliable=False)
"""Best effort with depth 1: only the newest message counts, and its absence is the signal."""
STOP = _profile(10)
STATE = _profile(1, latched=True)
"""Transient local: a node that starts later must learn that the system is stopped."""
DIAGNOSTICS = _profile(10)
PROMPT = _profile(1)
