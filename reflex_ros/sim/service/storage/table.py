# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows with an id, oldest first, and which of them have changed since they were last saved."""

from __future__ import annotations

from collections.abc import Callable
import secrets
from typing import Generic, TypeVar

from reflex_ros.sim.service.refusals import Reason, Refusal


class Row:
    """
    Base of everything that a table holds: a dataclass whose first field is ``id``.

    A field that ends in ``_at`` is a time: epoch [ms], as on the wire. A row reports to its table
    when a field is assigned. A list or dict in a field must therefore be replaced, not changed in
    place.
    """

    id: str
    _changed: dict[str, None] | None = None

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if self._changed is not None:
            self._changed[self.id] = None


R = TypeVar('R', bound=Row)


def new_id(prefix: str) -> str:
    """Make an identifier that nobody can guess: ``prefix_`` and 24 hexadecimal digits."""
    return f'{prefix}_{secrets.token_hex(12)}'


class Table(Generic[R]):
    """
    Rows of one class, in the order in which they were added.

    :param row_type: a dataclass; its fields hold what JSON can hold, enums and dataclasses.
    :param not_found: the reason with which ``get`` refuses an unknown id.
    :param limit: number of rows to keep; beyond it, the oldest are removed.
    """

    def __init__(
        self, row_type: type[R], not_found: Reason, *, limit: int | None = None
    ) -> None:
        self.row_type = row_type
        # Ids of the rows to save or, when they are gone, to delete: an ordered set.
        self.changed: dict[str, None] = {}
        self._not_found = not_found
        self._limit = limit
        self._rows: dict[str, R] = {}

    def add(self, row: R) -> R:
        """Add a row with a new id, and return it."""
        assert row.id not in self._rows, row.id
        self._insert(row)
        self.changed[row.id] = None
        if self._limit is not None and len(self._rows) > self._limit:
            self.remove(next(iter(self._rows)))
        return row

    def find(self, row_id: str) -> R | None:
        """Return a row, or None."""
        return self._rows.get(row_id)

    def get(self, row_id: str) -> R:
        """Return a row; refuse an unknown id with the table's reason."""
        row = self._rows.get(row_id)
        if row is None:
            raise Refusal(self._not_found)
        return row

    def first(self, matches: Callable[[R], bool]) -> R | None:
        """Return the oldest row that matches, or None."""
        return next(filter(matches, self._rows.values()), None)

    def all(self) -> list[R]:
        """Return every row."""
        return list(self._rows.values())

    def remove(self, row_id: str) -> None:
        """Remove a row; an unknown id is no error."""
        if self._rows.pop(row_id, None) is not None:
            self.changed[row_id] = None

    def load(self, rows: list[R]) -> None:
        """Replace every row by those that were saved."""
        self._rows = {}
        for row in rows:
            self._insert(row)
        self.changed.clear()

    def _insert(self, row: R) -> None:
        self._rows[row.id] = row
        # Past __setattr__, which a frozen dataclass refuses.
        vars(row)['_changed'] = self.changed
