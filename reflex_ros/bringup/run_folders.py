# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Temporary folders of runs: logs, sockets, translated parameters.

They outlive their run, because a person reads the logs after it, and because a run that is killed
removes nothing. So each new one removes the oldest.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
import shutil
import tempfile

KEPT = 5
"""Number of unused folders of each kind that are kept; a folder in use is never removed."""
_LOCK = '.in_use'
_held: list[int] = []
"""Files that are locked as long as this process lives."""


def make(kind: str) -> Path:
    """
    Make a folder for this process; remove the oldest of its kind that nobody uses.

    :param kind: word in the names of such folders, ``reflex-KIND-...``.
    """
    folder = Path(tempfile.mkdtemp(prefix=f'reflex-{kind}-'))
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    _held.append(file)
    for old in _newest_first(folder.parent, kind)[KEPT:]:
        if not _is_in_use(old):
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _newest_first(parent: Path, kind: str) -> list[Path]:
    """Return our own folders of a kind."""
    found: list[tuple[float, Path]] = []
    for folder in parent.glob(f'reflex-{kind}-*'):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if status.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink():
                found.append((status.st_mtime, folder))
    return [folder for _, folder in sorted(found, reverse=True)]


def _is_in_use(folder: Path) -> bool:
    try:
        file = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
