# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the accepted rows of a dry run look like, when they look like a mistake in units.

Such rows pass every check: a gripper may be told to go anywhere, and near the middle of the arm
radians are small degrees. So this is a remark for a person, which bars the promotion and stops
nothing. It takes many chunks in a row, because a single one proves nothing. Nothing here reads a
clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.arm_description import ArmDescription, WireUnit
from reflex_ros.domain.joints import Vector

CHUNKS = 20
"""Chunks in a row that must look like a mistake."""
MANY = 10.0
"""A gripper whose numbers have a wider range than this does not move between 0 and 1."""
ONE = 1.05
"""Largest number that still looks like a fraction, a radian near zero, or normalised."""
NOTHING = 0.02
"""A gripper that is told to go below this is told to close: that is no fraction."""
OBSERVED = 3.0
"""An observed number above this is not itself between 0 and 1."""
MIRRORED = 0.1
"""Of the travel: how near a mirrored number must be to what is observed."""
NEAR_THE_END = 0.1
"""Of the travel: a gripper this near to an end cannot be told from one that goes to the other."""

SAME_RAD, AWAY_RAD = 1e-6, 0.05
"""Rows that differ by less are one pose; one that is nearer to the present one is a hold [rad]."""


class RowRemarks:
    """Watches the chunks of one stream, and says what they look like."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}

    def record(self, rows: NDArray[np.float64], position: Sequence[float] | Vector,
               arm: ArmDescription) -> str:
        """
        Record an accepted chunk of a dry run, and return the present remark; mostly empty.

        :param rows: (horizon, joints) [rad].
        :param position: observed pose that the chunk answers (joints,) [rad].
        """
        observed = np.asarray(position, dtype=float)
        seen = dict(_looks(rows, observed, arm))
        self._in_a_row = {what: self._in_a_row.get(what, 0) + 1 for what in seen}
        return '; '.join(seen[what] for what, count in self._in_a_row.items() if count >= CHUNKS)


def _looks(rows: NDArray[np.float64], observed: Vector,
           arm: ArmDescription) -> Iterator[tuple[str, str]]:
    """Yield what one chunk looks like, and the sentence about it."""
    numbers = rows * arm.wire_scale + arm.wire_shift
    state = observed * arm.wire_scale + arm.wire_shift
    travel = arm.upper - arm.lower
    for index in arm.grippers:
        name, unit = arm.joint_names[index], _unit(arm, index)
        column = numbers[:, index]
        is_wide = abs(arm.wire_scale[index]) * travel[index] > MANY
        if is_wide and state[index] > OBSERVED and column.min() >= -NOTHING \
                and NOTHING < column.max() <= ONE:
            yield f'fraction {name}', (
                f'the rows of {name} look like 0..1 ({column.min():.2f} to {column.max():.2f}), '
                f'observed is {state[index]:.0f}{unit}. Does the model write a fraction? Then '
                f'list the joints in mapping.joints, and set mapping.{name}.unit to fraction')
        here = (observed[index] - arm.lower[index]) / travel[index]
        first = (rows[0, index] - arm.lower[index]) / travel[index]
        if NEAR_THE_END <= here <= 1.0 - NEAR_THE_END and abs(first - here) > 2.0 * MIRRORED \
                and abs(first + here - 1.0) < MIRRORED:
            ends = (arm.wire_scale * arm.lower + arm.wire_shift)[index], \
                (arm.wire_scale * arm.upper + arm.wire_shift)[index]
            yield f'inverted {name}', (
                f'the rows of {name} look inverted: they begin at {column[0]:.2f}{unit}, observed '
                f'is {state[index]:.2f}{unit}. Does the model count from the other end? Then list '
                f'the joints in mapping.joints, and set mapping.{name}.closed to {ends[1]:g} and '
                f'mapping.{name}.open to {ends[0]:g}')
    yield from _angles(numbers, state, arm)
    yield from _constant(rows, observed, arm)


def _constant(rows: NDArray[np.float64], observed: Vector,
              arm: ArmDescription) -> Iterator[tuple[str, str]]:
    """Yield a remark on rows that are one pose which is not the present one."""
    away = np.abs(rows[0] - observed)
    away[list(arm.grippers)] = 0.0
    if np.ptp(rows, axis=0).max() < SAME_RAD and away.max() > AWAY_RAD:
        yield 'constant', (
            f'all rows of each chunk are one pose, {math.degrees(away.max()):.0f} degrees away in '
            f'{arm.joint_names[int(away.argmax())]}: a policy that moves answers with a way. Does '
            'it fit this arm, and does it get its pictures?')


def _angles(numbers: NDArray[np.float64], state: Vector,
            arm: ArmDescription) -> Iterator[tuple[str, str]]:
    degrees = [index for index, place in enumerate(arm.wire_index)
               if arm.wire.values[place].unit is WireUnit.DEGREES]
    if not degrees or np.abs(state[degrees]).max() <= OBSERVED:
        return
    largest = float(np.abs(numbers[:, degrees]).max())
    if largest == 0.0:
        yield 'zero', 'all rows are 0'
    elif largest <= ONE:
        yield 'small', (
            f'no row has an angle above {largest:.2f} degrees, observed are up to '
            f'{np.abs(state[degrees]).max():.0f}. Does the model write radians or normalised '
            'numbers? Then set the units in the mapping')


def _unit(arm: ArmDescription, index: int) -> str:
    unit = arm.wire.values[arm.wire_index[index]].unit
    return {WireUnit.PERCENT: ' %', WireUnit.FRACTION: ''}.get(unit, f' {unit.value}')
