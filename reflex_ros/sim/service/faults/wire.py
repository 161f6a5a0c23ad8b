# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Faults of the link: WebSocket frames that no library would send (RFC 6455), and how bytes leave.

    0                   1                   2                   3
    |F|R|R|R| opcode|M| length 7    | 16 or 64 bits of length when 126 or 127 | payload ...

Servers do not mask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
import socket
import struct
import zlib

CONTINUATION, TEXT, BINARY = 0, 1, 2
_MIB = 1 << 20
# [bytes] that may wait in the transport before a sender pauses, and [s] for how long it does.
_HIGH_WATER = 1 << 18
_PAUSE_S = 0.005


def frame(opcode: int, payload: bytes, *, fin: bool = True, compressed: bool = False) -> bytes:
    """Build one frame; ``compressed`` sets RSV1 whether or not anybody negotiated it."""
    first, length = (0x80 if fin else 0) | (0x40 if compressed else 0) | opcode, len(payload)
    if length < 126:
        header = struct.pack('>BB', first, length)
    elif length < 1 << 16:
        header = struct.pack('>BBH', first, 126, length)
    else:
        header = struct.pack('>BBQ', first, 127, length)
    return header + payload


def bomb(mib: int) -> bytes:
    """
    Build a compressed text frame that inflates to ``mib`` MiB of zeros.

    A full flush ends each block on its own, so that one block serves for every MiB.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(_MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    # RFC 7692 drops the empty block that ends a sync flush.
    return frame(TEXT, (block * mib)[:-4], compressed=True)


def endless_fragments(size: int) -> Iterator[bytes]:
    """Yield the fragments of a text message that never ends."""
    yield frame(TEXT, b'{"type":"action_chunk","pad":"', fin=False)
    fragment = frame(CONTINUATION, b'x' * size, fin=False)
    while True:
        yield fragment


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
