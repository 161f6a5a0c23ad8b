# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The keys of the live view of ``reflex up``, on a real terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest


class Screen:
    """A terminal of 40 x 160 characters and the command that runs in it."""

    def __init__(self, environment, *arguments):
        self.side, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 160, 0, 0))
        self.before = termios.tcgetattr(terminal)
        self.terminal = terminal
        # As a shell does: the command is the foreground of its own session.
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros', *arguments], stdin=terminal, stdout=terminal,
            stderr=terminal, env={**os.environ, **environment, 'TERM': 'xterm'},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.set_blocking(self.side, False)
        self.text = ''

    def until(self, pattern, timeout_s=40.0):
        """Wait until the newest output matches; forget what was printed before."""
        deadline = time.monotonic() + timeout_s
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, f'no {pattern!r} in {self.text[-3000:]!r}'
            assert self.process.poll() is None, self.text[-3000:]
            self._read()
            time.sleep(0.02)
        self.text = ''

    def press(self, key):
        os.write(self.side, key.encode())

    def press_until(self, key, pattern, attempts=8):
        """Press a key, and again while it is refused, as a person does on a busy machine."""
        for number in range(attempts):
            self.press(key)
            try:
                self.until(pattern, timeout_s=5.0)
                break
            except AssertionError:
                if number + 1 == attempts:
                    raise

    def end(self):
        """Wait for the end of the command, and return its exit code."""
        deadline = time.monotonic() + 20.0
        while self.process.poll() is None:
            assert time.monotonic() < deadline, 'it does not end'
            self._read()
            time.sleep(0.02)
        self._read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.side)
        os.close(self.terminal)

    def _read(self):
        try:
            self.text += os.read(self.side, 65536).decode(errors='replace')
        except BlockingIOError:
            return


@pytest.fixture
def screen(domain):
    screens = []

    def start(*arguments):
        screens.append(Screen(domain, *arguments))
        return screens[-1]

    yield start
    for each in screens:
        each.close()


def test_keys_drive_the_graph_and_leave_the_terminal_as_it_was(screen, domain):
    shown = screen('up', '--sim')
    shown.until(f'ROS_DOMAIN_ID={domain["ROS_DOMAIN_ID"]} .*logs: ')
    shown.until('Space stop   p promote   d demote   r reset   k park   q end')
    shown.until(r' READY ')
    shown.press_until('p', r' ACTIVE ')
    shown.press('d')
    shown.until('demote: now STOPPING')
    shown.until(r' (DRY_RUN|READY) ')
    shown.press('p')
    shown.until('refused in DRY_RUN|promote: now ARMING')
    shown.press(' ')
    shown.until(r' LATCHED ')
    shown.press('r')
    # Within half a second of the stop it is refused.
    shown.until('reset')
    shown.press('r')
    shown.until('reset: now STANDBY|nothing is latched|within 0.5 s')
    shown.press('x')
    shown.press('q')
    code = shown.end()
    assert code in (0, 1), shown.text
    after = termios.tcgetattr(shown.terminal)
    assert after[3] == shown.before[3], 'the terminal does not show what is typed'


def test_keys_take_over_and_hand_back_where_a_leader_is(screen):
    shown = screen('up', '--sim', '--leader', 'sim')
    shown.until('t take over   h hand back   Space stop')
    shown.until(r' READY ')
    shown.press('t')
    shown.until('the policy does not move the arm now')
    shown.press_until('p', r' ACTIVE ')
    shown.press_until('t', 'the leader guides the arm')
    shown.press('h')
    shown.until('follows the policy again')
    shown.press('q')
    assert shown.end() == 0


def test_ctrl_c_still_ends_it(screen):
    shown = screen('up', '--sim')
    shown.until('Space stop')
    shown.press('\x03')
    assert shown.end() == 0
