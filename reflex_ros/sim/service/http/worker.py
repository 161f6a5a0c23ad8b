# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``GET /health`` and ``GET /ready`` of the worker that a grant's ``primeUrl`` names (protocol h.3).

Both take the grant as bearer, and no bearer at all as well: a region probe has none. The switch
``ready_status=503x3`` is a worker that wakes up, ``ready_status=404`` one that is too old to know
``/ready``.
"""

from __future__ import annotations

from aiohttp import web

from reflex_ros.sim.service.http.bearer import bearer
from reflex_ros.sim.service.state import ServiceState


class Worker:
    """
    Serve the worker's two probes.

    :param state: knows the grants.
    """

    def __init__(self, state: ServiceState) -> None:
        """Store the state."""
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """Return both routes."""
        return [web.get('/health', self.health), web.get('/ready', self.ready)]

    async def health(self, request: web.Request) -> web.Response:
        """Say what runs here."""
        return self._answer(request, {
            'status': 'ok', 'engine': 'simulated', 'transport': 'webrtc'})

    async def ready(self, request: web.Request) -> web.Response:
        """Say that the model is loaded; ``max_wait_s`` is for workers that have to wait."""
        return self._answer(request, {'status': 'ready', 'ready': True})

    def _answer(self, request: web.Request, body: dict[str, object]) -> web.Response:
        if 'Authorization' in request.headers and not self._state.accepts(bearer(request)):
            return web.json_response({'error': 'invalid_token'}, status=401)
        return web.json_response(body)
