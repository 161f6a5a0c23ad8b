# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where recordings are on disk, and how their files are called. Only this user may read them."""

from __future__ import annotations

from datetime import datetime, timezone
import os
from pathlib import Path
import re

from reflex_ros.errors import ConfigurationError

VARIABLE = 'REFLEX_RECORDINGS_DIR'
SUFFIX = '.mcap'
STOPS = 'stops'


def recordings_folder(chosen: str = '') -> Path:
    """
    Return the folder of all recordings; it need not exist.

    :param chosen: a parameter or option; then ``REFLEX_RECORDINGS_DIR``, then
        ``~/.reflex/recordings``.
    """
    return Path(chosen or os.environ.get(VARIABLE) or '~/.reflex/recordings').expanduser()


def stops_folder(recordings: Path) -> Path:
    """Return the folder of the stops: the seconds before each."""
    return recordings / STOPS


def make_private(folder: Path) -> None:
    """
    Make a folder that only this user can read; one that exists is made private.

    :raises ConfigurationError: when that is not possible.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as exc:
        raise ConfigurationError(
            f'the folder of the recordings, {folder}, cannot be used: {exc.strerror}. Choose '
            f'another one with {VARIABLE}, or do not record') from exc


def new_file(folder: Path, name: str, at_ns: int) -> Path:
    """
    Return a path that is free: time in UTC, then a name.

    :param at_ns: time [ns since the epoch].
    """
    stamp = datetime.fromtimestamp(at_ns / 1e9, timezone.utc).strftime('%Y%m%dT%H%M%SZ')
    stem = f'{stamp}_{re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-") or "run"}'
    path, number = folder / f'{stem}{SUFFIX}', 1
    while path.exists():
        number += 1
        path = folder / f'{stem}_{number}{SUFFIX}'
    return path
