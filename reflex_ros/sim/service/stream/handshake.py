# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The handshake of the action stream: a WebSocket, or a refusal with an HTTP status."""

from __future__ import annotations

import asyncio

from aiohttp import web

from reflex_ros.sim.service.faults import http_faults
from reflex_ros.sim.service.http.access import bearer
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream.connection import Connection
from reflex_ros.sim.service.stream.stream import Stream

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
