# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor tells the world of the system."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.domain.gate import GateItem
from reflex_ros.domain.safe_stop import CauseRecord, State


@dataclass(frozen=True, slots=True)
class SafetyState:
    """
    What stands on the topic ``safety/state``; ``domain.key_values`` says how.

    :param latched: whether only a reset leads on.
    :param causes: of the stop, the first one first.
    :param history: the last states, oldest first, each with the monotonic instant at which it
        was entered [s].
    :param why: why nothing moves, in one line; empty when the arm may move.
    :param for_s: how long the present state has lasted [s].
    :param gate: items of the promotion gate; empty before the first evaluation.
    """

    state: State = State.UNCONFIGURED
    epoch: int = 0
    latched: bool = False
    causes: tuple[CauseRecord, ...] = ()
    history: tuple[tuple[State, float], ...] = ()
    why: str = ''
    for_s: float = 0.0
    gate: tuple[GateItem, ...] = ()


@dataclass(frozen=True, slots=True)
class StateChange:
    """
    The system has entered a state; a line of the ``monitor`` process.

    :param at: monotonic instant [s].
    """

    state: State
    at: float
    causes: tuple[CauseRecord, ...]
