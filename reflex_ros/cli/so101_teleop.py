# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 teleop``: a leader arm drives a follower arm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os

import click

from reflex_ros.cli import text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.options import CommonOptions, declare, JSON, VERBOSE
from reflex_ros.cli.so101_move import drive_arm
from reflex_ros.cli.so101_port import confirm, open_bus, YES
from reflex_ros.cli.so101_ranges import ACCEPT_RANGE
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_build import LEADER
from reflex_ros.runner.manual_drive import ManualDrive
from reflex_ros.runner.teleop import (
    LeaderArm,
    require_roles,
    require_torque_off,
    Teleop,
)


def require_two(leader: str, follower: str) -> None:
    """
    Check that two ports are not the same one.

    :raises ConfigurationError: if they are.
    """
    if os.path.realpath(leader) == os.path.realpath(follower):
        raise ConfigurationError(f'leader and follower are the same port {leader}: name two ports')


@contextmanager
def led_arm(leader: str, follower: str, speed: float, *, accepts_range: bool,
            is_simulated: bool = False) -> Iterator[tuple[Teleop, ManualDrive]]:
    """
    Open two arms, check which one is which, and put the follower under torque for the block.

    :param is_simulated: as for ``drive_arm``.
    :raises ConfigurationError: if they are exchanged, or a hand cannot move the leader.
    """
    with open_bus(leader) as bus:
        arm = So101Arm(bus, build=LEADER)
        arm.bring_up()
        with open_bus(follower) as other:
            require_roles(arm, other, os.environ)
        require_torque_off(arm)
        with drive_arm(follower, velocity=speed, accepts_range=accepts_range,
                       is_simulated=is_simulated) as drive:
            yield Teleop(LeaderArm(arm, lambda: drive.bounds.arm), drive, speed), drive


@declare(['reflex so101 teleop --leader /dev/so101_leader --follower /dev/so101_follower'],
         [YES, VERBOSE, JSON])
@click.option('--leader', metavar='PATH', required=True,
              help='Serial port of the leader, the arm that you move by hand.')
@click.option('--follower', metavar='PATH', required=True, help='Serial port of the follower.')
@click.option('--speed', type=FiniteRange(0.05, 2.0), default=1.0, show_default=True,
              help='Largest joint speed of the follower in rad/s.')
@click.option('--seconds', type=FiniteRange(0.1),
              help='Duration in seconds (default: until Ctrl-C).')
@ACCEPT_RANGE
def teleop(common: CommonOptions, leader: str, follower: str, speed: float, seconds: float | None,
           accept_range: bool, yes: bool) -> None:
    """
    Let a leader arm drive a follower arm.

    The follower approaches the pose of the leader slowly, then follows it within its own limits.
    Its motion passes the checks of the driver: limits, largest step, lead. If the leader stops
    answering, on any fault and on Ctrl-C, the follower comes to rest and holds under torque.
    """
    require_two(leader, follower)
    confirm('The follower will move to the pose of the leader and follow it.', yes=yes)
    with led_arm(leader, follower, speed, accepts_range=accept_range) as (following, _):
        if seconds is None:
            click.echo('The follower follows the leader; press Ctrl-C to stop', err=True)
        following.follow(seconds)
        statistics = following.statistics
    rate_hz = statistics.turns / statistics.seconds if statistics.seconds else 0.0
    text.report(common, {'ok': True, 'turns': statistics.turns, 'rate_hz': round(rate_hz, 1),
                         'misses': statistics.misses, 'met': statistics.has_met,
                         'lag_rad': round(statistics.lag_rad, 4), 'torque': True},
                f'{statistics.seconds:.1f} s at {rate_hz:.1f} Hz, {statistics.misses} missed '
                f'answers of the leader, largest lag {statistics.lag_rad:.3f} rad')
    if not common.as_json:
        click.echo('The follower holds its position under torque', err=True)
