# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run one node in a process of its own: signals, executor, shutdown transition, exit code.

SIGINT and SIGTERM only set a flag. The node makes its hardware safe in its shutdown transition,
before anything else ends: rclpy's own handlers would shut the context down first.

The end of the parent process counts as a signal, because ``launch`` dies of SIGTERM without ending
what it started. A node that was started with nohup outlives its parent.

A node that hangs ends itself, with the stacks of its threads on stderr, and is started again like
one that died: nothing else can tell a hung node from a quiet one in each of the ways to start it.
"""

from __future__ import annotations

from collections.abc import Callable
import faulthandler
import os
import signal
import sys
import time

import rclpy
from rclpy._rclpy_pybind11 import RCLError, UnknownROSArgsError
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions

from reflex_ros.bringup import dds
from reflex_ros.client import core_dumps
from reflex_ros.config.parameters import file as parameter_file
from reflex_ros.domain import secret_variables
from reflex_ros.domain.heartbeats import Lifecycle
from reflex_ros.nodes.base import ReflexNode, SUCCESS
from reflex_ros.runner.running_graphs import NoteFile

try:
    # One thread as well, at half the processor time: messages wake it, where the other executor
    # builds its wait set anew, in Python, twice for every callback (rclpy issue 1389).
    from rclpy.experimental.events_executor import EventsExecutor as Executor
except ImportError:
    # Before Kilted.
    from rclpy.executors import SingleThreadedExecutor as Executor

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
STEP_S = 0.1
GONE_S = 4.5
"""From the signal to the end of the process; launch sends the next signal after 5 s."""


HANG_S = 20.0
"""Longest time without a turn of the executor: no transition takes half of it."""
REARM_S = 1.0


def run(make_node: Callable[[], ReflexNode], *, autostart: bool = False,
        must_start: bool = False, has_key: bool = False, hang_s: float = HANG_S) -> int:
    """
    Spin a node until SIGINT, SIGTERM or SIGHUP; return the exit code.

    :param make_node: constructs the node; called when the context is up.
    :param autostart: configure and activate it here; only for a node that nobody manages.
    :param must_start: end with 1 when ``autostart`` fails; for a node that only a person at a
        terminal starts. The nodes of ``reflex up`` and of launch files stay: their beat says what
        is wrong, and they can be configured again.
    :param has_key: the node needs the API key; the others forget it.
    :param hang_s: a node whose executor hangs for so long (or a second longer) ends [s].
    """
    if has_key:
        core_dumps.forbid()
    else:
        for name in secret_variables.found(os.environ):
            del os.environ[name]
    departure = _Departure()
    warning = dds.apply()
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = make_node()
    except (RCLError, UnknownROSArgsError, ParameterException) as exc:
        # A parameter file that is not YAML, or an invalid remapping, ends up here.
        print(f'cannot start: {str(exc).splitlines()[0]}', file=sys.stderr)
        return 1
    missed = parameter_file.missed(sys.argv, node.default_name, node.get_fully_qualified_name())
    for text in filter(None, (warning, *missed)):
        node.get_logger().warning(text)
    note = NoteFile(node.get_name(), node.context.get_domain_id(), node.get_namespace())
    executor = Executor()
    executor.add_node(node)
    try:
        if autostart and not (node.trigger_configure() is SUCCESS
                              and node.trigger_activate() is SUCCESS) and must_start:
            return 1
        watched_until = 0.0
        # A finalized node has no way back: its process ends, and is started again.
        while not departure.is_due() and node.lifecycle is not Lifecycle.FINALIZED:
            if (now := time.monotonic()) >= watched_until:
                # Its own thread needs nothing of Python, not even the GIL.
                faulthandler.dump_traceback_later(hang_s + REARM_S, exit=True)
                watched_until = now + REARM_S
            executor.spin_once(timeout_sec=STEP_S)
            note.hold_session(node.session_id)
            note.tell_problem(node.trouble)
    except ExternalShutdownException:
        pass
    finally:
        faulthandler.cancel_dump_traceback_later()
        if node.lifecycle is not Lifecycle.FINALIZED:
            node.trigger_shutdown()
        note.remove()
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
        departure.end()
    return 0


class _Departure:
    """Notices that the process shall leave: a signal says so, or its parent has ended."""

    def __init__(self) -> None:
        # No event: setting one takes a lock, and a second signal in the middle of it would wait
        # for that lock for ever.
        self._leaving: list[int] = []
        # nohup starts its command with SIGHUP ignored.
        self._outlives_parent = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._parent = os.getppid()
        self._signals = SIGNALS - ({signal.SIGHUP} if self._outlives_parent else set())
        for number in self._signals:
            signal.signal(number, self._leave)

    def is_due(self) -> bool:
        if os.getppid() != self._parent and not self._outlives_parent:
            self._leave(signal.SIGHUP, None)
        return bool(self._leaving)

    def end(self) -> None:
        """
        Ignore every further signal.

        While Python finalizes it restores the default action, and a second Ctrl-C would kill the
        process before the middleware has said goodbye.
        """
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)

    def _leave(self, number: int, _: object) -> None:
        if not self._leaving:
            # The kernel ends us if the middleware hangs while it is taken down; by then the
            # hardware has long been made safe.
            signal.setitimer(signal.ITIMER_REAL, GONE_S)
        self._leaving.append(number)
