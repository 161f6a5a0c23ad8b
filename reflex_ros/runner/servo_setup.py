# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a calibration or protection into the servos: backup first, all or nothing, undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reflex_ros.errors import ReflexError
from reflex_ros.hardware import eeprom
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import ArmBuild
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import JointCalibration
from reflex_ros.hardware.eeprom import Change, Values
from reflex_ros.hardware.so101 import SO101_JOINTS

FULL_TURN_FEEDBACK = 0b10000
"""Phase bit: positions run past one turn after a power cycle, and no calibration holds."""


def backup_folder(environ: Mapping[str, str]) -> Path:
    """Say where backups of servo settings are kept."""
    state = environ.get('XDG_STATE_HOME') or Path.home() / '.local' / 'state'
    return Path(state) / 'reflex_ros' / 'so101'


def protected(build: ArmBuild, found: Values) -> dict[int, dict[reg.Register, int]]:
    """Say what the servos must hold to protect themselves, given what they hold now."""
    return {joint.servo_id: {
        reg.MAX_TORQUE: min(found[joint.servo_id][reg.MAX_TORQUE], most),
        **{setting.register: setting.corrected(found[joint.servo_id][setting.register])
           for setting in settings},
    } for joint, settings, most in zip(SO101_JOINTS, build.settings, build.torque_limits,
                                       strict=True)}


def calibrated(calibration: Sequence[JointCalibration],
               found: Values) -> dict[int, dict[reg.Register, int]]:
    """Say what the servos must hold for a calibration, given what they hold now."""
    return {joint.servo_id: {
        reg.HOMING_OFFSET: own.offset_ticks, reg.MIN_POSITION_LIMIT: own.lower_ticks,
        reg.MAX_POSITION_LIMIT: own.upper_ticks, reg.OPERATING_MODE: 0,
        reg.PHASE: found[joint.servo_id][reg.PHASE] & ~FULL_TURN_FEEDBACK,
    } for joint, own in zip(SO101_JOINTS, calibration, strict=True)}


def set_up(bus: Bus, todo: Sequence[Change], folder: Path, arm_id: str) -> Path:
    """
    Write changes, with proof; when one fails, put back those that were written.

    :returns: the backup.
    :raises ReflexError: saying whether the servos are as they were or, line by line, what they may
        hold now.
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
        raise ReflexError(f'{exc}. {_put_back(bus, done, backup)}') from exc
    return backup


def _put_back(bus: Bus, done: Sequence[Change], backup: Path) -> str:
    if not done:
        return 'Nothing was written'
    undo = [Change(change.servo_id, change.register, change.after, change.before)
            for change in dict.fromkeys(done)]
    try:
        eeprom.write(bus, undo)
    except ReflexError:
        listing = '; '.join(map(str, dict.fromkeys(done)))
        return (f'May have been written: {listing}. To put it back: reflex so101 calibrate --undo '
                f'--backup {backup}')
    return f'What was written has been put back ({len(undo)} registers); backup: {backup}'
