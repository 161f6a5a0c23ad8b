# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A visit to a running graph in place of a leader arm: keys move the pose that the arm follows.

The visitor has the name of the node ``leader``, because ``action_stream`` hears no other one. It
is refused beside a real leader: there would be two nodes that publish its pose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time

import numpy as np
from rclpy.context import Context
from sensor_msgs.msg import JointState

from reflex_ros.domain.heartbeats import Commander, DRIVER, LEADER, LEADER_TOPIC, STREAM
from reflex_ros.domain.joints import Vector
from reflex_ros.nodes import convert, qos
from reflex_ros.nodes.graph_client import Answer, enter, GraphClient
from reflex_ros.runner.keyboard_guide import KeyboardGuide

PERIOD_S = 0.02
GOALS_S = 2.0
"""How long the goals of a moving arm are waited for [s]; they come with every cycle."""
HEARD_S = 3.0
"""How long it may take until ``action_stream`` hears the pose, or is heard [s]."""
WHY_S = 1.0
"""How long the reason for an end is waited for [s]; there is none when a person handed back."""


@contextmanager
def lead(domain: int, namespace: str) -> Iterator[GraphLeader]:
    """Enter a graph as its leader; leave it when the block ends."""
    with enter(domain, namespace, GraphLeader) as leader:
        yield leader


class GraphLeader(GraphClient):
    """The visitor. Made by ``lead``; everything but the keys runs in the calling thread."""

    def __init__(self, context: Context, namespace: str) -> None:
        super().__init__(context, namespace, LEADER)
        self._setpoint: Vector | None = None
        self._joint_names: list[str] = []
        self.guide: KeyboardGuide | None = None
        """Takes the keys; None before ``take_over``, and when nothing moves the arm."""
        self._poses = self._node.create_publisher(JointState, LEADER_TOPIC, qos.JOINT_STATES)
        self._goals = self._node.create_subscription(
            JointState, f'{DRIVER}/goals', self._on_goals, qos.JOINT_STATES_INPUT)
        self._timer = self._node.create_timer(PERIOD_S, self._publish)

    def take_over(self) -> Answer:
        """Let the keys guide the arm, from where it is; blocks for 14 s at most."""
        if self._spin(lambda: self._setpoint is not None, GOALS_S):
            self.guide = KeyboardGuide(self._joint_names, self._present)
            self._spin(lambda: self._poses.get_subscription_count() > 0, HEARD_S)
            # One more turn of the timer, so that the first pose is there before the request.
            self._spin(lambda: False, 2 * PERIOD_S)
        return self.call('take_over')

    def follow(self, is_over: Callable[[], bool]) -> str:
        """
        Guide the arm until the person or the graph ends it.

        :param is_over: whether the person wants it to end.
        :returns: why the graph has ended it, in one line; empty when the person has.
        """
        listener, has_begun, began_at = self._listener(), False, time.monotonic()

        def is_ended() -> bool:
            nonlocal has_begun
            seen = listener.status()
            is_guided = seen.stream.commander is Commander.PERSON and not seen.is_silent(STREAM)
            # A stop may have come before the first beat was heard.
            has_begun |= is_guided or time.monotonic() - began_at > HEARD_S
            return has_begun and not is_guided

        self._spin(lambda: is_over() or is_ended(), float('inf'))
        if is_over():
            return ''
        # The state may come after the beat.
        self._spin(lambda: bool(listener.status().safety.why), WHY_S)
        why = listener.status().safety.why
        return f'the guidance was ended: {why}' if why else 'somebody has handed the arm back'

    def _present(self) -> Vector:
        assert self._setpoint is not None
        return self._setpoint

    def _on_goals(self, message: JointState) -> None:
        self._joint_names = list(message.name)
        self._setpoint = np.array(message.position)

    def _publish(self) -> None:
        if self.guide is not None:
            self._poses.publish(convert.to_goals(
                self.guide.target(), self._joint_names, self._node.get_clock().now().to_msg()))
