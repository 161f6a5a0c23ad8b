# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``GET /health`` and ``GET /ready`` of the worker that a grant's ``primeUrl`` names (protocol h.3).

Both accept the grant as bearer, and a request without a bearer: a region probe has none. The
fault ``ready_status=503x3`` is a worker that wakes up, ``ready_status=404`` one that is too old to
know ``/ready``.
"""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from reflex_ros.sim.service.http.access import bearer, refusal
from reflex_ros.sim.service.state import ServiceState

_ANSWERS = {
    '/health': {'status': 'ok', 'engine': 'simulated', 'transport': 'webrtc'},
    # Always loaded: ``max_wait_s`` is ignored.
    '/ready': {'status': 'ready', 'ready': True},
}


def routes(state: ServiceState) -> Iterator[web.RouteDef]:
    """Yield the routes of the worker's two probes."""
    async def serve(request: web.Request) -> web.Response:
        if 'Authorization' in request.headers and not state.accepts(bearer(request)):
            raise refusal(401, 'invalid_token')
        return web.json_response(_ANSWERS[request.path])

    for path in _ANSWERS:
        yield web.get(path, serve)
