# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether a measurement can be true: a valid checksum does not make a value right; pure.

Values that no servo can have, and a joint that is further away than it can have moved, are not
believed; when they come again and again they are, and then something is badly wrong.
"""

from __future__ import annotations

import numpy as np

from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.calibration import RAD_PER_TICK
from reflex_ros.hardware.so101 import SO101_JOINTS

MAX_SPEED = 5.2
"""No load, 7.4 V part, the fastest follower [rad/s]."""
PLAY_RAD = 20 * RAD_PER_TICK
MAX_TEMPERATURE_C = 125.0
MAX_VOLTAGE_V = 20.0
BELIEVED_AFTER = 3
"""Times in a row that something implausible is refused."""
_TURN_RAD = 4096 * RAD_PER_TICK


class SampleFilter:
    """
    Judges measurements one after the other.

    :param speeds: largest speed of each joint (joints,) [rad/s]; lower gears turn faster.
    """

    def __init__(self, speeds: tuple[float, ...] = (MAX_SPEED,) * len(SO101_JOINTS)) -> None:
        self._speeds = np.array(speeds)
        self._last: JointSample | None = None
        self.refused = 0
        """Measurements that were not believed so far."""
        self._in_a_row = 0

    def judge(self, sample: JointSample) -> tuple[bool, str]:
        """
        Judge the next measurement.

        :returns: whether it may be used, and what is strange about it; both when it is used only
            because it came so often.
        """
        problem = self._impossible(sample) or self._jump(sample)
        if not problem:
            self._last, self._in_a_row = sample, 0
            return True, ''
        self._in_a_row += 1
        if self._in_a_row <= BELIEVED_AFTER:
            self.refused += 1
            return False, problem
        self._last, self._in_a_row = sample, 0
        return True, problem

    @staticmethod
    def _impossible(sample: JointSample) -> str:
        strange = (sample.temperature > MAX_TEMPERATURE_C) | (sample.voltage > MAX_VOLTAGE_V)
        if not strange.any():
            return ''
        index = int(strange.argmax())
        return (f'{SO101_JOINTS[index].name} claims {sample.temperature[index]:.0f} degC and '
                f'{sample.voltage[index]:.1f} V')

    def _jump(self, sample: JointSample) -> str:
        if self._last is None:
            return ''
        way = np.abs(sample.position - self._last.position)
        beyond = way - self._speeds * (sample.taken_at - self._last.taken_at) - PLAY_RAD
        index = int(beyond.argmax())
        if beyond[index] <= 0.0:
            return ''
        hint = ('did it run over the end of its encoder?' if way[index] > 0.75 * _TURN_RAD
                else 'did its homing offset change?')
        return (f'{SO101_JOINTS[index].name} is {way[index]:.2f} rad from where it was a moment '
                f'ago: {hint}')
