# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Feetech servo packets (sans-I/O): encode instructions, parse status frames.

::

    instruction   FF FF  ID  LEN  INSTR  param...  CHK     LEN = number of params + 2
    status        FF FF  ID  LEN  ERR    param...  CHK     CHK = ~(ID + ... + last param) & FF

Source: Feetech protocol manual V1.01, as collected in the SO-101 reference, section 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

BROADCAST = 0xFE
HEADER = b'\xff\xff'
OVERHEAD = 6
"""Length of a frame without parameters [bytes]."""
MAX_FRAME = 250


class Instruction(IntEnum):
    """The instructions that the driver sends; the manual has more."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class StatusError(IntFlag):
    """Error bits in every status frame; the data of the frame is valid regardless of them."""

    VOLTAGE = 0x01
    SENSOR = 0x02
    TEMPERATURE = 0x04
    CURRENT = 0x08
    ANGLE = 0x10
    OVERLOAD = 0x20


@dataclass(frozen=True, slots=True)
class Status:
    """One status frame; ``error`` holds bits of :class:`StatusError`."""

    servo_id: int
    error: int
    data: bytes


def encode(servo_id: int, instruction: int, params: bytes = b'') -> bytes:
    """
    Encode one instruction frame.

    :raises ValueError: for an id outside 0..254, or a frame longer than 250 bytes.
    """
    if not 0 <= servo_id <= BROADCAST:
        raise ValueError(f'servo id {servo_id} is not in 0..{BROADCAST}')
    if len(params) + OVERHEAD > MAX_FRAME:
        raise ValueError(f'{len(params)} parameter bytes do not fit into one frame')
    body = bytes((servo_id, len(params) + 2, instruction)) + params
    return HEADER + body + bytes((checksum(body),))


def checksum(body: bytes) -> int:
    """Return the checksum of the bytes between header and checksum: the inverted low byte."""
    return ~sum(body) & 0xFF


def ping(servo_id: int) -> bytes:
    """Encode a PING: the servo answers with an empty status frame."""
    return encode(servo_id, Instruction.PING)


def read(servo_id: int, address: int, length: int) -> bytes:
    """Encode a READ of ``length`` bytes from ``address`` on."""
    return encode(servo_id, Instruction.READ, bytes((address, length)))


def write(servo_id: int, address: int, data: bytes) -> bytes:
    """Encode a WRITE of bytes from ``address`` on, effective at once."""
    return encode(servo_id, Instruction.WRITE, bytes((address,)) + data)


def sync_read(servo_ids: Sequence[int], address: int, length: int) -> bytes:
    """Encode a SYNC READ of the same bytes of several servos; they reply in this order."""
    return encode(BROADCAST, Instruction.SYNC_READ, bytes((address, length, *servo_ids)))


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """
    Encode a SYNC WRITE to several servos in one frame; servos do not reply to it.

    :param data: servo id -> bytes, all of the same length.
    :raises ValueError: when the lengths differ, or ``data`` is empty.
    """
    lengths = {len(part) for part in data.values()}
    if len(lengths) != 1:
        raise ValueError(f'sync write needs one length for all servos, got {sorted(lengths)}')
    params = bytearray((address, lengths.pop()))
    for servo_id, part in data.items():
        params.append(servo_id)
        params += part
    return encode(BROADCAST, Instruction.SYNC_WRITE, bytes(params))


class StatusParser:
    """
    Find status frames in a stream of bytes, and resynchronise after damaged ones.

    After a damaged frame the parser skips one byte and searches for the next header, so that an
    intact frame behind noise is never lost. The buffer is bounded.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0
        """Number of bytes that belong to no valid frame."""
        self.bad_checksums = 0
        """Number of frames with a wrong checksum."""

    def clear(self) -> None:
        """Discard an incomplete frame."""
        self.discarded += len(self._buffer)
        self._buffer.clear()

    def parse(self, data: bytes) -> list[Status]:
        """Add bytes; return the frames that are complete now."""
        buffer = self._buffer
        buffer += data
        frames: list[Status] = []
        while True:
            start = buffer.find(HEADER)
            if start < 0:
                keep = 1 if buffer.endswith(b'\xff') else 0
                self._drop(len(buffer) - keep)
                return frames
            self._drop(start)
            if len(buffer) < 4:
                return frames
            servo_id, length = buffer[2], buffer[3]
            # 0xFF is not an id: it is the second byte of a header that begins one byte later.
            if servo_id >= BROADCAST or not 2 <= length <= MAX_FRAME - 4:
                self._drop(1)
                continue
            if len(buffer) < length + 4:
                return frames
            body = bytes(buffer[2:length + 3])
            if checksum(body) != buffer[length + 3]:
                self.bad_checksums += 1
                self._drop(1)
                continue
            frames.append(Status(servo_id, body[2], body[3:]))
            del buffer[:length + 4]

    def _drop(self, count: int) -> None:
        self.discarded += count
        del self._buffer[:count]
