# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The interface between the control loop and one robot: what a connector does, and its life.

A connector owns the link to the robot. It measures, plays accepted chunks, and stops by itself
when its ``MotionGuard`` says so: the guard holds the leases of supervisor and stream, and the
latch. The SO-101's connector is ``hardware.arm_driver.ArmDriver``. Another one (a ROS trajectory
controller, a subprocess) implements ``Connector`` and ``ConnectorFactory`` and is one row in
``runner.connectors``; nothing above this interface changes.

::

    factory.open(settings, guard)      configured: the robot is checked, nothing moves
        start(on_sample)               measures; cannot move the robot
            activate()                 under torque; chunks move the robot
                command(chunk)         ... as often as chunks arrive
            hold()                     at rest, torque on; measures, cannot move the robot
            park()                     moves to the rest pose, then torque off
            release()                  torque off at once: the robot may fall
        close()                        the link is closed; torque stays as it is

**Threads.** A connector has a thread (or process) of its own for everything that must keep time.
One thread, the caller's, calls all methods, except those whose docstring says "any thread". It may
be the executor of a node, so each docstring says how long a method blocks.

**Errors.** Methods raise ``ReflexError`` and its subclasses only. A fault that stops a motion
raises nothing: the connector latches it in the guard and reports it (``ConnectorReport.cause``).
When the link is gone, ``ConnectorReport.link_lost`` is true, and only ``hold`` and ``close`` still
work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.component_status import ComponentStatus
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.motion_guard import MotionGuard
from reflex_ros.domain.outlook import Outlook
from reflex_ros.domain.sample import JointSample


class Connector(Protocol):
    """The link to one robot."""

    @property
    def description(self) -> ArmDescription:
        """
        The robot, with the limits that the connector enforces: calibration and settings included.

        It never changes. Any thread.
        """

    def start(self, on_sample: Callable[[JointSample], None] | None = None,
              on_plan: Callable[[], None] | None = None,
              on_goals: Callable[[Vector], None] | None = None) -> None:
        """
        Start to measure; the robot does not move. Call this once; it returns at once.

        :param on_sample: called with every measurement, in the connector's thread. It must return
            within a fraction of the control period; an exception ends the connector's thread.
        :param on_plan: called in the same way when ``outlook`` has changed: after each accepted
            chunk, and 5 times a second while the robot moves under chunks.
        :param on_goals: called in the same way with the goals (joints,) [rad] that the robot was
            just told to reach, after all limits and checks.
        """

    def outlook(self) -> Outlook | None:
        """
        Return where the robot will be told to be, unless another chunk comes.

        Any thread but the connector's; never blocks; may take some milliseconds.

        :returns: None before the first chunk of an activation, and always from a connector that
            cannot tell.
        """

    def read(self) -> JointSample | None:
        """
        Return the newest measurement, None before the first one. Any thread; never blocks.

        A value that the robot does not measure is NaN.
        """

    def activate(self, timeout_s: float = 2.0) -> None:
        """
        Put the robot under torque where it is; from now on chunks may move it.

        Blocks until the robot is under torque, at most ``timeout_s``. The guard must have a fresh
        permit that allows motion.

        :raises ReflexError: when the guard refuses, the robot is not ready, or the time is over.
            Then nothing has moved, and nothing will.
        """

    def command(self, chunk: ActionChunk) -> None:
        """
        Hand over a chunk; it replaces one that still waits. Any thread; never blocks.

        The connector checks the chunk (``domain.action.check_chunk``), and plays it from the row
        that is due. ``ConnectorReport.rejected`` counts refused chunks. While the connector is not
        active, chunks are ignored.
        """

    def hold(self, timeout_s: float = 1.0) -> bool:
        """
        Bring the robot to rest, then command nothing more; torque stays on. Raises nothing.

        Blocks until the robot is at rest, about ``timeout_s`` at most; up to three times as long
        when the connector's thread hangs. May be called in any state, also twice.

        :returns: whether the robot was seen at rest in time; true as well when the connector's
            thread has ended, because then nothing can move the robot any more.
        """

    def park(self, timeout_s: float = 2.0) -> None:
        """
        Begin to move slowly to the rest pose; there, switch torque off and become passive.

        Blocks until the robot is under torque, at most ``timeout_s``, not until it is parked: wait
        for ``ConnectorReport.is_parked``. The guard must have a fresh permit for parking.

        :raises ReflexError: as ``activate``.
        """

    def release(self, timeout_s: float = 2.0) -> None:
        """
        Switch torque off now: the robot falls unless it is at rest by itself. Ask a person first.

        Blocks until torque is off, at most ``timeout_s``.

        :raises ReflexError: while active (call ``hold`` first), or when a joint keeps its torque.
        """

    def close(self) -> None:
        """
        Hold, end the connector's thread, close the link; torque stays as it is.

        Blocks for 2.5 s at most. May be called in any state, also twice.
        """

    def report(self) -> ConnectorReport:
        """Return a snapshot; values may be one cycle apart. Any thread; never blocks."""

    def diagnostics(self) -> Sequence[ComponentStatus]:
        """
        Return the health of link, joints and power; empty before the first measurement.

        Any thread; never blocks.
        """


class ConnectorFactory(Protocol):
    """
    Opens the connector of one kind of robot.

    A factory lives as long as its node. It may remember across configurations, for example the
    stable name of a port.
    """

    def open(self, settings: Mapping[str, Any], guard: MotionGuard) -> Connector:
        """
        Open the link, check the robot, and return its connector, not started.

        Blocks until the robot was checked; a factory documents how long that takes.

        :param settings: values by parameter name (``doc/parameters.md``). A factory reads its own
            and ignores the others.
        :param guard: guard that the connector asks in every cycle, and tells of faults.
        :raises ReflexError: when the settings are wrong, or the robot is not ready. Then the link
            is closed again.
        """
