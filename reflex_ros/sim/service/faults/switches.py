# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The faults that are switched on, and how often each may still happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import itertools
import re

from reflex_ros.sim.service.faults.kinds import KINDS, STATUSES

# NAME[=VALUE][*TIMES]; matches any text.
_OPTION = re.compile(r'(?s)([^=]*?)(?:=(.*?))?(?:\*([0-9]+))?')


@dataclass(slots=True)
class Fault:
    """
    One fault that is on.

    :param number: of its value, 0 when it has none.
    :param text: of its value, empty when it has none.
    :param times_left: how often it may still happen, None without a limit.
    :param serial: differs each time that a fault is switched on.
    :param statuses: the HTTP codes that are left.
    """

    name: str
    number: float
    text: str
    times_left: int | None
    serial: int
    fired: int = 0
    statuses: Iterator[int] = iter(())

    def to_json(self) -> dict[str, object]:
        """Return the row of ``/admin/state``."""
        return {
            'name': self.name, 'number': self.number, 'text': self.text,
            'times_left': self.times_left, 'fired': self.fired,
        }


class Faults:
    """The faults that are on. A fault stays on until it is cleared or has happened enough."""

    def __init__(self) -> None:
        self._on: dict[str, Fault] = {}
        self._serials = itertools.count()

    def switch_on(self, name: str, value: object = None, times: object = None) -> Fault:
        """
        Switch a fault on, or on again with another value.

        :param value: see ``FaultKind.parse``; None for the default.
        :param times: how often it happens; None for the default of its kind.
        :raises ValueError: on an unknown name or a bad value.
        """
        kind = KINDS.get(name)
        if kind is None:
            raise ValueError(f'unknown fault {name!r}; known: {", ".join(KINDS)}')
        number, text = kind.parse(value)
        if times is None:
            times = kind.times
        if times is not None and (not isinstance(times, int) or times is True or times < 1):
            raise ValueError('times must be an integer of at least 1')
        fault = Fault(name, number, text, times, next(self._serials))
        if kind.pattern == STATUSES:
            fault.statuses = _parse_statuses(text)
        self._on[name] = fault
        return fault

    def switch_on_text(self, option: str) -> Fault:
        """Switch a fault on as ``--fault`` does: ``NAME[=VALUE][*TIMES]``."""
        match = _OPTION.fullmatch(option)
        assert match is not None
        name, value, times = match.groups()
        return self.switch_on(name, value, int(times) if times else None)

    def clear(self, name: str | None = None) -> None:
        """Switch one fault off, or all; a known fault that is off already is no error."""
        if name is None:
            self._on.clear()
        elif name in KINDS:
            self._on.pop(name, None)
        else:
            raise ValueError(f'unknown fault {name!r}')

    def get(self, name: str) -> Fault | None:
        """Return a fault that is on, or None; it does not count as having happened."""
        assert name in KINDS, name
        return self._on.get(name)

    def is_on(self, name: str) -> bool:
        """Return whether a fault is on."""
        return self.get(name) is not None

    def consume(self, name: str) -> Fault | None:
        """Count that a fault happens once, and return it; return None when it is off."""
        fault = self.get(name)
        if fault is not None:
            fault.fired += 1
            if fault.times_left is not None:
                fault.times_left -= 1
                if fault.times_left == 0:
                    del self._on[name]
        return fault

    def next_status(self, name: str) -> int | None:
        """Return the next HTTP code of a fault with a list of codes; None when it is off."""
        fault = self.get(name)
        status = None if fault is None else next(fault.statuses, None)
        if status is None:
            # All its codes have been answered with.
            self.clear(name)
        else:
            self.consume(name)
        return status

    def to_json(self) -> list[dict[str, object]]:
        """Return every fault that is on."""
        return [fault.to_json() for fault in self._on.values()]


def _parse_statuses(text: str) -> Iterator[int]:
    """Turn ``503x3,401`` into codes, one per answer; a last one without a number never ends."""
    runs = []
    for part in text.split(','):
        code, _, count = part.partition('x')
        if not 300 <= int(code) <= 599:
            raise ValueError(f'{code} is not an HTTP status that refuses')
        runs.append(itertools.repeat(int(code), int(count or 1)))
    if not count:
        runs[-1] = itertools.repeat(int(code))
    return itertools.chain.from_iterable(runs)
