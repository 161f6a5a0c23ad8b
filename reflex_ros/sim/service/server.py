# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The process: routes, the port, the ready line, the signals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
import contextlib
from email.utils import formatdate
import json
from pathlib import Path
import signal
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from reflex_ros.sim.service.faults import http_faults
from reflex_ros.sim.service.http import dashboard, rest, rpc, worker
from reflex_ros.sim.service.http.access import Ended, refusal
from reflex_ros.sim.service.http.admin import Admin
from reflex_ros.sim.service.http.upload_target import UploadTarget
from reflex_ros.sim.service.oneshot.edge import Edge
from reflex_ros.sim.service.oneshot.infer import Infer
from reflex_ros.sim.service.settings import Settings
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.storage import StateError
from reflex_ros.sim.service.stream.stream import serve_stream

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

HOST = '127.0.0.1'
MAX_BODY = 32 << 20
# [s] that open connections get to end when the service stops.
GRACE_S = 0.3


class Server:
    """The simulated service on a port of 127.0.0.1; 0 chooses a free one."""

    def __init__(self, state: ServiceState, port: int = 0) -> None:
        self.state = state
        self._rpc = rpc.Rpc(state)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._serving: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """Bind the port and begin to serve; ``OSError`` when the port is taken."""
        faults = http_faults.make_middleware(self.state.faults, self.state.counters)
        app = web.Application(
            client_max_size=MAX_BODY,
            middlewares=[self._track, faults, self._save, _as_json])
        app.add_routes(self._routes())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, self._port).start()
        self._runner = runner
        self._port = runner.addresses[0][1]
        self.state.base_url = self.url

    def _routes(self) -> Iterator[web.RouteDef]:
        """Yield every route; a fixed path stands before one with a name in its place."""
        state = self.state
        admin, pages = Admin(state), dashboard.Dashboard(state)
        yield web.post('/api/{kind:' + '|'.join(rpc.KINDS) + '}', self._call)
        yield web.get('/admin/{view:state|faults|observations}', admin.show)
        yield web.post('/admin/{action}', admin.act)
        yield web.get(dashboard.APPROVAL_PATH, pages.ask)
        yield web.post(dashboard.APPROVAL_PATH, pages.decide)
        yield web.post('/api/auth/sign-up/email', pages.sign_up)
        yield from worker.routes(state)
        yield web.post('/v1/infer', Infer(state).serve)
        yield web.post('/act', Edge(state).serve)
        yield web.route('*', '/uploads/{token}', UploadTarget(state).serve)
        yield from rest.routes(state)
        yield web.route('*', '/{path:.*}', self._other)

    async def stop(self) -> None:
        """Close every connection and the port, within a second; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self.state.is_stopping = True
        self.state.notify()
        if self._serving:
            # Most end with a Close 1001 now; one whose client does not read is cut off.
            _, stuck = await asyncio.wait(self._serving, timeout=GRACE_S)
            for task in stuck:
                task.cancel()
        # aiohttp 3.8 waits 10 s for the rest of a body that was refused.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), GRACE_S)
        self.state.save()
        self.state.close()

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The base URL of RPC and REST."""
        return f'http://{HOST}:{self._port}'

    def ready_line(self) -> str:
        """Return the line of JSON with the addresses and the key."""
        return json.dumps({
            'ready': True, 'url': self.url,
            'actions_url': f'ws://{HOST}:{self._port}/v1/actions',
            'key': self.state.settings.key, 'deployment': 'deploy_sim',
            'admin': f'{self.url}/admin', 'site_url': self.url})

    @web.middleware
    async def _track(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Remember each request that is being served, so that ``stop`` can cancel a slow one."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            return await handler(request)
        except ConnectionResetError:
            # The client left; there is nobody to read an answer, and nothing to log.
            return web.Response()
        finally:
            self._serving.discard(task)

    @web.middleware
    async def _save(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Save what time, a call or a stream has changed before a client can rely on it."""
        self.state.advance()
        response = await handler(request)
        # The call may have moved the clock.
        self.state.advance()
        try:
            self.state.save()
        except StateError as exc:
            if not response.prepared:
                return web.json_response({'error': str(exc)}, status=507)
        if not response.prepared:
            response.headers['Date'] = formatdate(self.state.clock.now_s(), usegmt=True)
        return response

    async def _call(self, request: web.Request) -> web.Response:
        status, text = self._rpc.answer(await request.read())
        return web.Response(status=status, text=text, content_type='application/json')

    async def _other(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get('Upgrade', '').lower() == 'websocket':
            return await serve_stream(self.state, request)
        # This route matches any path, and so the paths of other routes with another method.
        allowed: set[str] = set()
        for resource in request.app.router.resources():
            allowed |= (await resource.resolve(request))[1] - {'*'}
        if allowed:
            raise web.HTTPMethodNotAllowed(request.method, allowed)
        raise web.HTTPNotFound


@web.middleware
async def _as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a refusal in JSON, also that of aiohttp itself: 404, 405, 413."""
    try:
        return await handler(request)
    except Ended as ended:
        return ended.answer
    except web.HTTPException as exc:
        answer = refusal(exc.status, exc.reason.lower().replace(' ', '_')).answer
        if 'Allow' in exc.headers:
            answer.headers['Allow'] = exc.headers['Allow']
        return answer


def run(
    settings: Settings, *, port: int = 0, faults: tuple[str, ...] = (),
    directory: Path | None = None,
) -> int:
    """
    Serve in the foreground until SIGINT or SIGTERM; print the ready line on stdout.

    :param faults: each as ``NAME[=VALUE][*TIMES]``.
    :returns: the exit code, 0.
    :raises ValueError: on an unknown fault or a bad value.
    :raises OSError: when the port is taken.
    :raises StateError: when the directory cannot be used, or its state cannot be read.
    """
    state = ServiceState(settings, directory=directory)
    for fault in faults:
        state.faults.switch_on_text(fault)
    try:
        asyncio.run(_serve(Server(state, port)))
    finally:
        state.close()
    return 0


async def _serve(server: Server) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    sys.stdout.write(server.ready_line() + '\n')
    sys.stdout.flush()
    await stopped.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The process ends now: another signal must not interrupt that.
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    await server.stop()
