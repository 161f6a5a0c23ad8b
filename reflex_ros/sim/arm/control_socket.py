# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The control channel's Unix socket: lines of JSON, many clients, never blocks on a client."""

from __future__ import annotations

import json
from pathlib import Path
import socket

from reflex_ros.sim.arm.control import Control

_MAX_REQUEST = 65_536
_READ_SIZE = 65_536


class Peer:
    """One client: its connection, and the bytes that are not processed or not sent yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.incoming = bytearray()
        self.outgoing = bytearray()

    def fileno(self) -> int:
        """Return the connection's descriptor for `select`."""
        return self.connection.fileno()


Source = socket.socket | Peer


class ControlSocket:
    """
    Listen at `path` (mode 0600) and pass requests to `control`.

    :raises OSError: when another process listens at `path` already, or its folder is missing.
    """

    def __init__(self, path: Path, control: Control) -> None:
        self.path = path
        self._control = control
        self._peers: list[Peer] = []
        if not path.parent.is_dir():
            raise FileNotFoundError(f'{path}: there is no folder {path.parent}. Make it, or '
                                    'choose another --control')
        _remove_stale(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(16)
        self._listener.setblocking(False)

    @property
    def readers(self) -> list[Source]:
        """The sources that `select` must watch for reading."""
        return [self._listener, *self._peers]

    @property
    def writers(self) -> list[Peer]:
        """The clients with bytes left to send."""
        return [peer for peer in self._peers if peer.outgoing]

    def serve(self, ready: list[Source], now_ns: int) -> None:
        """Read from and write to the sources that `select` reported as ready."""
        for item in ready:
            if isinstance(item, Peer):
                self._serve_peer(item, now_ns)
            else:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                self._peers.append(Peer(connection))

    def close(self) -> None:
        """Close all connections and remove the socket; may be called twice."""
        for peer in self._peers:
            peer.connection.close()
        self._peers.clear()
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _serve_peer(self, peer: Peer, now_ns: int) -> None:
        try:
            self._receive(peer, now_ns)
            if peer.outgoing:
                del peer.outgoing[:peer.connection.send(peer.outgoing)]
        except BlockingIOError:
            return
        except OSError:
            self._drop(peer)

    def _receive(self, peer: Peer, now_ns: int) -> None:
        try:
            data = peer.connection.recv(_READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError('the client closed the connection')
        peer.incoming += data
        *lines, rest = peer.incoming.split(b'\n')
        peer.incoming = rest
        for line in lines:
            peer.outgoing += self._answer(bytes(line), now_ns)
        if len(peer.incoming) > _MAX_REQUEST:
            raise ConnectionResetError('the request is too long')

    def _answer(self, line: bytes, now_ns: int) -> bytes:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            reply = {'ok': False, 'error': 'request: expected one line of JSON'}
        else:
            reply = self._control.handle(request, now_ns)
        return json.dumps(reply).encode() + b'\n'

    def _drop(self, peer: Peer) -> None:
        peer.connection.close()
        self._peers = [p for p in self._peers if p is not peer]


def _remove_stale(path: Path) -> None:
    """
    Remove the socket file that a killed emulator left behind.

    :raises OSError: when a process listens there.
    """
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(f'{path}: another simulated arm listens there. Stop it, or choose another path')
