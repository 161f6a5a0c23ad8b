# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Serve the REST routes over HTTP (protocol c.5).

An error is a status and ``{"error": <slug>, "message": <sentence>}``; the real service's bodies
are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import json

from aiohttp import web

from reflex_ros.sim.service.http.bearer import bearer
from reflex_ros.sim.service.http.functions.base import ArgumentError, check_args
from reflex_ros.sim.service.http.rest import ROUTES
from reflex_ros.sim.service.http.rest.base import Request, Route
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.state import ServiceState

# What a refusal is in HTTP; the rest is a conflict with the state of the thing.
_STATUSES = {
    Reason.UNKNOWN_KEY: 401, Reason.BALANCE_TOO_LOW: 402, Reason.INVALID_PARAMETERS: 400,
}
_CONFLICT = 409


class Rest:
    """
    Serve every route of the table; a known path with another method is a 405.

    :param state: what the handlers work on.
    """

    def __init__(self, state: ServiceState) -> None:
        """Order the routes by path."""
        by_path: dict[str, dict[str, Route]] = {}
        for route in ROUTES:
            by_path.setdefault(route.path, {})[route.method] = route
        self._endpoints = {
            path: _Endpoint(state, methods) for path, methods in by_path.items()
        }

    def routes(self) -> list[web.RouteDef]:
        """Return what the router needs."""
        return [web.route('*', path, each.serve) for path, each in self._endpoints.items()]


def error(status: int, slug: str, message: str = '') -> web.Response:
    """Build the answer that says no."""
    return web.json_response({'error': slug} | ({'message': message} if message else {}),
                             status=status)


def wrong_method(allowed: Iterable[str]) -> web.Response:
    """Build the 405 that names what is allowed."""
    refusal = error(405, 'method_not_allowed', f'allowed: {", ".join(allowed)}')
    refusal.headers['Allow'] = ', '.join(allowed)
    return refusal


class _Endpoint:
    """One path: its methods, the key, the body, and what may be wrong with them."""

    def __init__(self, state: ServiceState, methods: Mapping[str, Route]) -> None:
        self._state = state
        self._methods = methods

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request."""
        route = self._methods.get(request.method)
        if route is None:
            return wrong_method(self._methods)
        try:
            key = self._state.key_of(bearer(request))
        except Refusal:
            return error(401, 'invalid_key')
        try:
            body = check_args(await _read_body(request), route.required, route.optional)
            made = route.handler(
                self._state, Request(key.id, request.match_info, request.query, body))
        except web.HTTPRequestEntityTooLarge:
            return error(413, 'body_too_large')
        except ArgumentError as exc:
            return error(400, 'invalid_request', str(exc))
        except Refusal as refusal:
            return error(_status_of(refusal.reason), refusal.reason.value, refusal.message)
        return web.json_response(made)


async def _read_body(request: web.Request) -> dict[str, object]:
    """
    Return the fields of the JSON body without those that are null; no body has no fields.

    :raises ArgumentError: when it is no JSON object.
    """
    raw = await request.read()
    try:
        body = json.loads(raw or b'{}')
    except (ValueError, RecursionError) as exc:
        raise ArgumentError(f'the body is not JSON: {type(exc).__name__}') from exc
    if not isinstance(body, dict):
        raise ArgumentError('the body must be a JSON object')
    return {name: value for name, value in body.items() if value is not None}


def _status_of(reason: Reason) -> int:
    if reason.value.endswith('_not_found'):
        return 404
    return _STATUSES.get(reason, _CONFLICT)
