# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Instructions of the manual that the driver never sends, for the tests of the simulated servos.

Source: Feetech protocol manual V1.01, as collected in the SO-101 reference, section 1.
"""

from __future__ import annotations

from reflex_ros.hardware.codec import BROADCAST, encode

REG_WRITE, ACTION, RECOVERY, REBOOT, BACKUP = 0x04, 0x05, 0x06, 0x08, 0x09
RESET_TURNS, CALIBRATE = 0x0A, 0x0B


def reg_write(servo_id: int, address: int, data: bytes) -> bytes:
    """Encode a write that the servo stores until it receives ``action``."""
    return encode(servo_id, REG_WRITE, bytes((address,)) + data)


def action(servo_id: int = BROADCAST) -> bytes:
    """Encode the execution of all stored writes; no reply to a broadcast."""
    return encode(servo_id, ACTION)


def recovery(servo_id: int) -> bytes:
    """Encode the restoring of the stored parameters, all except the id."""
    return encode(servo_id, RECOVERY)


def reboot(servo_id: int) -> bytes:
    """Encode a restart: the servo does not reply, and is silent for about 0.8 s."""
    return encode(servo_id, REBOOT)


def backup(servo_id: int) -> bytes:
    """Encode the storing of the present parameters, for ``recovery``."""
    return encode(servo_id, BACKUP)


def reset_turns(servo_id: int) -> bytes:
    """Encode the resetting of the count of full turns."""
    return encode(servo_id, RESET_TURNS)


def calibrate(servo_id: int, reads: int | None = None) -> bytes:
    """Encode: make the present position read 2048, or ``reads`` [tick] (from firmware 3.10 on)."""
    return encode(servo_id, CALIBRATE, b'' if reads is None else reads.to_bytes(2, 'little'))
