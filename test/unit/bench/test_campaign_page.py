# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of the campaign, and what the campaign breaks."""

import pytest

pytest.importorskip('aiohttp')

from bench import campaign, campaign_page


@pytest.mark.parametrize('part', campaign_page.PARTS)
def test_page_holds_the_committed_trials(part):
    text = campaign_page.PARTS[part](campaign_page.lines())
    assert text and text in campaign_page.PAGE.read_text(encoding='utf-8')


def test_page_for_a_person_at_the_arm_holds_them_too():
    for make in campaign_page.SAFETY_PARTS.values():
        assert make(campaign_page.lines()) in campaign_page.SAFETY.read_text(encoding='utf-8')


def test_every_committed_trial_is_of_a_known_fault():
    assert {line['fault'] for line in campaign_page.lines()} == set(campaign.TRIALS)


def test_plan_does_round_after_round_and_the_important_ones_more_often():
    chosen = [campaign.TRIALS[name] for name in ('stop', 'unplug')]
    assert [trial.name for trial in campaign._plan(chosen, 1, 3)] == [
        'stop', 'unplug', 'stop', 'stop']


def test_unfinished_and_wrong_trials_are_listed():
    whole = {'fault': 'stop', 'cause': 'OP_STOP', 'cause_right': True, 'recovered': True,
             'latched': True}
    found = ''.join(campaign_page.failures([
        whole, {'fault': 'jam', 'error': 'no rest'},
        {**whole, 'cause': 'JUMP', 'cause_right': False}, {**whole, 'recovered': False}]))
    assert found.count('\n') == 3 and 'no rest' in found and 'named JUMP' in found
    assert 'not recovered' in found
