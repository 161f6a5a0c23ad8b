# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""QoS profiles by name; doc/interfaces.md lists which topic has which."""

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)


def _profile(depth: int, *, reliable: bool = True, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)


JOINT_STATES = _profile(10)
JOINT_STATES_INPUT = _profile(10, reliable=False)
"""Best effort: it also receives from drivers that publish with best effort."""
CAMERA_DRIVER = _profile(5)
"""REP-2003: a driver publishes reliably, and each subscriber chooses its own reliability."""
CAMERA_INPUT = _profile(1)
"""
Reliable with depth 1: a frame is sent in many packets, and best effort loses all of it with one.

Seen with 640 x 480 in rgb8 at 90 frames/s over UDP on loopback: 14 arrive with best effort, 90
reliably.
"""
CAMERA_INPUT_BEST_EFFORT = _profile(1, reliable=False)
"""For publishers that offer only best effort."""
CHUNK = _profile(1)
"""Volatile with depth 1: an old command must never be delivered later."""
LEASE = _profile(1, reliable=False)
"""Best effort with depth 1: only the newest message counts, and its absence is the signal."""
STOP = _profile(10)
STATE = _profile(1, latched=True)
"""Transient local: a node that starts later must learn that the system is stopped."""
DIAGNOSTICS = _profile(10)
PROMPT = _profile(1)
TF = _profile(100)
TF_STATIC = _profile(1, latched=True)
"""As tf2 publishes them."""
