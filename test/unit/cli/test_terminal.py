# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What only shows on a terminal: prompts that do not echo, and that a call is tried again."""


import pytest

DEADLINE_S = 20.0
PASSWORD = 'correct-horse-77'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings')


def test_password_is_asked_for_twice_and_never_shown(terminal):
    asked = terminal('signup', '--name', 'Ada', '--email', 'ada@example.com')
    shown = asked.wait_for('Password: ')
    asked.type(PASSWORD)
    shown += asked.wait_for('Repeat for confirmation: ')
    asked.type('something else')
    shown += asked.wait_for('Password: ')
    asked.type(PASSWORD)
    shown += asked.wait_for('Repeat for confirmation: ')
    asked.type(PASSWORD)
    code, rest = asked.end()
    assert code == 0, rest
    assert 'Reflex account created' in rest
    assert PASSWORD not in shown + rest


def test_token_is_asked_for_and_never_shown(terminal, service):
    token = service.call('createRobotPairingToken', robotId='robot_unpaired')['token']
    asked = terminal('robots', 'claim', REFLEX_API_KEY=service.key)
    asked.wait_for('Pairing token: ')
    asked.type(token)
    code, rest = asked.end()
    assert code == 0, rest
    assert 'Robot paired' in rest
    assert token not in rest


def test_waiting_for_another_try_is_visible(terminal, service):
    service.fault('rpc_status', '503x1')
    asked = terminal('whoami', REFLEX_API_KEY=service.key)
    asked.wait_for('HTTP 503; retrying in ')
    asked.wait_for(' s (attempt 2)')
    code, rest = asked.end()
    assert code == 0
    assert 'Logged in to Reflex' in rest


def test_file_name_cannot_steer_the_terminal(terminal, service, tmp_path):
    evil = '\x1b]0;owned\x07x'
    (tmp_path / f'{evil}.tar').write_bytes(b'data')
    for name in (f'{evil}.tar', f'{evil}-none.tar'):
        asked = terminal('datasets', 'upload', str(tmp_path / name), REFLEX_API_KEY=service.key)
        _, said = asked.end()
        assert '\x1b]0' not in said and r'\x1b]0;owned\x07x' in said
