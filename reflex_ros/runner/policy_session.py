# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One session with the service, without ROS: observations up, checked chunks down.

What is due, what an answer is worth and all counts are the exchange's (``runner.exchange``); this
file moves the frames. A late chunk slows the arm down and never stops it: when nothing is left to
play for 2 s, the driver latches. While nothing is applied, a lost link is opened again; once
actions are applied, any failure ends the session, and only a new activation starts another
(safety design, section 6.1). After a planned stop no such activation follows. So a failure then,
for example of the demotion itself, opens a new session in dry run like any other.

Everything here runs in one event loop, which sleeps until something is due: an observation, an
answer, another permit. Its clock is the loop's: monotonic, as that of the inputs.
"""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
import logging
import math
import random
import time
from typing import Any

from reflex_ros.cameras.frame import Picture
from reflex_ros.client import adapters, retry
from reflex_ros.client.action_stream import AsyncActionStream
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.deadline import end, within
from reflex_ros.client.resources import sessions
from reflex_ros.client.stream_errors import LATER
from reflex_ros.client.stream_frames import Image, OpenRequest
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ActionChunk, ChunkBounds
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import Link, ServiceChange, SessionMode
from reflex_ros.domain.joints import GripperTravel, Vector
from reflex_ros.domain.observation import Observation, Observer
from reflex_ros.domain.outlook import Outlook, Prefix, SendPrefix, STALE_S
from reflex_ros.domain.permit import Mode
from reflex_ros.domain.timing import LONGEST_WAIT_S, SLACK_S
from reflex_ros.errors import (
    AuthenticationError,
    ReflexError,
    ServiceRefused,
    ServiceUnavailable,
    StreamClosed,
)
from reflex_ros.runner import policy_fit
from reflex_ros.runner.exchange import Exchange
from reflex_ros.runner.link_pings import LinkPings
from reflex_ros.runner.permit_lease import PermitLease
from reflex_ros.runner.policy_fit import PolicyMisfit
from reflex_ros.runner.session_errors import (
    cause_of,
    InputLost,
    PolicyMismatch,
)
from reflex_ros.runner.session_status import SessionSettings, SessionStatus
from reflex_ros.runner.wakeup import Wakeup

_log = logging.getLogger(__name__)

REJECTS_IN_A_ROW = 3
HOPELESS_IN_A_ROW = 6
"""Refused chunks in a row after which a dry run ends: the policy does not fit the arm."""
GOODBYE_S = 1.0
LATER_S = 4.0
"""Least wait before the next session, after a close code that asks to come back later."""
OUTLOOK_WAIT_S = 0.06
"""How long after a chunk an observation waits for the plan that the driver made of it."""
PREFIX_KEY = 'action_prefix'
"""In ``accepts`` of ``session.ready``, and in an observation."""
GAPS_S = 2.0
"""How long the inputs may be missing before it is a fault."""
GAP_CHECK_S = 0.25
"""How often the reason of a gap is evaluated again: it names an age that grows."""


MakePictures = Callable[[Mapping[str, object]], Awaitable[Mapping[str, Picture] | None]]


async def jpeg_pictures(frames: Mapping[str, object]) -> Mapping[str, Picture]:
    """Return the pictures of frames that are the bytes of a JPEG."""
    return {name: Picture('jpeg', frame) for name, frame in frames.items()
            if isinstance(frame, bytes)}


class PolicySession:
    """
    A session that runs until it is cancelled or ends on a fault.

    ``run`` belongs to one event loop, and everything else may be used from any thread; nothing
    but ``run`` blocks or waits.

    :param lease: its permit names the mode that the service's session is brought to.
    :param on_chunk: called in the loop with each chunk that passed every check; must not block.
    :param on_fault: called in the loop, once, when a session that applied actions fails.
    :param status: last status of an earlier session, whose counters go on.
    :param make_pictures: makes the pictures to send of the frames of an observation, by their
        keys at the service; awaited in the loop. None: this observation cannot be sent.
    """

    _send_wakeup: Wakeup
    _answer_wakeup: Wakeup
    _mode_wakeup: Wakeup

    def __init__(self, settings: SessionSettings, key: Secret, observer: Observer,
                 bounds: ChunkBounds, lease: PermitLease,
                 on_chunk: Callable[[ActionChunk], None], on_fault: Callable[[Cause], None],
                 status: SessionStatus | None = None,
                 make_pictures: MakePictures = jpeg_pictures) -> None:
        self.settings = settings
        self.status = status or SessionStatus()
        """The newest status; replaced by the loop alone."""
        self.prompt = settings.prompt
        """The task, as text for the policy; sent with the next observation."""
        self.is_followed = True
        """Whether the arm does what the policy says; while a person guides it, chunks that are
        refused stop nothing. Any thread may set it."""
        self._key = key
        self._observer = observer
        self._bounds = bounds
        self._lease = lease
        self._on_chunk = on_chunk
        self._on_fault = on_fault
        self._make_pictures = make_pictures
        self._exchange = Exchange(bounds, settings.rules, settings.rate_hz,
                                  self.status.counts.copy())
        self._mode_since = math.inf
        """When the service's session got its mode; infinite while that is being changed."""
        self._gap_since: float | None = None
        self._waits_since: float | None = None
        """Since when an observation is due that only waits for fresher frames."""
        self._outlook: Outlook | None = None
        self._newest: tuple[int, int] = (-1, -1)    # epoch and number of the newest chunk
        self._sends_prefix = False
        self._waits_for_outlook = False
        self._waits = retry.backoff(random.Random())
        self._asked_wait_s = 0.0
        self._now: Callable[[], float] = time.monotonic

    @property
    def is_applying(self) -> bool:
        """Whether the service's session was brought to ``apply_actions``."""
        return self.status.mode is SessionMode.APPLY_ACTIONS

    def set_gripper_travel(self, *travels: GripperTravel) -> None:
        """
        Use the calibrated range of each gripper, on the wire and as the limits of its rows.

        Chunks that are checked from now on follow it.

        :raises ConfigurationError: for another number of travels than the arm has grippers.
        """
        arm = self._bounds.arm.with_gripper_travel(*travels)
        self._bounds = self._exchange.bounds = replace(self._bounds, arm=arm)

    def set_outlook(self, outlook: Outlook) -> None:
        """Use the newest plan of the driver, as it will be executed. Any thread."""
        self._outlook = outlook
        if self._waits_for_outlook:
            self._send_wakeup.call_from_thread()

    async def run(self) -> None:
        """Open sessions and serve them; after a fault for a person, wait to be cancelled."""
        self._now = asyncio.get_running_loop().time
        while self.status.fault is None:
            try:
                await self._serve_one()
            except Exception as exc:
                self._handle_failure(exc)
            if self.status.fault is None:
                wait_s = max(next(self._waits), self._asked_wait_s)
                self._asked_wait_s = 0.0
                await asyncio.sleep(wait_s)
        await asyncio.Event().wait()

    def _update(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)

    async def _serve_one(self) -> None:
        settings, wire = self.settings, self._bounds.arm.wire
        self._update(link=Link.OPENING, remark='asking for a session')
        async with AsyncReflex(self._key, convex_url=settings.rpc_url,
                               on_retry=self._report_attempt) as service:
            grant = await sessions.authorize(service, base_model=settings.model,
                                             deployment_id=settings.deployment_id,
                                             robot_id=settings.robot_id)
            if grant.expires_at is not None:
                self._update(expires_at=self._end_of(grant.expires_at, service))
            self._update(session_id=grant.session_id, mode=SessionMode.DRY_RUN,
                         service_change=ServiceChange.NONE)
            self._mode_since = self._now()
            stream = AsyncActionStream(settings.actions_url, self._key, OpenRequest(
                prompt=self.prompt, session_id=grant.session_id, model=settings.model,
                robot=wire.robot, action_adapter=wire.adapter, cameras=settings.cameras,
                hz=settings.rate_hz, chunk_size=settings.chunk_size),
                timeout_s=settings.first_chunk_s, window_s=settings.window_s,
                on_retry=self._report_attempt, ends_session=True,
                row_keys=(wire.rows_key, 'actions'))
            try:
                policy_fit.check_session(self._bounds.arm, 'the session that was granted',
                                         grant.as_sent())
                await stream.open()
                await self._serve(stream, service)
            except Exception as exc:
                self._handle_failure(exc)
            finally:
                self._update(link=Link.LOST)
                await self._leave(stream, service)

    def _end_of(self, expires_ms: float, service: AsyncReflex) -> float:
        """Return when a session ends on our clock [s]; the service says it by its own."""
        offset_s = service.transport.clock_offset_ms / 1e3
        if offset_s:
            _log.warning('the clock of the service is %.0f s %s that of this machine; the end of '
                         'the session follows the clock of the service', abs(offset_s),
                         'ahead of' if offset_s > 0 else 'behind')
        return self._now() + (expires_ms - service.transport.service_now_ms()) / 1e3

    async def _serve(self, stream: AsyncActionStream, service: AsyncReflex) -> None:
        settings = self.settings
        self._exchange = Exchange(self._bounds, settings.rules, settings.rate_hz,
                                  self._exchange.counts, settings.execute_horizon)
        before = self._exchange.counts
        policy_fit.check_session(self._bounds.arm, 'session.ready', stream.ready)
        accepts = stream.ready.get('accepts')
        self._sends_prefix = not settings.send_arrival_state and (
            settings.send_prefix is SendPrefix.ALWAYS
            or (settings.send_prefix is SendPrefix.AUTO and isinstance(accepts, list)
                and PREFIX_KEY in accepts))
        self._newest = (-1, -1)
        pings = LinkPings(stream.ping, self._now)
        self._send_wakeup, self._answer_wakeup = Wakeup(), Wakeup()
        self._mode_wakeup = Wakeup()
        self._update(link=Link.OPEN, remark='', opened_at=self._now(), refusal=None,
                     received_before=before.received, accepted_before=before.accepted,
                     open_timing=stream.open_timing)
        # Receiving first: when all tasks fail at once, its error names the cause.
        tasks = [asyncio.create_task(job) for job in (
            self._receive(stream, pings), self._send(stream),
            self._expect_answers(stream, pings), pings.run(),
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
            self._exchange.abandon()
            self._show_exchange()

    async def _leave(self, stream: AsyncActionStream, service: AsyncReflex) -> None:
        """Close stream and session; waits for a service that does not answer 1 s at most."""
        await stream.close()
        try:
            await within(GOODBYE_S, sessions.close(service, self.status.session_id))
        except (ReflexError, asyncio.TimeoutError) as exc:
            _log.debug('closing the session: %s', exc)
        self._update(session_id='', mode=SessionMode.NONE, expires_at=None,
                     service_change=ServiceChange.NONE)

    async def _send(self, stream: AsyncActionStream) -> None:
        while True:
            now = self._now()
            due_at = self._exchange.due_at(now)
            if now < due_at:
                await self._send_wakeup.wait(due_at)
                continue
            outlook_at = self._outlook_due_at(now)
            self._waits_for_outlook = now < outlook_at
            if self._waits_for_outlook:
                await self._send_wakeup.wait(outlook_at)
                continue
            found = self._observer.snapshot(now, self._send_wakeup.call_from_thread)
            if isinstance(found, Cause):
                self._waits_since = None
                await self._send_wakeup.wait(self._record_gap(found, now))
                continue
            wait_s = self._wait_for_fresher(now)
            if wait_s:
                await self._send_wakeup.wait(now + wait_s + SLACK_S)
                continue
            pictures = await self._make_pictures(found.images)
            if pictures is None:
                # The observer has forgotten the frame, and says why in the next snapshot.
                continue
            self._waits_since = None
            if self._gap_since is not None:
                self._gap_since = None
                self._update(gap=None)
            await self._send_one(stream, found, pictures)

    def _wait_for_fresher(self, now: float) -> float:
        """Return how long to wait for fresher frames of the cameras [s], within bounds."""
        if self._waits_since is None:
            self._waits_since = now
        if now - self._waits_since >= LONGEST_WAIT_S:
            return 0.0
        return self._observer.wait_for_fresher(now, self._send_wakeup.call_from_thread)

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

    async def _send_one(self, stream: AsyncActionStream, observation: Observation,
                        pictures: Mapping[str, Picture]) -> None:
        now = self._now()
        # Before it is sent: a peer that does not read may keep us in there for ever.
        # Read once: another thread may change it.
        prompt = self.prompt
        epoch = self._lease.current(now).epoch
        prefix = self._prefix(observation, epoch, now)
        position: Sequence[float] | Vector = observation.position
        executed, offer = None, {}
        if prefix is not None and self.settings.send_arrival_state:
            position, executed = prefix.arrival, prefix.executed
        elif prefix is not None:
            offer = {PREFIX_KEY: [adapters.state_to_wire(row, self._bounds.arm)
                                  for row in prefix.rows], 'prefix_rows': prefix.committed}
        if prefix is not None:
            self._update(prefixes=self.status.prefixes + 1)
        seq = self._exchange.begin(observation, epoch, now, prompt, executed)
        self._show_exchange()
        self._answer_wakeup.call()
        arm = self._bounds.arm
        units = {'state_units': arm.wire.state_units} if arm.wire.state_units else {}
        await stream.send_observation(
            adapters.state_to_wire(position, arm),
            {key: _image(picture) for key, picture in pictures.items()},
            prompt=prompt, capture_time_ns=observation.wall_ns, seq=seq,
            extra={'robot': arm.wire.robot, 'state_adapter': arm.wire.adapter, **units,
                   'joint_names': [value.wire_name for value in arm.wire.values], **offer})

    def _outlook_due_at(self, now: float) -> float:
        """Return until when an observation waits for the plan after the newest chunk [s]."""
        epoch, seq = self._newest
        if not self._wants_outlook or epoch != self._lease.current(now).epoch:
            return -math.inf
        outlook = self._outlook
        if outlook is not None and outlook.epoch == epoch and outlook.seq >= seq:
            return -math.inf
        return self.status.chunk_at + OUTLOOK_WAIT_S

    @property
    def _wants_outlook(self) -> bool:
        return self.is_applying and (self._sends_prefix or self.settings.send_arrival_state)

    def _prefix(self, observation: Observation, epoch: int, now: float) -> Prefix | None:
        """Return what the arm will execute from an observation on; None when nobody knows."""
        outlook, delay_s = self._outlook, self._exchange.expected_age_s
        if (not self._wants_outlook or outlook is None or outlook.epoch != epoch
                or now - outlook.made_at > STALE_S or delay_s is None):
            return None
        return outlook.prefix(observation.captured_at, delay_s, self.settings.rate_hz,
                              self.settings.chunk_size)

    async def _expect_answers(self, stream: AsyncActionStream, pings: LinkPings) -> None:
        while True:
            now = self._now()
            if not self._exchange.in_flight:
                await self._answer_wakeup.wait(math.inf)
                continue
            waited = self._exchange.longest_wait_s(now)
            # Silence is what is much longer than usual.
            usual = max(self._exchange.times().round_trip[1], 0.0) * 1e-3
            limit = (usual + self.settings.recv_hard_s if self.is_applying
                     else self.settings.first_chunk_s)
            if waited >= limit:
                strays = self._exchange.stray_text
                came = ' and '.join(filter(None, (strays, stream.unknown_text)))
                found = pings.finding(now)
                text = (f'no answer to an observation for {waited:.1f} s'
                        f'{f", but {came}" if came else ""}{f"; {found}" if found else ""}')
                if strays and self.is_applying:
                    # The link works: another cable or network would not help.
                    raise ChunkRejected(FaultCode.SEQ_OLD, text)
                raise ServiceUnavailable(text)
            await self._answer_wakeup.wait(now + limit - waited)

    async def _receive(self, stream: AsyncActionStream, pings: LinkPings) -> None:
        while True:
            try:
                frame = await stream.recv_frame()
            except ChunkRejected as exc:
                self._handle_refusal(self._exchange.broken(exc))
            else:
                self._update(ping_ms=pings.round_trip_ms)
                self._handle_chunk(frame)

    def _handle_chunk(self, frame: ChunkFrame) -> None:
        now = self._now()
        try:
            chunk = self._exchange.answer(frame, now, is_moving=self.is_applying)
        except ChunkRejected as exc:
            self._handle_refusal(exc)
            return
        self._show_exchange(chunk_at=now, chunk_prompt=chunk.prompt, refusal=None)
        # After a session that worked, the next one is opened soon.
        self._waits = retry.backoff(random.Random())
        self._newest = chunk.epoch, chunk.seq
        self._on_chunk(chunk)

    def _handle_refusal(self, exc: ChunkRejected) -> None:
        """
        Show why a chunk was refused.

        :raises ChunkRejected: for the third in a row while actions are applied.
        :raises PolicyMismatch: when a policy in dry run is always refused.
        """
        if exc.code.row.is_late:
            # Late or repeated answers do no harm, and follow from requests in flight.
            self._show_exchange()
            return
        self._show_exchange(refusal=Cause(exc.code, str(exc)))
        in_a_row = self._exchange.refused_in_a_row
        level = logging.WARNING if in_a_row == 1 else logging.DEBUG
        _log.log(level, 'chunk refused, %s: %s', exc.code.name, exc)
        if self.is_applying:
            if self.is_followed and in_a_row >= REJECTS_IN_A_ROW:
                raise exc
        elif in_a_row >= HOPELESS_IN_A_ROW:
            raise PolicyMismatch(exc, in_a_row)

    def _show_exchange(self, **changes: Any) -> None:
        """Publish counts and times, and let everything look at what is due now."""
        if self._exchange.remark and not self.status.policy_remark:
            # Once: its numbers change with every chunk.
            _log.warning('the policy: %s', self._exchange.remark)
        self._update(counts=self._exchange.counts.copy(), in_flight=self._exchange.in_flight,
                     times=self._exchange.times(), policy_remark=self._exchange.remark, **changes)
        self._send_wakeup.call()
        self._answer_wakeup.call()

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
            self._update(mode=wanted, service_change=ServiceChange.NONE if is_wanted
                         else self.status.service_change)
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
                if own and own.mode and self._mode_since < asked_at:
                    self._compare_mode(own.mode)
                continue
            raise ServiceRefused(f'the session is {own.status} at the service',
                                 f'session_{own.status}')

    def _compare_mode(self, mode: str) -> None:
        """
        Show it if somebody else changed the mode at the service. That alone moves nothing.

        :param mode: mode that the service's list names.
        """
        change, is_theirs = self.status.service_change, mode == SessionMode.APPLY_ACTIONS.value
        if is_theirs is not self.is_applying:
            change = ServiceChange.PROMOTED if is_theirs else ServiceChange.DEMOTED
        elif change is ServiceChange.PROMOTED:
            change = ServiceChange.NONE
        if change is not self.status.service_change:
            self._update(service_change=change)
            _log.warning('the session is now in %s at the service, changed by somebody else', mode)

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
        # A permit that is only silent is no planned stop: its supervisor comes back latched.
        is_latching = self.is_applying and self._lease.newest.mode is Mode.APPLY_ACTIONS
        cause = cause_of(exc, is_applying=is_latching, steps=self.settings.next_steps)
        self._update(link=Link.LOST, lost=cause, remark=str(cause))
        if isinstance(exc, StreamClosed) and exc.code in LATER:
            self._asked_wait_s = LATER_S
        elif isinstance(exc, ServiceUnavailable):
            self._asked_wait_s = exc.retry_after_s
        # A mistake in this program stops the arm like any other failure; its trace is logged.
        _log.warning('session lost: %s', cause, exc_info=exc if is_internal else None)
        if is_latching or is_internal or isinstance(
                exc, (AuthenticationError, PolicyMismatch, PolicyMisfit)):
            # The latter will happen again until a person has changed something.
            self._update(fault=cause)
        if self.is_applying:
            # Also in a planned stop: the arm may not be at rest yet.
            self._on_fault(cause)


def _image(picture: Picture) -> Image:
    """Return a picture as the client sends it: a JPEG as bytes, others with their encoding."""
    if picture.format == 'jpeg':
        return picture.data
    return {'encoding': f'{picture.format}_base64',
            'data': binascii.b2a_base64(picture.data, newline=False).decode('ascii')}
