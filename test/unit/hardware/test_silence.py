# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When silent servos are a fault, and whose: on a quiet machine, a busy one, a damaged line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import BusTimeout
from reflex_ros.hardware.arm_monitor import ArmMonitor
from reflex_ros.hardware.host_load import is_busy
from reflex_ros.hardware.silence import Silence
from reflex_ros.hardware.so101 import SO101

SECONDS = 0.025
"""Of one exchange in vain: two tries."""


class Deaf:
    """An arm whose servos do not answer: each exchange takes its time, or longer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.clock = SimpleNamespace(monotonic=lambda: self.now)
        self.damaged = 0
        self.takes_s = SECONDS

    def read(self, *, retries: int = 2) -> None:
        self.now += self.takes_s
        raise BusTimeout('no valid answer from servo 1, 2, 3, 4, 5, 6', range(1, 7))

    def silence_cause(self, exc: BusTimeout) -> Cause:
        return Cause(FaultCode.UNPOWERED, 'Is the supply on?')

    def supply_problem(self, sample: object) -> str:
        return ''


def monitor(arm: Deaf, *, is_host_busy: bool = False) -> tuple[ArmMonitor, list[Cause]]:
    causes: list[Cause] = []
    made = ArmMonitor(arm, SO101, 0.17, 0.01, causes.append,  # type: ignore[arg-type]
                      causes.append, lambda: is_host_busy)
    made.restart()
    return made, causes


def time_until_said(arm: Deaf, made: ArmMonitor, causes: list[Cause]) -> float:
    began = arm.now
    while not causes:
        assert arm.now < began + 10.0
        made.measure()
        arm.now += 0.01
    return arm.now - began


def test_quiet_machine_says_so_after_60_ms() -> None:
    arm = Deaf()
    made, causes = monitor(arm)
    assert time_until_said(arm, made, causes) < 0.12
    assert causes == [Cause(FaultCode.UNPOWERED, 'Is the supply on?')]


def test_busy_machine_asks_for_longer_and_says_that_it_is_busy() -> None:
    arm = Deaf()
    made, causes = monitor(arm, is_host_busy=True)
    assert 0.3 < time_until_said(arm, made, causes) < 0.4
    assert causes[0].code is FaultCode.UNPOWERED and 'too busy' in causes[0].text


@pytest.mark.parametrize('stall_s', (0.3, 5.0, 3600.0))
def test_time_in_which_nobody_asked_is_no_silence(stall_s: float) -> None:
    # The driver was stopped: its first exchange afterwards fails too.
    arm = Deaf()
    made, causes = monitor(arm)
    arm.now += stall_s
    made.measure()
    assert causes == []
    assert time_until_said(arm, made, causes) > 0.2


def test_silence_counts_only_what_an_exchange_takes() -> None:
    silence = Silence()
    silence.record(7.0, 0.04, is_busy=False)
    assert (silence.asked_s, silence.was_busy) == (0.04, True)
    assert not silence.is_fault(0.06) and not silence.is_fault(0.01)


def test_load_of_this_machine_can_be_asked() -> None:
    assert is_busy() in (True, False)
