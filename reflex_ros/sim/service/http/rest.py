# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The REST routes over HTTP (protocol c.5).

An error is a status and ``{"error": <slug>, "message": <sentence>}``; the real service's bodies
are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from aiohttp import web

from reflex_ros.sim.service.calls import ArgumentError, Call, Json, parse_object
from reflex_ros.sim.service.http.access import bearer
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.state import ServiceState

# The HTTP status of a refusal; every other refusal is a conflict with the state of the thing.
_STATUSES = {
    Reason.UNKNOWN_KEY: 401, Reason.BALANCE_TOO_LOW: 402, Reason.INVALID_PARAMETERS: 400,
}
_CONFLICT = 409


def endpoints(state: ServiceState) -> Iterator[tuple[str, Endpoint]]:
    """Yield each path and what serves it; the resources of the state declare the routes."""
    by_path: dict[str, dict[str, Call]] = {}
    for call in state.calls:
        if call.is_rest:
            method, path = call.path.split()
            by_path.setdefault(path, {})[method] = call
    for path, methods in by_path.items():
        yield path, Endpoint(state, methods)


def error(status: int, slug: str, message: str = '') -> web.Response:
    """Build the answer that refuses a request."""
    return web.json_response({'error': slug} | ({'message': message} if message else {}),
                             status=status)


def wrong_method(allowed: Iterable[str]) -> web.Response:
    """Build the 405 that names what is allowed."""
    refusal = error(405, 'method_not_allowed', f'allowed: {", ".join(allowed)}')
    refusal.headers['Allow'] = ', '.join(allowed)
    return refusal


class Endpoint:
    """One path and its methods; another method is a 405."""

    def __init__(self, state: ServiceState, methods: Mapping[str, Call]) -> None:
        self._state = state
        self._methods = methods

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request."""
        call = self._methods.get(request.method)
        if call is None:
            return wrong_method(self._methods)
        try:
            key = self._state.keys.find(bearer(request))
        except Refusal:
            return error(401, 'invalid_key')
        try:
            values = call.check(await _read_body(request)) | request.match_info
            extra = {'key': key, 'query': request.query}
            values |= {name: extra[name] for name in extra if name in call.parameters}
            return web.json_response(call.handler(**values))
        except web.HTTPRequestEntityTooLarge:
            return error(413, 'body_too_large')
        except ArgumentError as exc:
            return error(400, 'invalid_request', str(exc))
        except Refusal as refusal:
            return error(_status_of(refusal.reason), refusal.reason.value, refusal.message)


async def _read_body(request: web.Request) -> Json:
    """
    Return the fields of the JSON body without those that are null; an empty body has none.

    :raises ArgumentError: when the body is not a JSON object.
    """
    raw = await request.read()
    try:
        body = parse_object(raw or b'{}')
    except ValueError as exc:
        raise ArgumentError(f'the body: {exc}') from exc
    return {name: value for name, value in body.items() if value is not None}


def _status_of(reason: Reason) -> int:
    if reason.value.endswith('_not_found'):
        return 404
    return _STATUSES.get(reason, _CONFLICT)
