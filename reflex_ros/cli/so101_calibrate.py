# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 calibrate``: record the ranges of the joints, write them, and undo that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import os
from pathlib import Path
import select
import sys
import time

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from reflex_ros.cli import text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.interrupt import interruptible, shielded
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.so101_port import arm_command, confirm, open_bus
from reflex_ros.cli.so101_ranges import (
    ACCEPT_RANGE,
    calibration_in,
    check_travel,
    compare_poses,
    positions,
)
from reflex_ros.domain.counted import counted
from reflex_ros.errors import BusTimeout
from reflex_ros.hardware import eeprom
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import doubts, JointCalibration, USUAL_TRAVEL
from reflex_ros.hardware.lerobot_file import find, load, path_of, Role, save
from reflex_ros.hardware.range_recorder import RangeRecorder
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101_JOINTS
from reflex_ros.hardware.survey import under_torque
from reflex_ros.runner.servo_setup import backup_folder, calibration_settings, write_with_backup

PERIOD_S = 0.02
SILENCE_S = 1.0
SERVO_IDS = [joint.servo_id for joint in SO101_JOINTS]
MIDDLE_POSE = ('Hold the arm with EVERY joint in the middle of its travel: upper arm up, forearm '
               'forward, gripper half open')
SWEEP = ('Move every joint except wrist_roll slowly to both ends of its travel. At the end, close '
         'the gripper')


@arm_command(
    'reflex so101 calibrate --id my_arm', 'reflex so101 calibrate --undo --id my_arm',
    'reflex so101 calibrate --from my_arm --yes',
    'reflex so101 calibrate --seconds 30 --yes --json', asks=True, has_id=True)
@click.option('--from', 'source', metavar='FILE|ID',
              help="Write LeRobot's calibration file (or the file of an id) to the servos instead "
                   'of recording.')
@click.option('--seconds', type=FiniteRange(1.0, 600.0), help='Record for this many seconds '
              'instead of until Enter; put the arm into its middle pose first.')
@click.option('--undo', is_flag=True,
              help='Restore the values that the last calibration, or `reflex so101 limits '
              '--write`, replaced.')
@click.option('--backup', type=click.Path(dir_okay=False, path_type=Path),
              help='Backup to restore with --undo (default: the newest one of --id).')
@ACCEPT_RANGE
@click.option('--role', type=click.Choice([role.value for role in Role]), default='follower',
              show_default=True,
              help='Build of the arm. LeRobot keeps the file of a follower under robots, of a '
              'leader under teleoperators.')
def calibrate(common: CommonOptions, source: str | None, seconds: float | None, undo: bool,
              backup: Path | None, accept_range: bool, role: str, yes: bool, port: str | None,
              arm_id: str) -> None:
    """
    Calibrate the servos as LeRobot does, or undo it.

    The command writes the homing offset and the range of every servo, and LeRobot's calibration
    file. You confirm the values after the recording; Ctrl-C before that leaves the servos
    unchanged. The old values are kept in a backup, and every written value is read back. After a
    failure, the old values are restored, or the error names what could not be restored.

    Every command that writes settings keeps a backup, and --undo restores the newest one of --id,
    also one of `reflex so101 limits --write`. It brings an existing LeRobot file up to date, and
    makes no new one.
    """
    if sum((bool(source), bool(seconds), undo)) > 1 or (backup and not undo):
        raise click.UsageError('--from, --seconds and --undo exclude each other; --backup belongs '
                               'to --undo')
    file = path_of(arm_id, os.environ, Role(role))
    with interruptible(), open_bus(port) as bus:
        found = eeprom.read_kept(bus, SERVO_IDS)
        if undo:
            path = backup or eeprom.newest_backup(backup_folder(os.environ), arm_id)
            wanted = eeprom.load_backup(path)
        else:
            made = load(find(source, os.environ, Role(role))) if source \
                else _record_ranges(bus, found, seconds, yes=yes)
            check_travel(made, Role(role), accepts=accept_range)
            if source:
                compare_poses(found, positions(bus), made, accepts=accept_range)
            wanted = calibration_settings(made, found)
        todo = eeprom.changes(found, {id_: values for id_, values in wanted.items()
                                      if id_ in found})
        kept = None
        if todo:
            _release(bus, yes=yes)
            for change in todo:
                click.echo(str(change), err=True)
            confirm(f'{counted(len(todo), "register")} will be written.', yes=yes)
            with shielded():
                kept = write_with_backup(bus, todo, backup_folder(os.environ), arm_id)
        now = eeprom.read_kept(bus, SERVO_IDS)
    calibration = calibration_in(now)
    # What is undone may be a change of limits, of an arm whose calibration LeRobot does not keep.
    is_stored = calibration is not None and (
        not undo or (file.is_file() and eeprom.changes_calibration(todo)))
    if is_stored and calibration is not None:
        save(file, calibration)
    _report(common, todo, kept, file if is_stored else None, now, calibration)


def _record_ranges(bus: Bus, found: eeprom.Values, seconds: float | None, *,
                   yes: bool) -> tuple[JointCalibration, ...]:
    """Guide a person through the recording; write nothing."""
    if seconds is None and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError('Without a terminal nobody can press Enter during the recording: '
                               'use --seconds or --from')
    _release(bus, yes=yes)
    try:
        if seconds is None:
            click.echo(f'{MIDDLE_POSE}. Then press Enter.', err=True)
            sys.stdin.readline()
        recorder = RangeRecorder([found[id_][reg.HOMING_OFFSET] for id_ in SERVO_IDS],
                                 positions(bus))
        end = time.monotonic() + seconds if seconds else None
        click.echo(f'{SWEEP}{"" if seconds else ". Then press Enter"}.', err=True)
        _record(bus, recorder, lambda: time.monotonic() >= end if end else _enter_was_pressed())
        made = recorder.result()
    except KeyboardInterrupt:
        click.echo('Nothing was written to the servos; torque is off', err=True)
        raise
    return made


def _release(bus: Bus, *, yes: bool) -> None:
    """Switch torque off if it is on, after a confirmation."""
    if under_torque(bus):
        confirm('Torque is on and will be switched off: the arm FALLS unless it rests or you hold '
                'it.', yes=yes)
        So101Arm(bus).torque_off()


def _record(bus: Bus, recorder: RangeRecorder, is_done: Callable[[], bool]) -> None:
    console = Console(stderr=True)
    heard_at = time.monotonic()
    with Live(_table(recorder), console=console, refresh_per_second=10,
              auto_refresh=console.is_terminal, transient=not console.is_terminal) as live:
        while not is_done():
            try:
                recorder.record(positions(bus))
                heard_at = time.monotonic()
            except BusTimeout:
                if time.monotonic() - heard_at > SILENCE_S:
                    raise
            if console.is_terminal:
                live.update(_table(recorder))
            time.sleep(PERIOD_S)


def _enter_was_pressed() -> bool:
    if not select.select([sys.stdin], [], [], 0.0)[0]:
        return False
    sys.stdin.readline()
    return True


def _table(recorder: RangeRecorder) -> Table:
    table = Table(box=None, header_style='dim')
    for name in ('joint', 'lowest', 'now', 'highest', 'travel', 'usual travel', ''):
        table.add_column(name, justify='left' if name in ('joint', '') else 'right')
    for name, sweep in zip(JOINT_NAMES, recorder.joints, strict=True):
        usual = str(USUAL_TRAVEL[name][0]) if name in USUAL_TRAVEL else 'full turn'
        table.add_row(name, str(sweep.lower), str(sweep.present), str(sweep.upper),
                      str(sweep.upper - sweep.lower), usual,
                      'crossed the zero of the encoder: start again'
                      if sweep.crossed_seam and name in USUAL_TRAVEL else '')
    return table


def _report(common: CommonOptions, todo: Sequence[eeprom.Change], backup: Path | None,
            file: Path | None, found: eeprom.Values,
            calibration: Sequence[JointCalibration] | None) -> None:
    text.report(
        common, {
            'ok': True, 'doubts': doubts(calibration) if calibration else [],
            'written': [str(change) for change in todo],
            'backup': str(backup) if backup else None, 'file': str(file) if file else None,
            'joints': {joint.name: {
                'homing_offset': found[joint.servo_id][reg.HOMING_OFFSET],
                'range_min': found[joint.servo_id][reg.MIN_POSITION_LIMIT],
                'range_max': found[joint.servo_id][reg.MAX_POSITION_LIMIT],
            } for joint in SO101_JOINTS}},
        f'{counted(len(todo), "register")} written and read back' if todo
        else 'The servos already have these values; nothing was written',
        *([f'backup: {backup}   (undo: reflex so101 calibrate --undo)'] if backup else []),
        f'LeRobot file: {file}' if file
        else 'The servos are not calibrated now, so no LeRobot file was written'
        if calibration is None else 'No LeRobot file was changed')
