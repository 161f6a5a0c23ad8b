# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Who may command the arm: one supervisor, one stream, and only after the supervisor began to arm.

The epoch of a permit is public, so a permit alone proves nothing. The driver becomes active only
while the supervisor says that it is arming (or parking) in the epoch of the permit, and never
while a stop that the driver has seen is latched; a stop for heat alone leaves the way to the rest
pose open. And nobody else may own an end of a topic or a service that moves the arm. Pure; one
thread owns each object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reflex_ros.domain.fault_code import Reaction
from reflex_ros.domain.safe_stop import State
from reflex_ros.domain.supervision import SafetyState

HANDSHAKES = (State.ARMING, State.PARKING)
"""States in which the supervisor activates the driver."""
UNKNOWN = '_NODE_NAME_UNKNOWN_'
"""What ROS calls the node of an endpoint before it has heard of the node."""
UNKNOWN_S = 1.0
"""How long the owner of a new end may be without a name while the arm is active [s]: ROS tells the
name of a node after its topics. Before an activation there is no such wait."""


class Handshake:
    """What the supervisor said last, and the stop that is latched."""

    def __init__(self) -> None:
        self._said = SafetyState()
        self._latched_in: int | None = None

    def record(self, said: SafetyState) -> None:
        """Record what the supervisor says of the system."""
        self._said = said
        if said.latched:
            self._latched_in = said.epoch
        elif said.epoch != self._latched_in:
            # A reset begins another epoch.
            self._latched_in = None

    def refusal(self, epoch: int) -> str:
        """
        Return why the driver must not become active, or an empty text.

        :param epoch: of the newest permit.
        """
        if self._latched_in is not None and not self._is_hot_parking:
            return 'a stop is latched. Look at the arm, then run `reflex reset`'
        said = self._said
        if said.state not in HANDSHAKES or said.epoch != epoch:
            return (f'the supervisor has not begun to arm: its state is {said.state.value}. '
                    'Activate the arm with `reflex promote`')
        return ''


    @property
    def _is_hot_parking(self) -> bool:
        """Whether an arm that was stopped for heat alone is parked: it would fall otherwise."""
        said = self._said
        return said.state is State.PARKING and bool(said.causes) and all(
            cause.code.row.reaction is Reaction.REST for cause in said.causes)


class CommanderWatch:
    """
    Finds nodes that could command the arm beside the one that may.

    :param owners: full name of the node that may own each topic or service.
    """

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = dict(owners)
        self._unknown_since: dict[str, float] = {}

    def intruders(self, found: Mapping[str, Iterable[str]], now: float, *,
                  unknown_s: float = UNKNOWN_S) -> str:
        """
        Name the nodes that own what they must not.

        Two nodes of the right name are found by their beats: a process that was killed stays in
        the graph for up to 20 s.

        :param found: full names of the nodes that own each topic or service now.
        :param now: monotonic instant [s].
        :param unknown_s: how long an owner may be without a name [s].
        :returns: a text for people; empty when there are none.
        """
        said = []
        for name, owner in self._owners.items():
            others = {node for node in found.get(name, ()) if node != owner}
            unknown = {node for node in others if node.endswith(UNKNOWN)}
            since = self._unknown_since.setdefault(name, now) if unknown else now
            if not unknown:
                self._unknown_since.pop(name, None)
            if now - since < unknown_s:
                others -= unknown
            said += [f'{"a program without a name" if node in unknown else node} owns an end of '
                     f'{name}, which is for {owner} alone' for node in sorted(others)]
        return '; '.join(said)
