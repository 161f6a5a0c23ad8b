# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``so101``, the driver of an SO-101."""

from __future__ import annotations

from reflex_ros.config.parameters.connector import STOP_TABLE
from reflex_ros.config.parameters.spec import Spec
from reflex_ros.domain.action import MAX_AGE_S
from reflex_ros.domain.plan import Interpolation
from reflex_ros.hardware.arm_build import BUILDS
from reflex_ros.hardware.so101 import JOINT_NAMES

TABLE = (
    Spec('port', '', 'Serial port of the arm, for example /dev/serial/by-id/... If it is empty, '
         'the arm is searched as `reflex so101 find` does, at REFLEX_SO101_PORT first.'),
    Spec('baud', 1_000_000, "Speed of the servo bus. If 'port' is empty, the speed is found by "
         'trying.', 'bit/s', 38_400, 1_000_000),
    Spec('rate_hz', 100.0, 'Rate of the bus cycle.', 'Hz', 20.0, 200.0),
    Spec('profile', 'follower', 'Build of the arm. A leader is measured and never moved.',
         choices=tuple(BUILDS)),
    Spec('calibration_file', '', 'LeRobot calibration with which the servos must agree: a path '
         "(.json), or LeRobot's id of the arm. If it is empty, the calibration in the servos is "
         'used without a comparison.'),
    Spec('accept_range', False, 'Accept calibrated ranges that differ from those of other arms by '
         'more than 10 degrees. If a range is wrong, all angles of its joint are wrong.'),
    *(Spec(f'trim.{name}', 0.0, f'Correction that is added to every angle of {name}, because its '
           "zero differs from the model's.", 'rad', -0.35, 0.35) for name in JOINT_NAMES),
    Spec('limits.velocity', 2.0, 'Largest speed of a commanded joint. A faster path is played '
         'more slowly. The gripper has its own limit.', 'rad/s', 0.05, 2.0),
    Spec('limits.acceleration', 10.0, 'Largest acceleration of a commanded joint. A path that '
         'bends more is played more slowly.', 'rad/s^2', 1.0, 40.0),
    Spec('limits.jump', 0.1745, 'Largest distance from the present pose to the first row of a '
         'chunk; twice as much while the arm moves. It does not apply to the gripper, which may '
         'hold something.', 'rad', 0.01, 0.35),
    Spec('limits.lead', 0.1745, 'Largest distance between goal and measured position.', 'rad',
         0.02, 0.1745),
    Spec('limits.chunk_age_s', MAX_AGE_S, 'Largest age of the observation behind a motion: the '
         'arm is at rest before it gets older.', 's', 0.1, MAX_AGE_S),
    Spec('limits.clamp', False, 'Bring rows outside the joint limits to the limit, instead of '
         'refusing the chunk.'),
    Spec('interpolation', Interpolation.SPLINE.value, 'Path between the rows of a chunk: straight '
         '(linear), through every row (cubic), or near the rows, which smooths noise (spline).',
         choices=tuple(kind.value for kind in Interpolation)),
    Spec('fade_s', 0.45, 'Shortest fade from one chunk to the next. A fade as short as the lag of '
         'the servos excites the arm.', 's', 0.1, 1.0),
    Spec('ensemble', 0.0, 'Share of the older chunks in the path (temporal ensembling). 0 follows '
         'the newest chunk.', '', 0.0, 0.9),
    Spec('stop.acceleration', 10.0, 'Deceleration with which the arm comes to rest.', 'rad/s^2',
         2.0, 10.0),
    Spec('stop.back_off', 0.0, 'How far a joint goes back after it was blocked or overloaded; '
         'then the arm holds. 0: it holds where it is, and keeps on pushing with its lead.', 'rad',
         0.0, 0.0873),
    *STOP_TABLE,
)
