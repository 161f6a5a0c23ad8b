# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor's view of one managed node, and its hand on that node's lifecycle."""

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
A node in a transition sends no beat, so one that still beats in the old state after this time
never got the request: it went to a process of the same name that was killed, and that DDS still
lists.
"""
RETRY_S = 3.0


class ManagedNode:
    """
    Brings one node to a wanted state, one transition at a time, and never blocks.

    :param node: ours, for the service client.
    :param name: of the managed node.
    :param retry_s: how long not to ask again for a transition that was refused [s].
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
        """How often it has refused a transition since ``forget_refusals``."""

    def steer(self, present: Lifecycle, wanted: Lifecycle) -> None:
        """
        Ask for the next transition on the way.

        :param present: the state that the node's beat names.
        """
        now = time.monotonic()
        if self._pending is not None:
            if now - self._asked_at < LOST_S and present == self._asked_in:
                return
            # Answered by its beat, or never: its process may have died over it.
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
        """Try again at once what was refused before."""
        self._refused_at.clear()
        self.refusals = 0

    def _on_answer(self, future: Future, transition: int) -> None:
        if future is self._pending:
            self._pending = None
        result = None if future.cancelled() else future.result()
        if result is not None and not result.success:
            self._refused_at[transition] = time.monotonic()
            self.refusals += 1
