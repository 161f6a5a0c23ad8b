# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``GET /health`` and ``GET /ready`` of the worker that a grant's ``primeUrl`` names (protocol h.3).

Both accept the grant as bearer, and a request without a bearer: a region probe has none. The
fault ``ready_status=503x3`` is a worker that wakes up, ``ready_status=404`` one that is too old to
know ``/ready``.
"""

from __future__ import annotations

from aiohttp import web

from reflex_ros.sim.service.http.access import bearer, refusal
from reflex_ros.sim.service.state import ServiceState


class Worker:
    """Serve the worker's two probes."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state

    async def health(self, request: web.Request) -> web.Response:
        """Report what runs here."""
        return self._answer(request, {
            'status': 'ok', 'engine': 'simulated', 'transport': 'webrtc'})

    async def ready(self, request: web.Request) -> web.Response:
        """Report the model as loaded, at once; ``max_wait_s`` is ignored."""
        return self._answer(request, {'status': 'ready', 'ready': True})

    def _answer(self, request: web.Request, body: dict[str, object]) -> web.Response:
        if 'Authorization' in request.headers and not self._state.accepts(bearer(request)):
            raise refusal(401, 'invalid_token')
        return web.json_response(body)
