# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
WebSocket frames that no library would send: raw bytes for the faults of the link (RFC 6455).

    0                   1                   2                   3
    |F|R|R|R| opcode|M| length 7    | 16 or 64 bits of length when 126 or 127 | payload ...

Servers do not mask. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator
import struct
import zlib

CONTINUATION, TEXT, BINARY = 0, 1, 2
_MIB = 1 << 20


def frame(opcode: int, payload: bytes, *, fin: bool = True, compressed: bool = False) -> bytes:
    """Build one frame; ``compressed`` sets RSV1 whether or not anybody negotiated it."""
    return _header(opcode, len(payload), fin=fin, compressed=compressed) + payload


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


def _header(opcode: int, length: int, *, fin: bool, compressed: bool) -> bytes:
    first = (0x80 if fin else 0) | (0x40 if compressed else 0) | opcode
    if length < 126:
        return struct.pack('>BB', first, length)
    if length < 1 << 16:
        return struct.pack('>BBH', first, 126, length)
    return struct.pack('>BBQ', first, 127, length)
