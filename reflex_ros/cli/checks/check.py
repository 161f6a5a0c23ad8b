# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of one check, and how checks are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from reflex_ros.errors import ReflexError


class Outcome(Enum):
    """How a check ended; only FAILED makes the command fail."""

    PASSED = 'passed'
    WARNING = 'warning'
    FAILED = 'failed'
    SKIPPED = 'skipped'


@dataclass(frozen=True, slots=True)
class Check:
    """
    One check.

    :param message: what was found, or why nothing could be looked at.
    :param remedy: next step; empty when there is nothing to do.
    """

    name: str
    outcome: Outcome
    message: str
    remedy: str = ''

    @property
    def is_failed(self) -> bool:
        """Whether the check failed."""
        return self.outcome is Outcome.FAILED

    def document(self) -> dict[str, str]:
        """Return the check for JSON."""
        found = {'name': self.name, 'status': self.outcome.value, 'message': self.message}
        return found | ({'remedy': self.remedy} if self.remedy else {})


def passed(name: str, message: str) -> Check:
    """Make a check that passed."""
    return Check(name, Outcome.PASSED, message)


def failed(name: str, message: str, remedy: str = '') -> Check:
    """Make a check that failed."""
    return Check(name, Outcome.FAILED, message, remedy)


def warning(name: str, message: str, remedy: str = '') -> Check:
    """Make a check that found something to look at."""
    return Check(name, Outcome.WARNING, message, remedy)


def skipped(name: str, message: str, remedy: str = '') -> Check:
    """Make a check for which a part is missing that nobody has asked for."""
    return Check(name, Outcome.SKIPPED, message, remedy)


def guarded(name: str, run: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Yield the checks of a part; an error that it does not handle is a failed check."""
    try:
        yield from run()
    except (ReflexError, OSError) as exc:
        yield failed(name, str(exc))


def lines(checks: Iterable[Check]) -> Iterator[str]:
    """Yield each check as a line, with its remedy in the line below."""
    for check in checks:
        yield f'{check.outcome.value:<8} {check.name:<28} {check.message}'.rstrip()
        if check.remedy:
            yield f'{"":8} -> {check.remedy}'
