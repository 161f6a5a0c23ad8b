# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The servo's side of the protocol: parse instruction frames, build status frames (sans-I/O).

::

    request  FF FF | ID | LEN | INSTRUCTION | parameters ... | CHK
    status   FF FF | ID | LEN | ERROR       | parameters ... | CHK

LEN counts the parameters + 2; CHK is the inverted low byte of the sum from ID to the last
parameter. The driver has a codec of its own on purpose: two independent readings of the protocol.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

BROADCAST_ID = 0xFE
_HEADER = b'\xff\xff'

MAX_LENGTH = 250
"""Largest LEN of a frame: the vendor's own library refuses longer ones."""

# A real servo drops an incomplete frame after 1 to 10 ms of silence.
SILENCE_NS = 5_000_000


class Code(IntEnum):
    """Instruction codes of the STS series."""

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


class Instruction(NamedTuple):
    """One intact request frame; `code` may be one that no servo knows."""

    servo_id: int
    code: int
    params: bytes
    frame: bytes


def checksum(body: bytes) -> int:
    """Return the check byte of everything between header and check byte."""
    return ~sum(body) & 0xFF


def status_frame(servo_id: int, error: int, params: bytes = b'') -> bytes:
    """Build a status frame."""
    body = bytes((servo_id, len(params) + 2, error)) + params
    return _HEADER + body + bytes((~sum(body) & 0xFF,))


class InstructionParser:
    """
    Find instruction frames in the byte stream.

    After noise, a wrong checksum or an impossible LEN, the parser skips one byte and searches for
    the next header. A servo does not reply to a damaged frame, so these are only counted.

    :param silence_ns: silence after which an incomplete frame is dropped.
    """

    def __init__(self, silence_ns: int = SILENCE_NS) -> None:
        self._silence_ns = silence_ns
        self._buffer = bytearray()
        self._last_ns = 0
        self.skipped = bytearray()
        self.bad_checksums = 0
        self.noise_bytes = 0
        self.dropped_half_frames = 0

    def parse(self, data: bytes, now_ns: int) -> list[Instruction]:
        """Add bytes that arrived at `now_ns`; return the frames that are complete now."""
        buffer = self._buffer
        if buffer and now_ns - self._last_ns > self._silence_ns:
            self.dropped_half_frames += 1
            self.skipped += buffer
            buffer.clear()
        self._last_ns = now_ns
        buffer += data
        frames: list[Instruction] = []
        while (instruction := self._next()) is not None:
            frames.append(instruction)
        return frames

    def reset(self) -> None:
        """Drop an incomplete frame, as after a power cut."""
        self.skipped += self._buffer
        self._buffer.clear()

    def pop_skipped(self) -> bytes:
        """Return the bytes that belong to no frame, and forget them."""
        skipped = bytes(self.skipped)
        self.skipped.clear()
        return skipped

    def _skip(self, count: int) -> None:
        self.noise_bytes += count
        self.skipped += self._buffer[:count]
        del self._buffer[:count]

    def _next(self) -> Instruction | None:
        buffer = self._buffer
        while True:
            start = buffer.find(_HEADER)
            if start < 0:
                # A single FF at the end may be the first half of a header.
                start = len(buffer) - (1 if buffer.endswith(b'\xff') else 0)
            if start:
                self._skip(start)
            if len(buffer) < 4:
                if len(buffer) == 3 and buffer[2] == 0xFF:
                    self._skip(1)
                return None
            length = buffer[3]
            if buffer[2] == 0xFF or not 2 <= length <= MAX_LENGTH:
                self._skip(1)
                continue
            end = length + 4
            if len(buffer) < end:
                return None
            frame = bytes(buffer[:end])
            if ~sum(frame[2:-1]) & 0xFF != frame[-1]:
                self.bad_checksums += 1
                self._skip(1)
                continue
            del buffer[:end]
            return Instruction(frame[2], frame[4], frame[5:-1], frame)
