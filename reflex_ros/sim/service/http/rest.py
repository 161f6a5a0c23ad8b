# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The REST routes over HTTP (protocol c.5).

An error is a status and ``{"error": <slug>, "message": <sentence>}``; the real service's bodies
are not known.
"""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from reflex_ros.sim.service.calls import ArgumentError, Call, Json, parse_object
from reflex_ros.sim.service.http.access import bearer, refusal
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.state import ServiceState

# The HTTP status of a refusal; others miss a thing, or conflict with its state.
_STATUSES = {
    Reason.UNKNOWN_KEY: 401, Reason.BALANCE_TOO_LOW: 402, Reason.INVALID_PARAMETERS: 400,
}


def routes(state: ServiceState) -> Iterator[web.RouteDef]:
    """Yield the routes that the resources of the state declare."""
    for call in state.calls:
        if call.is_rest:
            method, path = call.path.split()
            yield web.route(method, path, Endpoint(state, call).serve)


class Endpoint:
    """One path with one method."""

    def __init__(self, state: ServiceState, call: Call) -> None:
        self._state = state
        self._call = call

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request."""
        call = self._call
        try:
            key = self._state.keys.find(bearer(request))
        except Refusal as exc:
            raise refusal(401, 'invalid_key') from exc
        try:
            values = call.check(await _read_body(request)) | request.match_info
            extra = {'key': key, 'query': request.query}
            values |= {name: extra[name] for name in extra if name in call.parameters}
            return web.json_response(call.handler(**values))
        except web.HTTPRequestEntityTooLarge as exc:
            raise refusal(413, 'body_too_large') from exc
        except ArgumentError as exc:
            raise refusal(400, 'invalid_request', str(exc)) from exc
        except Refusal as exc:
            other = 404 if exc.reason.value.endswith('_not_found') else 409
            status = _STATUSES.get(exc.reason, other)
            raise refusal(status, exc.reason.value, exc.message) from exc


async def _read_body(request: web.Request) -> Json:
    """Return the fields of the body that are not null; ``ArgumentError`` on other JSON."""
    raw = await request.read()
    try:
        body = parse_object(raw or b'{}')
    except ValueError as exc:
        raise ArgumentError(f'the body: {exc}') from exc
    return {name: value for name, value in body.items() if value is not None}
