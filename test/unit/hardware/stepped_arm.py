# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated arm in this process, in virtual time that never runs ahead of the test.

Time passes as fast as the machine can while the test waits for something (``wait_for``), and at
its real speed at most while the test does something else. A busy machine makes nothing late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import threading
from typing import Any

from arm_fixture import WatchedArm

from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.bus import Bus
from reflex_ros.sim.arm.clock import VirtualClock
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.virtual import VirtualArm

BUS_THREAD = 'bus'
TICK_NS = 10_000_000
"""How often the others act, at least: supervisor and stream renew their leases [ns]."""


class SteppedClock(VirtualClock):
    """
    Virtual time in which the sleep of the bus thread ends when the test asks for the next step.

    Without a step, the sleep takes its real time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Condition()
        self._is_step_due = False
        self._sleeps = 0
        self._acted_ns = 0
        self.act: Callable[[], None] = lambda: None
        """What others do meanwhile; called every 10 ms of virtual time, in the bus thread."""

    def sleep(self, seconds: float) -> None:
        if threading.current_thread().name == BUS_THREAD:
            with self._turn:
                self._sleeps += 1
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._is_step_due, timeout=seconds)
                self._is_step_due = False
        super().sleep(seconds)

    def reach(self, now_ns: int) -> None:
        super().reach(now_ns)
        if self.now_ns() - self._acted_ns >= TICK_NS:
            self._acted_ns = self.now_ns()
            self.act()

    def step(self) -> None:
        """
        Let the bus thread run until its next sleep; return soon if it does not sleep at all.

        When it has ended, time passes all the same.
        """
        if not any(thread.name == BUS_THREAD for thread in threading.enumerate()):
            self.sleep(TICK_NS / 1e9)
            return
        with self._turn:
            before = self._sleeps
            self._is_step_due = True
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._sleeps > before, timeout=0.02)


class SteppedArm(WatchedArm):
    """A virtual arm, with the figures and operations of ``SimulatedArm``."""

    def __init__(self, settings: Settings) -> None:
        self.clock: SteppedClock = SteppedClock()
        self._virtual = VirtualArm(settings, self.clock)
        super().__init__(self._virtual.control)

    def open(self, **options: Any) -> So101Arm:
        return So101Arm(Bus(self._virtual.open(), self.clock), **options)

    def let_time_pass(self) -> None:
        self.clock.step()


@contextmanager
def stepped_arm(settings: Settings | None = None) -> Iterator[SteppedArm]:
    """Run an arm in virtual time, reset to the pose ``ready``; dead time, lag and droop."""
    arm = SteppedArm(settings or Settings())
    arm.reset()
    try:
        yield arm
    finally:
        arm.close()
