# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run ``reflex`` in this process, and look at what it did."""

import contextlib
import fcntl
import json
import os
from pathlib import Path
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'hardware'))

# The simulated arms of the hardware tests, for the commands that talk to one.
from conftest_arms import instant_arm, moving_arm  # noqa: E402, F401

KEY = 'rfx_canary_7c1d9e'
DEADLINE_S = 20.0


class Outcome:
    """What a command did: exit code, stdout, stderr."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        assert KEY not in out + err
        assert 'Traceback' not in out

    @property
    def document(self):
        """The one JSON document on stdout, as the reference wants it laid out."""
        value = json.loads(self.out)
        assert self.out == json.dumps(value, indent=2, sort_keys=True) + '\n'
        return value

    def failed(self, text):
        """Look at a failure: one line and exit 1, in text on stderr or as JSON on stdout."""
        assert self.code == 1, (self.out, self.err)
        if self.out:
            assert self.document == {'ok': False, 'error': self.document['error']}
            assert self.err == ''
            error = self.document['error']
        else:
            title, blank, error = self.err.splitlines()
            assert (title, blank) == ('Reflex command failed', '')
            assert error.startswith('Error: ')
        assert text in error, error


@pytest.fixture
def reflex(monkeypatch, capsys):
    """Run the command in this process; the key comes from the environment."""
    from reflex_ros.cli import main as module
    from reflex_ros.cli.interrupt import SIGNALS

    def call(*argv, key=KEY, url=None):
        for name, value in (('REFLEX_API_KEY', key), ('REFLEX_CONVEX_URL', url)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, 'argv', ['reflex', *argv])
        code = 0
        # A command that was interrupted ignores more of it; this process lives on, and its
        # children would inherit that.
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            module.main()
        except SystemExit as exc:
            code = exc.code
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def ask(reflex, service):
    """Run the command against the simulated service."""
    return lambda *argv, **options: reflex(*argv, **{'url': service.url} | options)


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, argv, environment):
        self.text = ''
        self._ours, theirs = pty.openpty()
        self._command = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.cli.main', *argv], stdin=theirs, stdout=theirs,
            stderr=theirs, env=os.environ | environment, start_new_session=True,
            # As a shell does: the command is the foreground of its own session.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
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
        self.press(f'{text}\n')

    def press(self, keys):
        """Press single keys."""
        os.write(self._ours, keys.encode())

    def send(self, number):
        """Send a signal to the command."""
        self._command.send_signal(number)

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
