# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Where the service keeps its state between two starts: ``--state DIR``.

    DIR/lock         held while a service runs on DIR
    DIR/state.json   {"format": "reflex-sim-state", "version": 1, "clock": {...}, "tables": {...}}
    DIR/blobs/<id>   uploaded bytes

The directory is made 0700 and the files 0600: they hold tokens. A write replaces the file in one
step, so that a process that dies leaves the state before or after a call; there is no ``fsync``,
which would stall the action stream to save a simulation from a power cut.
"""

from __future__ import annotations

from collections.abc import Mapping
import fcntl
import json
import math
import os
from pathlib import Path
from typing import Any

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.storage.table import Table

FORMAT = 'reflex-sim-state'
VERSION = 1


class StateError(Exception):
    """The state directory cannot be used; the text says which file, why and what to do."""


class Store:
    """
    The state directory of one running service.

    :param directory: made when it is missing.
    :param tables: every table by the name that it has in the file.
    :raises StateError: when it cannot be made or written, or another service runs on it.
    """

    def __init__(
        self, directory: Path, clock: ServiceClock, tables: Mapping[str, Table[Any]]
    ) -> None:
        """Take the lock; nothing is read yet."""
        self._path = directory / 'state.json'
        self._clock = clock
        self._tables = tables
        self._saved = ''
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(directory / 'lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StateError(f'cannot use the state directory {directory}: {exc.strerror}; '
                             'name another with --state') from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self.close()
            raise StateError(f'another service runs on {directory}; end it, or name another '
                             'directory with --state') from exc

    def load(self) -> None:
        """
        Read the state file into the clock and the tables; a missing one is an empty one.

        :raises StateError: when it is corrupt, foreign or of another version.
        """
        try:
            document = json.loads(self._path.read_bytes(), parse_constant=_refuse_constant)
            self._read(document)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise self._error(exc.strerror or str(exc)) from exc
        except (ValueError, RecursionError) as exc:
            raise self._error(str(exc)) from exc

    def save(self) -> None:
        """
        Write the state file when anything but the time has changed since the last write.

        :raises StateError: when the disk does not take it; the file is then as it was.
        """
        tables = {name: table.to_records() for name, table in self._tables.items()}
        changing = json.dumps([self._clock.advanced_s, tables], allow_nan=False)
        if changing == self._saved:
            return
        clock = {'advanced_s': self._clock.advanced_s, 'now_s': self._clock.now_s()}
        text = json.dumps({'format': FORMAT, 'version': VERSION, 'clock': clock, 'tables': tables})
        try:
            self._write(text)
        except OSError as exc:
            raise StateError(f'cannot write {self._path}: {exc.strerror}; make room for it, or '
                             'name another directory with --state') from exc
        self._saved = changing

    def close(self) -> None:
        """Give the directory back; may be called twice."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def _write(self, text: str) -> None:
        temporary = self._path.with_name('state.json.tmp')
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w') as file:
            file.write(text)
        temporary.replace(self._path)

    def _read(self, document: object) -> None:
        if not isinstance(document, dict) or document.get('format') != FORMAT:
            raise ValueError('it is no state file of this program')
        if document.get('version') != VERSION:
            raise ValueError(f'its version is not {VERSION}')
        clock, tables = document.get('clock'), document.get('tables')
        if not isinstance(clock, dict) or not isinstance(tables, dict):
            raise ValueError("'clock' and 'tables' must be objects")
        for name, records in tables.items():
            if name not in self._tables:
                raise ValueError(f'unknown table {name[:100]!r}')
            self._tables[name].read_records(records)
        self._clock.resume(_seconds(clock, 'advanced_s'), _seconds(clock, 'now_s'))

    def _error(self, why: str) -> StateError:
        return StateError(f'cannot read {self._path}: {why}; move it away, or name another '
                          'directory with --state')


def _seconds(clock: dict[str, object], name: str) -> float:
    value = clock.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"'{name}' of the clock must be a number")
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(f"'{name}' of the clock is out of range")
    return float(value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f'{name} is no number')
