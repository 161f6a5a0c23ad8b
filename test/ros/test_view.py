# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of ``reflex view`` in a real browser, beside the whole simulated system."""

from contextlib import suppress
import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

from bench.browser import browser, missing  # noqa: E402
from reflex_ros.bringup.system import NotInTime  # noqa: E402
from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.heartbeats import Commander  # noqa: E402
from reflex_ros.domain.safe_stop import State  # noqa: E402

from .conftest import bring_back, first_cause, wait_for  # noqa: E402

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def view(demo):
    """Run the command beside the system; return its process, which has said its address."""
    with subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros', 'view', '--port', '0', '--domain',
             demo.environment['ROS_DOMAIN_ID']], cwd=REPOSITORY, env={**os.environ},
            stdout=subprocess.PIPE, text=True) as process:
        process.address = process.stdout.readline().split()[-1]
        yield process
        process.terminate()


@pytest.fixture
def page(view):
    """Open the page; return a function that reads an element's text."""
    if absent := missing():
        pytest.skip(absent)
    with browser() as opened:
        opened.get(view.address)

        def text(name):
            return opened.find_element('id', name).text
        text.browser = opened
        text.click = lambda name: opened.find_element('id', name).click()
        text.scene = lambda: opened.find_element('id', 'scene').get_property('dataset')
        yield text


@pytest.mark.slow
def test_page_shows_the_system_and_its_buttons_work(demo, view, page):
    demo.system.wait_state(State.READY, timeout_s=30.0)
    wait_for(lambda: page('state') == 'READY', 40.0, 'state')
    scene = wait_for(lambda: page.scene().get('ghost') == 'accepted' and page.scene(), 40.0,
                     'ghost')
    shown, true = json.loads(scene['arm']), demo.arm.state()['joints']
    assert shown['shoulder_lift'] == pytest.approx(true['shoulder_lift']['position_rad'], abs=0.02)
    assert 'latch' in page('gate') and 'wave' in page('link')
    picture = wait_for(lambda: page.browser.find_elements('css selector', '#cameras img'),
                       40.0, 'camera')[0]
    wait_for(lambda: picture.get_property('naturalWidth') > 0, 40.0, 'picture')

    # A person who says no has moved nothing.
    page.click('promote')
    assert 'out of its reach' in page('question')
    page.browser.find_element('css selector', '#ask button[value=no]').click()

    def promotes():
        """Click, as a person does until it is not refused: a busy machine turns the gate red."""
        page.click('promote')
        page.click('yes')
        with suppress(NotInTime):
            return demo.system.wait_state(State.ACTIVE, timeout_s=5.0)
    wait_for(promotes, 60.0, lambda: f'promotion: {page("answer")}')
    assert [state for state, _ in demo.system.view.states].count(State.ARMING) == 1
    wait_for(lambda: page('state') == 'ACTIVE', 40.0, 'state')

    # No leader runs here, so nobody can take over.
    assert not any(page.browser.find_element('id', name).is_displayed()
                   for name in ('take_over', 'hand_back'))

    # No question before a stop.
    assert first_cause(demo, lambda: page.click('stop'), lambda: None).code is FaultCode.OP_STOP
    wait_for(lambda: page('state') == 'LATCHED' and 'OP_STOP' in page('why'), 40.0, 'cause')
    assert page('question') == ''

    # What is old is not shown as if it were news.
    view.terminate()
    assert view.wait(15.0) == 0
    wait_for(lambda: 'No connection' in page('old'), 40.0, 'warning')


@pytest.mark.slow
@pytest.mark.parametrize('demo', ['sim'], indirect=True)
def test_person_takes_over_and_hands_back_by_the_page(demo, page):
    def clicks(name, question, commander):
        page.click(name)
        assert question in page('question')
        page.click('yes')
        demo.system.wait(lambda: demo.system.view.stream.commander is commander, 5.0, name)

    def is_guided_once():
        """Click, as a person does again when a busy machine has stopped the arm meanwhile."""
        bring_back(demo)
        with suppress(NotInTime):
            clicks('take_over', 'leader in your hand', Commander.PERSON)
            clicks('hand_back', 'out of its reach', Commander.POLICY)
            return demo.system.view.state in (State.ACTIVE, State.DEGRADED)
    demo.bring_to_motion()
    wait_for(lambda: page.browser.find_element('id', 'take_over').is_displayed(), 40.0, 'button')
    wait_for(is_guided_once, 90.0, lambda: page('answer'))
