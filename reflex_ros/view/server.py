# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The web server of ``reflex view``: one page and one WebSocket, on this machine.

The page gets the state ten times a second and the newest picture of each camera, but only while
somebody looks; it sends the names of calls. Who may call is decided by a token that the program
prints: another program of this machine, or a page of another origin, has none.

The server runs in a thread of its own. ``state`` and ``pictures`` are called there; they must not
block. ``call`` may block: each call has a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
import contextlib
import errno
import hmac
import json
import os
from pathlib import Path
import secrets
import threading
from typing import Any

from aiohttp import web, WSMsgType

from reflex_ros.errors import ConfigurationError

STATIC = Path(__file__).parent / 'static'
PERIOD_S = 0.1
HELLO_S = 5.0
"""How long a page may take to send its token."""
MAX_FRAME = 4096
CALLS = ('stop', 'promote', 'demote', 'reset', 'park', 'take_over', 'hand_back')
LOCAL = ('127.0.0.1', 'localhost', '::1')
State = Callable[[], Mapping[str, Any]]
Pictures = Callable[[], Mapping[str, tuple[int, bytes]]]
Call = Callable[[str], tuple[bool, str]]


class ViewServer:
    """
    The server of one graph.

    :param model: the arm, as ``ArmModel.to_json``.
    :param state: returns what the page shows, JSON-ready.
    :param pictures: returns camera -> number and JPEG or PNG of its newest picture.
    :param call: does what a button asks for; returns whether it was done, and a sentence.
    :param host: address to listen on.
    :param port: 0: any free one.
    """

    def __init__(self, model: Mapping[str, Any], state: State, pictures: Pictures, call: Call,
                 host: str = '127.0.0.1', port: int = 0) -> None:
        self._model, self._state, self._pictures, self._call = model, state, pictures, call
        self._host, self._port = host, port
        self._token = secrets.token_urlsafe(24)
        self._watchers = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._problem = ''
        self._done: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name='view', daemon=True)

    @property
    def url(self) -> str:
        """Address of the page with its token, for the person who started the program."""
        # Behind '#', so that no browser sends it anywhere.
        return f'http://{self._host}:{self._port}/#{self._token}'

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks."""
        return self._watchers > 0

    @property
    def is_alive(self) -> bool:
        """Whether the server's thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """
        Listen.

        :raises ConfigurationError: when the address cannot be used.
        """
        self._thread.start()
        self._ready.wait()
        if self._problem:
            raise ConfigurationError(self._problem)

    def close(self) -> None:
        """End; may be called twice."""
        if self._done is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(5.0)

    # In the server's thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        app.add_routes([web.get('/', self._page), web.get('/ws', self._socket),
                        web.static('/static', STATIC)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._done.wait()
        except (OSError, UnicodeError) as exc:
            self._problem = _address_problem(self._host, self._port, exc)
            self._ready.set()
        finally:
            for socket in list(self._sockets):
                # Not with a closing handshake: a page that hangs must not hold up the end.
                if (transport := socket.get_extra_info('transport')) is not None:
                    transport.abort()
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuse a page of another origin, and a name that only resolves to this machine."""
        host = (request.headers.get('Host') or '').rpartition(':')[0].strip('[]')
        origin = request.headers.get('Origin')
        if host not in (*LOCAL, self._host) or origin not in (
                None, f'http://{request.headers.get("Host")}'):
            raise web.HTTPForbidden(text='this page is for this machine alone')
        response: web.StreamResponse = await handler(request)
        response.headers.setdefault('Cache-Control', 'no-store')
        return response

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / 'index.html', headers={
            'Content-Security-Policy': "default-src 'self'; img-src 'self' blob: data:; "
                                       "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=5.0, max_msg_size=MAX_FRAME)
        await socket.prepare(request)
        if not await self._is_welcome(socket):
            await socket.send_json({'type': 'refused', 'text': 'This address has no valid token. '
                                    'Open the one that `reflex view` printed'})
            await socket.close()
            return socket
        self._watchers += 1
        self._sockets.add(socket)
        sender = asyncio.create_task(self._send(socket))
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    # Beside the reading: a call that waits must not hold up a stop.
                    self._tasks.add(task := asyncio.create_task(self._answer(socket,
                                                                             message.data)))
                    task.add_done_callback(self._tasks.discard)
        finally:
            self._watchers -= 1
            self._sockets.discard(socket)
            sender.cancel()
        return socket

    async def _is_welcome(self, socket: web.WebSocketResponse) -> bool:
        with contextlib.suppress(asyncio.TimeoutError, TypeError, ValueError):
            message = await socket.receive(timeout=HELLO_S)
            token = json.loads(message.data)['token']
            return hmac.compare_digest(str(token).encode(), self._token.encode())
        return False

    async def _send(self, socket: web.WebSocketResponse) -> None:
        """Send the state and new pictures until the page is gone."""
        await socket.send_json({'type': 'model', 'model': self._model})
        sent: dict[str, int] = {}
        with contextlib.suppress(ConnectionError):
            while not socket.closed:
                await socket.send_json({'type': 'state', **self._state()})
                for name, (number, picture) in self._pictures().items():
                    if sent.get(name) != number:
                        sent[name] = number
                        label = name.encode()[:255]
                        await socket.send_bytes(bytes((len(label),)) + label + picture)
                await asyncio.sleep(PERIOD_S)

    async def _answer(self, socket: web.WebSocketResponse, text: str) -> None:
        try:
            name = json.loads(text)['call']
            is_known = name in CALLS
        except (ValueError, TypeError, KeyError):
            name, is_known = text[:40], False
        done, answer = await asyncio.to_thread(self._call, name) if is_known else (
            False, f'unknown call. Known: {", ".join(CALLS)}')
        with contextlib.suppress(ConnectionError):
            await socket.send_json({'type': 'answer', 'call': name, 'done': done, 'text': answer})


def _address_problem(host: str, port: int, exc: OSError | UnicodeError) -> str:
    """Say why nothing can listen there, and which option to change."""
    # The numbers of getaddrinfo are negative; a name that no resolver takes is a UnicodeError.
    number = exc.errno or 0 if isinstance(exc, OSError) else 0
    if number in (errno.EADDRINUSE, errno.EACCES):
        return (f'{host}:{port} cannot be used: {os.strerror(number)}. Choose another --port (0 '
                'is any free one)')
    reason = os.strerror(number) if number > 0 else getattr(exc, 'strerror', '') or 'not a name'
    return f'--host {host} cannot be used: {reason}. Choose an address of this machine'
