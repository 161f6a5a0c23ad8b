# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The faults that are on, and those that are planned."""

from __future__ import annotations

from reflex_ros.sim.arm.faults import Fault


class FaultSet:
    """The faults that are on, in the order in which they were switched on."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._planned: list[Fault] = []
        self._next_ns: int | None = None

    def plan(self, fault: Fault) -> None:
        """Add a fault that begins later; `pop_due` returns it then."""
        self._planned.append(fault)
        self._update_next()

    def add(self, fault: Fault) -> None:
        """Switch a fault on; it replaces a fault with the same name and servos."""
        self.active = [f for f in self.active if (f.name, f.ids) != (fault.name, fault.ids)]
        self.active.append(fault)
        self._update_next()

    def clear(self, name: str | None = None) -> list[Fault]:
        """Remove and return all faults, or those with one name; planned faults included."""
        gone = [f for f in self.active + self._planned if name is None or f.name == name]
        self.active = [f for f in self.active if f not in gone]
        self._planned = [f for f in self._planned if f not in gone]
        self._update_next()
        return gone

    def pop_due(self, now_ns: int) -> tuple[list[Fault], list[Fault]]:
        """Remove and return the planned faults that begin now, and the faults that end now."""
        if self._next_ns is None or now_ns < self._next_ns:
            return [], []
        begun = [f for f in self._planned if f.start_ns <= now_ns]
        gone = [f for f in self.active if f.end_ns is not None and f.end_ns <= now_ns]
        self._planned = [f for f in self._planned if f not in begun]
        self.active = [f for f in self.active if f not in gone]
        self._update_next()
        return begun, gone

    def find(self, name: str) -> Fault | None:
        """Return the active fault with this name, or None."""
        for fault in self.active:
            if fault.name == name:
                return fault
        return None

    def _update_next(self) -> None:
        ends = [f.end_ns for f in self.active if f.end_ns is not None]
        self._next_ns = min(ends + [f.start_ns for f in self._planned], default=None)
