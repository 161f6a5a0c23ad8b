# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The loopback endpoint that throws the switches; no part of the vendor's protocol.

    GET  /admin/state      counters, faults, settings, sessions, deployments
    GET  /admin/faults     every fault that there is, and what it takes
    POST /admin/fault      {"name": ..., "value": ..., "times": ...}
    POST /admin/clear      {} or {"name": ...}; also takes a revoked key back
    POST /admin/settings   {"latency_ms": ..., ...}
    POST /admin/advance    {"seconds": ...}: move the service's clock
    POST /admin/approve    {"requestId": ...}: approve a login, as the page does
    POST /admin/deny       {"requestId": ...}
    POST /admin/key        {"name": ..., "life_s": ...}: make another key, for ever or not
    POST /admin/revoke     {"keyId": ...}: revoke such a key
"""

from __future__ import annotations

from collections.abc import Callable
import json

from aiohttp import web

from reflex_ros.sim.service.faults.kinds import KINDS
from reflex_ros.sim.service.http import loopback
from reflex_ros.sim.service.state import ServiceState

Body = dict[str, object]


class Admin:
    """
    Serve ``/admin/*``.

    :param state: what the switches act on.
    """

    def __init__(self, state: ServiceState) -> None:
        """Set up the table of actions."""
        self._state = state
        self._actions: dict[str, Callable[[Body], Body]] = {
            'fault': self._fault, 'clear': self._clear, 'settings': self._settings,
            'advance': self._advance, 'approve': self._approve, 'deny': self._deny,
            'key': self._key, 'revoke': self._revoke,
        }

    async def show(self, request: web.Request) -> web.Response:
        """Serve ``GET /admin/state``."""
        if why := loopback.refusal_reason(request):
            return _refuse(403, why)
        return web.json_response(self._state.to_json())

    async def list_faults(self, request: web.Request) -> web.Response:
        """Serve ``GET /admin/faults``."""
        if why := loopback.refusal_reason(request):
            return _refuse(403, why)
        return web.json_response({'faults': [kind.to_json() for kind in KINDS.values()]})

    async def act(self, request: web.Request) -> web.Response:
        """Serve the POSTs; a mistake of the caller is a 400 that says what."""
        if why := loopback.refusal_reason(request):
            return _refuse(403, why)
        action = self._actions.get(request.match_info['action'])
        if action is None:
            return _refuse(404, f'known: {", ".join(self._actions)}')
        try:
            body = json.loads(await request.read() or b'{}')
            if not isinstance(body, dict):
                raise ValueError('the body must be a JSON object')
            outcome = action(body)
        except (ValueError, RecursionError) as exc:
            return _refuse(400, str(exc))
        self._state.notify()
        return web.json_response({'ok': True} | outcome)

    def _fault(self, body: Body) -> Body:
        name = body.get('name')
        if not isinstance(name, str):
            raise ValueError("'name' must be a text")
        return self._state.switch_on(name, body.get('value'), body.get('times'))

    def _clear(self, body: Body) -> Body:
        name = body.get('name')
        if name is not None and not isinstance(name, str):
            raise ValueError("'name' must be a text")
        self._state.clear(name)
        return {'faults': self._state.faults.to_json()}

    def _settings(self, body: Body) -> Body:
        self._state.settings = self._state.settings.changed(body)
        return {'settings': self._state.settings.to_json()}

    def _advance(self, body: Body) -> Body:
        self._state.clock.advance(_number('seconds', body.get('seconds')))
        return {'now_ms': self._state.clock.now_ms()}

    def _approve(self, body: Body) -> Body:
        return self._decide(body, approve=True)

    def _deny(self, body: Body) -> Body:
        return self._decide(body, approve=False)

    def _key(self, body: Body) -> Body:
        name, life_s = body.get('name', 'another key'), body.get('life_s')
        if not isinstance(name, str):
            raise ValueError("'name' must be a text")
        key, secret = self._state.keys.make(
            name, None if life_s is None else _number('life_s', life_s))
        return {'keyId': key.id, 'key': secret}

    def _revoke(self, body: Body) -> Body:
        key_id = body.get('keyId')
        if not isinstance(key_id, str):
            raise ValueError("'keyId' must be a text")
        self._state.keys.revoke(key_id)
        return {}

    def _decide(self, body: Body, *, approve: bool) -> Body:
        login_id = body.get('requestId')
        if not isinstance(login_id, str):
            raise ValueError("'requestId' must be a text")
        self._state.logins.decide(login_id, approve=approve)
        return {'status': self._state.logins.status(login_id)}


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < 1e9:
        raise ValueError(f'{name!r} must be a number of at least 0')
    return float(value)


def _refuse(status: int, error: str) -> web.Response:
    return web.json_response({'ok': False, 'error': error}, status=status)
