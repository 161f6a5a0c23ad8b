# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 jog``, ``park`` and ``torque-off``: commands that move or drop the arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import math

import click
import numpy as np

from reflex_ros.cli import text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.interrupt import interruptible, shielded
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.so101_port import arm_command, confirm, locate, open_bus
from reflex_ros.cli.so101_ranges import ACCEPT_RANGE
from reflex_ros.domain.joints import Vector
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import gripper_travel
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.so101 import JOINT_NAMES
from reflex_ros.runner.manual_drive import ManualDrive, NO_TORQUE

MAX_SPEED = 0.5
HOLDS = ('The arm holds its position under torque. To release it, run `reflex so101 park`, or '
         'support the arm and run `reflex so101 torque-off`')


@contextmanager
def drive_arm(port: str | None, *, velocity: float, parks: bool = False,
              accepts_range: bool = False, is_simulated: bool = False,
              check: Callable[[ManualDrive, Vector], None] | None = None
              ) -> Iterator[ManualDrive]:
    """
    Put an arm under torque for the block; on Ctrl-C and any error, bring it to rest and hold.

    :param velocity: largest speed of a joint [rad/s].
    :param accepts_range: whether ranges that differ from other arms are accepted.
    :param is_simulated: whether the arm ends with this command: nobody can park it afterwards.
    :param check: called with the pose of the arm (joints,) [rad] before it gets torque; what it
        raises leaves torque as it is.
    """
    path, baud = locate(port)
    arm = So101Arm(Bus(SerialPort(path, baud)), accepts_range=accepts_range)
    drive = ManualDrive(arm, velocity=velocity, parks=parks)
    is_stopped = True
    with interruptible():
        try:
            pose = drive.bring_up()
            if check is not None:
                check(drive, pose)
            drive.open()
            yield drive
            is_stopped = False
        finally:
            # Shielded first, because a pending interrupt is repeated after 0.2 s.
            with shielded():
                drive.close()
                if is_stopped and drive.was_torque_tried and not is_simulated:
                    click.echo(HOLDS if drive.has_torque else f'{NO_TORQUE}. `reflex so101 '
                               'monitor` shows which joints hold', err=True)


# Otherwise click takes a negative number for an option.
@arm_command(
    'reflex so101 jog wrist_roll 10', 'reflex so101 jog gripper -20',
    'reflex so101 jog shoulder_pan 30 --speed 0.1 --yes --json', asks=True,
    context_settings={'ignore_unknown_options': True})
@click.argument('joint', metavar='JOINT', type=click.Choice(JOINT_NAMES))
@click.argument('delta', type=FiniteRange(-360.0, 360.0))
@click.option('--speed', type=FiniteRange(0.02, MAX_SPEED), default=0.2, show_default=True,
              help='Largest speed of the joint in rad/s.')
@ACCEPT_RANGE
def jog(common: CommonOptions, joint: str, delta: float, speed: float, accept_range: bool,
        yes: bool, port: str | None) -> None:
    """
    Move one joint slowly by DELTA degrees, then hold.

    JOINT is shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, wrist_roll or gripper. For the
    gripper, DELTA is in percent.

    The motion passes the checks of the driver: limits, largest step, lead. A target outside the
    limits is refused before the arm gets torque. Torque is switched on at the present pose and
    stays on. Ctrl-C brings the arm to rest under torque.
    """
    unit = 'percent' if joint == 'gripper' else 'degrees'
    confirm(f'{joint} will move by {delta:g} {unit}, and the whole arm will be under torque.',
            yes=yes)
    index = JOINT_NAMES.index(joint)

    def target_from(drive: ManualDrive, pose: Vector) -> Vector:
        target: Vector = np.clip(pose, drive.bounds.arm.lower, drive.bounds.arm.upper)
        travel = gripper_travel(drive.arm.calibration)
        target[index] += (travel.to_rad(delta) - travel.closed if joint == 'gripper'
                          else math.radians(delta))
        return target

    with drive_arm(port, velocity=MAX_SPEED, accepts_range=accept_range,
                   check=lambda drive, pose: drive.check_move(pose, target_from(drive, pose))
                   ) as drive:
        before = drive.setpoint
        target = target_from(drive, before)
        drive.move(target, speed)
        assert drive.sample is not None
        reached = drive.sample.position
    text.report(common, {'ok': True, 'joint': joint, 'torque': True,
                         'from_rad': float(before[index]), 'target_rad': float(target[index]),
                         'measured_rad': float(reached[index])},
                f'{joint}: {math.degrees(before[index]):+.1f} -> '
                f'{math.degrees(reached[index]):+.1f} deg (target '
                f'{math.degrees(target[index]):+.1f})')
    if not common.as_json:
        click.echo(HOLDS, err=True)


@arm_command('reflex so101 park', 'reflex so101 park --yes --json', asks=True)
@ACCEPT_RANGE
def park(common: CommonOptions, accept_range: bool, yes: bool, port: str | None) -> None:
    """
    Move slowly to the rest pose, then switch torque off.

    If an obstacle, a fault or Ctrl-C stops the arm on its way, it holds under torque.
    """
    confirm('The arm will move to its rest pose (folded), and torque will be switched off there.',
            yes=yes)
    with drive_arm(port, velocity=MAX_SPEED, parks=True, accepts_range=accept_range) as drive:
        drive.park()
    text.report(common, {'ok': True, 'parked': True, 'torque': False},
                'The arm is in its rest pose, torque off')


@arm_command('reflex so101 torque-off', 'reflex so101 torque-off --yes', asks=True)
def torque_off(common: CommonOptions, yes: bool, port: str | None) -> None:
    """Switch torque off: the arm falls unless it is supported."""
    confirm('Torque will be switched off: the arm FALLS unless it rests or you hold it.', yes=yes)
    with open_bus(port) as bus:
        So101Arm(bus).torque_off()
    text.report(common, {'ok': True, 'torque': False}, 'Torque off')
