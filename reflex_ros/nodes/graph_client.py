# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A short visit to a running graph, for the commands of the operator.

A plain node, without parameters and without a log topic, so that it is ready soon and disturbs
nobody. Everything runs in the calling thread, and every wait has an end. What the nodes say is
read by ``graph_listener``, which is imported late: a stop must not wait for numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import os
import threading
import time
from typing import Any, TYPE_CHECKING, TypeVar

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.logging_severity import LoggingSeverity
from rclpy.logging import set_logger_level
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reflex_ros.bringup import sros2
from reflex_ros.domain.operations import NODES, SERVICES
from reflex_ros.nodes import qos

if TYPE_CHECKING:
    from reflex_ros.domain.graph_status import GraphStatus
    from reflex_ros.nodes.graph_listener import GraphListener

STEP_S = 0.01
FIND_S = 6.0
"""How long a service or a listener is looked for [s]: DDS finds it late on a busy machine."""
ANSWER_S = 3.0
"""How long a service may take to answer [s]. The supervisor answers at once."""
LISTEN_S = 2.0
"""How long the status waits for the other nodes, when one was heard [s]."""
CONFIRM_S = 1.5
"""How long a stop waits for the supervisor's word [s]: an arm comes to rest within one second."""
LEAVE_S = 2.0
"""How long a visit may take to end; usually 0.1 s."""
SUPERVISOR = 'supervisor'
STOP_TEXT = 'reflex stop: OP_STOP: a person asked to stop'
"""As ``convert.to_stop`` makes it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What became of a request.

    :param is_heard: whether somebody was there to answer it.
    """

    is_done: bool
    text: str
    is_heard: bool = True


Visitor = TypeVar('Visitor', bound='GraphClient')


@contextmanager
def visit(domain: int, namespace: str) -> Iterator[GraphClient]:
    """Enter the graph of a domain and a namespace; leave it when the block ends."""
    with enter(domain, namespace, GraphClient) as client:
        yield client


@contextmanager
def enter(domain: int, namespace: str,
          make: Callable[[Context, str], Visitor]) -> Iterator[Visitor]:
    """
    Enter the graph of a domain and a namespace; leave it when the block ends.

    :param make: makes the visitor in a context.
    """
    context = Context()
    # The arguments of the command are none of rclpy's.
    enclave = sros2.environment(sros2.OPERATOR, os.environ).get(sros2.OVERRIDE)
    rclpy.init(args=['--ros-args', '--enclave', enclave] if enclave else [], context=context,
               domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    # Its warnings are about the environment, which is that of the graph.
    set_logger_level('rmw_fastrtps_shared_cpp', LoggingSeverity.ERROR)
    client: Visitor | None = None

    def leave() -> None:
        if client is not None:
            # Otherwise the others remember the visitor for 20 s.
            client.close()
        rclpy.try_shutdown(context=context)

    try:
        client = make(context, namespace)
        yield client
    finally:
        # Once in some hundred visits the middleware hangs here, and the answer is printed already.
        leaving = threading.Thread(target=leave, daemon=True)
        leaving.start()
        leaving.join(LEAVE_S)


class GraphClient:
    """
    The visitor. Made by ``visit``.

    :param name: of its node. By default it is a hidden one that no other process has.
    """

    def __init__(self, context: Context, namespace: str, name: str = '') -> None:
        # A leading underscore hides a node in the tools.
        self._node = Node(
            name or f'_reflex_{os.getpid()}', namespace=f'/{namespace}', context=context,
            use_global_arguments=False, enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)

    def close(self) -> None:
        """Take leave of the other nodes."""
        self._executor.shutdown(timeout_sec=0.5)
        self._node.destroy_node()

    def call(self, name: str) -> Answer:
        """
        Call a service of the graph; blocks for 9 s at most.

        :param name: of ``domain.operations``.
        """
        node = NODES[name]
        client: Any = self._node.create_client(Trigger, SERVICES[name])
        if not self._spin(client.service_is_ready, FIND_S):
            return Answer(False, f'no {node} was found within {FIND_S:g} s', is_heard=False)
        future = client.call_async(Trigger.Request())
        if not self._spin(future.done, ANSWER_S):
            return Answer(False, f'the {node} does not answer within {ANSWER_S:g} s. '
                          '`reflex status` says what the arm does; `reflex stop` works without '
                          f'the {SUPERVISOR}')
        response = future.result()
        return Answer(response.success, response.message)

    def stop(self) -> Answer:
        """
        Stop the arm by the topic that the driver obeys by itself; blocks for 8 s at most.

        Returns as soon as the supervisor has latched the stop, or the driver shows that it holds.
        """
        publisher: Any = self._node.create_publisher(String, 'safety/stop', qos.STOP)
        message, told = String(data=STOP_TEXT), 0

        def tell() -> bool:
            # Once more for each listener that DDS finds later than the first one.
            nonlocal told
            listeners = publisher.get_subscription_count()
            if listeners > told:
                publisher.publish(message)
            told = listeners
            return told > 0

        if not self._spin(tell, FIND_S):
            return Answer(False, f'nobody was found to stop within {FIND_S:g} s', is_heard=False)
        told_at = time.monotonic()
        listener = self._listener()

        def is_over() -> bool:
            tell()
            is_late = time.monotonic() - told_at > CONFIRM_S
            return listener.is_latched() or (is_late and listener.holds())

        is_stopped = self._spin(is_over, 2.0 * CONFIRM_S)
        if listener.is_latched():
            return Answer(True, f'stop: now {listener.status().safety.state.value}')
        if is_stopped:
            return Answer(True, f'stop: the driver holds the arm. The {SUPERVISOR} does not '
                          'answer, so the stop is not latched')
        return Answer(False, 'the stop was sent, and neither the driver nor the '
                      f'{SUPERVISOR} has confirmed it. Switch the servo supply off if the arm '
                      'moves')

    def status(self) -> GraphStatus:
        """Listen until every node was heard; blocks for 8 s at most, usually for 0.3 s."""
        listener = self._listener()
        if self._spin(lambda: bool(listener.status().ages_s), FIND_S):
            self._spin(listener.has_heard_all, LISTEN_S)
        return listener.status()

    def _listener(self) -> GraphListener:
        # Not imported at the top: the module says why.
        from reflex_ros.nodes.graph_listener import GraphListener
        return GraphListener(self._node)

    def _spin(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Spin until a condition holds, or the time is over; return whether it holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=STEP_S)
        return True
