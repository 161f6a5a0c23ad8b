# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The faults that are on, and those that are planned."""

from __future__ import annotations

from reflex_ros.sim.arm.faults import Fault


class FaultSet:
    """The faults that are on, in the order in which they came."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._planned: list[Fault] = []
        self._next_ns: int | None = None

    def plan(self, fault: Fault) -> None:
        """Take a fault that `due` will return when it begins."""
        self._planned.append(fault)
        self._look_ahead()

    def add(self, fault: Fault) -> None:
        """Switch a fault on; one of the same name and servos is replaced."""
        self.active = [f for f in self.active if (f.name, f.ids) != (fault.name, fault.ids)]
        self.active.append(fault)
        self._look_ahead()

    def clear(self, name: str | None = None) -> list[Fault]:
        """Switch all faults off, or those of one name, planned ones too, and return them."""
        gone = [f for f in self.active + self._planned if name is None or f.name == name]
        self.active = [f for f in self.active if f not in gone]
        self._planned = [f for f in self._planned if f not in gone]
        self._look_ahead()
        return gone

    def due(self, now_ns: int) -> tuple[list[Fault], list[Fault]]:
        """Remove and return what begins by now, and what has run out."""
        if self._next_ns is None or now_ns < self._next_ns:
            return [], []
        begun = [f for f in self._planned if f.start_ns <= now_ns]
        gone = [f for f in self.active if f.end_ns is not None and f.end_ns <= now_ns]
        self._planned = [f for f in self._planned if f not in begun]
        self.active = [f for f in self.active if f not in gone]
        self._look_ahead()
        return begun, gone

    def on_line(self, name: str) -> Fault | None:
        """Return the active fault of a name, if any."""
        for fault in self.active:
            if fault.name == name:
                return fault
        return None

    def _look_ahead(self) -> None:
        ends = [f.end_ns for f in self.active if f.end_ns is not None]
        self._next_ns = min(ends + [f.start_ns for f in self._planned], default=None)
