# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Execute one instruction on one servo."""

from __future__ import annotations

from collections.abc import Callable

from reflex_ros.sim.arm.framing import Code, MAX_LENGTH
from reflex_ros.sim.arm.servo import Servo

_Action = Callable[[Servo, bytes, int], None]


def _write(servo: Servo, params: bytes, now_ns: int) -> None:
    servo.write(params[0], params[1:], now_ns)


def _reg_write(servo: Servo, params: bytes, now_ns: int) -> None:
    servo.store_pending(params[0], params[1:])


def _calibrate(servo: Servo, params: bytes, now_ns: int) -> None:
    servo.calibrate(int.from_bytes(params, 'little') if params else 2048, now_ns)


# Code -> allowed numbers of parameter bytes (None: at least 2), and the action.
_ACKNOWLEDGED: dict[int, tuple[tuple[int, ...] | None, _Action]] = {
    Code.PING: ((0,), lambda servo, params, now_ns: None),
    Code.WRITE: (None, _write),
    Code.REG_WRITE: (None, _reg_write),
    Code.ACTION: ((0,), lambda servo, params, now_ns: servo.execute_pending(now_ns)),
    Code.RECOVERY: ((0,), lambda servo, params, now_ns: servo.recover()),
    Code.BACKUP: ((0,), lambda servo, params, now_ns: servo.memory.backup()),
    Code.RESET_TURNS: ((0,), lambda servo, params, now_ns: servo.reset_turns()),
    Code.CALIBRATE: ((0, 2), _calibrate),
}


def execute(servo: Servo, code: int, params: bytes, now_ns: int, boot_s: float) -> bytes | None:
    """
    Execute an instruction and return the parameter bytes of the reply, or None for no reply.

    A servo does not reply to an unknown instruction, or to one with the wrong number of
    parameter bytes.
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
    """Whether a read stays inside the memory, and its reply fits into one frame."""
    return (len(params) >= 2 and 0 < params[1] <= MAX_LENGTH - 2
            and params[0] + params[1] <= 256)
