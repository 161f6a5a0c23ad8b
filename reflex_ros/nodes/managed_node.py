# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the supervisor drives the lifecycle of one other node. Runs in the executor's thread."""

from __future__ import annotations

import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node
from rclpy.task import Future

from reflex_ros.domain.heartbeats import Lifecycle

_NEXT = {
    (Lifecycle.UNCONFIGURED, Lifecycle.INACTIVE): Transition.TRANSITION_CONFIGURE,
    (Lifecycle.UNCONFIGURED, Lifecycle.ACTIVE): Transition.TRANSITION_CONFIGURE,
    (Lifecycle.INACTIVE, Lifecycle.ACTIVE): Transition.TRANSITION_ACTIVATE,
    (Lifecycle.INACTIVE, Lifecycle.UNCONFIGURED): Transition.TRANSITION_CLEANUP,
    (Lifecycle.ACTIVE, Lifecycle.INACTIVE): Transition.TRANSITION_DEACTIVATE,
    (Lifecycle.ACTIVE, Lifecycle.UNCONFIGURED): Transition.TRANSITION_DEACTIVATE,
}
LOST_S = 2.0
"""
Time after which an unanswered request counts as lost [s]. A node sends no beat during a
transition. If it still sends beats in the old state after this time, it never got the request:
DDS still lists a killed process of the same name, and the request went there.
"""
RETRY_S = 3.0
"""How long a refused transition is not requested again [s]."""


class ManagedNode:
    """
    Brings one node to a wanted state, one transition at a time. No method blocks.

    :param node: the supervisor, which gets a service client.
    :param name: name of the managed node.
    :param retry_s: how long a refused transition is not requested again [s].
    """

    def __init__(self, node: Node, name: str, retry_s: float = RETRY_S) -> None:
        self.name = name
        self._node = node
        self._retry_s = retry_s
        self._client: Any = node.create_client(ChangeState, f'{name}/change_state')
        self._pending: Future | None = None
        self._asked_at = 0.0
        self._asked_in = Lifecycle.UNKNOWN
        self._refused_at: dict[int, float] = {}
        self.refusals = 0
        """Number of refused transitions since ``forget_refusals``."""

    def steer(self, present: Lifecycle, wanted: Lifecycle) -> None:
        """
        Request the next transition on the way to a state, unless one is under way.

        :param present: state that the node's beat names.
        :param wanted: state that the node is brought to.
        """
        now = time.monotonic()
        if self._pending is not None:
            if now - self._asked_at < LOST_S and present == self._asked_in:
                return
            # The beat was the answer, or there will be none: the process may have ended.
            self._client.remove_pending_request(self._pending)
            self._pending = None
        transition = _NEXT.get((present, wanted))
        if transition is None or not self._client.service_is_ready():
            return
        if now - self._refused_at.get(transition, -1e9) < self._retry_s:
            return
        request = ChangeState.Request()
        request.transition.id = transition
        self._asked_at, self._asked_in = now, present
        self._pending = self._client.call_async(request)
        self._pending.add_done_callback(lambda future: self._on_answer(future, transition))

    def forget_refusals(self) -> None:
        """Request refused transitions again without waiting."""
        self._refused_at.clear()
        self.refusals = 0

    def _on_answer(self, future: Future, transition: int) -> None:
        if future is self._pending:
            self._pending = None
        result = None if future.cancelled() else future.result()
        if result is not None and not result.success:
            self._refused_at[transition] = time.monotonic()
            self.refusals += 1
