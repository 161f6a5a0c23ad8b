# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keys that move an arm joint by joint; a ``teleop.Guide``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
import queue

import numpy as np

from reflex_ros.domain.joints import Vector

STEP_RAD = math.radians(1.5)
"""Of one press; a key that is held repeats about 30 times a second."""
REACH_RAD = math.radians(5.0)
"""How far the target may be ahead of the goals: the arm stops soon after the key."""
PAIRS = ('da', 'ws', 'ik', 'uj', 'mn', 'ol')
"""For each joint in its order, the keys that move it up and down its angle (a gripper: open it,
close it). None of them means anything to ``recording.takes``."""


class KeyboardGuide:
    """
    Moves the target of one arm; used by the thread of the arm, except for ``press``.

    :param joint_names: at most as many as there are ``PAIRS``.
    :param setpoint: returns where the arm is commanded to be (joints,) [rad].
    :param limits: lower and upper limits of the target (joints,) [rad]; None where others clip it.
    """

    def __init__(self, joint_names: Sequence[str], setpoint: Callable[[], Vector],
                 limits: tuple[Vector, Vector] | None = None) -> None:
        self._joint_names = joint_names
        self._setpoint = setpoint
        self._limits = limits
        self._pressed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._moves = {key: (index, sign) for index, pair in enumerate(PAIRS[:len(joint_names)])
                       for key, sign in zip(pair, (1.0, -1.0), strict=True)}
        self._wanted: Vector = setpoint().copy()

    @property
    def help(self) -> str:
        """One line for a person: which keys move which joint."""
        return ', '.join(f'{" ".join(pair)} {name}'
                         for pair, name in zip(PAIRS, self._joint_names, strict=False))

    def press(self, key: str) -> bool:
        """Take a key; return whether it moves a joint. Any thread."""
        if key not in self._moves:
            return False
        self._pressed.put(key)
        return True

    def target(self) -> Vector:
        """Return where the keys want the arm to be (joints,) [rad]."""
        while not self._pressed.empty():
            index, sign = self._moves[self._pressed.get()]
            self._wanted[index] += sign * STEP_RAD
        setpoint = self._setpoint()
        self._wanted = np.clip(self._wanted, setpoint - REACH_RAD, setpoint + REACH_RAD)
        if self._limits is not None:
            self._wanted = np.clip(self._wanted, *self._limits)
        return self._wanted.copy()
