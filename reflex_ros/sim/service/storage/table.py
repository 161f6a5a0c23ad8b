# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the service remembers, by kind: rows with an id, oldest first, and their stored form."""

from __future__ import annotations

import secrets
from typing import Generic, Protocol, TypeVar

from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.storage.records import from_record, to_record


class HasId(Protocol):
    """What every row has."""

    @property
    def id(self) -> str:
        """The opaque identifier that clients see."""


Row = TypeVar('Row', bound=HasId)


def new_id(prefix: str) -> str:
    """Make an identifier that nobody can guess: ``prefix_`` and 24 hexadecimal digits."""
    return f'{prefix}_{secrets.token_hex(12)}'


class Table(Generic[Row]):
    """
    Rows of one dataclass, in the order in which they were added.

    Rows may be changed in place; what is stored is what they hold when the state is saved.

    :param row_type: the dataclass; see ``records`` for the types that its fields may have.
    :param not_found: why ``get`` refuses an unknown id.
    """

    def __init__(self, row_type: type[Row], not_found: Reason) -> None:
        """Start without any."""
        self._row_type = row_type
        self._not_found = not_found
        self._rows: dict[str, Row] = {}

    def add(self, row: Row) -> Row:
        """Add a row with a new id, and return it."""
        assert row.id not in self._rows, row.id
        self._rows[row.id] = row
        return row

    def find(self, row_id: str) -> Row | None:
        """Return a row, or None."""
        return self._rows.get(row_id)

    def get(self, row_id: str) -> Row:
        """
        Return a row.

        :raises Refusal: with the table's reason, when there is none.
        """
        row = self._rows.get(row_id)
        if row is None:
            raise Refusal(self._not_found)
        return row

    def all(self) -> list[Row]:
        """Return every row."""
        return list(self._rows.values())

    def remove(self, row_id: str) -> None:
        """Forget a row; an unknown id is no error."""
        self._rows.pop(row_id, None)

    def to_records(self) -> list[object]:
        """Return the rows as JSON values."""
        return [to_record(row) for row in self._rows.values()]

    def read_records(self, records: object) -> None:
        """
        Replace every row by what ``to_records`` returned once.

        :raises ValueError: saying what is wrong; then the table is as it was.
        """
        if not isinstance(records, list):
            raise ValueError('a table must be a list')
        rows = [from_record(self._row_type, record) for record in records]
        by_id = {row.id: row for row in rows}
        if len(by_id) != len(rows):
            raise ValueError(f'two rows of {self._row_type.__name__} have the same id')
        self._rows = by_id
