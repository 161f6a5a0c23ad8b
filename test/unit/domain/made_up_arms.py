# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arms that nobody builds, for tests: other joint counts, limits and units than the SO-101."""

from __future__ import annotations

from reflex_ros.domain.arm_description import (
    ArmDescription,
    JointDescription,
    pair,
    WireLayout,
    WireUnit,
    WireValue,
)
from reflex_ros.domain.joints import JointLimits

_JOINTS = (
    JointDescription('base', JointLimits(-2.5, 2.5, 1.5), 0.0),
    JointDescription('upper', JointLimits(-1.5, 3.0, 1.5), 0.2),
    JointDescription('turn', JointLimits(-2.0, 2.0), 0.0),
    JointDescription('lower', JointLimits(0.0, 2.8), 0.3),
    JointDescription('bend', JointLimits(-1.5, 1.5), 0.0),
    JointDescription('twist', JointLimits(-3.0, 3.0, 2.0, 20.0), 0.0),
    JointDescription('jaw', JointLimits(0.0, 0.9, 4.0, 60.0), 0.1, is_gripper=True),
)

SEVEN = ArmDescription('seven', _JOINTS, WireLayout(
    adapter='aloha_joint', robot='seven', rows_key='actions_aloha',
    values=(*(WireValue(joint.name) for joint in _JOINTS[:6]),
            # 0 open, 1 closed (protocol reference, section d.6).
            WireValue('jaw', WireUnit.FRACTION, -1, 1.0), *[WireValue()] * 7)))
"""One half of the 14 values of ``aloha_joint``; the other half is padding."""

FOURTEEN = pair(SEVEN, SEVEN, name='fourteen', robot='fourteen')


def plain(count: int) -> ArmDescription:
    """Make an arm of so many equal joints without a gripper, in radians on the wire."""
    joints = tuple(JointDescription(f'j{index}', JointLimits(-2.0, 2.0), 0.0)
                   for index in range(count))
    return ArmDescription(f'plain{count}', joints, WireLayout(
        adapter='pi_native', robot='plain', rows_key='actions_pi',
        values=(*(WireValue(joint.name) for joint in joints),
                *[WireValue()] * (32 - count))))


ARMS = (plain(1), SEVEN, FOURTEEN, plain(32))
