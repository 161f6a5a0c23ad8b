# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Faults of an HTTP exchange: one middleware around all handlers.

A family is a group of paths with faults of its own, so that a fault of the worker leaves the calls
alone. WebSockets have their own faults, before (``handshake``) and after the upgrade.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from aiohttp import web

from reflex_ros.sim.service.faults.switches import Faults

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

# The first pattern that a path matches names its family.
_PATHS = {
    'rpc': '/api/(query|mutation|action)', 'infer': '/v1/infer', 'act': '/act',
    'ready': '/ready', 'health': '/health', 'rest': '/(v1|deployments)/.*',
    'upload': '/uploads/.*', 'site': '/(cli|api/auth)/.*',
}


def make_middleware(faults: Faults, counters: dict[str, int]) -> Middleware:
    """Return the middleware that counts the calls of each family and breaks some of them."""
    @web.middleware
    async def obstruct(request: web.Request, handler: Handler) -> web.StreamResponse:
        family = _family(request)
        if family is None:
            return await handler(request)
        counters[f'{family}_calls'] += 1
        answer = refusal(faults, f'{family}_status', f'{family}_redirect')
        if answer is not None:
            return with_retry_after(faults, answer)
        if fault := faults.consume(f'{family}_slow'):
            await asyncio.sleep(fault.number * 1e-3)
        close = faults.consume(f'{family}_close')
        if close is not None and close.text == 'before':
            return hang_up(request)
        response = await handler(request)
        if not isinstance(response, web.Response):
            return response
        if close is not None and close.text == 'after':
            return hang_up(request)
        body = _corrupt(faults, family, response)
        if close is not None:
            return await _send(request, response, body[:len(body) // 2], len(body))
        if fault := faults.consume(f'{family}_trickle'):
            return await _send(request, response, body, len(body), fault.number * 1e-3)
        return response

    return obstruct


def refusal(faults: Faults, status_fault: str, redirect_fault: str) -> web.Response | None:
    """Return the answer of the faults that refuse or redirect a request, None without one."""
    status = faults.next_status(status_fault)
    if status is not None:
        return web.json_response({'error': f'HTTP {status} by a fault'}, status=status)
    if fault := faults.consume(redirect_fault):
        return web.Response(status=302, headers={'Location': fault.text})
    return None


def with_retry_after(faults: Faults, answer: web.Response) -> web.Response:
    """Put Retry-After on a refusal when ``retry_after`` is on; return it."""
    if fault := faults.consume('retry_after'):
        answer.headers['Retry-After'] = f'{fault.number:g}'
    return answer


def _family(request: web.Request) -> str | None:
    if request.headers.get('Upgrade', '').lower() == 'websocket':
        return None
    return next((family for family, path in _PATHS.items() if re.fullmatch(path, request.path)),
                None)


def hang_up(request: web.Request) -> web.Response:
    """End the connection; the returned response is never sent."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _corrupt(faults: Faults, family: str, response: web.Response) -> bytes:
    """Apply the faults that are on to the body of a response; return the new body."""
    body = response.body if isinstance(response.body, bytes) else b''
    if fault := faults.consume(f'{family}_garbage'):
        body = _garble(fault.text, body)
    if fault := faults.consume(f'{family}_oversize'):
        body += b' ' * int(fault.number * (1 << 20))
    response.body = body
    return body


def _garble(kind: str, body: bytes) -> bytes:
    match kind:
        case 'truncated':
            return body[:len(body) // 2]
        case 'invalid_utf8':
            return b'{"status":"\xff\xfe"}'
        case 'array':
            return b'[' + body + b']'
        case 'deep':
            return b'[' * 100_000 + b']' * 100_000
        case 'empty':
            return b''
        case _:
            return b'<html><body><h1>502 Bad Gateway</h1></body></html>'


async def _send(
    request: web.Request, response: web.Response, body: bytes, length: int, gap_s: float = 0.0
) -> web.StreamResponse:
    """Send a body byte by byte with a gap, or at once but shorter than ``length`` promises."""
    sent = web.StreamResponse(status=response.status, headers=response.headers)
    sent.content_length = length
    await sent.prepare(request)
    step = 1 if gap_s else max(1, len(body))
    for start in range(0, len(body), step):
        await sent.write(body[start:start + step])
        await asyncio.sleep(gap_s)
    if len(body) < length and request.transport is not None:
        request.transport.close()
    return sent
