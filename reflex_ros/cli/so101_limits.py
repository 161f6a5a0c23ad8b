# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 limits``: the limits of the joints, in the driver and in the servos."""

from __future__ import annotations

import math
import os

import click

from reflex_ros.cli import text
from reflex_ros.cli.interrupt import interruptible, shielded
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.so101_port import arm_command, confirm, open_bus
from reflex_ros.cli.so101_ranges import ACCEPT_RANGE, check_travel, compare_poses, positions
from reflex_ros.domain.counted import counted
from reflex_ros.errors import BusTimeout, ConfigurationError
from reflex_ros.hardware import eeprom
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import FOLLOWER
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import soft_limits
from reflex_ros.hardware.lerobot_file import DEFAULT_ID, find, load, Role
from reflex_ros.hardware.so101 import SO101_JOINTS
from reflex_ros.hardware.survey import Survey
from reflex_ros.runner.servo_setup import (
    backup_folder,
    calibration_settings,
    protection_settings,
    write_with_backup,
)

PROTECTION = (reg.MAX_TORQUE, reg.PROTECTION_CURRENT, reg.OVERLOAD_TORQUE, reg.MAX_TEMPERATURE)


@arm_command(
    'reflex so101 limits', 'reflex so101 limits --write', 'reflex so101 limits --undo',
    'reflex so101 limits --write --calibration my_arm --yes --json', asks=True, has_id=True)
@click.option('--write', 'writes', is_flag=True,
              help='Write the limits to the EEPROM, read them back and keep a backup.')
@click.option('--calibration', metavar='FILE|ID', help="LeRobot's calibration file or id with "
              'position limits and offsets to write (default: keep those in the servos).')
@click.option('--undo', is_flag=True, help='Restore the values that the last --write replaced.')
@ACCEPT_RANGE
def limits(common: CommonOptions, writes: bool, calibration: str | None, undo: bool,
           accept_range: bool, yes: bool, port: str | None, arm_id: str) -> None:
    """
    Show the limits in the servos, or write them.

    The driver refuses a goal outside the soft limits; the servo clamps a goal outside its own
    position limits. The driver also sets protection limits at every start (gripper: half torque,
    1.6 A). --write stores these in the servos, so that they survive a power cycle; with
    --calibration, it also stores the position limits of that file. Torque must be off.

    --undo restores the newest backup of --id. If a calibration was changed since, `reflex so101
    calibrate --undo` comes first.
    """
    if undo and (writes or calibration):
        raise click.UsageError('--undo excludes --write and --calibration')
    reference = load(find(calibration, os.environ)) if calibration else None
    with open_bus(port) as bus:
        found = eeprom.read_kept(bus, [joint.servo_id for joint in SO101_JOINTS])
        wanted = eeprom.load_backup(eeprom.newest_backup(backup_folder(os.environ), arm_id)) \
            if undo else protection_settings(FOLLOWER, found)
        if reference is not None:
            if writes:
                check_travel(reference, Role.FOLLOWER, accepts=accept_range)
                compare_poses(found, positions(bus), reference, accepts=accept_range)
            for servo_id, values in calibration_settings(reference, found).items():
                wanted[servo_id].update(values)
        # Values that the driver set until power-off read as equal, so --write writes these too.
        written = eeprom.changes(found, wanted, with_equal=writes)
        todo = [change for change in written if change.before != change.after]
        again = len(written) - len(todo)
        if undo and eeprom.changes_calibration(todo):
            raise ConfigurationError('the newest backup is of a change of the calibration. Undo '
                                     f'it: {_call("calibrate --undo", arm_id)}')
        backup = None
        if (writes or undo) and written:
            if not yes:
                for change in todo:
                    click.echo(str(change), err=True)
            confirm(f'{counted(len(todo), "register")} will be changed.{_stored(again)}', yes=yes)
            with interruptible(), shielded():
                backup = write_with_backup(bus, written, backup_folder(os.environ), arm_id)
            found = eeprom.read_kept(bus, list(found))
        rows = _rows(bus, found)
    if common.as_json:
        text.document({'ok': True, 'joints': rows, 'backup': str(backup) if backup else None,
                       'written': [str(change) for change in todo] if backup else [],
                       'stored_again': again if backup else 0,
                       'differs': [] if backup else [str(change) for change in todo]})
        return
    text.show_grid(('joint', 'servo [tick]', 'soft [deg]', *(
        f'{register.name} [{register.unit}]' for register in PROTECTION)), [
            (row['joint'], f'{row["min_ticks"]}..{row["max_ticks"]}', _degrees(row['soft_deg']),
             *(row[register.name] for register in PROTECTION)) for row in rows])
    for change in todo:
        click.echo(f'{"written" if backup else "differs"}: {change}')
    if backup:
        click.echo(f'{counted(len(todo), "register")} changed.{_stored(again)}')
        undoing = 'calibrate --undo' if eeprom.changes_calibration(todo) else 'limits --undo'
        click.echo(f'backup: {backup}   (undo: {_call(undoing, arm_id)})')
    elif undo:
        click.echo('The servos already have these values; nothing was written')
    elif todo:
        click.echo('To write these limits, add --write', err=True)


def _stored(again: int) -> str:
    return (f' {counted(again, "register")} with the wanted value already: stored again, so that '
            'a value that only the driver has set survives a power cycle.' if again else '')


def _call(command: str, arm_id: str) -> str:
    return f'reflex so101 {command}{"" if arm_id == DEFAULT_ID else f" --id {arm_id}"}'


def _rows(bus: Bus, found: eeprom.Values) -> list[dict[str, object]]:
    try:
        servos = Survey(bus).servos
    except BusTimeout:
        servos = {}
    own = [servos[joint.servo_id].calibration if joint.servo_id in servos else None
           for joint in SO101_JOINTS]
    known = [calibration for calibration in own if calibration is not None]
    soft = soft_limits(known, 2.0) if len(known) == len(own) else None
    return [{
        'joint': joint.name, 'id': joint.servo_id,
        'min_ticks': found[joint.servo_id][reg.MIN_POSITION_LIMIT],
        'max_ticks': found[joint.servo_id][reg.MAX_POSITION_LIMIT],
        'soft_deg': [round(math.degrees(soft[index].lower), 2),
                     round(math.degrees(soft[index].upper), 2)] if soft else None,
        **{register.name: found[joint.servo_id][register] for register in PROTECTION},
    } for index, joint in enumerate(SO101_JOINTS)]


def _degrees(bounds: object) -> str:
    return f'{bounds[0]:+.1f}..{bounds[1]:+.1f}' if isinstance(bounds, list) else 'not calibrated'
