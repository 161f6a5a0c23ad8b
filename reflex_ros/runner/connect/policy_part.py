# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The service as a part that the supervisor steers: presence, session, their loop, beats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import logging
import time

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.loop_thread import Job, LoopThread
from reflex_ros.client.resources import account
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import (
    Lifecycle,
    Link,
    Readiness,
    SessionMode,
    STREAM,
    StreamBeat,
)
from reflex_ros.errors import ReflexError, ServiceUnavailable
from reflex_ros.runner.beats import stream_beat
from reflex_ros.runner.connect.managed_part import ManagedPart
from reflex_ros.runner.connect.readiness_wait import wait_until_ready
from reflex_ros.runner.loop_watch import LoopWatch
from reflex_ros.runner.policy_session import PolicySession
from reflex_ros.runner.presence import Presence, PresenceStatus
from reflex_ros.runner.session_status import SessionStatus

_log = logging.getLogger(__name__)

LEAVE_S = 2.0
"""Longest wait for the session to close."""
LOOK_S = 0.01
ACCOUNT_S = 20.0
"""Longest wait for the checks of key, robot and deployment."""


class PolicyPart:
    """
    Opens sessions one after the other, in one event loop, which sends the heartbeats too.

    :param make_session: makes the next session, which continues from a status, for the robot and
        the deployment of a presence. Called in the thread of ``managed``.
    """

    def __init__(self, presence: Presence, key: Secret,
                 make_session: Callable[[SessionStatus, PresenceStatus], PolicySession]) -> None:
        self.managed = ManagedPart(STREAM, self._open, self._close)
        self.session: PolicySession | None = None
        """The present session; any thread may read it."""
        self.progress = 0
        """Grows while the session works."""
        self._presence = presence
        self._key = key
        self._make_session = make_session
        self._watch = LoopWatch()
        self._loop = LoopThread('stream', leave_s=LEAVE_S, selector=self._watch)
        self._job: Job[None] | None = None
        self._beats: Job[None] | None = None
        self._status = SessionStatus()

    @property
    def status(self) -> SessionStatus:
        """The newest status. Any thread; never blocks."""
        session = self.session
        return session.status if session is not None else self._status

    def open(self, is_over: Callable[[], bool], *, applies: bool) -> None:
        """
        Find robot and deployment, open the first session, and wait until its stream is open.

        :param is_over: whether nobody waits any more.
        :param applies: whether the deployment must be ready to apply actions.
        :raises ReflexError: when it cannot be opened, or the deployment is not ready.
        """
        try:
            self._loop.run(self._identify(), ACCOUNT_S)
        except TimeoutError as exc:
            raise ServiceUnavailable(
                f'Cannot reach the Reflex backend at {self._presence.settings.rpc_url}: {exc}. '
                'Check the network and the address') from exc
        self._beats = self._loop.begin(self._presence.run())
        if applies:
            wait_until_ready(self._presence_status, is_over)
        self.managed.configured()
        self.managed.steer(Lifecycle.ACTIVE)
        while (status := self.status).link is not Link.OPEN and not is_over():
            problem = status.lost or status.fault
            if problem is not None or self.managed.problem:
                raise ReflexError(problem.text if problem else self.managed.problem)
            time.sleep(LOOK_S)

    async def _identify(self) -> None:
        async with AsyncReflex(self._key, convex_url=self._presence.settings.rpc_url,
                               window_s=ACCOUNT_S / 4) as service:
            await account.whoami(service)
            await self._presence.identify(service)

    def _presence_status(self) -> PresenceStatus:
        failure = self._beats.failure if self._beats is not None else None
        if failure is not None:
            return replace(self._presence.status, readiness=Readiness.BLOCKED, unready={
                'heartbeat': f'the heartbeats ended: {failure!r}. Run reflex connect again'})
        return self._presence.status

    def beat(self, now: float, prompt: str, slow_cameras: str = '') -> StreamBeat:
        """Return the beat of the stream; one thread asks for it, at a steady rate."""
        job = self._job
        failure = job.failure if job is not None else None
        has_worked = self._watch.has_worked()
        if job is not None and not job.future.done():
            self.progress += has_worked
        presence = self._presence_status()
        beat = stream_beat(
            self.managed.identity, self.status, now, progress=self.progress, prompt=prompt,
            fault=None if failure is None else Cause(
                FaultCode.INTERNAL, f'the stream thread ended: {failure!r}'),
            slow_cameras=slow_cameras)
        return replace(beat, robot=presence.robot_id, deployment=presence.deployment_id,
                       readiness=presence.readiness, unready=presence.unready)

    def end(self, *, is_hurried: bool = False) -> None:
        """
        Close the session and end the loop; blocks for 4 s at most.

        :param is_hurried: do not wait for the session to close.
        """
        self.managed.end()
        if not is_hurried:
            self._close()
        self._loop.close()

    def _open(self) -> None:
        # The counters continue from session to session; faults do not.
        session = self._make_session(replace(self.status, fault=None, lost=None, gap=None),
                                     self._presence_status())
        self.session = session
        self._job = self._loop.begin(session.run())

    def _close(self) -> None:
        if self._job is not None and not self._job.end():
            _log.warning('the session did not close within %g s; it is left to end by itself',
                         LEAVE_S)
        self._status = replace(self.status, link=Link.CLOSED, mode=SessionMode.NONE, in_flight=0)
        self.session = self._job = None
