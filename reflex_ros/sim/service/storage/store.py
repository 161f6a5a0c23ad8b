# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The state directory, which keeps the service's state between two starts: ``--state DIR``.

    DIR/lock            held while a service runs on DIR
    DIR/state.sqlite3   a row per row of every table, as JSON, and the clock
    DIR/blobs/<id>      uploaded bytes

The directory is made 0700 and its files 0600, because they hold tokens. A save is one transaction
and writes only the rows that have changed. There is no ``fsync``: it would stall the action
stream, only to save a simulation from a power cut.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import asdict
import fcntl
from functools import cache
import json
import math
import os
from pathlib import Path
import sqlite3
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.storage import StateError
from reflex_ros.sim.service.storage.table import R, Table

# Both are in the header of the file, so that any other database is recognised.
APPLICATION_ID = 0x52465853
VERSION = 2

_PRAGMAS = f'PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};'
_SCHEMA = """
    CREATE TABLE rows (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id));
    CREATE TABLE clock (advanced_s REAL, now_s REAL);
    INSERT INTO clock VALUES (0.0, 0.0);
"""
# An update keeps the rowid, and with it the order of the rows.
_UPSERT = """
    INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body
"""
_DELETE = 'DELETE FROM rows WHERE kind = ? AND id = ?'


class Store:
    """
    The state directory of one running service.

    :param directory: made when it is missing.
    :param tables: every table by the name that it has in the file.
    :raises StateError: when the directory cannot be made or written, another service runs on it,
        or its state is corrupt, of another program or of another version.
    """

    def __init__(
        self, directory: Path, clock: ServiceClock, tables: Mapping[str, Table[Any]]
    ) -> None:
        self._path = directory / 'state.sqlite3'
        self._clock = clock
        self._tables = tables
        self._saved_advance_s = 0.0
        try:
            # Closed again, in reverse order, unless all goes well.
            with contextlib.ExitStack() as opened:
                self._claim(directory, opened)
                self._connection = self._open(directory, opened)
                self.save()
                self._opened = opened.pop_all()
        except BlockingIOError as exc:
            raise StateError(f'another service runs on {directory}; end it, or name another '
                             'directory with --state') from exc
        except OSError as exc:
            raise StateError(f'cannot use the state directory {directory}: {exc.strerror}; '
                             'name another with --state') from exc

    def save(self) -> None:
        """
        Write the rows that have changed since the last save, and the clock when it was moved.

        :raises StateError: when the disk is full or broken; the file then stays as it was, and
            the next call tries again.
        """
        advanced_s = self._clock.advanced_s
        has_moved = advanced_s != self._saved_advance_s
        if not has_moved and not any(table.changed for table in self._tables.values()):
            return
        try:
            with self._connection as connection:
                for kind, table in self._tables.items():
                    for row_id in table.changed:
                        row = table.find(row_id)
                        if row is None:
                            connection.execute(_DELETE, (kind, row_id))
                        else:
                            connection.execute(_UPSERT, (kind, row_id, json.dumps(asdict(row))))
                connection.execute('UPDATE clock SET advanced_s = ?, now_s = ?',
                                   (advanced_s, self._clock.now_s()))
        except sqlite3.Error as exc:
            raise StateError(f'cannot write {self._path}: {exc}; make room for it, or name '
                             'another directory with --state') from exc
        self._saved_advance_s = advanced_s
        for table in self._tables.values():
            table.changed.clear()

    def close(self) -> None:
        """Release the directory; may be called twice."""
        self._opened.close()

    def _claim(self, directory: Path, opened: contextlib.ExitStack) -> None:
        """Make the directory and its files, and keep every other service away."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / 'lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        opened.callback(os.close, lock)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _open(self, directory: Path, opened: contextlib.ExitStack) -> sqlite3.Connection:
        """Read the tables and the clock from the file, or prepare an empty file."""
        old = directory / 'state.json'
        if old.exists():
            raise _unreadable(old, 'an earlier version wrote it, in another format')
        try:
            connection = sqlite3.connect(self._path, check_same_thread=False)
            opened.callback(connection.close)
            [application_id] = connection.execute('PRAGMA application_id').fetchone()
            [version] = connection.execute('PRAGMA user_version').fetchone()
            is_new = connection.execute('SELECT 1 FROM sqlite_master').fetchone() is None
            if is_new:
                connection.executescript(_PRAGMAS + _SCHEMA)
            elif application_id != APPLICATION_ID:
                raise ValueError('the file is not a state file of this program')
            elif version != VERSION:
                raise ValueError(f'its version is {version}, not {VERSION}')
            connection.execute('PRAGMA synchronous = OFF')
            if not is_new:
                self._load(connection)
            return connection
        except (sqlite3.Error, ValueError, RecursionError) as exc:
            raise _unreadable(self._path, str(exc)) from exc

    def _load(self, connection: sqlite3.Connection) -> None:
        records: dict[str, list[Any]] = {kind: [] for kind in self._tables}
        for kind, body in connection.execute('SELECT kind, body FROM rows ORDER BY rowid'):
            if kind not in records:
                raise ValueError(f'unknown table {str(kind)[:100]!r}')
            records[kind].append(json.loads(body))
        for kind, table in self._tables.items():
            try:
                table.load([_read_row(table.row_type, record) for record in records[kind]])
            except (TypeError, ValueError) as exc:
                raise ValueError(f'a row of {kind}: {exc}') from exc
        times = connection.execute('SELECT advanced_s, now_s FROM clock').fetchone()
        # NaN fails this check too.
        if times is None or not all(isinstance(t, float) and 0.0 <= t < math.inf for t in times):
            raise ValueError('the clock is missing or no time')
        self._clock.resume(*times)
        self._saved_advance_s = self._clock.advanced_s


def _read_row(row_type: type[R], record: object) -> R:
    """Build a row from its stored form; an error names the field that is not valid."""
    if not isinstance(record, dict):
        raise ValueError('object expected')
    values = {}
    # Not one adapter for the dataclass: pydantic 2.0 cannot find the types of its fields.
    for name, hint in get_type_hints(row_type).items():
        if name in record:
            try:
                values[name] = _adapter(hint).validate_python(record[name])
            except ValidationError as exc:
                raise ValueError(f'{name}: {exc.errors(include_url=False)[0]["msg"]}') from exc
    return row_type(**values)


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def _unreadable(path: Path, reason: str) -> StateError:
    return StateError(f'cannot read {path}: {reason}; move the file away, or name another '
                      'directory with --state')
