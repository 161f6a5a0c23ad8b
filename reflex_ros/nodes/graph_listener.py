# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a graph say, and how old that is; in the executor's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from reflex_ros.domain.graph_status import GraphStatus
from reflex_ros.domain.heartbeats import (
    DRIVER,
    DriverBeat,
    MotionState,
    STREAM,
    StreamBeat,
    SUPERVISOR,
    SupervisorBeat,
)
from reflex_ros.domain.safe_stop import State
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.nodes import qos, status_codec

STATE_TOPIC = 'safety/state'


class GraphListener:
    """
    Listens to the beats and to the state of one graph.

    :param node: gets the subscriptions.
    """

    def __init__(self, node: Node) -> None:
        self._status = GraphStatus()
        self._heard_at: dict[str, float] = {}
        self._subscriptions = [
            node.create_subscription(DiagnosticStatus, topic,
                                     self._receiver(sender, kind, field), profile)
            for topic, sender, kind, field, profile in (
                (f'_beat/{DRIVER}', DRIVER, DriverBeat, 'driver', qos.LEASE),
                (f'_beat/{STREAM}', STREAM, StreamBeat, 'stream', qos.LEASE),
                (f'_beat/{SUPERVISOR}', SUPERVISOR, SupervisorBeat, 'supervisor', qos.LEASE),
                (STATE_TOPIC, SUPERVISOR, SafetyState, 'safety', qos.STATE))]
        self._heard: set[str] = set()

    def has_heard_all(self) -> bool:
        """Whether every node and the state were heard."""
        return len(self._heard) == len(self._subscriptions)

    def status(self) -> GraphStatus:
        """Return the newest messages, and their age now."""
        now = time.monotonic()
        return replace(self._status, ages_s={
            name: round(now - at, 3) for name, at in self._heard_at.items()})

    def is_latched(self) -> bool:
        """Whether the supervisor says, now, that a stop is latched and the arm at rest."""
        safety = self._status.safety
        return safety.latched and not self.status().is_silent(SUPERVISOR) \
            and safety.state in (State.LATCHED, State.FAULT)

    def holds(self) -> bool:
        """Whether the driver says, now, that nothing moves."""
        driver = self._status.driver
        return not self.status().is_silent(DRIVER) and driver.at_rest \
            and driver.motion in (MotionState.HOLD, MotionState.PASSIVE)

    def _receiver(self, sender: str, kind: type[Any], field: str) -> Callable[..., None]:
        def receive(message: DiagnosticStatus, info: Any) -> None:
            # A state is kept for those who come later: it may be older than its arrival.
            sent_ns = info.get('source_timestamp') or time.time_ns()
            at = time.monotonic() - max(time.time_ns() - sent_ns, 0) * 1e-9
            self._heard_at[sender] = max(at, self._heard_at.get(sender, at))
            self._heard.add(field)
            changes: dict[str, Any] = {field: status_codec.decode(kind, message)}
            self._status = replace(self._status, **changes)
        return receive
