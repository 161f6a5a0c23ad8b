# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which episode is recorded when: what keys and the clock mean. No clock is read here."""

from __future__ import annotations

from enum import Enum
import math


class Act(Enum):
    """What the recording has to do."""

    BEGIN = 'begin an episode'
    SAVE = 'end the episode, and keep it'
    DISCARD = 'end the episode, and drop it'
    REPEAT = 'drop the episode, and begin it again at once'
    LEAVE = 'record no more'


KEYS = {' ': 'start, end', '\r': 'start, end', '\n': 'start, end', 'r': 'repeat', 'x': 'discard',
        'q': 'quit'}
HELP = 'space starts and ends an episode, r repeats it, x discards it, q quits'


class Takes:
    """
    The episodes of one sitting.

    :param wanted: episodes to keep; then the sitting is over.
    :param longest_s: an episode ends by itself after that time [s].
    :param pause_s: an episode begins by itself so long after the one before [s]; infinite: only a
        key begins one.
    """

    def __init__(self, wanted: int, longest_s: float = math.inf,
                 pause_s: float = math.inf) -> None:
        self.wanted = wanted
        self.kept = 0
        self._longest_s = longest_s
        self._pause_s = pause_s
        self._since: float | None = None    # of the episode, or of the pause
        self.is_recording = False
        self.is_over = False

    def lasts_s(self, now: float) -> float:
        """Return for how long the episode or the pause has lasted [s]."""
        return now - self._since if self._since is not None else 0.0

    def press(self, key: str, now: float) -> Act | None:
        """Return what a key means now; None for a key that means nothing."""
        meaning = KEYS.get(key)
        if self.is_over or meaning is None:
            return None
        if meaning == 'quit':
            self.is_over = True
            return Act.LEAVE
        if meaning == 'start, end':
            return self._end(Act.SAVE, now) if self.is_recording else self._begin(now)
        if not self.is_recording:
            return None
        if meaning == 'repeat':
            self._since = now
            return Act.REPEAT
        return self._end(Act.DISCARD, now)

    def tick(self, now: float) -> Act | None:
        """Return what the clock makes due."""
        if self.is_over:
            return None
        if self._since is None:
            self._since = now
        if self.is_recording and self.lasts_s(now) >= self._longest_s:
            return self._end(Act.SAVE, now)
        if not self.is_recording and self.lasts_s(now) >= self._pause_s:
            return self._begin(now)
        return None

    def take_back(self) -> None:
        """Count the episode that was kept last as dropped."""
        self.kept -= 1
        self.is_over = False

    def _begin(self, now: float) -> Act:
        self.is_recording, self._since = True, now
        return Act.BEGIN

    def _end(self, act: Act, now: float) -> Act:
        self.is_recording, self._since = False, now
        if act is Act.SAVE:
            self.kept += 1
            self.is_over = self.kept >= self.wanted
        return act
