# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One client of the action stream, from the handshake to the end (protocol d.2 to d.5).

Two tasks share its connection: the reader fills the inbox, the answerer empties it in order and
is the only one that sends. The stream ends by a ``StreamEnd`` in the answerer, or in the reader
when the client leaves.
"""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from reflex_ros.sim.service.faults import http_faults
from reflex_ros.sim.service.http.access import bearer
from reflex_ros.sim.service.policy.adapters import ADAPTERS
from reflex_ros.sim.service.resources.sessions import Session, Status
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream import messages
from reflex_ros.sim.service.stream.answering import Answering
from reflex_ros.sim.service.stream.connection import Connection, Message
from reflex_ros.sim.service.stream.inference import Inference
from reflex_ros.sim.service.stream.messages import BadInput, Observation, SessionOpen, StreamEnd

OPEN_TIMEOUT_S = 30.0
MAX_MESSAGE = 8 << 20
# [s] for the peer's answer to our Close; the vendor's clients never send one.
CLOSE_TIMEOUT_S = 0.5


async def serve_stream(state: ServiceState, request: web.Request) -> web.StreamResponse:
    """
    Answer a GET with an upgrade: refuse it, or serve the stream to its end.

    Any path is accepted (d.5). The key is the bearer or, without one, ``?token=``.
    """
    if fault := state.faults.consume('handshake_slow'):
        await asyncio.sleep(fault.number * 1e-3)
    if state.faults.consume('handshake_close'):
        return http_faults.hang_up(request)
    refusal = http_faults.refusal(state.faults, 'handshake_status', 'redirect')
    if refusal is None and not state.accepts(_key(request)):
        refusal = web.json_response({'error': 'invalid_key'}, status=401)
    if refusal is not None:
        state.counters['handshakes_refused'] += 1
        refusal.force_close()
        return http_faults.with_retry_after(state.faults, refusal)
    socket = web.WebSocketResponse(
        compress=False, autoping=False, max_msg_size=MAX_MESSAGE, timeout=CLOSE_TIMEOUT_S)
    await socket.prepare(request)
    transport = request.transport
    if not isinstance(transport, asyncio.Transport):
        return socket
    state.counters['connections'] += 1
    state.counters['open_connections'] += 1
    try:
        await Stream(state, Connection(state, socket, transport), _key(request)).run()
    finally:
        state.counters['open_connections'] -= 1
    return socket


def _key(request: web.Request) -> str:
    return bearer(request) or request.query.get('token', '')


class Stream:
    """Serve one connection, which the bearer ``key`` has opened."""

    def __init__(self, state: ServiceState, connection: Connection, key: str) -> None:
        self._state = state
        self._connection = connection
        self._key = key
        self._answering: Answering | None = None

    async def run(self) -> None:
        """Serve until either side ends it."""
        self._state.listeners.add(self._connection.wake)
        answerer = asyncio.create_task(self._answer_all())
        answerer.add_done_callback(self._cut_if_broken)
        try:
            if await self._connection.read_all():
                await self._close_session()
        finally:
            self._state.listeners.discard(self._connection.wake)
            # Our Close may still wait for that of the client, for CLOSE_TIMEOUT_S at most.
            if not self._connection.is_ending:
                answerer.cancel()
            await asyncio.wait((answerer,))
        if not answerer.cancelled():
            # Raises an error in this package, which would stay unseen in the task.
            answerer.result()

    def _cut_if_broken(self, answerer: asyncio.Task[None]) -> None:
        """End the connection after an error in this package: its client would wait for ever."""
        if not answerer.cancelled() and answerer.exception() is not None:
            self._connection.cut()

    async def _close_session(self) -> None:
        """End the session, then the connection, because the client sent ``session.close``."""
        if self._answering is not None:
            session = self._answering.session
            if session.status is Status.ACTIVE:
                self._state.sessions.close(session.id, 'stream_closed')
        await self._connection.leave()

    async def _answer_all(self) -> None:
        session_id = ''
        try:
            self._answering = answering = await self._open()
            session_id = answering.session.id
            while True:
                answering.check()
                received = self._connection.pop()
                if received is None:
                    await self._connection.pause()
                    continue
                message, received_s = received
                if not isinstance(message, Observation):
                    raise BadInput('already_open', 'session.open was sent before')
                await answering.answer(message, received_s)
        except StreamEnd as end:
            await self._connection.end(end, session_id)
        except ConnectionError:
            # The client left while we sent; the reader sees the same and ends the stream.
            return

    async def _open(self) -> Answering:
        """Wait for ``session.open``, find or open its session, and send ``session.ready``."""
        opened = await self._first()
        if not isinstance(opened, SessionOpen):
            raise BadInput('session_not_open', 'the first message must be session.open')
        try:
            inference = Inference(self._state, opened)
        except ValueError as exc:
            raise BadInput('invalid_session_open', str(exc)) from exc
        session = self._state.sessions.find(opened.session_id) or self._state.sessions.open(
            opened.model or 'pi0.5', robot_type=opened.robot or '')
        session.prompt = opened.prompt
        self._state.save()
        answering = Answering(self._state, self._connection, session, inference, self._key)
        answering.check()
        await self._greet(session, inference)
        return answering

    async def _first(self) -> Message:
        deadline_s = time.monotonic() + OPEN_TIMEOUT_S
        while (received := self._connection.pop()) is None:
            if self._state.is_stopping:
                raise StreamEnd(messages.GOING_AWAY)
            if time.monotonic() > deadline_s:
                raise StreamEnd(messages.POLICY_VIOLATION, ('timeout', 'no session.open came'))
            await self._connection.pause()
        return received[0]

    async def _greet(self, session: Session, inference: Inference) -> None:
        faults = self._state.faults
        if delay := faults.consume('ready_delay'):
            await asyncio.sleep(delay.number * 1e-3)
        layout = inference.layout
        if fault := faults.consume('other_adapter'):
            layout = {'action_adapter': fault.text, 'action_dim': ADAPTERS[fault.text].action_dim}
        frame: dict[str, object] = {
            'type': 'session.ready', 'session_id': session.id, 'mode': session.mode.value,
            'model_id': inference.model_id, 'expires_at': session.expires_at} | layout
        if self._state.settings.inpaint:
            frame['accepts'] = ['action_prefix']
        if fault := faults.consume('first_frame'):
            if fault.text == 'silent':
                return
            if fault.text == 'close':
                raise StreamEnd(messages.TRY_AGAIN_LATER)
            if fault.text == 'error':
                raise StreamEnd(1011, ('worker_failed', 'no worker took the session'))
            frame = {'type': 'session.pending', 'session_id': session.id}
        await self._connection.send(frame)
