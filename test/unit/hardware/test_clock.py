# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The time that the machine was suspended, from two clocks that are read one after the other."""

import time

import pytest

from reflex_ros.hardware.clock import suspended_s

SUSPENDED_S = 3600.0


class Clocks:
    """Two clocks; at some readings the thread first loses its core for a while."""

    def __init__(self, monkeypatch, pauses):
        self.now = 100.0
        self.pauses = iter(pauses)
        monkeypatch.setattr(time, 'CLOCK_BOOTTIME', 7, raising=False)
        monkeypatch.setattr(time, 'monotonic', self.monotonic)
        monkeypatch.setattr(time, 'clock_gettime', lambda _: self.monotonic() + SUSPENDED_S)

    def monotonic(self):
        self.now += next(self.pauses, 1e-6)
        return self.now


@pytest.mark.parametrize('pauses', [
    pytest.param([], id='none'),
    pytest.param([0.6], id='before'),
    pytest.param([0, 0.6], id='between the first two'),
    pytest.param([0, 0, 0.6], id='between the last two'),
    pytest.param([0, 0.6, 0.6, 0, 0, 0.6], id='in two readings'),
])
def test_a_lost_core_is_no_suspension(monkeypatch, pauses):
    Clocks(monkeypatch, pauses)
    assert suspended_s() == pytest.approx(SUSPENDED_S, abs=0.02)


def test_a_machine_that_is_always_late_still_answers(monkeypatch):
    Clocks(monkeypatch, [0.05] * 100)
    assert suspended_s() == pytest.approx(SUSPENDED_S, abs=0.06)
