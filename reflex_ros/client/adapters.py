# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The service's row layouts and units <-> our joint order and radians; pure.

Adapter ``so101_joint``: five joints in degrees, the gripper in percent of its calibrated range,
0 closed (protocol reference, section k.5). Which angles are its ends differs from arm to arm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.joints import GRIPPER, GripperTravel, URDF_TRAVEL, Vector

ADAPTER = 'so101_joint'
ROBOT = 'so101'
ROW_NAMES = {ADAPTER: 'actions_so101', 'aloha_joint': 'actions_aloha', 'pi_native': 'actions_pi'}
"""What each adapter calls its rows (section d.6)."""



def row_keys(adapter: str | None, robot: str | None = None) -> tuple[str, ...]:
    """
    Say where a chunk may carry its rows, the best first.

    :param adapter: what was asked for; rows of another adapter are not taken then. None leaves the
        choice to the service.
    """
    if not adapter and robot != ROBOT:
        return ('actions', *ROW_NAMES.values())
    own = ROW_NAMES.get(adapter or ADAPTER)
    return ('actions',) if own is None else (own, 'actions')


def state_to_wire(position: Sequence[float] | Vector,
                  travel: GripperTravel = URDF_TRAVEL) -> list[float]:
    """Convert a pose (joints,) [rad] to degrees and percent."""
    wire = np.degrees(np.asarray(position, dtype=float))
    wire[GRIPPER] = travel.to_percent(position[GRIPPER])
    return [round(float(value), 4) for value in wire]


def rows_from_wire(rows: Sequence[Sequence[float]],
                   travel: GripperTravel = URDF_TRAVEL) -> NDArray[np.float64]:
    """Convert rows (horizon, joints) of degrees and percent to radians."""
    wire = np.array(rows, dtype=float)
    radians: NDArray[np.float64] = np.radians(wire)
    radians[:, GRIPPER] = travel.closed + wire[:, GRIPPER] / 100.0 * (
        travel.opened - travel.closed)
    return radians
