# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which processes hang: they live, and nothing is heard of their nodes; time is passed in."""

from __future__ import annotations

from collections.abc import Mapping

from reflex_ros.domain.graph_status import NAMES, SILENT_S
from reflex_ros.domain.heartbeats import DRIVER, Lifecycle, STREAM, SUPERVISOR

MONITOR = 'monitor'
STEP_S = 0.2
"""Most that one look may add [s]: when we were held up ourselves, nobody was silent meanwhile."""
START_S = 20.0
"""A process of which nothing was heard since its start hangs after so long [s]."""
LIMITS_S = {SUPERVISOR: 2.0, MONITOR: 2.0}
ACTIVE_S, CHANGING_S = 5.0, 12.0
"""
Limits of driver and stream [s]. They send no beat during a transition, which takes 3 s from
*active*, and 8 s in *configure* of the stream, which asks the service.
"""


class HangWatch:
    """
    Judges by what the monitor hears, looked at a few times a second.

    A monitor that hears nobody is deaf: then it is the one that hangs.
    """

    def __init__(self) -> None:
        self._silent_s: dict[str, float] = {}
        self._looked_at: float | None = None

    def hung(self, now: float, snapshot_at: float, ages_s: Mapping[str, float],
             started_at: Mapping[str, float], lifecycles: Mapping[str, Lifecycle]) -> list[str]:
        """
        Name the processes that hang.

        :param now: monotonic instant [s], as the others.
        :param snapshot_at: when the monitor was heard.
        :param ages_s: age of the news of each node at that instant [s].
        :param started_at: start of each process that runs.
        :param lifecycles: state that driver and stream named last.
        """
        passed_s = min(now - self._looked_at, STEP_S) if self._looked_at is not None else 0.0
        self._looked_at = now
        heard_at = {name: snapshot_at - age_s for name, age_s in ages_s.items()}
        # News may be of an earlier process of that name.
        is_silent = {name: now - heard_at[name] > SILENT_S for name in NAMES
                     if name in heard_at and heard_at[name] > started_at.get(name, now)}
        is_mute = now - snapshot_at > SILENT_S
        is_deaf = len(is_silent) == len(NAMES) and all(is_silent.values())
        if is_mute or is_deaf:
            is_silent = dict.fromkeys(is_silent, False)
        if snapshot_at > started_at.get(MONITOR, now):
            is_silent[MONITOR] = is_mute or is_deaf
        self._silent_s = {name: self._silent_s.get(name, 0.0) + passed_s
                          for name, silent in is_silent.items() if silent}
        found = [name for name, silent_s in self._silent_s.items() if silent_s > self._limit_s(
            name, lifecycles)]
        return found + self._never_heard(now, snapshot_at, heard_at, started_at)

    @staticmethod
    def _limit_s(name: str, lifecycles: Mapping[str, Lifecycle]) -> float:
        is_active = lifecycles.get(name) is Lifecycle.ACTIVE
        return LIMITS_S.get(name, ACTIVE_S if is_active else CHANGING_S)

    @staticmethod
    def _never_heard(now: float, snapshot_at: float, heard_at: Mapping[str, float],
                     started_at: Mapping[str, float]) -> list[str]:
        """Name those that were heard before they were started again, and not since."""
        return [name for name in (DRIVER, STREAM, SUPERVISOR)
                if name in started_at and heard_at.get(name, now) < started_at[name]
                and snapshot_at > started_at[name] + START_S]
