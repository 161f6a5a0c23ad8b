# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run has done, while it lasts and at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import logging
from typing import Any

from reflex_ros.errors import ReflexError

_log = logging.getLogger(__name__)

MAX_ERRORS = 100


@dataclass(slots=True)
class RunResult:
    """
    Counters of a run; they only grow.

    :param steps: answers of the policy that were used; while actions are applied, only those since
        the promotion.
    :param applied_steps: of these, how many moved the robot.
    :param safe_stops: how often the robot was stopped because of an error.
    :param errors: why, in order; the first 100.
    :param codes: fault code of each of them; empty for what is no fault of the table.
    :param last_action_chunk: rows of the newest answer, in the units of the policy.
    :param timing: figures for people, by name; times in seconds or, if the name says so, in
        milliseconds.
    """

    steps: int = 0
    applied_steps: int = 0
    safe_stops: int = 0
    errors: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    last_action_chunk: Sequence[Sequence[float]] | None = None
    timing: dict[str, float] = field(default_factory=dict)
    failed_step: int = 0
    """Number of steps before the first error."""

    @property
    def error(self) -> str:
        """The first error as a sentence; empty without one."""
        return (f'Safe stop fired at step {self.failed_step}: {self.errors[0]}' if self.errors
                else '')

    @property
    def heartbeat(self) -> dict[str, int]:
        """The argument of the caller's ``on_heartbeat``."""
        return {'step': self.steps, 'applied_steps': self.applied_steps,
                'safe_stops': self.safe_stops}

    def tell(self, on_heartbeat: Callable[[dict[str, int]], object] | None) -> None:
        """Call the caller's ``on_heartbeat``, if there is one; what it raises is logged."""
        if on_heartbeat is None:
            return
        try:
            on_heartbeat(self.heartbeat)
        except Exception:
            # A caller's mistake must not stop the robot.
            _log.exception('on_heartbeat failed')

    def add_error(self, text: str, code: str = '') -> None:
        """Record an error, with the name of its fault code."""
        if not self.errors:
            self.failed_step = self.steps
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(text)
            self.codes.append(code)

    def document(self, config: str) -> dict[str, Any]:
        """Return the result as ``reflex connect --json`` prints it (protocol, section f.7)."""
        failure = {'error': self.error, 'codes': list(self.codes)} if self.errors else {}
        return {'ok': not self.errors, **failure, 'config': config, 'steps': self.steps,
                'appliedSteps': self.applied_steps, 'safeStops': self.safe_stops,
                'errors': list(self.errors), 'timing': dict(self.timing)}


def error_text(exc: BaseException) -> str:
    """Return an error as ``ExceptionClass: message``, as the list of errors has it."""
    kind = type(exc).__name__
    if isinstance(exc, ReflexError):
        # Scripts of the vendor's users look for RuntimeError, TimeoutError and the like.
        builtin = next(base for base in type(exc).__mro__ if base.__module__ == 'builtins')
        kind = kind if builtin is Exception else builtin.__name__
    return f'{kind}: {exc}'
