# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The latch on disk: a supervisor that is restarted is still latched.

It is also set while the arm may move: a supervisor that was killed meanwhile is latched when it
starts again. The file is written by atomic rename, mode 0600.
"""

from __future__ import annotations

from collections.abc import Mapping
import errno
import json
import os
from pathlib import Path
from typing import Any

from reflex_ros import small_file
from reflex_ros.client.user_folders import base, expanded
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import CauseRecord

ARMED = CauseRecord(FaultCode.SUPERVISOR_DEAD,
                    'the supervisor ended while the arm was permitted to move',
                    0.0)
"""What the file holds while the arm may move. Nobody sees when the supervisor ends, so it has no
time: that of the promotion would be wrong, and may be hours old."""
LEAST_BYTES = 4096
"""What a rehearsal writes: as much as the causes of a stop can need, or a block of the disk."""


def latch_path(folder: str, robot: str, environ: Mapping[str, str]) -> Path:
    """
    Return the path of a robot's latch file.

    :param folder: empty: ``reflex_ros`` in XDG_STATE_HOME, or in ``~/.local/state``.
    :param robot: namespace of the robot; empty for the only one.
    :raises ConfigurationError: when the home folder of the user is not known.
    """
    place = expanded(folder, 'latch_dir') if folder else base(
        environ, 'XDG_STATE_HOME', '~/.local/state') / 'reflex_ros'
    name = robot.strip('/').replace('/', '_') or 'default'
    return place / f'latch-{name}.json'


class LatchFile:
    """
    Causes that outlive the process.

    :param path: the file; its folder is made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: tuple[CauseRecord, ...] | None = None

    def load(self) -> tuple[CauseRecord, ...]:
        """Return the causes; a file that cannot be read is a cause itself."""
        try:
            rows = json.loads(small_file.read(self._path))['causes']
            if not isinstance(rows, list):
                raise TypeError('causes are no list')
            return tuple(map(_record, rows))
        except FileNotFoundError:
            return ()
        except OSError as exc:
            return (self._unreadable(exc.strerror or str(exc)),)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return (self._unreadable('it does not hold what a supervisor writes'),)

    def store(self, causes: tuple[CauseRecord, ...]) -> None:
        """
        Write the causes when they have changed.

        :raises OSError: when the file cannot be written.
        """
        if causes == self._written:
            return
        self._write(json.dumps({'causes': [
            {'code': cause.code.name, 'text': cause.text, 'at': cause.at, 'count': cause.count}
            for cause in causes]}, indent=2))
        self._temporary.replace(self._path)
        self._written = causes

    def obstacle(self) -> str:
        """
        Try whether causes could be stored now; the file stays as it is.

        :returns: why not, with the file and the next step; empty when they could.
        """
        try:
            if self._path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            self._write(' ' * LEAST_BYTES)
            self._temporary.unlink()
        except OSError as exc:
            return self.obstacle_text(exc)
        return ''

    def obstacle_text(self, exc: OSError) -> str:
        """Say why causes cannot be stored, with the file and the next step."""
        return (f'a stop could not be latched on disk: {self._path}: {exc.strerror or exc}. Free '
                'space there and make the folder writable, or set `state_dir` of the supervisor')

    @property
    def _temporary(self) -> Path:
        return self._path.with_suffix('.tmp')

    def _write(self, content: str) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, 'w', encoding='utf-8') as stream:
            os.fchmod(descriptor, 0o600)    # a temporary that was left there may be wider
            stream.write(content + '\n')

    def _unreadable(self, reason: str) -> CauseRecord:
        return CauseRecord(FaultCode.RESTART_LATCHED,
                           f'the latch file {self._path} cannot be read: {reason}', 0.0)


def _record(row: Mapping[str, Any]) -> CauseRecord:
    cause = Cause.named(str(row['code']), str(row['text']))
    return CauseRecord(cause.code, cause.text, float(row['at']), int(row['count']))
