# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write a calibration or protection settings into the servos.

A backup is written first; when one write fails, the earlier ones are undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reflex_ros.client.user_folders import base
from reflex_ros.domain.counted import counted
from reflex_ros.errors import ReflexError
from reflex_ros.hardware import eeprom
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import ArmBuild
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import JointCalibration
from reflex_ros.hardware.eeprom import Change, Values
from reflex_ros.hardware.so101 import SO101_JOINTS

FULL_TURN_FEEDBACK = 0b10000
"""Phase bit: positions count past one turn, so a calibration is lost with the power."""


def backup_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the backups of servo settings."""
    return base(environ, 'XDG_STATE_HOME', '~/.local/state') / 'reflex_ros' / 'so101'


def protection_settings(build: ArmBuild, found: Values) -> dict[int, dict[reg.Register, int]]:
    """Return the protection settings of each servo, by id; ``found`` is what it has now."""
    return {joint.servo_id: {
        reg.MAX_TORQUE: min(found[joint.servo_id][reg.MAX_TORQUE], most),
        **{setting.register: setting.corrected(found[joint.servo_id][setting.register])
           for setting in settings},
    } for joint, settings, most in zip(SO101_JOINTS, build.settings, build.torque_limits,
                                       strict=True)}


def calibration_settings(calibration: Sequence[JointCalibration],
                         found: Values) -> dict[int, dict[reg.Register, int]]:
    """Return the registers of a calibration, by servo id; ``found`` is what it has now."""
    return {joint.servo_id: {
        reg.HOMING_OFFSET: own.offset_ticks, reg.MIN_POSITION_LIMIT: own.lower_ticks,
        reg.MAX_POSITION_LIMIT: own.upper_ticks, reg.OPERATING_MODE: 0,
        reg.PHASE: found[joint.servo_id][reg.PHASE] & ~FULL_TURN_FEEDBACK,
    } for joint, own in zip(SO101_JOINTS, calibration, strict=True)}


def write_with_backup(bus: Bus, todo: Sequence[Change], folder: Path, arm_id: str) -> Path:
    """
    Write changes and read them back; when one fails, undo those that were written.

    :returns: path of the backup.
    :raises ReflexError: saying that the servos are as they were, or which registers may have
        been written.
    """
    try:
        backup = eeprom.save_backup(folder, arm_id, bus.port.name,
                                    eeprom.read_kept(bus, {change.servo_id for change in todo}))
    except OSError as exc:
        raise ReflexError(f'no backup could be written, so nothing was changed: {exc}') from exc
    done: list[Change] = []
    try:
        eeprom.write(bus, todo, done)
    except ReflexError as exc:
        raise ReflexError(f'{exc}. {_restore(bus, done, backup)}') from exc
    return backup


def _restore(bus: Bus, done: Sequence[Change], backup: Path) -> str:
    if not done:
        return 'Nothing was written'
    undo = [Change(change.servo_id, change.register, change.after, change.before)
            for change in dict.fromkeys(done)]
    try:
        eeprom.write(bus, undo)
    except ReflexError:
        listing = '; '.join(map(str, dict.fromkeys(done)))
        return (f'These registers may have been written: {listing}. To restore them: reflex so101 '
                f'calibrate --undo --backup {backup}')
    return (f'What was written to {counted(len(undo), "register")} is restored; backup: '
            f'{backup}')
