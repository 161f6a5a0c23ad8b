# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Conversion between the numbers of the service and the joints of an arm; pure.

The service has its own order and units; inside this package, poses are in joint order and radians.
The layout on the wire is part of the description of an arm, ``ArmDescription.wire``. Here are also
the field names of the rows of each adapter (protocol reference, sections d.6 and k.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.arm_description import ArmDescription, WireUnit
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.wire_adapters import ADAPTERS

ADAPTER = 'so101_joint'
ROBOT = 'so101'
"""Robot for which ``ADAPTER`` is the default adapter (section d.1)."""
ROW_NAMES = {adapter.name: adapter.rows_key for adapter in ADAPTERS.values()}
"""Adapter -> field of a chunk that holds its rows (section d.6)."""
DECIMALS = {WireUnit.DEGREES: 4, WireUnit.PERCENT: 4, WireUnit.RADIANS: 6, WireUnit.FRACTION: 6}
"""Decimals of the numbers in an observation; finer than any encoder."""


def row_keys(adapter: str | None, robot: str | None = None) -> tuple[str, ...]:
    """
    Return the fields that may carry the rows of a chunk, the best first.

    :param adapter: the requested adapter; fields of other adapters are not used. None leaves the
        choice to the service.
    """
    if not adapter and robot != ROBOT:
        return ('actions', *ROW_NAMES.values())
    own = ROW_NAMES.get(adapter or ADAPTER)
    return ('actions',) if own is None else (own, 'actions')


def state_to_wire(position: Sequence[float] | Vector, arm: ArmDescription) -> list[float]:
    """
    Convert a pose to the numbers of an observation.

    :param position: (joints,) [rad].
    :returns: one number per value of the arm's layout, in its units; 0 for padding.
    """
    state = [0.0] * len(arm.wire.values)
    numbers = np.asarray(position, dtype=float) * arm.wire_scale + arm.wire_shift
    for index, number in zip(arm.wire_index.tolist(), numbers.tolist(), strict=True):
        state[index] = round(number, DECIMALS[arm.wire.values[index].unit])
    return state


def rows_from_wire(rows: Sequence[Sequence[float]], arm: ArmDescription) -> NDArray[np.float64]:
    """
    Convert the rows of a chunk; nothing is clamped, so that the range check sees every value.

    :param rows: (horizon, values of the arm's layout), in its units.
    :returns: (horizon, joints) [rad].
    """
    wire = np.array(rows, dtype=float)[:, arm.wire_index]
    radians: NDArray[np.float64] = (wire - arm.wire_shift) / arm.wire_scale
    return radians


def unit_hint(rows: Sequence[Sequence[float]], position: Sequence[float],
              arm: ArmDescription) -> str:
    """
    Say which mistake the numbers of refused rows look like; empty when they look like none.

    :param rows: as they came (horizon, values).
    :param position: observed pose (joints,) [rad].
    """
    wire = arm.wire
    if len(rows[0]) != len(wire.values):
        return f'The adapter {wire.adapter} of the arm {arm.name} has {len(wire.values)} values'
    angles = [index for index, value in enumerate(wire.values)
              if value.unit in (WireUnit.DEGREES, WireUnit.RADIANS) and value.joint]
    largest = float(np.abs(np.array(rows, dtype=float)[:, angles]).max())
    state = float(np.abs(np.array(state_to_wire(position, arm))[angles]).max())
    in_degrees = wire.values[angles[0]].unit is WireUnit.DEGREES
    if largest == 0.0:
        return 'All rows are 0'
    if in_degrees and state > 10.0 and largest <= 1.05:
        return 'The rows look normalised (-1 to 1), expected are degrees'
    if in_degrees and state > 10.0 and largest <= 3.3:
        return 'The rows look like radians, expected are degrees'
    if not in_degrees and largest > 10.0:
        return 'The rows look like degrees, expected are radians'
    return ''
