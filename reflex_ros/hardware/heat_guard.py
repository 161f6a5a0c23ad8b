# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
When an arm that holds still, and gets hot by that, must park by itself (pure).

At 70 degC a servo switches its torque off, and the arm falls. The supervisor parks an arm that
gets hot while it is driven. This is for all others: an arm that was stopped, that waits for a
promotion, or whose supervisor is dead.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.servo_health import FAULT_BITS, WARM_C

ALONE_C = 64.0
"""Above the 62 degC at which a driven arm is stopped and parked, far enough below 70."""
TRIP_C = 70
HOT_S = 3.0
"""How long a servo must be hot: one measurement may be wrong, and a supervisor that lives parks
the arm itself within that time."""
RETRY_S = 10.0


class HeatGuard:
    """
    Watches the temperatures of an arm under torque.

    :param joint_names: for the texts.
    """

    def __init__(self, joint_names: Sequence[str]) -> None:
        self._names = tuple(joint_names)
        self._hot_since: float | None = None
        self._not_before = 0.0
        self._bar = ''
        self.text = ''
        """What a person must know, with the next step; empty while the arm is cool or limp."""

    def bar(self, reason: str) -> None:
        """Never park alone until ``allow``, for a reason: a person has stopped it."""
        self._bar = reason

    def allow(self) -> None:
        """Park alone again when that is needed: a person has moved the arm since."""
        self._bar, self._not_before = '', 0.0

    def wait(self, now: float) -> None:
        """Do not try at once: something has ended a way to the rest pose."""
        self._not_before = now + RETRY_S

    def retry_later(self, now: float, reason: str) -> None:
        """Do not try again at once; say why it was not possible."""
        self.wait(now)
        self._bar = ''
        self.text = f'{self.text} (not possible: {reason})' if self.text else reason

    def evaluate(self, sample: JointSample, now: float, *, holds: bool, is_whole: bool,
                 is_idle: bool) -> bool:
        """
        Look at a measurement; set ``text``.

        :param now: monotonic instant [s].
        :param holds: whether any joint is under torque.
        :param is_whole: whether all joints are: an arm of which one is limp does not park alone.
        :param is_idle: whether nobody moves the arm, and nobody is about to.
        :returns: whether the arm must begin to park by itself now.
        """
        hottest = int(sample.temperature.argmax())
        heat = float(sample.temperature[hottest])
        if not holds or heat < WARM_C:
            self._hot_since, self.text = None, ''
            return False
        where = f'{self._names[hottest]} is at {heat:.0f} degC'
        bar = self._bar or ('' if is_whole else 'not every joint is under torque')
        then = (f'it does not park by itself, because {bar}' if bar
                else f'from {ALONE_C:.0f} on the arm parks by itself')
        if now >= self._not_before or not self.text:
            self.text = (f'{where}, under torque: at {TRIP_C} the servo lets go and the arm '
                         f'falls; {then}. Run `reflex park`, or support the arm')
        if heat < ALONE_C:
            self._hot_since = None
            return False
        if self._hot_since is None:
            self._hot_since = now
        has_fault = any(bits & FAULT_BITS for bits in sample.errors)
        return (is_idle and not bar and not has_fault and now >= self._not_before
                and now - self._hot_since > HOT_S)
