# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real signals, in this process."""

import os
import signal
import sys
import time

import pytest

from reflex_ros.bringup import process_table, processes
from reflex_ros.cli import interrupt


def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)


def wait_for_the_next():
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        time.sleep(0.01)
    raise AssertionError('no second interrupt')


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(interrupt, 'AGAIN_S', 0.05)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_is_an_interrupt(number):
    with pytest.raises(KeyboardInterrupt), interrupt.interruptible():
        send(number)


def test_interrupt_that_was_lost_comes_again():
    with pytest.raises(KeyboardInterrupt), interrupt.interruptible():
        # As in a hook of fork or in __del__: nobody can hear it.
        with pytest.raises(KeyboardInterrupt):
            send()
        wait_for_the_next()


def test_nothing_comes_again_when_it_was_heard():
    with pytest.raises(KeyboardInterrupt), interrupt.interruptible():
        send()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_interrupt_waits_for_the_end_of_a_start(tmp_path):
    started = []
    with pytest.raises(KeyboardInterrupt), interrupt.interruptible():
        # In the middle of the start: what is raised there loses the process.
        sys.addaudithook(lambda event, _: event == 'subprocess.Popen' and not started
                         and (started.append('fork'), send()))
        child = processes.Child(process_table.Process('this', 'this'), tmp_path / 'log')
        started.append('child')
        wait_for_the_next()
    assert started == ['fork', 'child']
    child.popen.wait()


def test_shield_ignores_every_signal_and_ends():
    handlers = [signal.getsignal(number) for number in interrupt.SIGNALS]
    with interrupt.shielded():
        for number in interrupt.SIGNALS:
            send(number)
    assert [signal.getsignal(number) for number in interrupt.SIGNALS] == handlers


def test_shield_within_an_interrupted_command_is_not_disturbed():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupt.interruptible():
        try:
            send()
        finally:
            with interrupt.shielded():
                send()
                done.append(signal.getitimer(signal.ITIMER_REAL))
                deadline = time.monotonic() + 4 * interrupt.AGAIN_S
                while time.monotonic() < deadline:
                    time.sleep(0.01)
                done.append('rest')
    assert done[-1] == 'rest'
