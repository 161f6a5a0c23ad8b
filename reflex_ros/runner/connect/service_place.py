# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the service is and who this robot is there, for the policies of a step loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
import os

from reflex_ros.client import access, claimed_robot
from reflex_ros.client.client import Reflex
from reflex_ros.client.endpoints import given
from reflex_ros.client.loop_thread import Job, LoopThread
from reflex_ros.domain.heartbeats import Readiness
from reflex_ros.runner.connect.readiness_wait import wait_until_ready
from reflex_ros.runner.presence import (
    BEAT_S,
    Doing,
    IN_ROBOT_YAML,
    Presence,
    PresenceSettings,
    PresenceStatus,
)


@dataclass(frozen=True, slots=True)
class ServicePlace:
    """
    Where the service is, and who asks; None or empty: as for every command.

    :param deployment_id: id or name of the deployment, which must be ready before actions are
        applied; empty: none is checked.
    :param robot_id: id or name of the robot; empty: the one that was claimed on this machine.
    :param heartbeat_s: time between two heartbeats of the robot [s].
    """

    api_key: str | None = field(default=None, repr=False)
    convex_url: str | None = None
    actions_url: str | None = None
    infer_url: str | None = None
    deployment_id: str = ''
    robot_id: str = ''
    heartbeat_s: float = BEAT_S
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def open(self, doing: Callable[[], Doing]) -> ServiceHome:
        """
        Check the key, and find robot and deployment.

        :param doing: returns what the robot does now; called in another thread.
        :raises ReflexError: when the key is refused, or something does not exist.
        """
        found = access.resolve(self.environment, api_key=self.api_key,
                               convex_url=given(self.convex_url, '--convex-url'))
        key, rpc_url = found.key, found.rpc_url
        assert key is not None
        file = claimed_robot.path(self.environment)
        presence = Presence(
            PresenceSettings(rpc_url, self.robot_id, self.deployment_id,
                             lambda: claimed_robot.load(file, rpc_url), allow_unchecked=True,
                             names=IN_ROBOT_YAML, beat_s=self.heartbeat_s), key, None, doing)
        reflex = Reflex(key, convex_url=rpc_url, infer_url=self.infer_url,
                        environment=self.environment)
        try:
            reflex.call(presence.identify)
        except BaseException:
            reflex.close()
            raise
        return ServiceHome(reflex, presence)


class ServiceHome:
    """
    An open client of the service, and the heartbeats of the robot.

    :param reflex: closed by ``close``.
    :param presence: has identified robot and deployment.
    """

    def __init__(self, reflex: Reflex, presence: Presence) -> None:
        self.reflex = reflex
        self._presence = presence
        self._loop = LoopThread('heartbeats', leave_s=1.0)
        self._beats: Job[None] = self._loop.begin(presence.run())

    @property
    def deployment_id(self) -> str | None:
        """Id of the deployment; None without one."""
        return self._presence.status.deployment_id or None

    @property
    def robot_id(self) -> str | None:
        """Id of the robot; None without one."""
        return self._presence.status.robot_id or None

    def wait_until_ready(self) -> None:
        """
        Wait for the checks of the deployment.

        :raises ServiceRefused: naming each failed check with its remedy.
        """
        wait_until_ready(self._status)

    def close(self) -> None:
        """End the heartbeats and close the connections; blocks for some seconds at most."""
        self._loop.close()
        self.reflex.close()

    def _status(self) -> PresenceStatus:
        failure = self._beats.failure
        if failure is None:
            return self._presence.status
        return replace(self._presence.status, readiness=Readiness.BLOCKED,
                       unready={'heartbeat': f'the heartbeats ended: {failure!r}'})
