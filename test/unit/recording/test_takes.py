# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What keys and the clock mean while demonstrations are recorded."""

import pytest

from reflex_ros.recording.takes import Act, Takes


def play(takes, script):
    """Press keys and let time pass; return what was due: (instant, act)."""
    acts = []
    for at, key in script:
        act = takes.press(key, at) if key else takes.tick(at)
        if act is not None:
            acts.append((at, act))
    return acts


def test_one_key_begins_and_ends_an_episode():
    takes = Takes(wanted=2)
    assert play(takes, [(0, ' '), (1, ''), (5, ' '), (6, ''), (7, '\r'), (9, '\n')]) == [
        (0, Act.BEGIN), (5, Act.SAVE), (7, Act.BEGIN), (9, Act.SAVE)]
    assert takes.kept == 2 and takes.is_over


def test_episode_is_repeated_or_discarded_and_does_not_count():
    takes = Takes(wanted=5)
    assert play(takes, [(0, ' '), (1, 'r'), (2, 'x'), (3, 'x'), (4, 'r'), (5, 'z')]) == [
        (0, Act.BEGIN), (1, Act.REPEAT), (2, Act.DISCARD)]
    assert takes.kept == 0 and not takes.is_recording


def test_time_of_a_repeated_episode_begins_anew():
    takes = Takes(wanted=5, longest_s=10.0)
    assert play(takes, [(0, ' '), (8, 'r'), (12, ''), (17, ''), (18, '')]) == [
        (0, Act.BEGIN), (8, Act.REPEAT), (18, Act.SAVE)]


def test_episodes_of_a_clock_need_no_keys():
    takes = Takes(wanted=2, longest_s=3.0, pause_s=1.0)
    assert play(takes, [(at / 2, '') for at in range(20)]) == [
        (1.0, Act.BEGIN), (4.0, Act.SAVE), (5.0, Act.BEGIN), (8.0, Act.SAVE)]


@pytest.mark.parametrize('keys', ['q', ' q'])
def test_quitting_ends_everything(keys):
    takes = Takes(wanted=5, longest_s=1.0, pause_s=1.0)
    acts = play(takes, [*((at, key) for at, key in enumerate(keys)), (10, ' '), (11, '')])
    assert acts[-1][1] is Act.LEAVE and takes.is_over and takes.kept == 0


def test_episode_that_was_too_short_is_taken_back():
    takes = Takes(wanted=1)
    play(takes, [(0, ' '), (0.1, ' ')])
    takes.take_back()
    assert not takes.is_over and takes.press(' ', 1.0) is Act.BEGIN
