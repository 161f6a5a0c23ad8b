# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The measurements of all servos at once, for every cycle.

Apart from the register table, which the emulator shares: it needs no arrays, and none of the
threads that come with them.
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
    The feedback blocks of several servos, raw counts (units as in the table), one array each.

    :param data: 15 bytes of each servo, one after the other.
    :raises ValueError: when it is another number of bytes.
    """

    __slots__ = ('current', 'load', 'position', 'speed', 'status', 'temperature', 'voltage')

    def __init__(self, data: bytes) -> None:
        if len(data) % FEEDBACK_BLOCK[1]:
            raise ValueError(f'feedback: {len(data)} bytes, expected {FEEDBACK_BLOCK[1]} for each '
                             'servo')
        raw = np.array(list(_ARRAYS_STRUCT.iter_unpack(data)), dtype=float).T
        # Sign-magnitude: what has the sign bit is that bit minus the count.
        values = np.where(raw >= _ARRAYS_SIGNS, _ARRAYS_SIGNS - raw, raw)
        self.position, self.speed, self.load, self.voltage, self.temperature, status, \
            self.current = values
        self.status: list[int] = status.astype(int).tolist()
