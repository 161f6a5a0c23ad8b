# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101``: find, inspect, calibrate and move an SO-101 arm without ROS."""

from __future__ import annotations

import click

from reflex_ros.cli import options
from reflex_ros.cli.lazy import LazyGroup

COMMANDS = {
    'calibrate': ('so101_calibrate', 'Calibrate the servos as LeRobot does, or undo it.'),
    'find': ('so101_look', 'List the serial ports and show which one is an arm.'),
    'info': ('so101_look', 'Show settings and calibration of every servo.'),
    'jog': ('so101_move', 'Move one joint slowly by DELTA degrees, then hold.'),
    'limits': ('so101_limits', 'Show the limits in the servos, or write them.'),
    'monitor': ('so101_monitor', 'Show position, load, current and temperature of every servo.'),
    'park': ('so101_move', 'Move slowly to the rest pose, then switch torque off.'),
    'ping': ('so101_look', 'Check whether the servos answer.'),
    'teleop': ('so101_teleop', 'Let a leader arm drive a follower arm.'),
    'torque-off': ('so101_move', 'Switch torque off: the arm falls unless it is supported.'),
}


@click.group(cls=LazyGroup, table=COMMANDS, epilog=options.example(
    'reflex so101 find', 'reflex so101 monitor --seconds 10 --plot arm.png'))
def so101() -> None:
    """
    Find, inspect, calibrate and move an SO-101 arm without ROS.

    Only one program can use the serial port: stop the driver first (`reflex up` or the launch
    file).
    """
