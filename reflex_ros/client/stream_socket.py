# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One WebSocket by our rules: one new TCP connection and one whole handshake.

Redirects are never followed (we hand over a connected socket, which ``websockets`` refuses to
redirect), compression is never offered and a compressed frame refused, proxies are not taken from
the environment, a message is bounded in size.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from reflex_ros import __version__
from reflex_ros.client.credentials import Secret
from reflex_ros.client.stream_errors import StreamFaults
from reflex_ros.client.stream_protocol import MAX_FRAME
from reflex_ros.errors import ServiceProtocolError

_wire = logging.getLogger(f'{__name__}.wire')
# At DEBUG the library writes the handshake, with the key, and every frame.
_wire.setLevel(logging.INFO)

CLOSE_S = 0.2
"""How long to wait for the peer's closing handshake; a dead link must not be kept for long."""
MAX_QUEUE = 4


class _Connection(ClientConnection):
    """
    Notes when TLS was done, and ends what the peer only says that it ends.

    The transport reports its connection only after TLS. After a closing handshake, or a frame that
    we refuse, the library's receive waits for the peer to close TCP, for ever if need be.
    """

    connected_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the time."""
        self.connected_at = asyncio.get_running_loop().time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Give the peer a moment to close TCP when it has to."""
        super().data_received(data)
        if self.protocol.close_expected():
            asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)


async def open_socket(url: str, key: Secret | None,
                      faults: StreamFaults) -> tuple[ClientConnection, dict[str, float]]:
    """
    Connect and shake hands, without a deadline.

    :param key: None sends none.
    :returns: the connection, and what took how long [ms] (section d.4).
    :raises ServiceProtocolError: for a redirect, and for a certificate that is not valid.
    :raises OSError: when the host cannot be reached.
    :raises WebSocketException: of the library, for any other answer.
    """
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    is_secure = parts.scheme == 'wss'
    began = loop.time()
    # Ours, so that its time can be told, and so that no redirect can be followed.
    raw = await _dial(parts.hostname or '', parts.port or (443 if is_secure else 80))
    connected = loop.time()
    try:
        link = await connect(
            url, sock=raw, server_hostname=parts.hostname if is_secure else None,
            additional_headers={'Authorization': f'Bearer {key.reveal()}'} if key else None,
            user_agent_header=f'reflex-ros/{__version__}', compression=None, proxy=None,
            open_timeout=None, ping_interval=None, close_timeout=CLOSE_S, logger=_wire,
            max_size=MAX_FRAME, max_queue=MAX_QUEUE, create_connection=_Connection)
    except BaseException as exc:
        raw.close()
        response = getattr(exc.__context__, 'response', None)
        if isinstance(exc, ssl.SSLCertVerificationError):
            raise ServiceProtocolError(f'{faults.at(str(exc))}. The key is not sent to a host '
                                       'that cannot prove who it is') from exc
        if response is not None and 300 <= response.status_code < 400:
            raise ServiceProtocolError(f'{faults.place}: a redirect (HTTP '
                                       f'{response.status_code}) is not followed. Fix '
                                       'service.url or REFLEX_ACTIONS_URL') from exc
        raise
    secured = getattr(link, 'connected_at', connected) if is_secure else connected
    upgraded = loop.time()
    return link, {'tcp_ms': (connected - began) * 1e3, 'tls_ms': (secured - connected) * 1e3,
                  'websocket_upgrade_ms': (upgraded - secured) * 1e3,
                  'connect_ms': (upgraded - began) * 1e3}


async def _dial(host: str, port: int) -> socket.socket:
    """
    Connect to the first address that answers.

    In the loop, not in a thread: an attempt that is given up must not go on behind our back.
    """
    loop = asyncio.get_running_loop()
    failure = OSError(f'{host} has no address')
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise OSError(f'{host} is no name of a host') from exc
    for family, kind, proto, _, address in found:
        raw = socket.socket(family, kind, proto)
        try:
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(raw, address)
            return raw
        except OSError as exc:
            raw.close()
            # asyncio's own text hides what happened behind "Connect call failed".
            failure = OSError(exc.errno, os.strerror(exc.errno)) if exc.errno else exc
        except BaseException:
            raw.close()
            raise
    raise failure
