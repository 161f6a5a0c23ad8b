# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Servers for the tests of client, runner and cli.

``service`` is the simulated service in a thread of its own. ``listen`` starts a bare socket server
that does what the test wants. Both use loopback only, and both end with the test.
"""

import asyncio
import base64
from collections.abc import Callable
import contextlib
import hashlib
import http.client
import json
import os
from pathlib import Path
import socket
import sys
import threading
import time

import hypothesis
import pytest

# In importlib mode pytest adds no folder to the path.
sys.path.insert(0, str(Path(__file__).parent))

from property_examples import QUICK, THOROUGH  # noqa: E402

hypothesis.settings.register_profile('unit', THOROUGH)
hypothesis.settings.load_profile('unit')
# For `make check`.
hypothesis.settings.register_profile('quick', QUICK)

GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
DEADLINE_S = 20.0
SETTINGS = ('REFLEX_', 'RFX_', 'CONVEX_', 'NEXT_PUBLIC_', 'BETTER_AUTH', 'XDG_CONFIG')


class Service:
    """The simulated service in a thread; tests control it over HTTP."""

    key = 'rfx_canary_7c1d9e'

    def __init__(self, **settings: object) -> None:
        from reflex_ros.sim.service.server import Server
        from reflex_ros.sim.service.settings import Settings
        from reflex_ros.sim.service.state import ServiceState

        self._loop = asyncio.new_event_loop()
        values = {'key': self.key, 'latency_ms': 5.0} | settings
        self._server = Server(ServiceState(Settings(**values)))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._server.start())
        self.url = self._server.url
        self.actions_url = f'{self.url.replace("http", "ws")}/v1/actions'

    def stop(self) -> None:
        """Stop serving; may be called twice."""
        if not self._loop.is_closed():
            self._run(self._server.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE_S)
            self._loop.close()

    def fault(self, name: str, value: object = None, times: int | None = None) -> None:
        """Switch a fault on."""
        self._ask('POST', '/admin/fault', {'name': name, 'value': value, 'times': times})

    def clear(self) -> None:
        """Switch every fault off."""
        self._ask('POST', '/admin/clear', {})

    def settings(self, **changes: object) -> None:
        """Change settings."""
        self._ask('POST', '/admin/settings', changes)

    def advance(self, seconds: float) -> None:
        """Move the clock of the service forward."""
        self._ask('POST', '/admin/advance', {'seconds': seconds})

    def state(self) -> dict:
        """Read ``/admin/state``."""
        return self._ask('GET', '/admin/state', None)

    def count(self, name: str) -> int:
        """Read one counter."""
        return self.state()['counters'][name]

    def call(self, function: str, **args: object) -> dict:
        """Call a function of the service, without the client under test."""
        return self._ask('POST', '/api/mutation', {
            'path': f'publicApi:{function}', 'format': 'json',
            'args': {'apiKey': self.key} | args})['value']

    def authorize(self, **args: object) -> str:
        """Make a session and return its id."""
        return self.call('authorizeSession', **{'baseModel': 'pi0.5'} | args)['sessionId']

    def observations(self) -> list[dict]:
        """Read the newest 32 observations that came over a stream."""
        return self._ask('GET', '/admin/observations', None)['observations']

    def session(self, session_id: str) -> dict:
        """Read the row of one session."""
        return next(row for row in self.state()['sessions'] if row['id'] == session_id)

    def _ask(self, method: str, path: str, body: object) -> dict:
        connection = http.client.HTTPConnection(self.url.removeprefix('http://'), timeout=5.0)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == 200, text
        return json.loads(text)

    def _run(self, job: object) -> object:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(DEADLINE_S)


class Peer:
    """One accepted connection of a server that may break every rule."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.is_over = threading.Event()
        """Set when the test is over."""
        self.head = b''
        self.body = b''

    def read_request(self) -> bytes:
        """Read an HTTP request; return its head."""
        data = b''
        while b'\r\n\r\n' not in data:
            data += self._read()
        self.head, _, self.body = data.partition(b'\r\n\r\n')
        while len(self.body) < int(self.header(b'content-length') or 0):
            self.body += self._read()
        return self.head

    def header(self, name: bytes) -> bytes:
        """Return the value of a header of the request; empty if it is missing."""
        for line in self.head.split(b'\r\n')[1:]:
            field, _, value = line.partition(b':')
            if field.strip().lower() == name:
                return value.strip()
        return b''

    def answer(self, body: bytes, status: str = '200 OK', *headers: str) -> None:
        """Read a request and send a whole HTTP answer."""
        self.read_request()
        self.reply(body, status, *headers)

    def reply(self, body: bytes, status: str = '200 OK', *headers: str) -> None:
        """Send a whole HTTP answer."""
        head = [f'HTTP/1.1 {status}', f'Content-Length: {len(body)}', 'Connection: close',
                *headers, '', '']
        self.send('\r\n'.join(head).encode() + body)

    def upgrade(self) -> None:
        """Accept a WebSocket; reads the request if that was not done before."""
        if not self.head:
            self.read_request()
        token = self.header(b'sec-websocket-key') + GUID
        accept = base64.b64encode(hashlib.sha1(token).digest()).decode()  # noqa: S324
        self.send('\r\n'.join([
            'HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
            f'Sec-WebSocket-Accept: {accept}', '', '']).encode())

    def greet(self) -> None:
        """Accept a WebSocket and answer the first frame with ``session.ready``."""
        self.upgrade()
        self._read()
        self.send_frame(b'{"type":"session.ready","session_id":"sess_x"}')

    def read_message(self) -> dict:
        """Read one text frame of the client, of less than 64 KiB, as JSON."""
        data = self._read()
        size, data = data[1] & 127, data[2:]
        if size == 126:
            size, data = int.from_bytes(data[:2], 'big'), data[2:]
        mask, data = data[:4], data[4:4 + size]
        return json.loads(bytes(byte ^ mask[index % 4] for index, byte in enumerate(data)))

    def send_frame(self, payload: bytes, first: int = 0x81) -> None:
        """Send one WebSocket frame."""
        size = len(payload)
        if size < 126:
            head = bytes((first, size))
        elif size < 2 ** 16:
            head = bytes((first, 126)) + size.to_bytes(2, 'big')
        else:
            head = bytes((first, 127)) + size.to_bytes(8, 'big')
        self.send(head + payload)

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def wait_for_end(self) -> bytes:
        """Read until the client closes the connection; return what it sent."""
        data = b''
        with contextlib.suppress(OSError):
            while chunk := self.socket.recv(65536):
                data += chunk
        return data

    def _read(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError('the client left')
        return data


class Listener:
    """A TCP server on loopback; each connection is served by ``handle`` in a thread."""

    def __init__(self, handle: Callable[[Peer], None], receive_buffer: int = 0) -> None:
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.bind(('127.0.0.1', 0))
        self._socket.listen(16)
        self._handle = handle
        self._threads: list[threading.Thread] = []
        self.peers: list[Peer] = []
        """Every connection so far, with what it asked for."""
        self.address = f'127.0.0.1:{self._socket.getsockname()[1]}'
        self.url = f'http://{self.address}'
        self.actions_url = f'ws://{self.address}/v1/actions'
        self._start(self._accept)

    def stop(self) -> None:
        """Close all sockets and join all threads."""
        # A blocked accept does not notice a close, but it does notice a shutdown.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for peer in self.peers:
            peer.is_over.set()
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _start(self, job: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=job, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(DEADLINE_S)
            peer = Peer(connection)
            self.peers.append(peer)
            self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        with peer.socket, contextlib.suppress(OSError):
            self._handle(peer)


@pytest.fixture
def run():
    """Run a coroutine with a time limit; fail if it leaves a task behind."""
    async def bounded(job):
        result = await asyncio.wait_for(job, DEADLINE_S)
        # A task that was cancelled at the end may need one more turn of the loop.
        for _ in range(20):
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if not left:
                break
            await asyncio.sleep(0.005)
        assert not left, left
        return result

    return lambda job: asyncio.run(bounded(job))


@pytest.fixture
def until():
    """Wait in an asyncio test until a condition is true; fail after a time limit."""
    async def wait(condition: Callable[[], object], what: str = '', limit_s: float = 5.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f'not within {limit_s} s: {what}'
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def service():
    """Run the simulated service until the test ends."""
    pytest.importorskip('aiohttp')
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def listen():
    """Return a function that starts a bare server from a handler; all stop with the test."""
    started: list[Listener] = []

    def start(handle: Callable[[Peer], None], **options: int) -> Listener:
        started.append(Listener(handle, **options))
        return started[-1]

    yield start
    for listener in started:
        listener.stop()


@pytest.fixture
def closed_port():
    """Return a port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        # Bound, but not listening: no other process can get the port during the test.
        yield taken.getsockname()[1]


@pytest.fixture
def short_waits(monkeypatch):
    """Retry after 20 ms instead of half a second; ``test_retry`` has the real schedule."""
    from reflex_ros.client import retry, transport

    monkeypatch.setattr(transport, 'READ_WINDOW_S', 0.5)
    monkeypatch.setattr(retry, 'FIRST_S', 0.02)
    monkeypatch.setattr(retry, 'CAP_S', 0.1)


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    """Hide the environment variables and credentials of this machine."""
    for name in list(os.environ):
        if name.startswith(SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path / 'config'))
    return tmp_path


def open_sockets() -> int:
    """Count the open sockets of this process."""
    count = 0
    for link in Path('/proc/self/fd').iterdir():
        with contextlib.suppress(OSError):
            count += os.readlink(link).startswith('socket:')
    return count


@pytest.fixture
def no_leaks():
    """Fail a test that leaves a socket open."""
    before = open_sockets()
    yield
    deadline = time.monotonic() + 1.0
    while open_sockets() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_sockets() <= before, 'sockets were left open'
