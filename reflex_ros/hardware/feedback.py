# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decode the measurements of all servos at once, for every cycle.

This is a module of its own because the emulator imports the register table, and needs neither
numpy nor the threads that numpy starts.
"""

from __future__ import annotations

import struct

import numpy as np

from reflex_ros.hardware.registers import FEEDBACK_BLOCK

# Position, speed, load, voltage, temperature, (pending write), status, (moving, target), current.
_ARRAYS_STRUCT = struct.Struct('<HHHBBxBxxxH')
_ARRAYS_SIGNS = np.array([[2.0 ** 15], [2.0 ** 15], [2.0 ** 10], [2.0 ** 16], [2.0 ** 16],
                          [2.0 ** 16], [2.0 ** 15]])


class FeedbackArrays:
    """
    The feedback of several servos in raw counts (units as in the table): one array per register.

    :param data: 15 bytes per servo, one servo after the other.
    :raises ValueError: when the number of bytes is not a multiple of 15.
    """

    __slots__ = ('current', 'load', 'position', 'speed', 'status', 'temperature', 'voltage')

    def __init__(self, data: bytes) -> None:
        if len(data) % FEEDBACK_BLOCK[1]:
            raise ValueError(f'feedback: {len(data)} bytes, expected {FEEDBACK_BLOCK[1]} for each '
                             'servo')
        raw = np.array(list(_ARRAYS_STRUCT.iter_unpack(data)), dtype=float).T
        # Sign-magnitude: a raw count with the sign bit stands for (sign bit - raw count).
        values = np.where(raw >= _ARRAYS_SIGNS, _ARRAYS_SIGNS - raw, raw)
        self.position, self.speed, self.load, self.voltage, self.temperature, status, \
            self.current = values
        self.status: list[int] = status.astype(int).tolist()
