# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that say how the arm is written at the service: adapter and mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reflex_ros.config.parameters.spec import Spec
from reflex_ros.domain.arm_description import ArmDescription, WireUnit
from reflex_ros.domain.wire_adapters import (
    ADAPTERS,
    JointMapping,
    PADDING,
    WireMapping,
    with_wire,
)

LIST = 'mapping.joints'
TABLE = (
    Spec('adapter', '', 'Layout of states and rows at the service. If it is empty: that of the '
         'arm.', choices=('', *ADAPTERS)),
    Spec(LIST, [], 'Joints in the order of the numbers of a state or a row, with - for a number '
         'without a joint. With [] the order is that of the adapter.'),
    Spec('mapping.<name>.unit', '', 'Unit of the joint. If it is empty: that of the adapter. '
         'percent and fraction are of the travel of a gripper.',
         choices=('', *(unit.value for unit in WireUnit)), per=LIST),
    Spec('mapping.<name>.sign', 1, 'Sign of the number: 1 or -1.', '', -1, 1, per=LIST),
    Spec('mapping.<name>.offset', 0.0, 'What is added to the number, in the unit.', '', -1e6,
         1e6, per=LIST),
    Spec('mapping.<name>.closed', 0.0, 'Number of a closed gripper. With 0 for both closed and '
         'open, the unit says it.', '', -1e6, 1e6, per=LIST),
    Spec('mapping.<name>.open', 0.0, 'Number of an open gripper.', '', -1e6, 1e6, per=LIST),
    Spec('mapping.<name>.name', '', 'Name of the joint at the service. If it is empty: <name>.',
         per=LIST),
)


def adapted(arm: ArmDescription, settings: Mapping[str, Any]) -> ArmDescription:
    """
    Return an arm with the layout that the parameters ask for.

    :raises ConfigurationError: when the arm does not fit adapter or mapping.
    """
    listed = settings[LIST]
    changes = {}
    for joint in listed:
        if joint == PADDING:
            continue
        found = {field: settings[f'mapping.{joint}.{field}']
                 for field in ('unit', 'sign', 'offset', 'closed', 'open', 'name')}
        changes[joint] = JointMapping(
            WireUnit(found['unit']) if found['unit'] else None, found['sign'], found['offset'],
            found['closed'], found['open'], found['name'])
    return with_wire(arm, settings['adapter'], WireMapping(listed, changes))
