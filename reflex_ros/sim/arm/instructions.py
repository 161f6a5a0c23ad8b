# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one servo does with one instruction that it has heard."""

from __future__ import annotations

from collections.abc import Callable

from reflex_ros.sim.arm.framing import Code, MAX_LENGTH
from reflex_ros.sim.arm.servo import Servo

_Action = Callable[[Servo, bytes, int], None]


def _write(servo: Servo, params: bytes, now_ns: int) -> None:
    servo.write(params[0], params[1:], now_ns)


def _calibrate(servo: Servo, params: bytes, now_ns: int) -> None:
    servo.calibrate(int.from_bytes(params, 'little') if params else 2048, now_ns)


# Code -> allowed parameter counts (None: at least 2) and what is done.
_ACKNOWLEDGED: dict[int, tuple[tuple[int, ...] | None, _Action]] = {
    Code.PING: ((0,), lambda servo, params, now_ns: None),
    Code.WRITE: (None, _write),
    Code.REG_WRITE: (None, lambda servo, params, now_ns: servo.write_later(params[0], params[1:])),
    Code.ACTION: ((0,), lambda servo, params, now_ns: servo.act(now_ns)),
    Code.RECOVERY: ((0,), lambda servo, params, now_ns: servo.recover()),
    Code.BACKUP: ((0,), lambda servo, params, now_ns: servo.memory.backup()),
    Code.RESET_TURNS: ((0,), lambda servo, params, now_ns: servo.reset_turns()),
    Code.CALIBRATE: ((0, 2), _calibrate),
}


def perform(servo: Servo, code: int, params: bytes, now_ns: int, boot_s: float) -> bytes | None:
    """
    Execute an instruction and return the parameters of the reply, None for no reply.

    What a servo does not know or cannot parse is not answered.
    """
    if code == Code.READ:
        return servo.read(params[0], params[1], now_ns) if is_readable(params) else None
    if code == Code.REBOOT:
        servo.power_cycle(now_ns, boot_s)
        return None
    counts, action = _ACKNOWLEDGED.get(code, ((), None))
    if action is None or (len(params) < 2 if counts is None else len(params) not in counts):
        return None
    action(servo, params, now_ns)
    return b''


def is_readable(params: bytes) -> bool:
    """Whether a read's address and count lie inside the memory, and its reply in one frame."""
    return (len(params) >= 2 and 0 < params[1] <= MAX_LENGTH - 2
            and params[0] + params[1] <= 256)
