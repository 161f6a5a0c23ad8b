# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Talk to a simulated service on loopback as a stranger would: httpx, websockets, a bare socket.

Nothing here knows how the service builds its answers; every frame is written by hand.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Coroutine, Iterator
import contextlib
import json
import os
from pathlib import Path
import ssl
import struct
import subprocess
import sys
from typing import Any, TypeVar

import httpx
import pytest
import websockets
import websockets.asyncio.client

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.server import Server
from reflex_ros.sim.service.settings import Settings
from reflex_ros.sim.service.state import ServiceState

T = TypeVar('T')
Frame = dict[str, Any]

KEY = 'rfx_sim'
REST = [0.0, -100.0, 90.0, 50.0, 0.0, 10.0]
HOME = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]
DEADLINE_S = 10.0
ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, '-m', 'reflex_ros.sim.service')
# A noisy machine takes longer than the second that we want to stay under.
START_S = 10.0
# Before version 15 the library knew no proxies.
NO_PROXY: dict[str, Any] = (
    {'proxy': None} if int(websockets.__version__.partition('.')[0]) >= 15 else {}
)
NO_TLS = ssl.create_default_context()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine with a deadline for all of it."""
    return asyncio.run(asyncio.wait_for(main, DEADLINE_S))


@contextlib.asynccontextmanager
async def serving(
    *faults: str, clock: ServiceClock | None = None, **settings: Any
) -> AsyncIterator[Server]:
    """Serve on a free port, without latency unless told otherwise."""
    state = ServiceState(Settings(**{'latency_ms': 0.0} | settings), clock)
    for fault in faults:
        state.faults.switch_on_text(fault)
    async with Server(state) as server:
        yield server


@contextlib.contextmanager
def started(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a service process; end it, whatever happens."""
    process = subprocess.Popen(
        [*COMMAND, *options], cwd=ROOT, text=True, env=os.environ | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=START_S)


def http_client() -> httpx.AsyncClient:
    """Make a client that reads no certificates, which would take longer than most tests."""
    return httpx.AsyncClient(trust_env=False, verify=NO_TLS)


async def post(server: Server, path: str, body: object) -> httpx.Response:
    """POST any JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http_client() as http:
        return await http.post(server.url + path, content=content)


async def call(server: Server, function: str, **args: Any) -> Frame:
    """Call an RPC function in format json and return the value of its success."""
    body = {'path': f'publicApi:{function}', 'args': {'apiKey': KEY} | args, 'format': 'json'}
    response = await post(server, '/api/mutation', body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer['status'] == 'success', answer
    value: Frame = answer['value']
    return value


async def refused(server: Server, function: str, **args: Any) -> str:
    """Call an RPC function that says no, and return its reason."""
    value = await call(server, function, **args)
    assert value['ok'] is False, value
    reason: str = value['reason']
    return reason


async def rest(
    server: Server, method: str, path: str, body: object = None, *, key: str | None = KEY
) -> httpx.Response:
    """Send a REST request with a bearer; the body is any JSON, or bytes as they are."""
    headers = {} if key is None else {'Authorization': f'Bearer {key}'}
    is_raw = body is None or isinstance(body, bytes)
    content = body if is_raw else json.dumps(body).encode()
    async with http_client() as http:
        return await http.request(  # type: ignore[arg-type]
            method, server.url + path, content=content, headers=headers)


async def send_file(
    url: str, content: bytes, method: str = 'PUT', **headers: str
) -> httpx.Response:
    """Send bytes to an upload address, without a key; ``content_range=`` is a header."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    async with http_client() as http:
        return await http.request(method, url, content=content, headers=named)


def reason_of(function: str, args: Frame) -> str:
    """Call a function of a new service that must say no, and return why it does."""
    async def main() -> Frame:
        async with serving() as server:
            return await call(server, function, **args)

    value = run(main())
    assert value['ok'] is False, value
    reason: str = value['reason']
    return reason


async def admin(server: Server, action: str, **body: Any) -> Frame:
    """Throw a switch."""
    response = await post(server, f'/admin/{action}', body)
    assert response.status_code == 200, response.text
    answer: Frame = response.json()
    return answer


async def admin_state(server: Server) -> Frame:
    """Read ``/admin/state``."""
    async with http_client() as http:
        answer: Frame = (await http.get(f'{server.url}/admin/state')).json()
    return answer


def session_open(**fields: Any) -> Frame:
    """Write a ``session.open`` for an SO-101."""
    return {
        'type': 'session.open', 'session_id': '', 'prompt': 'wave', 'robot': 'so101',
        'action_adapter': 'so101_joint', 'cameras': [],
    } | fields


def observation(seq: int, state: list[float] | None = None, **fields: Any) -> Frame:
    """Write an ``observation``; one without a state is of the home pose."""
    return {
        'type': 'observation', 'seq': seq, 'state': state or HOME, 'images': {},
        'capture_time_ns': seq * 100_000_000,
    } | fields


class Robot:
    """A WebSocket client that does what it is told."""

    def __init__(self, socket: websockets.asyncio.client.ClientConnection) -> None:
        self.socket = socket
        self.ready: Frame = {}

    async def send(self, frame: object) -> None:
        """Send a frame as JSON, or a text or bytes as they are."""
        is_raw = isinstance(frame, (str, bytes))
        await self.socket.send(frame if is_raw else json.dumps(frame))  # type: ignore[arg-type]

    async def receive(self) -> Frame:
        """Return the next message."""
        frame: Frame = json.loads(await self.socket.recv())
        return frame

    async def ask(self, seq: int, state: list[float] | None = None, **fields: Any) -> Frame:
        """Send an observation and return what comes back."""
        await self.send(observation(seq, state, **fields))
        return await self.receive()

    async def refused(self, frame: object) -> tuple[str, int]:
        """Send what must not be sent; return the error's code and the code of the Close."""
        await self.send(frame)
        error = await self.receive()
        assert error['type'] == 'error', error
        return error['code'], await self.closed()

    async def closed(self) -> int:
        """Wait for the end; return the code of the service's Close, else of our own."""
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await self.socket.recv()
        close = caught.value.rcvd or caught.value.sent
        assert close is not None
        return close.code


@contextlib.asynccontextmanager
async def connected(
    server: Server, *, key: str | None = KEY, path: str = '/v1/actions'
) -> AsyncIterator[Robot]:
    """Upgrade to a WebSocket and send nothing yet."""
    headers = {'Authorization': f'Bearer {key}'} if key is not None else {}
    async with websockets.asyncio.client.connect(
        server.url.replace('http', 'ws') + path, additional_headers=headers,
        compression=None, ping_interval=None, max_size=1 << 20, close_timeout=1.0, **NO_PROXY,
    ) as socket:
        yield Robot(socket)


@contextlib.asynccontextmanager
async def streaming(server: Server, **fields: Any) -> AsyncIterator[Robot]:
    """Open a session."""
    async with connected(server) as robot:
        await robot.send(session_open(**fields))
        robot.ready = await robot.receive()
        assert robot.ready['type'] == 'session.ready', robot.ready
        yield robot


class Bare:
    """A client made of a socket, for looking at bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = ''

    async def upgrade(self, *extra: str) -> None:
        """Send the handshake of protocol section d.2; keep the answer's head."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            'GET /v1/actions HTTP/1.1', 'Host: 127.0.0.1', 'Upgrade: websocket',
            'Connection: Upgrade', f'Sec-WebSocket-Key: {key}', 'Sec-WebSocket-Version: 13',
            f'Authorization: Bearer {KEY}', *extra, '', '',
        )
        self.writer.write('\r\n'.join(lines).encode())
        self.head = (await self.reader.readuntil(b'\r\n\r\n')).decode()

    async def send(self, frame: object) -> None:
        """Send one masked text frame."""
        payload, mask = json.dumps(frame).encode(), os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.writer.write(struct.pack('>BBH', 0x81, 0xFE, len(payload)) + mask + masked)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return the first byte and the payload of the next frame."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            [length] = struct.unpack('>H', await self.reader.readexactly(2))
        elif length == 127:
            [length] = struct.unpack('>Q', await self.reader.readexactly(8))
        return first, await self.reader.readexactly(length)


@contextlib.asynccontextmanager
async def bare(server: Server) -> AsyncIterator[Bare]:
    """Connect a socket, and end it without ceremony."""
    host, port = server.url.removeprefix('http://').split(':')
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Bare(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
