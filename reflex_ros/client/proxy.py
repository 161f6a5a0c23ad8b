# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The proxy of ``REFLEX_PROXY``: a tunnel for everything that is encrypted, for nothing else.

``HTTPS_PROXY`` and similar variables are not used. They are often set for a whole machine, and the
traffic with the API key must not take another way without the user knowing. When the service
cannot be reached, the error names the unused variable and ``REFLEX_PROXY``.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
import re
import socket
from urllib.parse import unquote, urlsplit

from reflex_ros.client.endpoints import is_loopback
from reflex_ros.client.texts import printable
from reflex_ros.errors import ConfigurationError

NAME = 'REFLEX_PROXY'
OTHERS = ('HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy')
MAX_HEAD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A proxy that makes tunnels.

    :param url: with user and password, if it has them.
    """

    url: str = field(repr=False)
    host: str = ''
    port: int = 0

    @property
    def place(self) -> str:
        """Host and port, for texts."""
        return f'{self.host}:{self.port}'

    def serves(self, scheme: str, host: str) -> bool:
        """Whether a connection goes through the proxy: an encrypted one that leaves this host."""
        return scheme in ('https', 'wss') and not is_loopback(host)

    async def open_tunnel(self, raw: socket.socket, host: str, port: int) -> None:
        """
        Ask the proxy at the other end of a socket to connect it with a host.

        :raises OSError: if the proxy refuses.
        """
        loop = asyncio.get_running_loop()
        name = f'[{host}]' if ':' in host else host
        lines = [f'CONNECT {name}:{port} HTTP/1.1', f'Host: {name}:{port}']
        if authorization := self._authorization():
            lines.append(f'Proxy-Authorization: {authorization}')
        await loop.sock_sendall(raw, '\r\n'.join([*lines, '', '']).encode('ascii'))
        head = b''
        # Byte by byte: what follows the head belongs to the tunnel.
        while not head.endswith(b'\r\n\r\n'):
            byte = await loop.sock_recv(raw, 1)
            head += byte
            if not byte or len(head) > MAX_HEAD:
                raise OSError(f'the proxy {self.place} ({NAME}) gave no proper answer')
        match = re.match(rb'HTTP/1\.[01] (\d{3})', head)
        status = int(match[1]) if match else 0
        if not 200 <= status < 300:
            line = head.partition(b'\r\n')[0].decode('latin-1')
            raise OSError(self.refusal(status, printable(line, 100)))

    def refusal(self, status: int, line: str) -> str:
        """Say that the proxy refuses, with the next step."""
        step = (f'Put the login of the proxy into {NAME}: http://user:password@{self.place}'
                if status == 407 else f'Ask who runs the proxy, or fix {NAME}')
        return f'the proxy {self.place} refuses a tunnel: {line}. {step}'

    def _authorization(self) -> str:
        parts = urlsplit(self.url)
        if parts.username is None:
            return ''
        login = f'{unquote(parts.username)}:{unquote(parts.password or "")}'
        return f'Basic {b64encode(login.encode()).decode("ascii")}'


def read(environment: Mapping[str, str]) -> Proxy | None:
    """
    Read ``REFLEX_PROXY``; None if it is not set.

    :raises ConfigurationError: if it is not the URL of a proxy.
    """
    url = environment.get(NAME, '').strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_good = (parts.scheme == 'http' and bool(parts.hostname) and parts.port != 0
                   and url.isprintable() and parts.path in ('', '/'))
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigurationError(f'{NAME} must be http://host:port or '
                                 f'http://user:password@host:port. Fix {NAME}')
    return Proxy(url, parts.hostname or '', parts.port or 80)


def unused(environment: Mapping[str, str], scheme: str, host: str) -> str:
    """Say which proxy variable is set and not used, for a host that was not reached directly."""
    name = next((each for each in OTHERS if environment.get(each)), '')
    if not name or environment.get(NAME) or scheme in ('http', 'ws') or is_loopback(host):
        return ''
    return f'{name} is set and is not used: to go through a proxy, set {NAME}'
