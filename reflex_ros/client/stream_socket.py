# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Connect one WebSocket: a new TCP connection and a whole handshake.

Redirects are not followed: ``websockets`` gets a connected socket, and does not redirect one.
Compression is not offered, and a compressed frame is refused. No proxy is used but that of
``REFLEX_PROXY``. The size of a message is limited.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from reflex_ros import __version__
from reflex_ros.client import tcp, trust
from reflex_ros.client.credentials import Secret
from reflex_ros.client.proxy import NAME as PROXY
from reflex_ros.client.proxy import Proxy
from reflex_ros.client.stream_errors import StreamErrors
from reflex_ros.client.stream_protocol import MAX_FRAME
from reflex_ros.errors import ServiceProtocolError

_wire = logging.getLogger(f'{__name__}.wire')
# At DEBUG, websockets logs every frame, and the handshake with the API key.
_wire.setLevel(logging.INFO)

CLOSE_S = 0.2
"""How long to wait for the closing handshake of the service [s]; a dead link never sends one."""
MAX_QUEUE = 4
READ_BYTES = 2 ** 15
"""Read at once. The library parses all of it in one turn of the loop, and 256 kB of frames without
content take half a second: no beat of the node would go out meanwhile."""


class _Connection(ClientConnection):
    """
    A connection that records when TLS was done, and never waits without limit for its end.

    asyncio reports the connection after the TLS handshake. After a closing handshake or a refused
    frame, ``recv`` of the library waits without limit until the service closes TCP.
    """

    connected_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Record the time of the connection, and read little at once."""
        if hasattr(transport, 'max_size'):
            # asyncio's own name; behind TLS its SSL transport has another bound, 256 kB.
            transport.max_size = READ_BYTES
        self.connected_at = asyncio.get_running_loop().time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Abort the connection if the service does not close it in time."""
        super().data_received(data)
        if self.protocol.close_expected():
            asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)


class _Connect(connect):
    """A handshake that follows no redirect, and repeats no address of one in an error."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Let a redirect be the error that it is."""
        return exc


async def open_socket(url: str, key: Secret | None,
                      errors: StreamErrors, proxy: Proxy | None = None
                      ) -> tuple[ClientConnection, dict[str, float]]:
    """
    Connect and make the handshakes of TCP, TLS and WebSocket, without a time limit.

    :param key: None sends no API key.
    :param proxy: makes a tunnel for an encrypted stream that leaves this machine.
    :returns: the connection, and the duration of each step [ms] (section d.4).
    :raises ServiceProtocolError: for a redirect, and if the certificate is not valid.
    :raises OSError: if the host cannot be reached.
    :raises WebSocketException: for any other answer, from ``websockets``.
    """
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    is_secure = parts.scheme == 'wss'
    began = loop.time()
    # A socket of our own, to measure its time and to prevent redirects.
    host, port = parts.hostname or '', parts.port or (443 if is_secure else 80)
    tunnel = proxy if proxy is not None and proxy.serves(parts.scheme, host) else None
    raw = await _connect_tcp(tunnel, host, port)
    connected = loop.time()
    try:
        link = await _Connect(
            url, sock=raw, server_hostname=host if is_secure else None,
            ssl=trust.context() if is_secure else None,
            additional_headers={'Authorization': f'Bearer {key.reveal()}'} if key else None,
            user_agent_header=f'reflex-ros/{__version__}', compression=None, proxy=None,
            open_timeout=None, ping_interval=None, close_timeout=CLOSE_S, logger=_wire,
            max_size=MAX_FRAME, max_queue=MAX_QUEUE, create_connection=_Connection)
    except BaseException as exc:
        raw.close()
        response = getattr(exc, 'response', None)
        if distrust := trust.distrust(errors.place, exc):
            raise distrust from exc
        if response is not None and 300 <= response.status_code < 400:
            raise ServiceProtocolError(errors.stranger(response)) from exc
        raise
    secured = getattr(link, 'connected_at', connected) if is_secure else connected
    upgraded = loop.time()
    return link, {'tcp_ms': (connected - began) * 1e3, 'tls_ms': (secured - connected) * 1e3,
                  'websocket_upgrade_ms': (upgraded - secured) * 1e3,
                  'connect_ms': (upgraded - began) * 1e3}


async def _connect_tcp(tunnel: Proxy | None, host: str, port: int) -> socket.socket:
    """Connect to a host, or through a tunnel to it; errors as :func:`.tcp.connect`."""
    if tunnel is None:
        return await tcp.connect(host, port)
    try:
        raw = await tcp.connect(tunnel.host, tunnel.port)
    except OSError as exc:
        raise OSError(f'the proxy {tunnel.place} ({PROXY}): {exc}') from exc
    try:
        await tunnel.open_tunnel(raw, host, port)
    except BaseException:
        raw.close()
        raise
    return raw
