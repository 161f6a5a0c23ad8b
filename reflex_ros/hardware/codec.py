# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Feetech servo packets, without a port: instructions to bytes, bytes to status frames.

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
"""Bytes of a frame without its parameters."""
MAX_FRAME = 250


class Instruction(IntEnum):
    """What a host may ask of a servo."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    RECOVERY = 0x06
    REBOOT = 0x08
    BACKUP = 0x09
    RESET_TURNS = 0x0A
    CALIBRATE = 0x0B
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class StatusError(IntFlag):
    """Conditions that a servo reports in every status frame; its data is valid all the same."""

    VOLTAGE = 0x01
    SENSOR = 0x02
    TEMPERATURE = 0x04
    CURRENT = 0x08
    ANGLE = 0x10
    OVERLOAD = 0x20


@dataclass(frozen=True, slots=True)
class Status:
    """One status frame; ``error`` holds the bits of :class:`StatusError`."""

    servo_id: int
    error: int
    data: bytes


def encode(servo_id: int, instruction: int, params: bytes = b'') -> bytes:
    """
    Make one instruction frame.

    :raises ValueError: for an id above the broadcast id or a frame longer than 250 bytes.
    """
    if not 0 <= servo_id <= BROADCAST:
        raise ValueError(f'servo id {servo_id} is not in 0..{BROADCAST}')
    if len(params) + OVERHEAD > MAX_FRAME:
        raise ValueError(f'{len(params)} parameter bytes do not fit into one frame')
    body = bytes((servo_id, len(params) + 2, instruction)) + params
    return HEADER + body + bytes((checksum(body),))


def checksum(body: bytes) -> int:
    """Sum up the bytes between header and checksum, inverted, low byte."""
    return ~sum(body) & 0xFF


def ping(servo_id: int) -> bytes:
    """Ask whether a servo is there."""
    return encode(servo_id, Instruction.PING)


def read(servo_id: int, address: int, length: int) -> bytes:
    """Ask for ``length`` bytes from ``address`` on."""
    return encode(servo_id, Instruction.READ, bytes((address, length)))


def write(servo_id: int, address: int, data: bytes) -> bytes:
    """Write bytes from ``address`` on, effective at once."""
    return encode(servo_id, Instruction.WRITE, bytes((address,)) + data)


def reg_write(servo_id: int, address: int, data: bytes) -> bytes:
    """Leave bytes with a servo that it writes when it hears ``action``."""
    return encode(servo_id, Instruction.REG_WRITE, bytes((address,)) + data)


def action(servo_id: int = BROADCAST) -> bytes:
    """Have what ``reg_write`` left done, by all servos at once."""
    return encode(servo_id, Instruction.ACTION)


def recovery(servo_id: int) -> bytes:
    """Bring the stored parameters back, all but the id."""
    return encode(servo_id, Instruction.RECOVERY)


def reboot(servo_id: int) -> bytes:
    """Restart a servo: it does not answer, and is gone for about 0.8 s."""
    return encode(servo_id, Instruction.REBOOT)


def backup(servo_id: int) -> bytes:
    """Store the present parameters as what ``recovery`` brings back."""
    return encode(servo_id, Instruction.BACKUP)


def reset_turns(servo_id: int) -> bytes:
    """Have a servo forget full turns."""
    return encode(servo_id, Instruction.RESET_TURNS)


def calibrate(servo_id: int, reads: int | None = None) -> bytes:
    """
    Make the present position read 2048, or ``reads`` [tick]; firmware 3.10 and later.

    :raises ValueError: for a position outside 0..4095.
    """
    if reads is None:
        return encode(servo_id, Instruction.CALIBRATE)
    if not 0 <= reads <= 4095:
        raise ValueError(f'position {reads} is not in 0..4095')
    return encode(servo_id, Instruction.CALIBRATE, reads.to_bytes(2, 'little'))


def sync_read(servo_ids: Sequence[int], address: int, length: int) -> bytes:
    """Ask several servos for the same bytes; they answer one after the other, in this order."""
    return encode(BROADCAST, Instruction.SYNC_READ, bytes((address, length, *servo_ids)))


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """
    Write to several servos in one frame, which none of them answers.

    :param data: bytes for each servo id, all of one length.
    :raises ValueError: when the lengths differ or there is nothing to write.
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
    Find status frames in a stream of bytes; resynchronise after anything else.

    A broken frame costs one byte, then the search for a header goes on, so that a whole frame
    behind noise is never lost. The buffer is bounded.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.discarded = 0
        """Bytes that belonged to no valid frame."""
        self.bad_checksums = 0
        """Frames whose checksum was wrong."""

    def clear(self) -> None:
        """Forget what was fed and not yet taken."""
        self.discarded += len(self._buffer)
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Status]:
        """Take in bytes; return the frames that are complete."""
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
            # 0xFF is no id: it is the second byte of a header that begins one byte later.
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
