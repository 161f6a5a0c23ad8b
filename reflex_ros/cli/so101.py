# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101``: find, look at, calibrate and move an arm by hand, without ROS."""

from __future__ import annotations

import click

from reflex_ros.cli import options
from reflex_ros.cli.lazy import LazyGroup

COMMANDS = {
    'calibrate': ('so101_calibrate', 'Set homing offsets and ranges, or undo that.'),
    'find': ('so101_look', 'List serial ports and say which is an arm.'),
    'info': ('so101_look', 'Show settings and calibration of every servo.'),
    'jog': ('so101_move', 'Move one joint by a few degrees, slowly.'),
    'limits': ('so101_limits', 'Show the limits in the servos, and write them.'),
    'monitor': ('so101_monitor', 'Watch position, load, current, heat of every servo.'),
    'park': ('so101_move', 'Go slowly to the rest pose, then let go.'),
    'ping': ('so101_look', 'Ask every servo whether it is there.'),
    'teleop': ('so101_teleop', 'Let a leader arm drive a follower arm.'),
    'torque-off': ('so101_move', 'Let every joint go: the arm falls unless it rests.'),
}


@click.group(cls=LazyGroup, table=COMMANDS, epilog=options.example(
    'reflex so101 find', 'reflex so101 monitor --seconds 10 --plot arm.png'))
def so101() -> None:
    """
    Find, look at, calibrate and move an SO-101 arm, without ROS.

    Only one program can use the port: stop the driver (`reflex up`, or the launch file) first.
    """
