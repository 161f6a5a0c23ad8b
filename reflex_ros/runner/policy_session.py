# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One session with the service, without ROS: observations up, checked chunks down.

The next chunk is requested early enough that it arrives before the present one runs dry, with a
bounded number of observations in flight; what is late, old or broken is refused and counted.
While nothing is applied, a lost link is opened again; once actions are applied, any failure ends
the session, and only a new activation starts another (safety design, section 6.1).

Runs in one asyncio loop. ``status`` may be read from any thread: its values are replaced, not
changed in place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
import logging
import math
import random
import time

import numpy as np

from reflex_ros.client import adapters, retry
from reflex_ros.client.action_stream import AsyncActionStream
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.deadline import end, within
from reflex_ros.client.resources import sessions
from reflex_ros.client.stream_frames import OpenRequest
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.observation import Observation, Observer
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.errors import (
    AuthenticationError,
    ReflexError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
    StreamClosed,
)
from reflex_ros.runner.session_status import SessionSettings, SessionStatus

_log = logging.getLogger(__name__)

TICK_S = 0.02
REJECTS_IN_A_ROW = 3
GOODBYE_S = 1.0
GAPS_S = 2.0
"""How long the inputs may be missing before it is a fault."""


class PolicySession:
    """
    A session that runs until it is cancelled or ends on a fault.

    :param on_chunk: called in the loop with each chunk that passed every check.
    :param on_fault: called once when a session that applied actions fails.
    :param status: of an earlier session, whose counters go on.
    """

    def __init__(self, settings: SessionSettings, key: Secret, observer: Observer,
                 bounds: ChunkBounds, on_chunk: Callable[[ActionChunk], None],
                 on_fault: Callable[[Cause], None], status: SessionStatus | None = None) -> None:
        self.settings = settings
        self.status = status or SessionStatus()
        self.prompt = settings.prompt
        self.permit: Callable[[], Permit] = lambda: Permit(0)
        """Asked for the newest permit: its mode is the one that the session is brought to."""
        self.is_applying = False
        """Whether the service's session is in ``apply_actions``."""
        self._key = key
        self._observer = observer
        self._bounds = bounds
        self._on_chunk = on_chunk
        self._on_fault = on_fault
        self._pending: dict[int, tuple[Observation, float, int]] = {}
        self._next_seq = 0
        self._newest_seq = -1
        self._rejects_in_a_row = 0
        self._mode_since = math.inf
        """When the service's session got its mode; infinite while that is being changed."""
        self._chunk_ends_at = 0.0
        self._last_sent_at = 0.0
        self._gap_since: float | None = None
        self._waits = retry.backoff(random.Random())

    def set_gripper_travel(self, *travels: GripperTravel) -> None:
        """
        Use the calibrated range of each gripper, on the wire and as the limits of its rows.

        :raises ConfigurationError: for another number of travels than the arm has grippers.
        """
        arm = self._bounds.arm.with_gripper_travel(*travels)
        self._bounds = replace(self._bounds, arm=arm)

    async def run(self) -> None:
        """Open sessions and serve them; after a fault for a person, wait to be cancelled."""
        beat = asyncio.create_task(self._prove_work())
        try:
            while self.status.fault is None:
                try:
                    await self._serve_one()
                except Exception as exc:
                    self._judge(exc)
                if self.status.fault is None:
                    await asyncio.sleep(next(self._waits))
            while True:
                await asyncio.sleep(TICK_S)
        finally:
            beat.cancel()

    async def _prove_work(self) -> None:
        while True:
            self.status.progress += 1
            await asyncio.sleep(TICK_S)

    async def _serve_one(self) -> None:
        status, settings, wire = self.status, self.settings, self._bounds.arm.wire
        status.link, status.remark = 'opening', 'asking for a session'
        async with AsyncReflex(self._key, convex_url=settings.rpc_url,
                               on_retry=self._note_attempt) as service:
            grant = await sessions.authorize(service, base_model=settings.model,
                                             deployment_id=settings.deployment_id)
            if grant.expires_at is not None:
                # The one use of the wall clock: the service names the end on its own.
                status.expires_at = time.monotonic() + grant.expires_at / 1e3 - time.time()
            status.session_id, status.mode = grant.session_id, 'dry_run'
            self._mode_since = time.monotonic()
            stream = AsyncActionStream(settings.actions_url, self._key, OpenRequest(
                prompt=self.prompt, session_id=grant.session_id, model=settings.model,
                robot=wire.robot, action_adapter=wire.adapter, cameras=settings.cameras,
                hz=settings.rate_hz, chunk_size=settings.chunk_size),
                timeout_s=settings.first_chunk_s, window_s=settings.window_s,
                on_retry=self._note_attempt, row_keys=(wire.rows_key, 'actions'))
            try:
                await stream.open()
                await self._serve(stream, service)
            except Exception as exc:
                self._judge(exc)
            finally:
                status.link = 'lost'
                await self._leave(stream, service)

    async def _serve(self, stream: AsyncActionStream, service: AsyncReflex) -> None:
        status = self.status
        status.link, status.remark = 'open', ''
        status.opened_at = time.monotonic()
        status.received_before, status.accepted_before = status.received, status.accepted
        status.open_timing = stream.open_timing
        self._pending.clear()
        self._next_seq, self._newest_seq = 0, -1
        self._rejects_in_a_row = 0
        self._chunk_ends_at = self._last_sent_at = 0.0
        # What is received first: when all fail, it knows the cause.
        tasks = [asyncio.create_task(job) for job in (
            self._receive(stream), self._send(stream), self._expect_answers(),
            self._follow(service), self._watch(service))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except Exception as exc:
            # The arm first; ending the tasks and saying good-bye may take a second.
            self._judge(exc)
        finally:
            await end(*tasks)

    async def _leave(self, stream: AsyncActionStream, service: AsyncReflex) -> None:
        """Close stream and session; a service that is gone must not keep us."""
        await stream.close()
        try:
            await within(GOODBYE_S, sessions.close(service, self.status.session_id))
        except (ReflexError, asyncio.TimeoutError) as exc:
            _log.debug('closing the session: %s', exc)
        self.status.session_id = self.status.mode = ''
        self.is_applying = False
        self.status.expires_at = None

    async def _send(self, stream: AsyncActionStream) -> None:
        while True:
            now = time.monotonic()
            if self._is_due(now):
                taken = self._observer.snapshot(now)
                if isinstance(taken, Observation):
                    self._gap_since, self.status.gap = None, None
                    await self._send_one(stream, taken)
                else:
                    self._note_gap(taken, now)
            await asyncio.sleep(TICK_S)

    async def _send_one(self, stream: AsyncActionStream, observation: Observation) -> None:
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        self._last_sent_at = time.monotonic()
        # Before it is sent: a peer that does not read may keep us in there for ever.
        self._pending[seq] = (observation, self._last_sent_at, self.permit().epoch)
        self.status.in_flight = len(self._pending)
        arm = self._bounds.arm
        units = {'state_units': arm.wire.state_units} if arm.wire.state_units else {}
        await stream.send_observation(
            adapters.state_to_wire(observation.position, arm), observation.images,
            prompt=self.prompt, capture_time_ns=observation.wall_ns, seq=seq,
            extra={'robot': arm.wire.robot, 'state_adapter': arm.wire.adapter, **units})
        self.status.sent += 1

    def _is_due(self, now: float) -> bool:
        if len(self._pending) >= self.settings.max_in_flight:
            return False
        since = now - self._last_sent_at
        if since >= self.settings.replan_s:
            return True
        rtt_s = float(np.percentile(self.status.rtt_ms, 95)) / 1e3 if self.status.rtt_ms else 0.5
        runs_dry = now + rtt_s + self.settings.margin_s >= self._chunk_ends_at
        return runs_dry and not self._pending

    async def _expect_answers(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if not self._pending:
                continue
            waited = time.monotonic() - min(sent_at for _, sent_at, _ in self._pending.values())
            limit = self.settings.recv_hard_s if self.is_applying else self.settings.first_chunk_s
            if waited > limit:
                raise ServiceUnavailable(f'no answer to an observation for {waited:.1f} s')

    def _note_gap(self, cause: Cause, now: float) -> None:
        self.status.gap = cause
        if self._gap_since is None:
            self._gap_since = now
        elif self.is_applying and now - self._gap_since > GAPS_S:
            raise _InputLost(cause)

    async def _receive(self, stream: AsyncActionStream) -> None:
        while True:
            try:
                frame = await stream.recv_frame()
            except ChunkRejected as exc:
                # It does not say what it answers; answers come in order. Another observation
                # must go out for it, or the link would seem silent.
                self._pending.pop(min(self._pending, default=-1), None)
                self.status.received += 1
                self.status.in_flight = len(self._pending)
                self._reject(exc)
            else:
                self._take(frame)

    def _take(self, frame: ChunkFrame) -> None:
        now = time.monotonic()
        self.status.received += 1
        known = self._pending.pop(frame.seq, None)
        self.status.in_flight = len(self._pending)
        if known is None:
            self._reject(ChunkRejected(FaultCode.SEQ_OLD,
                                       f'chunk {frame.seq}: no observation waits for '
                                       'it'))
            return
        observation, sent_at, epoch = known
        self.status.rtt_ms.append((now - sent_at) * 1e3)
        age = now - observation.captured_at
        self.status.ages_ms.append(age * 1e3)
        self.status.chunk_age_ms = age * 1e3
        bounds = self._bounds
        arm, width = bounds.arm, len(bounds.arm.wire.values)
        try:
            if len(frame.rows[0]) != width:
                raise ChunkRejected(FaultCode.BAD_SHAPE, f'chunk {frame.seq}: rows of '
                                    f'{len(frame.rows[0])}, expected {width}')
            chunk = ActionChunk(
                frame.seq, adapters.rows_from_wire(frame.rows, arm), self.settings.rate_hz,
                observation.captured_at, epoch, joint_names=arm.joint_names)
            # The first row belongs to the pose that was observed, not to where the arm is now.
            chunk = check_chunk(chunk, bounds, now, observation.position,
                                reference_at=observation.captured_at, last_seq=self._newest_seq)
        except ChunkRejected as exc:
            self._reject(exc)
            return
        self._rejects_in_a_row = 0
        self.status.accepted += 1
        self.status.chunk_at = now
        self._newest_seq = frame.seq
        self._chunk_ends_at = chunk.ends_at
        # Older observations are overtaken: their chunks would only be refused.
        for seq in [seq for seq in self._pending if seq < frame.seq]:
            del self._pending[seq]
            self.status.superseded += 1
        self.status.in_flight = len(self._pending)
        # Only a session that works earns a quick new try when it is lost.
        self._waits = retry.backoff(random.Random())
        self._on_chunk(chunk)

    def _reject(self, exc: ChunkRejected) -> None:
        self.status.rejected[exc.code] += 1
        if exc.code is FaultCode.SEQ_OLD:
            # Late or repeated answers do no harm, and follow from requests in flight.
            return
        self._rejects_in_a_row += 1
        level = logging.WARNING if self._rejects_in_a_row == 1 else logging.DEBUG
        _log.log(level, 'chunk refused, %s: %s', exc.code.name, exc)
        if self._rejects_in_a_row >= REJECTS_IN_A_ROW and self.is_applying:
            raise exc

    async def _follow(self, service: AsyncReflex) -> None:
        """Bring the service's session to the mode that the permit names."""
        while True:
            wants_actions = self.permit().mode is Mode.APPLY_ACTIONS
            wanted = 'apply_actions' if wants_actions else 'dry_run'
            if wanted != self.status.mode:
                self._mode_since = math.inf
                await sessions.promote(service, self.status.session_id, wanted)
                self._mode_since = time.monotonic()
                self.status.mode = wanted
                self.is_applying = wants_actions
            await asyncio.sleep(TICK_S)

    async def _watch(self, service: AsyncReflex) -> None:
        """Ask the service now and then whether our session is still what we think it is."""
        seen_at = time.monotonic()
        while True:
            await asyncio.sleep(self.settings.watch_s)
            asked_at = time.monotonic()
            try:
                rows = await within(self.settings.watch_stale_s, sessions.list_all(service))
                seen_at = time.monotonic()
            except (ServiceUnavailable, asyncio.TimeoutError) as exc:
                unseen = time.monotonic() - seen_at
                if unseen > self.settings.watch_stale_s:
                    raise ServiceUnavailable(f'the session was not seen for {unseen:.0f} s: '
                                             f'{exc or "no answer"}') from exc
                continue
            own = next((row for row in rows if row.session_id == self.status.session_id), None)
            if own is None or own.status in ('', 'active'):
                is_settled = self._mode_since < asked_at
                if own and own.mode and own.mode != self.status.mode and is_settled:
                    raise _ModeMismatch(f'the service says {own.mode}, we say {self.status.mode}')
                continue
            raise ServiceRefused(f'the session is {own.status}. Open a new one: reset, then '
                                 'promote', f'session_{own.status}')

    def _note_attempt(self, attempt: retry.Attempt) -> None:
        self.status.remark = (f'attempt {attempt.number} failed after {attempt.elapsed_s:.0f} s: '
                              f'{attempt.reason}; next in {attempt.wait_s:.1f} s')
        level = logging.WARNING if attempt.number == 1 else logging.DEBUG
        _log.log(level, 'opening the stream: %s', self.status.remark)

    def _judge(self, exc: Exception) -> None:
        """Decide whether the session may be opened again by itself; the first fault stays."""
        if self.status.fault is not None:
            _log.warning('after the fault: %r', exc)
            return
        is_ours = not isinstance(exc, ReflexError)
        cause = Cause(_code(exc), repr(exc) if is_ours else str(exc))
        self.status.link, self.status.lost = 'lost', cause
        self.status.remark = str(cause)
        # A mistake of ours stops the arm like any other failure, and is shown with its trace.
        _log.warning('session lost: %s', cause, exc_info=exc if is_ours else None)
        if self.is_applying:
            self.status.fault = cause
            self._on_fault(cause)
        elif is_ours or isinstance(exc, AuthenticationError):
            # It will happen again until a person has changed something.
            self.status.fault = cause


class _InputLost(ReflexError):
    """The inputs of the policy are missing for too long."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.code = cause.code


class _ModeMismatch(ReflexError):
    """The service's session is in another mode than ours."""


def _code(exc: Exception) -> FaultCode:
    if isinstance(exc, (ChunkRejected, _InputLost)):
        return exc.code
    if isinstance(exc, AuthenticationError):
        return FaultCode.AUTH_REVOKED
    if isinstance(exc, _ModeMismatch):
        return FaultCode.MODE_MISMATCH
    if isinstance(exc, ServiceRefused):
        return {'session_expired': FaultCode.SESSION_EXPIRED,
                'session_closed': FaultCode.SESSION_EXPIRED,
                'session_failed': FaultCode.SERVER_ERROR,
                'session_dry_run': FaultCode.MODE_MISMATCH,
                'deployment_not_ready': FaultCode.NOT_READY}.get(exc.reason, FaultCode.REFUSED)
    if isinstance(exc, StreamClosed):
        return {1009: FaultCode.OVERSIZE, 1011: FaultCode.SERVER_ERROR}.get(exc.code,
                                                                            FaultCode.NET_CLOSED)
    if isinstance(exc, ServiceProtocolError):
        return FaultCode.BAD_FRAME
    return FaultCode.NET_SILENT if isinstance(exc, ServiceUnavailable) else FaultCode.INTERNAL
