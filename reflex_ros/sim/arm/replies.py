# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Apply reply faults to a reply on its way to the client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import random

from reflex_ros.sim.arm.faults import Fault
from reflex_ros.sim.arm.framing import checksum

Piece = tuple[int, bytes]
"""Additional delay [ns], and bytes."""

_Distortion = Callable[[bytes, Fault, random.Random], bytes]


def _place(frame: bytes, fault: Fault, rng: random.Random) -> int:
    """Return the index of the byte to change; a random one when the fault names none."""
    at = int(fault.params['byte'])
    return at if 0 <= at < len(frame) else rng.randrange(len(frame))


def _corrupt(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    at = _place(frame, fault, rng)
    changed = frame[at] ^ rng.randint(1, 255)
    return frame[:at] + bytes((changed,)) + frame[at + 1:]


def _lost_byte(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    at = _place(frame, fault, rng)
    return frame[:at] + frame[at + 1:]


def _extra_byte(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    at = _place(frame, fault, rng)
    return frame[:at] + rng.randbytes(1) + frame[at:]


def _bad_checksum(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    return frame[:-1] + bytes((frame[-1] ^ rng.randint(1, 255),))


def _truncate(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    return frame[:int(fault.params['keep'])]


def _wrong_id(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    body = bytes((int(fault.params['as_id']),)) + frame[3:-1]
    return frame[:2] + body + bytes((checksum(body),))


def _noise(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    before, after = int(fault.params['before']), int(fault.params['after'])
    return rng.randbytes(before) + frame + rng.randbytes(after)


def _value(frame: bytes, fault: Fault, rng: random.Random) -> bytes:
    at, payload = 5 + int(fault.params['offset']), len(frame) - 6
    value = int(fault.params['value']).to_bytes(2, 'little')
    body = bytearray(frame[:-1])
    for k, byte in enumerate(value):
        if 5 <= at + k < 5 + payload:
            body[at + k] = byte
    return bytes(body) + bytes((checksum(bytes(body[2:])),))


# Applied in this order: first the values, last the bytes on the line.
_DISTORTIONS: dict[str, _Distortion] = {
    'value': _value, 'wrong_id': _wrong_id, 'corrupt': _corrupt, 'bad_checksum': _bad_checksum,
    'truncate': _truncate, 'lost_byte': _lost_byte, 'extra_byte': _extra_byte, 'noise': _noise,
}


class ReplyPath:
    """Apply reply faults; keep the last reply of each servo for the fault `stale`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._last: dict[int, bytes] = {}

    def turnaround_ns(self, servo_id: int, faults: Sequence[Fault]) -> int:
        """Return the additional time before the servo begins to reply [ns]."""
        return sum(round(f.params['us'] * 1000) for f in faults
                   if f.name == 'turnaround' and self._strikes(f, servo_id))

    def distort(self, servo_id: int, frame: bytes, faults: Sequence[Fault]) -> list[Piece]:
        """Return what reaches the client instead of `frame`: nothing, or pieces with a delay."""
        before = self._last.get(servo_id, frame)
        self._last[servo_id] = frame
        striking = {f.name: f for f in faults
                    if f.layer == 'reply' and self._strikes(f, servo_id)}
        if not striking:
            return [(0, frame)]
        if 'drop' in striking:
            return []
        if 'stale' in striking:
            frame = before
        for name, distortion in _DISTORTIONS.items():
            if name in striking:
                frame = distortion(frame, striking[name], self._rng)
        delay_ms = striking['delay'].params['ms'] if 'delay' in striking else 0.0
        if 'jitter' in striking:
            delay_ms += self._rng.uniform(0, striking['jitter'].params['ms'])
        copies = 2 if 'duplicate' in striking else 1
        return [(round(delay_ms * 1e6), frame)] * copies

    def _strikes(self, fault: Fault, servo_id: int) -> bool:
        return fault.concerns(servo_id) and (
            fault.probability >= 1.0 or self._rng.random() < fault.probability)
