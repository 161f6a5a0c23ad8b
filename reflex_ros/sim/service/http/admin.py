# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The admin endpoint for programs on this machine; not part of the vendor's protocol.

doc/simulated_service.md lists the requests and their effects.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from reflex_ros.sim.service.calls import complaint, Json, parse_object
from reflex_ros.sim.service.faults.kinds import KINDS
from reflex_ros.sim.service.http.access import refusal, refusal_reason
from reflex_ros.sim.service.state import ServiceState


class Admin:
    """Serve ``/admin/*``."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._actions: dict[str, Callable[[Json], Json]] = {
            'fault': self._fault, 'clear': self._clear, 'settings': self._settings,
            'advance': self._advance, 'key': self._key, 'revoke': self._revoke,
            'approve': lambda body: self._decide(body, approve=True),
            'deny': lambda body: self._decide(body, approve=False),
        }

    async def show(self, request: web.Request) -> web.Response:
        """Serve the GETs."""
        if reason := refusal_reason(request):
            raise refusal(403, reason)
        view = request.match_info['view']
        if view == 'state':
            return web.json_response(self._state.to_json())
        if view == 'faults':
            return web.json_response({'faults': [kind.to_json() for kind in KINDS.values()]})
        after = request.query.get('after', '0')
        if not after.isdecimal():
            raise refusal(400, "'after' must be a number")
        return web.json_response({'observations': [
            seen for seen in self._state.seen if seen['number'] > int(after)]})

    async def act(self, request: web.Request) -> web.Response:
        """Serve the POSTs; a mistake of the caller is a 400 that names it."""
        if reason := refusal_reason(request):
            raise refusal(403, reason)
        action = self._actions.get(request.match_info['action'])
        if action is None:
            raise refusal(404, f'known: {", ".join(self._actions)}')
        try:
            outcome = action(parse_object(await request.read() or b'{}'))
        except ValueError as exc:
            raise refusal(400, complaint(exc)) from exc
        self._state.notify()
        return web.json_response({'ok': True} | outcome)

    def _fault(self, body: Json) -> Json:
        return self._state.switch_on(_text(body, 'name'), body.get('value'), body.get('times'))

    def _clear(self, body: Json) -> Json:
        self._state.clear(None if body.get('name') is None else _text(body, 'name'))
        return {'faults': self._state.faults.to_json()}

    def _settings(self, body: Json) -> Json:
        self._state.settings = self._state.settings.changed(body)
        return {'settings': self._state.settings.to_json()}

    def _advance(self, body: Json) -> Json:
        self._state.clock.advance(_number(body, 'seconds'))
        return {'now_ms': self._state.clock.now_ms()}

    def _key(self, body: Json) -> Json:
        life_s = None if body.get('life_s') is None else _number(body, 'life_s')
        key, secret = self._state.keys.make(_text({'name': 'another key'} | body, 'name'), life_s)
        return {'keyId': key.id, 'key': secret}

    def _revoke(self, body: Json) -> Json:
        self._state.keys.revoke(_text(body, 'keyId'))
        return {}

    def _decide(self, body: Json, *, approve: bool) -> Json:
        login_id = _text(body, 'requestId')
        self._state.logins.decide(login_id, approve=approve)
        return {'status': self._state.logins.status(login_id)}


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ValueError(f'{name!r} must be a text')
    return value


def _number(body: Json, name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < 1e9:
        raise ValueError(f'{name!r} must be a number of at least 0 and below 1e9')
    return float(value)
