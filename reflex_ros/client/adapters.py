# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The service's row layouts and units <-> our joint order and radians; pure.

Adapter ``so101_joint``: five joints in degrees, the gripper in percent of its range, 0 closed
(protocol reference, section k.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.action import Vector
from reflex_ros.domain.joints import GRIPPER, SO101_JOINTS

ADAPTER = 'so101_joint'
ROBOT = 'so101'
ROW_NAMES = {ADAPTER: 'actions_so101', 'aloha_joint': 'actions_aloha', 'pi_native': 'actions_pi'}
"""What each adapter calls its rows (section d.6)."""

_GRIPPER = SO101_JOINTS[GRIPPER].limits
_RAD_PER_PERCENT = (_GRIPPER.upper - _GRIPPER.lower) / 100.0


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


def state_to_wire(position: Sequence[float] | Vector) -> list[float]:
    """Convert a pose (joints,) [rad] to degrees and percent."""
    wire = np.degrees(np.asarray(position, dtype=float))
    wire[GRIPPER] = (position[GRIPPER] - _GRIPPER.lower) / _RAD_PER_PERCENT
    return [round(float(value), 4) for value in wire]


def rows_from_wire(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Convert rows (horizon, joints) of degrees and percent to radians."""
    wire = np.array(rows, dtype=float)
    radians: NDArray[np.float64] = np.radians(wire)
    radians[:, GRIPPER] = wire[:, GRIPPER] * _RAD_PER_PERCENT + _GRIPPER.lower
    return radians
