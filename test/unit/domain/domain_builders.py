# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values that several tests of the domain begin with."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflex_ros.domain.action import ActionChunk, ChunkBounds
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.hardware.so101 import SO101

BOUNDS = ChunkBounds(SO101)
LOWER, UPPER, VELOCITY = SO101.lower, SO101.upper, SO101.velocity
# Chunks that are played here for many seconds are not meant to be too old.
MOTION = Motion(max_blind_s=60.0)
DT = MOTION.period_s
HOME: Vector = np.zeros(len(LOWER))
OP_STOP = Cause(FaultCode.OP_STOP, 'a person asked to stop')
NET_CLOSED = Cause(FaultCode.NET_CLOSED, 'the stream is closed')


def along(**joints: float) -> Vector:
    """Make a vector that is zero but for the joints named j0 to j5."""
    vector = HOME.copy()
    for name, value in joints.items():
        vector[int(name[1:])] = value
    return vector


def make_chunk(rows: Any = None, **changes: Any) -> ActionChunk:
    """Make a chunk; without rows, one of 20 rows that stays at home."""
    values = {'seq': 0, 'rate_hz': 50.0, 'observed_at': 0.0,
              'joint_names': SO101.joint_names, **changes}
    return ActionChunk(rows=np.tile(HOME, (20, 1)) if rows is None else rows, **values)


def line(velocity: Vector, duration_s: float, start: Vector = HOME,
         **changes: Any) -> ActionChunk:
    """Make a chunk that moves at one velocity (joints,) [rad/s]."""
    rate_hz = changes.setdefault('rate_hz', 50.0)
    times = np.arange(max(round(duration_s * rate_hz), 1) + 1) / rate_hz
    return make_chunk(start + times[:, None] * velocity, **changes)
