# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How bytes leave when a fault is on: piece by piece, without end, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
import socket
import struct

# [bytes] that may wait in the transport before a sender pauses, and [s] for how long it does.
_HIGH_WATER = 1 << 18
_PAUSE_S = 0.005


async def trickle(transport: asyncio.Transport, data: bytes, gap_s: float) -> None:
    """Send byte by byte until all is sent or the peer is gone."""
    for index in range(len(data)):
        if transport.is_closing():
            return
        transport.write(data[index:index + 1])
        await asyncio.sleep(gap_s)


async def pour(transport: asyncio.Transport, pieces: Iterator[bytes]) -> None:
    """Send as fast as the peer reads, until the pieces end or the peer is gone."""
    for piece in pieces:
        if transport.is_closing():
            return
        transport.write(piece)
        await asyncio.sleep(0)
        while transport.get_write_buffer_size() > _HIGH_WATER and not transport.is_closing():
            await asyncio.sleep(_PAUSE_S)


def reset(transport: asyncio.Transport) -> None:
    """End the connection with a TCP RST instead of a FIN."""
    sock = transport.get_extra_info('socket')
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    transport.abort()
