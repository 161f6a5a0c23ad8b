# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One session with the service, without ROS: observations up, checked chunks down.

The next chunk is requested early enough that it arrives before the present one ends, with a
bounded number of observations in flight; what is late, old or broken is refused and counted.
While nothing is applied, a lost link is opened again; once actions are applied, any failure ends
the session, and only a new activation starts another (safety design, section 6.1).

Everything here runs in one event loop, which sleeps until something is due: an observation, an
answer, another permit. Its clock is the loop's: monotonic, as that of the inputs.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
import logging
import math
import random
import time
from typing import Any

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
from reflex_ros.domain.heartbeats import Link, SessionMode
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.observation import Observation, Observer
from reflex_ros.domain.permit import Mode
from reflex_ros.domain.request_schedule import nearest_rank, Request, RequestSchedule
from reflex_ros.errors import (
    AuthenticationError,
    ReflexError,
    ServiceRefused,
    ServiceUnavailable,
)
from reflex_ros.runner.permit_lease import PermitLease
from reflex_ros.runner.session_errors import fault_code, InputLost, ModeMismatch
from reflex_ros.runner.session_status import SessionSettings, SessionStatus
from reflex_ros.runner.wakeup import Wakeup

_log = logging.getLogger(__name__)

REJECTS_IN_A_ROW = 3
GOODBYE_S = 1.0
GAPS_S = 2.0
"""How long the inputs may be missing before it is a fault."""
GAP_CHECK_S = 0.25
"""How often the reason of a gap is evaluated again: it names an age that grows."""
AGES = 200
"""Chunks over which the percentile of their age is taken."""


class PolicySession:
    """
    A session that runs until it is cancelled or ends on a fault.

    ``run`` belongs to one event loop, and everything else may be used from any thread; nothing
    but ``run`` blocks or waits.

    :param lease: its permit names the mode that the service's session is brought to.
    :param on_chunk: called in the loop with each chunk that passed every check; must not block.
    :param on_fault: called in the loop, once, when a session that applied actions fails.
    :param status: last status of an earlier session, whose counters go on.
    """

    _send_wakeup: Wakeup
    _answer_wakeup: Wakeup
    _mode_wakeup: Wakeup

    def __init__(self, settings: SessionSettings, key: Secret, observer: Observer,
                 bounds: ChunkBounds, lease: PermitLease,
                 on_chunk: Callable[[ActionChunk], None], on_fault: Callable[[Cause], None],
                 status: SessionStatus | None = None) -> None:
        self.settings = settings
        self.status = status or SessionStatus()
        """The newest status; replaced by the loop alone."""
        self.prompt = settings.prompt
        """The task, as text for the policy; sent with the next observation."""
        self._key = key
        self._observer = observer
        self._bounds = bounds
        self._lease = lease
        self._on_chunk = on_chunk
        self._on_fault = on_fault
        self._schedule = RequestSchedule(settings.replan_s, settings.margin_s,
                                         settings.max_in_flight)
        self._newest_seq = -1
        self._rejects_in_a_row = 0
        self._ages_ms: deque[float] = deque(maxlen=AGES)
        self._mode_since = math.inf
        """When the service's session got its mode; infinite while that is being changed."""
        self._gap_since: float | None = None
        self._waits = retry.backoff(random.Random())
        self._now: Callable[[], float] = time.monotonic

    @property
    def is_applying(self) -> bool:
        """Whether the service's session is in ``apply_actions``."""
        return self.status.mode is SessionMode.APPLY_ACTIONS

    def set_gripper_travel(self, *travels: GripperTravel) -> None:
        """
        Use the calibrated range of each gripper, on the wire and as the limits of its rows.

        Chunks that are checked from now on follow it.

        :raises ConfigurationError: for another number of travels than the arm has grippers.
        """
        arm = self._bounds.arm.with_gripper_travel(*travels)
        self._bounds = replace(self._bounds, arm=arm)

    async def run(self) -> None:
        """Open sessions and serve them; after a fault for a person, wait to be cancelled."""
        self._now = asyncio.get_running_loop().time
        while self.status.fault is None:
            try:
                await self._serve_one()
            except Exception as exc:
                self._handle_failure(exc)
            if self.status.fault is None:
                await asyncio.sleep(next(self._waits))
        await asyncio.Event().wait()

    def _update(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)

    async def _serve_one(self) -> None:
        settings, wire = self.settings, self._bounds.arm.wire
        self._update(link=Link.OPENING, remark='asking for a session')
        async with AsyncReflex(self._key, convex_url=settings.rpc_url,
                               on_retry=self._report_attempt) as service:
            grant = await sessions.authorize(service, base_model=settings.model,
                                             deployment_id=settings.deployment_id)
            if grant.expires_at is not None:
                # The one use of the wall clock: the service names the end on its own.
                self._update(expires_at=self._now() + grant.expires_at / 1e3 - time.time())
            self._update(session_id=grant.session_id, mode=SessionMode.DRY_RUN)
            self._mode_since = self._now()
            stream = AsyncActionStream(settings.actions_url, self._key, OpenRequest(
                prompt=self.prompt, session_id=grant.session_id, model=settings.model,
                robot=wire.robot, action_adapter=wire.adapter, cameras=settings.cameras,
                hz=settings.rate_hz, chunk_size=settings.chunk_size),
                timeout_s=settings.first_chunk_s, window_s=settings.window_s,
                on_retry=self._report_attempt, row_keys=(wire.rows_key, 'actions'))
            try:
                await stream.open()
                await self._serve(stream, service)
            except Exception as exc:
                self._handle_failure(exc)
            finally:
                self._update(link=Link.LOST)
                await self._leave(stream, service)

    async def _serve(self, stream: AsyncActionStream, service: AsyncReflex) -> None:
        status = self.status
        self._schedule.restart()
        self._newest_seq = -1
        self._rejects_in_a_row = 0
        self._send_wakeup, self._answer_wakeup = Wakeup(), Wakeup()
        self._mode_wakeup = Wakeup()
        self._update(link=Link.OPEN, remark='', opened_at=self._now(), in_flight=0,
                     received_before=status.received, accepted_before=status.accepted,
                     open_timing=stream.open_timing)
        # Receiving first: when all tasks fail at once, its error names the cause.
        tasks = [asyncio.create_task(job) for job in (
            self._receive(stream), self._send(stream), self._expect_answers(),
            self._follow_permit(service), self._watch_session(service))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except Exception as exc:
            # The arm first: ending the tasks and closing the session may take a second.
            self._handle_failure(exc)
        finally:
            self._lease.on_mode_change = None
            await end(*tasks)

    async def _leave(self, stream: AsyncActionStream, service: AsyncReflex) -> None:
        """Close stream and session; waits for a service that does not answer 1 s at most."""
        await stream.close()
        try:
            await within(GOODBYE_S, sessions.close(service, self.status.session_id))
        except (ReflexError, asyncio.TimeoutError) as exc:
            _log.debug('closing the session: %s', exc)
        self._update(session_id='', mode=SessionMode.NONE, expires_at=None)

    async def _send(self, stream: AsyncActionStream) -> None:
        while True:
            now = self._now()
            due_at = self._schedule.due_at()
            if now < due_at:
                await self._send_wakeup.wait(due_at)
                continue
            found = self._observer.snapshot(now, self._send_wakeup.call_from_thread)
            if isinstance(found, Cause):
                await self._send_wakeup.wait(self._record_gap(found, now))
                continue
            if self._gap_since is not None:
                self._gap_since = None
                self._update(gap=None)
            await self._send_one(stream, found)

    def _record_gap(self, cause: Cause, now: float) -> float:
        """
        Show in the status why nothing can be sent.

        :returns: when to check again, if the missing input does not come before [s].
        :raises InputLost: when actions are applied and the inputs are missing for too long.
        """
        self._update(gap=cause)
        if self._gap_since is None:
            self._gap_since = now
        fault_at = self._gap_since + GAPS_S
        if self.is_applying and now >= fault_at:
            raise InputLost(cause)
        check_at = now + GAP_CHECK_S
        return fault_at if now < fault_at < check_at else check_at

    async def _send_one(self, stream: AsyncActionStream, observation: Observation) -> None:
        now = self._now()
        # Before it is sent: with a peer that does not read, sending may never end.
        seq = self._schedule.add(observation, self._lease.current(now).epoch, now)
        self._update(in_flight=self._schedule.in_flight)
        self._answer_wakeup.call()
        arm = self._bounds.arm
        units = {'state_units': arm.wire.state_units} if arm.wire.state_units else {}
        await stream.send_observation(
            adapters.state_to_wire(observation.position, arm), observation.images,
            prompt=self.prompt, capture_time_ns=observation.wall_ns, seq=seq,
            extra={'robot': arm.wire.robot, 'state_adapter': arm.wire.adapter, **units})
        self._update(sent=self.status.sent + 1)

    async def _expect_answers(self) -> None:
        while True:
            sent_at, now = self._schedule.oldest_sent_at(), self._now()
            late_at = sent_at + (self.settings.recv_hard_s if self.is_applying
                                 else self.settings.first_chunk_s)
            if now >= late_at:
                raise ServiceUnavailable(f'no answer to an observation for {now - sent_at:.1f} s')
            await self._answer_wakeup.wait(late_at)

    async def _receive(self, stream: AsyncActionStream) -> None:
        while True:
            try:
                frame = await stream.recv_frame()
            except ChunkRejected as exc:
                self._schedule.answer_oldest()
                self._show_answer()
                self._count_rejected(exc)
            else:
                self._handle_chunk(frame)

    def _show_answer(self) -> None:
        """Count an answer; the next observation and the next deadline depend on it."""
        self._update(received=self.status.received + 1, in_flight=self._schedule.in_flight,
                     rtt_ms_p50=self._schedule.round_trip_ms(0.5))
        self._send_wakeup.call()
        self._answer_wakeup.call()

    def _handle_chunk(self, frame: ChunkFrame) -> None:
        now = self._now()
        request = self._schedule.answer(frame.seq, now)
        self._show_answer()
        if request is None:
            self._count_rejected(ChunkRejected(
                FaultCode.SEQ_OLD, f'chunk {frame.seq}: no observation waits for it'))
            return
        age_ms = (now - request.observation.captured_at) * 1e3
        self._ages_ms.append(age_ms)
        self._update(chunk_age_ms=age_ms, age_ms_p95=nearest_rank(self._ages_ms, 0.95))
        try:
            chunk = self._checked(frame, request, now)
        except ChunkRejected as exc:
            self._count_rejected(exc)
            return
        self._rejects_in_a_row = 0
        self._newest_seq = frame.seq
        superseded = self._schedule.accept(frame.seq, chunk.ends_at)
        # No further wakeup: those of the answer have not run yet.
        self._update(accepted=self.status.accepted + 1, chunk_at=now,
                     in_flight=self._schedule.in_flight,
                     superseded=self.status.superseded + superseded)
        # After a session that worked, the next one is opened soon.
        self._waits = retry.backoff(random.Random())
        self._on_chunk(chunk)

    def _checked(self, frame: ChunkFrame, request: Request, now: float) -> ActionChunk:
        """
        Convert a frame to a chunk that passed every check.

        :raises ChunkRejected: with the fault code of the first check that failed.
        """
        bounds, observation = self._bounds, request.observation
        arm, width = bounds.arm, len(bounds.arm.wire.values)
        if len(frame.rows[0]) != width:
            raise ChunkRejected(FaultCode.BAD_SHAPE, f'chunk {frame.seq}: rows of '
                                f'{len(frame.rows[0])}, expected {width}')
        chunk = ActionChunk(
            frame.seq, adapters.rows_from_wire(frame.rows, arm), self.settings.rate_hz,
            observation.captured_at, request.epoch, joint_names=arm.joint_names)
        # The first row belongs to the pose that was observed, not to where the arm is now.
        return check_chunk(chunk, bounds, now, observation.position,
                           reference_at=observation.captured_at, last_seq=self._newest_seq)

    def _count_rejected(self, exc: ChunkRejected) -> None:
        rejected = Counter(self.status.rejected)
        rejected[exc.code] += 1
        self._update(rejected=rejected)
        if exc.code is FaultCode.SEQ_OLD:
            # Late or repeated answers do no harm, and follow from requests in flight.
            return
        self._rejects_in_a_row += 1
        level = logging.WARNING if self._rejects_in_a_row == 1 else logging.DEBUG
        _log.log(level, 'chunk refused, %s: %s', exc.code.name, exc)
        if self._rejects_in_a_row >= REJECTS_IN_A_ROW and self.is_applying:
            raise exc

    async def _follow_permit(self, service: AsyncReflex) -> None:
        """Bring the service's session to the mode that the permit names."""
        self._lease.on_mode_change = self._mode_wakeup.call_from_thread
        while True:
            is_wanted = self._lease.current(self._now()).mode is Mode.APPLY_ACTIONS
            wanted = SessionMode.APPLY_ACTIONS if is_wanted else SessionMode.DRY_RUN
            if wanted is self.status.mode:
                # The wakeup is not called when a permit ends because it was not renewed.
                await self._mode_wakeup.wait(self._lease.ends_at if is_wanted else math.inf)
                continue
            self._mode_since = math.inf
            await sessions.promote(service, self.status.session_id, wanted.value)
            self._mode_since = self._now()
            self._update(mode=wanted)
            # The longest wait for an answer depends on the mode.
            self._answer_wakeup.call()

    async def _watch_session(self, service: AsyncReflex) -> None:
        """Compare the session in the service's list with our own at regular intervals."""
        seen_at = self._now()
        while True:
            await asyncio.sleep(self.settings.watch_s)
            asked_at = self._now()
            try:
                rows = await within(self.settings.watch_stale_s, sessions.list_all(service))
                seen_at = self._now()
            except (ServiceUnavailable, asyncio.TimeoutError) as exc:
                unseen = self._now() - seen_at
                if unseen > self.settings.watch_stale_s:
                    raise ServiceUnavailable(f'the session was not seen for {unseen:.0f} s: '
                                             f'{exc or "no answer"}') from exc
                continue
            status = self.status
            own = next((row for row in rows if row.session_id == status.session_id), None)
            if own is None or own.status in ('', 'active'):
                is_settled = self._mode_since < asked_at
                if own and own.mode and own.mode != status.mode.value and is_settled:
                    raise ModeMismatch(f'the service says that the session is in {own.mode}, it '
                                       f'was brought to {status.mode.value}')
                continue
            raise ServiceRefused(f'the session is {own.status}. Open a new one: reset, then '
                                 'promote', f'session_{own.status}')

    def _report_attempt(self, attempt: retry.Attempt) -> None:
        remark = (f'attempt {attempt.number} failed after {attempt.elapsed_s:.0f} s: '
                  f'{attempt.reason}; next in {attempt.wait_s:.1f} s')
        self._update(remark=remark)
        level = logging.WARNING if attempt.number == 1 else logging.DEBUG
        _log.log(level, 'opening the stream: %s', remark)

    def _handle_failure(self, exc: Exception) -> None:
        """Record why the session failed, and whether another may be opened; stop the arm."""
        if self.status.fault is not None:
            _log.warning('after the fault: %r', exc)
            return
        is_internal = not isinstance(exc, ReflexError)
        cause = Cause(fault_code(exc), repr(exc) if is_internal else str(exc))
        self._update(link=Link.LOST, lost=cause, remark=str(cause))
        # A mistake in this program stops the arm like any other failure; its trace is logged.
        _log.warning('session lost: %s', cause, exc_info=exc if is_internal else None)
        if self.is_applying:
            self._update(fault=cause)
            self._on_fault(cause)
        elif is_internal or isinstance(exc, AuthenticationError):
            # It will happen again until a person has changed something.
            self._update(fault=cause)
