# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What only shows on a terminal: prompts that do not echo, and that a call is tried again."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import time

import pytest

DEADLINE_S = 20.0
PASSWORD = 'correct-horse-77'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings')


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, argv, environment):
        self.text = ''
        self._ours, theirs = pty.openpty()
        self._command = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.cli.main', *argv], stdin=theirs, stdout=theirs,
            stderr=theirs, env=os.environ | environment, start_new_session=True)
        os.close(theirs)

    def wait_for(self, text):
        """Read until a text has come, and forget everything up to it."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.text:
            ready, _, _ = select.select([self._ours], [], [], deadline - time.monotonic())
            assert ready, f'{text!r} did not come, but {self.text!r}'
            self._read()
        before, _, self.text = self.text.partition(text)
        return before

    def type(self, text):
        """Type a line."""
        os.write(self._ours, f'{text}\n'.encode())

    def end(self):
        """Wait for the end; return exit code and the rest of what was written."""
        with contextlib.suppress(OSError):
            while self._read():
                pass
        return self._command.wait(DEADLINE_S), self.text

    def close(self):
        """Leave nothing behind."""
        self._command.kill()
        self._command.wait()
        os.close(self._ours)

    def _read(self):
        data = os.read(self._ours, 4096).decode(errors='replace')
        self.text += data
        return data


@pytest.fixture
def terminal(service):
    """Start commands on terminals, against the simulated service."""
    started = []

    def start(*argv, **environment):
        started.append(Terminal(argv, {
            'REFLEX_CONVEX_URL': service.url, 'REFLEX_PLATFORM_URL': service.url} | environment))
        return started[-1]

    yield start
    for each in started:
        each.close()


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
