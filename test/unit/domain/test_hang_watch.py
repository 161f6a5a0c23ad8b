# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which processes hang, as the ages of their news tell; in virtual time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reflex_ros.domain.graph_status import NAMES
from reflex_ros.domain.hang_watch import HangWatch, START_S
from reflex_ros.domain.heartbeats import Lifecycle

LOOK_S = 0.05
ALL = ('monitor', *NAMES)
LIVE = dict.fromkeys(('so101', 'action_stream'), Lifecycle.ACTIVE)
IDLE = dict.fromkeys(('so101', 'action_stream'), Lifecycle.UNCONFIGURED)


def first_hung(silent: Mapping[str, float], *, until: float, jump_at: float | None = None,
               started: Mapping[str, float] | None = None,
               lifecycles: Mapping[str, Lifecycle] = LIVE) -> tuple[float, list[str]] | None:
    """
    Look at a system until something hangs; return when, and what.

    :param silent: since when a process is silent.
    :param jump_at: from when on nobody runs for a minute, also not the one who looks.
    """
    watch = HangWatch()
    started_at = {**dict.fromkeys(ALL, 0.0), **(started or {})}
    now = 5.0
    while now < until:
        now += 60.0 if jump_at is not None and jump_at <= now < jump_at + LOOK_S else LOOK_S
        snapshot_at = min(now, silent.get('monitor', now))
        ages_s = {name: max(snapshot_at - silent.get(name, snapshot_at), 0.0) for name in NAMES}
        found = watch.hung(now, snapshot_at, ages_s, started_at, lifecycles)
        if found:
            return now, found
    return None


@pytest.mark.parametrize('name, within_s', [
    ('supervisor', 3.5), ('monitor', 3.5), ('so101', 6.5), ('action_stream', 6.5)])
def test_process_that_falls_silent_hangs_and_no_other(name: str, within_s: float) -> None:
    found = first_hung({name: 10.0}, until=60.0)
    assert found is not None and found[1] == [name]
    assert 2.0 < found[0] - 10.0 < within_s


@pytest.mark.parametrize('name', ['so101', 'action_stream'])
def test_transition_that_takes_its_time_is_no_hang(name: str) -> None:
    assert first_hung({name: 10.0}, until=20.0, lifecycles=IDLE) is None
    assert first_hung({name: 10.0}, until=14.0) is None


def test_nobody_hangs_in_a_system_that_is_well_or_was_suspended_as_a_whole() -> None:
    assert first_hung({}, until=120.0) is None
    assert first_hung({}, until=200.0, jump_at=10.0) is None


def test_monitor_that_hears_nobody_is_the_one_that_hangs() -> None:
    found = first_hung(dict.fromkeys(NAMES, 10.0), until=60.0)
    assert found is not None and found[1] == ['monitor']


def test_process_that_was_started_again_has_time_to_come_up() -> None:
    found = first_hung({'supervisor': 10.0}, until=100.0, started={'supervisor': 11.0})
    assert found is not None and found[1] == ['supervisor']
    assert found[0] - 11.0 >= START_S
