# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Filter out measurements that cannot be true: a valid checksum does not make a value right (pure).

A value that no servo can have is refused, and so is a position that the joint cannot have reached
since the last measurement. If such measurements repeat, they are accepted and reported: then the
servo itself is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.calibration import RAD_PER_TICK

MAX_SPEED = 5.2
"""Speed of the fastest follower: 7.4 V part, no load [rad/s]."""
PLAY_RAD = 20 * RAD_PER_TICK
"""Allowance for backlash and noise of the encoder."""
MAX_TEMPERATURE_C = 125.0
MAX_VOLTAGE_V = 20.0
ACCEPTED_AFTER = 3
"""Number of implausible measurements in a row that are refused; the next one is accepted."""
_TURN_RAD = 4096 * RAD_PER_TICK


class SampleFilter:
    """
    A filter for a sequence of measurements.

    :param joint_names: for the texts.
    :param max_speed: largest speed of a joint [rad/s].
    """

    def __init__(self, joint_names: Sequence[str], max_speed: float = MAX_SPEED) -> None:
        self._names = tuple(joint_names)
        self._max_speed = max_speed
        self._last: JointSample | None = None
        self.refused = 0
        """Number of refused measurements."""
        self._in_a_row = 0

    def check(self, sample: JointSample) -> tuple[bool, str]:
        """
        Check the next measurement.

        :returns: whether it may be used, and what is implausible about it, or an empty text. An
            implausible measurement is used after three refused ones in a row.
        """
        problem = self._impossible(sample) or self._jump(sample)
        if not problem:
            self._last, self._in_a_row = sample, 0
            return True, ''
        self._in_a_row += 1
        if self._in_a_row <= ACCEPTED_AFTER:
            self.refused += 1
            return False, problem
        self._last, self._in_a_row = sample, 0
        return True, problem

    def _impossible(self, sample: JointSample) -> str:
        strange = (sample.temperature > MAX_TEMPERATURE_C) | (sample.voltage > MAX_VOLTAGE_V)
        if not strange.any():
            return ''
        index = int(strange.argmax())
        return (f'{self._names[index]} reports {sample.temperature[index]:.0f} degC and '
                f'{sample.voltage[index]:.1f} V, which no servo can have')

    def _jump(self, sample: JointSample) -> str:
        if self._last is None:
            return ''
        way = np.abs(sample.position - self._last.position)
        beyond = way - self._max_speed * (sample.taken_at - self._last.taken_at) - PLAY_RAD
        index = int(beyond.argmax())
        if beyond[index] <= 0.0:
            return ''
        hint = ('did it cross the seam of its encoder?' if way[index] > 0.75 * _TURN_RAD
                else 'did its homing offset change?')
        return (f'{self._names[index]} is {way[index]:.2f} rad from its last position, too far '
                f'for the time between: {hint}')
