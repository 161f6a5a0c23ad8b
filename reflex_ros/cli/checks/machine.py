# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""This machine: the name of the command, and room on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
import shutil
import tempfile

from reflex_ros.cli.checks.check import Check, failed, passed, warning

NEEDED_MB, ENOUGH_MB = 100, 1000
OURS = b'reflex_ros'


def checks(environment: Mapping[str, str]) -> Iterator[Check]:
    """Check this machine."""
    yield _command(environment)
    state = Path(environment.get('XDG_STATE_HOME') or '~/.local/state').expanduser()
    for name, folder in (('disk', state), ('disk for logs', Path(tempfile.gettempdir()))):
        yield _disk(name, folder)


def _command(environment: Mapping[str, str]) -> Check:
    """Find out whose ``reflex`` the shell starts: other projects install one too."""
    found = shutil.which('reflex', path=environment.get('PATH'))
    if found is None:
        return warning('reflex command', 'not on the PATH',
                       'Activate the environment of reflex_ros, or call it by its path')
    try:
        content = Path(found).read_bytes()[:4096]
    except OSError:
        content = b''
    if OURS in content:
        return passed('reflex command', found)
    return warning('reflex command', f'{found} belongs to another project',
                   'Call this one as `reflex-ros`, or put its folder first in PATH')


def _disk(name: str, folder: Path) -> Check:
    """Check the room for the latch, calibrations and logs."""
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free / 1e6
    text = f'{free_mb / 1e3:.1f} GB free in {folder}'
    if free_mb < NEEDED_MB:
        return failed(name, text, 'Free some space: a stop that cannot be latched moves nothing')
    if free_mb < ENOUGH_MB:
        return warning(name, text, 'Free some space before you record')
    return passed(name, text)
