# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A node under test and its peers, in the thread of the test.

Everything is spun by ``until``, which stops at the event that the test waits for. Import this
module only after ``pytest.importorskip('rclpy')``.
"""

from contextlib import contextmanager
from dataclasses import replace
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_srvs.srv import Trigger

from reflex_ros.domain.heartbeats import Lifecycle
from reflex_ros.nodes import status_codec
from reflex_ros.nodes.process import Executor

DEADLINE_S = 20.0
"""For what happens at once on an idle machine."""
BEAT_S = 0.02
LATE_JOINER = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LEASE = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
TRANSITIONS = {
    Transition.TRANSITION_CONFIGURE: (Lifecycle.UNCONFIGURED, Lifecycle.INACTIVE),
    Transition.TRANSITION_ACTIVATE: (Lifecycle.INACTIVE, Lifecycle.ACTIVE),
    Transition.TRANSITION_DEACTIVATE: (Lifecycle.ACTIVE, Lifecycle.INACTIVE),
    Transition.TRANSITION_CLEANUP: (Lifecycle.INACTIVE, Lifecycle.UNCONFIGURED),
}


class Rig:
    """
    One node under test, and a plain node beside it that publishes and listens.

    :param node: the node under test; closed with the rig.
    """

    def __init__(self, node):
        self.node = node
        self.peer = rclpy.create_node('peer')
        self._others = {'peer': self.peer}
        self._clients = {}
        # The one that the nodes have in their processes.
        self._executor = Executor()
        self._executor.add_node(node)
        self._executor.add_node(self.peer)

    def close(self):
        self._executor.shutdown(timeout_sec=1.0)
        for node in filter(None, (self.node, *self._others.values())):
            node.destroy_node()

    def end_node(self):
        """Let the node under test vanish, as if its process had ended."""
        self._executor.remove_node(self.node)
        self.node.destroy_node()
        self.node = None

    def until(self, condition, what, timeout_s=DEADLINE_S):
        """
        Spin until a condition holds, and return it; fail with what was awaited.

        :param what: text, or a function that makes it when it is needed.
        """
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, (
                f'no {what() if callable(what) else what} within {timeout_s:g} s')
            self._executor.spin_once(timeout_sec=0.02)
        return found

    def listen(self, kind, topic, qos=10):
        """Subscribe, wait until publishers have matched, and return the list of what is heard."""
        heard = []
        subscription = self.peer.create_subscription(kind, topic, heard.append, qos)
        # A publisher that the graph shows may not have found this subscription yet.
        self.until(lambda: 0 < self.peer.count_publishers(subscription.topic_name)
                   <= subscription.get_publisher_count(), topic)
        return heard

    def other(self, name):
        """Return a plain node of that name; made when it is asked for first."""
        if name not in self._others:
            self._others[name] = rclpy.create_node(name)
            self._executor.add_node(self._others[name])
        return self._others[name]

    def publisher(self, kind, topic, qos=10, by='peer'):
        """Make a publisher of a node, and wait until the node under test listens to it."""
        publisher = self.other(by).create_publisher(kind, topic, qos)
        self.until(lambda: publisher.get_subscription_count(), f'listener of {topic}')
        return publisher

    def beats(self, kind, topic):
        """Listen to beats or states; return a function that reads the newest one."""
        heard = self.listen(DiagnosticStatus, topic,
                            LATE_JOINER if topic == 'safety/state' else LEASE)

        def newest():
            return status_codec.decode(kind, heard[-1]) if heard else kind()

        newest.messages = heard
        return newest

    def diagnostics(self):
        """Listen to /diagnostics; return a function that reads the newest entries by name."""
        heard = self.listen(DiagnosticArray, '/diagnostics')
        return lambda: {entry.name: entry for entry in heard[-1].status} if heard else {}

    def trigger(self, transition):
        """Do a transition in this process; return whether it succeeded."""
        result = getattr(self.node, f'trigger_{transition}')()
        return result is TransitionCallbackReturn.SUCCESS

    def client(self, service):
        """
        Make a client of a ``std_srvs/Trigger`` service of the node under test.

        Long before it is used: a server that has not found its client yet loses the answer.
        """
        client = self._clients[service] = self.peer.create_client(Trigger, service)
        self.until(client.service_is_ready, service)

    def call(self, service):
        """Call a service for which there is a client; return its answer."""
        future = self._clients[service].call_async(Trigger.Request())
        self.until(future.done, f'answer of {service}')
        return future.result()


class FakeNode:
    """
    A managed node as the supervisor sees it: its beat, and its lifecycle service.

    :param beat: the first beat; the test replaces it as it likes.
    """

    def __init__(self, rig, name, beat):
        self.beat = beat
        self.requests = []
        """Transitions that were requested in a state that allows them."""
        self.refuses = {}
        """Transition -> the problem that the beat names when it is refused."""
        self.is_silent = False
        self._name = name
        self._publisher = rig.publisher(DiagnosticStatus, f'_beat/{name}', LEASE)
        rig.peer.create_service(ChangeState, f'{name}/change_state', self._on_request)
        rig.peer.create_timer(BEAT_S, self._publish)

    def set(self, **changes):
        """Change some fields of the beat."""
        self.beat = replace(self.beat, **changes)

    def work(self):
        """Change the beat before it is published; a subclass shows progress."""

    def _publish(self):
        if not self.is_silent:
            self.work()
            self._publisher.publish(status_codec.encode(self._name, self.beat, with_empty=False))

    def _on_request(self, request, response):
        transition = request.transition.id
        start, target = TRANSITIONS[transition]
        if self.beat.lifecycle is not start:
            # Asked once more before its beat was heard.
            response.success = False
            return response
        self.requests.append(transition)
        problem = self.refuses.get(transition, '')
        response.success = not problem
        self.set(problem=problem)
        if not problem:
            self.set(lifecycle=target)
            self.on_transition()
        self._publish()
        return response

    def on_transition(self):
        """Follow a transition that succeeded."""


@contextmanager
def made(ros, make_node, *arguments):
    """Make a node in a context of its own; it is destroyed in the end."""
    with ros(*arguments):
        rig = Rig(make_node())
        try:
            yield rig
        finally:
            rig.close()
