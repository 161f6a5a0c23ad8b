# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The prefix continues what is executed, at any playback rate; what is unknown is not offered."""

from __future__ import annotations

from domain_builders import along, DT, line, make_chunk
import numpy as np
import pytest

from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.outlook import Outlook
from reflex_ros.hardware.so101 import SO101


def moving(rate: float = 1.0, begins_at: float = 10.0) -> Outlook:
    """Make an outlook of 2 s in which the first joint moves at 1 rad/s of playback time."""
    played = np.arange(101) / 50.0 * rate
    return Outlook(np.outer(played, along(j0=1.0)), played + 7.0, begins_at, begins_at, 50.0)


def test_prefix_begins_at_the_observation_and_is_committed_up_to_the_arrival() -> None:
    prefix = moving().prefix(10.5, 0.4, 30.0, 50)
    assert prefix is not None and len(prefix.rows) == 46 and prefix.committed == 12
    assert prefix.rows[:, 0] == pytest.approx(0.5 + np.arange(46) / 30.0)


def test_prefix_of_a_slow_playback_has_the_rows_of_the_chunk_and_fewer_are_committed() -> None:
    prefix = moving(0.5).prefix(10.5, 0.4, 30.0, 50)
    assert prefix is not None and prefix.committed == 6
    assert prefix.rows[:3, 0] == pytest.approx([0.25, 0.25 + 1 / 30.0, 0.25 + 2 / 30.0])


def test_prefix_is_no_longer_than_a_chunk() -> None:
    prefix = moving().prefix(10.0, 9.0, 50.0, 20)
    assert prefix is not None and len(prefix.rows) == prefix.committed == 20


@pytest.mark.parametrize('observed_at', [9.9, 12.1])
def test_nothing_is_offered_for_an_instant_that_is_not_known(observed_at: float) -> None:
    assert moving().prefix(observed_at, 0.4, 30.0, 50) is None


def test_nothing_is_offered_when_nothing_moves() -> None:
    assert moving(0.0).prefix(10.5, 0.4, 30.0, 50) is None
    assert moving().prefix(11.98, 0.4, 30.0, 50) is None


def test_arrival_is_the_first_pose_that_is_not_executed_before() -> None:
    prefix = moving().prefix(10.5, 0.4, 30.0, 50)
    assert prefix is not None and len(prefix.executed) == 12
    assert prefix.arrival[0] == pytest.approx(0.9)
    late = moving().prefix(10.5, 9.0, 30.0, 50)
    assert late is not None and late.arrival[0] == late.rows[-1][0]


@pytest.mark.parametrize('scale', [1.0, 0.6])
def test_chunk_made_of_the_prefix_changes_nothing_at_the_border(scale: float) -> None:
    """The splice is at the stamp, so it does not matter when the chunk really comes."""
    paths = []
    for is_answered in (False, True):
        player = ChunkPlayer(SO101, Motion())
        player.speed_scale, now, path = scale, 0.0, []
        player.play(line(along(j0=0.6, j1=-0.3), 3.0), now)
        outlook = None
        for tick in range(200):
            now = tick * DT
            if tick == 80:
                outlook = player.outlook(now)
            if tick == 117 and is_answered:
                assert outlook is not None
                # Expected after 0.2 s, came after 0.37 s; the observation was 50 ms old.
                prefix = outlook.prefix(0.75, 0.2, 30.0, 50)
                assert prefix is not None
                player.play(make_chunk(prefix.rows, rate_hz=30.0, observed_at=0.75), now)
            path.append(player.tick(player.setpoint, now).copy())
        paths.append(np.array(path))
    # The last rows of the prefix ramp down, those of the plan itself go on.
    assert np.abs(paths[0] - paths[1])[:180].max() < 2e-3
