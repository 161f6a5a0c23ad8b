# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The SO-101 arm: its joints, the servo of each joint, and its layout on the wire.

Angles are about the zero of the official URDF (new calibration: every joint in the middle of its
travel), positive as in that URDF. The gripper is closed at its lower limit; how far it opens is a
matter of its calibration. Sources: SO-101 reference, sections 5.2, 5.3, 5.6 and 6.4; protocol
reference, section k.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import math

from reflex_ros.domain.arm_description import (
    ArmDescription,
    JointDescription,
    WireLayout,
    WireUnit,
    WireValue,
)
from reflex_ros.domain.joints import JointLimits


@dataclass(frozen=True, slots=True)
class ServoJoint(JointDescription):
    """
    A joint that one servo drives.

    :param servo_id: id on the bus.
    """

    servo_id: int = field(kw_only=True)


NO_LOAD_SPEED = 4.7
"""Of the slower servo variant [rad/s] (SO-101 reference, section 8): what a gripper can do."""

SO101_JOINTS: tuple[ServoJoint, ...] = (
    ServoJoint('shoulder_pan', JointLimits(-1.91986, 1.91986), 0.0, servo_id=1),
    # These two carry the arm: gravity pushes hard where they are only a little further away.
    ServoJoint('shoulder_lift', JointLimits(-1.74533, 1.74533), math.radians(-100.0), servo_id=2,
               rest_within=math.radians(8.0)),
    ServoJoint('elbow_flex', JointLimits(-1.69, 1.69), math.radians(90.0), servo_id=3,
               rest_within=math.radians(12.0)),
    ServoJoint('wrist_flex', JointLimits(-1.65806, 1.65806), math.radians(50.0), servo_id=4),
    ServoJoint('wrist_roll', JointLimits(-2.74385, 2.84121), 0.0, servo_id=5),
    ServoJoint('gripper', JointLimits(-0.174533, 1.74533, velocity=NO_LOAD_SPEED),
               math.radians(-10.0), is_gripper=True, servo_id=6),
)

SO101 = ArmDescription('so101', SO101_JOINTS, WireLayout(
    adapter='so101_joint', robot='so101', rows_key='actions_so101',
    values=tuple(WireValue(joint.name, WireUnit.PERCENT if joint.is_gripper else WireUnit.DEGREES)
                 for joint in SO101_JOINTS),
    state_units='degrees_and_percent'))
"""Limits of the URDF: the gripper opens as far as there, until its calibration is known."""

JOINT_NAMES: tuple[str, ...] = SO101.joint_names
GRIPPER = SO101.grippers[0]
