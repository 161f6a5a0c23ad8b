# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Row layouts: the meaning of a robot's state, and the names of its rows (protocol d.1, d.6, k.5).

The policies move a pose of an SO-101. The other two layouts carry it in their first six values
(radians, gripper 0 open and 1 closed), whatever arm they are of; every further value stays as it
was observed: 0 where there is padding, and where a seventh joint or a second arm is, it holds
still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from reflex_ros.sim.service.so101 import Pose, Rows

_ALIASES = {
    'so101': 'so101_joint', 'so_101': 'so101_joint', 'aloha': 'aloha_joint',
    'aloha14': 'aloha_joint', 'pi': 'pi_native', 'pi05': 'pi_native', 'native': 'pi_native',
}


@dataclass(frozen=True, slots=True)
class Adapter:
    """
    One layout.

    :param twin: key of the frame that carries the rows beside ``actions``.
    :param state_dims: how many numbers an observation's state may have.
    :param action_dim: numbers in a row.
    """

    name: str
    twin: str
    state_dims: tuple[int, ...]
    action_dim: int

    @property
    def is_so101(self) -> bool:
        """Whether the layout is degrees and percent already."""
        return self.action_dim == 6

    def to_pose(self, state: Sequence[float]) -> Pose:
        """Turn the first six numbers of a state into degrees and percent."""
        if self.is_so101:
            return tuple(state)
        return (*(math.degrees(value) for value in state[:5]), (1.0 - state[5]) * 100.0)

    def to_rows(self, rows: Rows, state: Sequence[float]) -> Rows:
        """
        Turn (T, 6) degrees and percent into rows of ``action_dim`` numbers.

        :param state: the observed state; its values behind the pose are repeated in each row.
        """
        if self.is_so101:
            return rows
        held = [*state[6:], *[0.0] * self.action_dim][:self.action_dim - 6]
        return [
            [*(round(math.radians(value), 6) for value in row[:5]),
             round(1.0 - row[5] / 100.0, 6), *held]
            for row in rows
        ]


ADAPTERS = {
    adapter.name: adapter
    for adapter in (
        Adapter('so101_joint', 'actions_so101', (6,), 6),
        Adapter('aloha_joint', 'actions_aloha', (14,), 14),
        Adapter('pi_native', 'actions_pi', (14, 32), 32))
}


def find(name: str | None, robot: str | None) -> Adapter | None:
    """Return the layout that is asked for, if any; ``ValueError`` on an unknown name."""
    if name:
        adapter = ADAPTERS.get(_ALIASES.get(name, name))
        if adapter is None:
            raise ValueError(f'unknown action_adapter {name[:100]!r}')
        return adapter
    if not robot:
        return None
    return ADAPTERS['so101_joint' if robot == 'so101' else 'aloha_joint']


def for_state(length: int) -> Adapter:
    """Return the layout for a state of unknown origin: 14 numbers are ALOHA, else SO-101."""
    return ADAPTERS['aloha_joint' if length == 14 else 'so101_joint']
