# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The lifecycle that all nodes share: ``_setup``, ``_start``, ``_stop``, ``_teardown``.

**Threads.** A node has one thread of its own, the executor's: transitions, timers, messages and
service requests run in it, one after the other. Nothing else runs while a callback blocks: no
beat goes out, and no message is read. So each docstring says how long a method can block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import logging
import os
import time
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from reflex_ros.client.credentials import hide_known
from reflex_ros.config.parameters.spec import Spec
from reflex_ros.domain.heartbeats import Beat, Lifecycle
from reflex_ros.errors import ReflexError
from reflex_ros.nodes import qos, status_codec
from reflex_ros.nodes.parameters import Parameters
from reflex_ros.runner import own_process

_STEADY = Clock(clock_type=ClockType.STEADY_TIME)
SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR


class ReflexNode(LifecycleNode):
    """
    A managed node that reports in its beat what it does, and why it does not.

    A transition returns FAILURE when something outside is not ready (a setting, a port, the
    service): one line in the log and in the beat says what, and the node keeps its state. It
    returns ERROR for a mistake of the program: then everything is released, and the node is
    unconfigured.

    :param name: default node name.
    :param table: parameters.
    :param beat_hz: rate of the topic ``_beat/NAME`` [Hz].
    """

    def __init__(self, name: str, table: Sequence[Spec], beat_hz: float) -> None:
        super().__init__(name)
        self.default_name = name
        """Its name when nobody gives it another one."""
        self.parameters = Parameters(self, table)
        self.instance = f'{os.getpid()}-{time.monotonic_ns()}'
        """Id of this process; another process with the same node name has another one."""
        self.lifecycle = Lifecycle.UNCONFIGURED
        self.problem = ''
        """Why the last transition failed, in one line."""
        self.shortage = ''
        """Memory or descriptors that run out, in one line."""
        self.session_id = ''
        """Session at the service that this node holds; empty without one."""
        self._said = ''
        self._beat = self.create_publisher(DiagnosticStatus, f'_beat/{name}', qos.LEASE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics',
                                                  qos.DIAGNOSTICS)
        self._beat_timer = self.every(1.0 / beat_hz, self._publish_beat)
        self._diagnostics_timer = self.every(1.0, self._publish_diagnostics)
        self._log_handler = _RosLogHandler(self)
        logging.getLogger('reflex_ros').addHandler(self._log_handler)
        logging.getLogger('reflex_ros').setLevel(logging.INFO)

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """
        Call a function periodically, in the executor's thread, timed by the steady clock.

        The node's own clock may be paused (use_sim_time) or stepped, so no watchdog uses it.

        :param period_s: period [s].
        """
        # rclpy gives a callback that takes an argument the TimerInfo: into whichever it is.
        return self.create_timer(period_s, lambda: callback(), clock=_STEADY)

    def destroy_node(self) -> None:
        """Destroy the node. Log records of the other packages no longer go through it."""
        logging.getLogger('reflex_ros').removeHandler(self._log_handler)
        super().destroy_node()

    @property
    def trouble(self) -> str:
        """What a person should know of this process, in one line; empty if all is well."""
        return self.problem or self.shortage

    def identity(self) -> tuple[str, Lifecycle, str, str]:
        """Return the first fields of every beat. Any thread; never blocks."""
        return self.instance, self.lifecycle, self.problem, self.shortage

    # Each node writes these. They run in the executor's thread.

    def _setup(self, settings: Mapping[str, Any]) -> None:
        """
        Check the settings, open and allocate; for *configure*.

        Blocks for 8 s at most in ``action_stream``, which asks the service; in a connector as
        long as its factory says (about 1 s, or some seconds when it looks for its port).
        """

    def _start(self) -> None:
        """
        Begin to move or to stream; for *activate*.

        Blocks for 2 s at most, in a connector, which waits until the arm is under torque.
        """

    def _stop(self) -> None:
        """
        Bring the arm to rest or close the session; for *deactivate*.

        Blocks for 2 s at most in ``action_stream``; in a connector about 1 s at most, until the
        arm is at rest, and 3 s when the connector's thread hangs.
        """

    def _teardown(self) -> None:
        """
        Release everything, also when only a part of it was built; may be called twice.

        For *cleanup*, *shutdown* and errors. Blocks for 4 s at most (``action_stream``), usually
        for less than 0.1 s.
        """

    def beat(self) -> Beat:
        """Return the present beat: states, and counters that only grow. Never blocks."""
        return Beat(*self.identity())

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Return the entries for ``/diagnostics``. Never blocks."""
        return []

    # Transitions: rclpy calls them in the executor's thread, run() also before it spins.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, then set up. Blocks as long as ``_setup``."""
        result = self._guarded('configure', lambda: self._setup(self.parameters.read()))
        if result is not SUCCESS:
            self._quietly_tear_down()
        return self._arrive(result, Lifecycle.INACTIVE)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start. Blocks as long as ``_start``, at most 2 s."""
        return self._arrive(self._guarded('activate', self._start), Lifecycle.ACTIVE)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop. Blocks as long as ``_stop``, at most 3 s."""
        return self._arrive(self._guarded('deactivate', self._stop), Lifecycle.INACTIVE)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything. Blocks for 4 s at most."""
        self._quietly_tear_down()
        return self._arrive(SUCCESS, Lifecycle.UNCONFIGURED)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop if active, then release everything. Blocks for 5.5 s at most, usually for 1 s."""
        if self.lifecycle is Lifecycle.ACTIVE:
            self._guarded('deactivate', self._stop)
        self._quietly_tear_down()
        return self._arrive(SUCCESS, Lifecycle.FINALIZED)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything; the node can be configured again. Blocks for 4 s at most."""
        self._quietly_tear_down()
        return self._arrive(SUCCESS, Lifecycle.UNCONFIGURED)

    def _LifecycleNodeMixin__change_state(  # noqa: N802  # rclpy's private name
            self, transition_id: int) -> TransitionCallbackReturn:
        # Before Kilted, rclpy raises when a state has no such transition. In a service callback
        # that ends the process: anybody's wrong request would end the driver of the arm.
        try:
            return super()._LifecycleNodeMixin__change_state(  # type: ignore[misc]
                transition_id)
        except RCLError:
            self.get_logger().error(f'{self.get_name()} is {self.lifecycle.value}, which has no '
                                    f'transition {transition_id}')
            return ERROR

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
            # The supervisor requests a transition again and again: log each reason once.
            if str(exc) != self._said:
                self.get_logger().error(f'{self.get_name()} cannot {what}: {exc}')
            self.problem = self._said = str(exc)
            return FAILURE
        except Exception as exc:
            # rclpy would drop it silently, whatever it is: a person must see it.
            self.problem = f'internal error: {exc!r}'
            self.get_logger().error(f'{self.get_name()} cannot {what}: {self.problem}')
            self.get_logger().debug(hide_known(traceback.format_exc()))
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
        self._look_at_itself()
        message = DiagnosticArray(status=self.diagnostics())
        # All robots of a machine share this topic: names and hardware must tell them apart.
        robot = self.get_namespace().strip('/')
        for status in message.status if robot else ():
            status.name = f'{robot}/{status.name}'
            status.hardware_id = status.hardware_id or robot
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _look_at_itself(self) -> None:
        before, self.shortage = self.shortage, own_process.shortage()
        if self.shortage and not before:
            self.get_logger().error(self.shortage)


class _RosLogHandler(logging.Handler):
    """Forwards the log records of the packages without ROS to rosout. Any thread."""

    def __init__(self, node: ReflexNode) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        text = hide_known(self.format(record))
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
