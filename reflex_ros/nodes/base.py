# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one lifecycle idiom of all our nodes: ``_setup``, ``_start``, ``_stop``, ``_teardown``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import logging
import os
import time
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from reflex_ros.domain.heartbeats import Beat, Lifecycle
from reflex_ros.errors import ReflexError
from reflex_ros.nodes import qos, status_codec
from reflex_ros.nodes.parameters import Parameters, Spec

_STEADY = Clock(clock_type=ClockType.STEADY_TIME)
SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR


class ReflexNode(LifecycleNode):
    """
    A managed node that says in its beat what it does, and why it does not.

    FAILURE means that the world is not ready (a setting, a port, the service): one line says so,
    and the node stays where it was. ERROR means a mistake of ours: everything is torn down.

    :param name: default node name.
    :param table: parameters.
    :param beat_hz: rate of ``beat/<name>``.
    """

    def __init__(self, name: str, table: Sequence[Spec], beat_hz: float) -> None:
        super().__init__(name)
        self.parameters = Parameters(self, table)
        self.instance = f'{os.getpid()}-{time.monotonic_ns()}'
        """Tells this process from another one with the same node name."""
        self.lifecycle = Lifecycle.UNCONFIGURED
        self.problem = ''
        """Why the last transition failed, in one line."""
        self._said = ''
        self._beat = self.create_publisher(DiagnosticStatus, f'beat/{name}', qos.LEASE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics',
                                                  qos.DIAGNOSTICS)
        self._beat_timer = self.every(1.0 / beat_hz, self._publish_beat)
        self._diagnostics_timer = self.every(1.0, self._publish_diagnostics)
        self._log_handler = _RosLogHandler(self)
        logging.getLogger('reflex_ros').addHandler(self._log_handler)
        logging.getLogger('reflex_ros').setLevel(logging.INFO)

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """
        Call something again and again, on the steady clock.

        A node's own clock may be paused (use_sim_time) or stepped; no watchdog may depend on it.

        :param period_s: [s].
        """
        return self.create_timer(period_s, callback, clock=_STEADY)

    def destroy_node(self) -> None:
        """Destroy the node; nothing is logged through it any more."""
        logging.getLogger('reflex_ros').removeHandler(self._log_handler)
        super().destroy_node()

    def identity(self) -> tuple[str, Lifecycle, str]:
        """Return the fields that every beat begins with."""
        return self.instance, self.lifecycle, self.problem

    # To be written by each node.

    def _setup(self, settings: Mapping[str, Any]) -> None:
        """Validate, open, allocate (configure)."""

    def _start(self) -> None:
        """Begin to move or to stream (activate)."""

    def _stop(self) -> None:
        """Make safe, then stop (deactivate)."""

    def _teardown(self) -> None:
        """Release everything; tolerates a half-built state (cleanup, shutdown, error)."""

    def beat(self) -> Beat:
        """Make the present beat: counters that only grow while work is done, and states."""
        return Beat(*self.identity())

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Make the entries for /diagnostics."""
        return []

    # Transitions.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, then set up."""
        result = self._guarded('configure', lambda: self._setup(self.parameters.read()))
        if result is not SUCCESS:
            self._quietly_tear_down()
        return self._arrive(result, Lifecycle.INACTIVE)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start."""
        return self._arrive(self._guarded('activate', self._start), Lifecycle.ACTIVE)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop."""
        return self._arrive(self._guarded('deactivate', self._stop), Lifecycle.INACTIVE)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Tear down."""
        self._quietly_tear_down()
        return self._arrive(SUCCESS, Lifecycle.UNCONFIGURED)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop when active, then tear down."""
        if self.lifecycle is Lifecycle.ACTIVE:
            self._guarded('deactivate', self._stop)
        self._quietly_tear_down()
        return self._arrive(SUCCESS, Lifecycle.FINALIZED)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Tear down; the node can be configured again."""
        self._quietly_tear_down()
        return self._arrive(SUCCESS, Lifecycle.UNCONFIGURED)

    def _arrive(self, result: TransitionCallbackReturn,
                state: Lifecycle) -> TransitionCallbackReturn:
        if result is SUCCESS:
            self.lifecycle = state
            self.parameters.is_configured = state.is_configured
        self._publish_beat()
        return result

    def _guarded(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        except ReflexError as exc:
            # Tried again and again by a manager: said once.
            if str(exc) != self._said:
                self.get_logger().error(f'{self.get_name()} cannot {what}: {exc}')
            self.problem = self._said = str(exc)
            return FAILURE
        except Exception as exc:
            # rclpy would swallow it without a word; whatever it is, a person must see it.
            self.problem = f'internal error: {exc!r}'
            self.get_logger().error(f'{self.get_name()} cannot {what}: {self.problem}')
            self.get_logger().debug(traceback.format_exc())
            return ERROR
        self.problem = self._said = ''
        return SUCCESS

    def _quietly_tear_down(self) -> None:
        problem, said = self.problem, self._said
        self._guarded('clean up', self._teardown)
        self.problem, self._said = problem or self.problem, said or self._said

    def _publish_beat(self) -> None:
        self._beat.publish(status_codec.encode(
            self.get_name(), self.beat(),
            level=DiagnosticStatus.ERROR if self.problem else DiagnosticStatus.OK,
            message=self.problem or self.lifecycle.value, with_empty=False))

    def _publish_diagnostics(self) -> None:
        message = DiagnosticArray(status=self.diagnostics())
        # All robots of a machine share this topic: names and hardware must tell them apart.
        robot = self.get_namespace().strip('/')
        for status in message.status if robot else ():
            status.name = f'{robot}/{status.name}'
            status.hardware_id = status.hardware_id or robot
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


class _RosLogHandler(logging.Handler):
    """Forwards the records of our pure packages to rosout."""

    def __init__(self, node: ReflexNode) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
