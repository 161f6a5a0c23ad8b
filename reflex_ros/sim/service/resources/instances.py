# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GPU instances (protocol i.8): a legacy surface that knows only the latest one of a key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row, Table


class Status(str, Enum):
    """Where an instance is in its life."""

    PROVISIONING = 'provisioning'
    RUNNING = 'running'
    TERMINATED = 'terminated'


@dataclass
class Instance(Row):
    """
    One instance.

    :param key_id: whose it is.
    :param ready_ms: epoch [ms] at which it is provisioned.
    :param options: what it was asked for, without secrets.
    """

    id: str
    key_id: str
    created_ms: int
    ready_ms: int
    options: dict[str, object]
    is_terminated: bool = False

    def status(self, now_ms: int) -> Status:
        """Say where it is."""
        if self.is_terminated:
            return Status.TERMINATED
        return Status.RUNNING if now_ms >= self.ready_ms else Status.PROVISIONING


class Instances:
    """
    Every instance, oldest first.

    :param clock: decides when one is provisioned.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start without any."""
        self._clock = clock
        self.table = Table(Instance, Reason.INSTANCE_NOT_FOUND)

    def provision(
        self, key_id: str, options: dict[str, object], provision_s: float
    ) -> Instance:
        """Begin to make an instance for a key."""
        now_ms = self._clock.now_ms()
        return self.table.add(Instance(
            new_id('instance'), key_id, now_ms, now_ms + round(provision_s * 1e3), options))

    def latest(self, key_id: str) -> Instance | None:
        """Return the one that status and teardown are about for a key."""
        rows = [row for row in self.table.all() if row.key_id == key_id]
        return rows[-1] if rows else None

    def tear_down(self, key_id: str) -> Instance:
        """
        End the latest instance of a key; again is no error.

        :raises Refusal: ``instance_not_found``.
        """
        instance = self.latest(key_id)
        if instance is None:
            raise Refusal(Reason.INSTANCE_NOT_FOUND)
        instance.is_terminated = True
        return instance
