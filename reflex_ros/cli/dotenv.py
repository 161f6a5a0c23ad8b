# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The API key in the file ``.env`` of the current directory (protocol reference, section a.3).

Unlike the reference, where such a file can set every variable, only the key is read. Otherwise a
``.env`` from somebody else could send a saved key to another host. The nodes do not read it.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import stat

KEYS = ('REFLEX_API_KEY', 'RFX_API_KEY')
MAX_SIZE = 64 * 1024


def environment() -> Mapping[str, str]:
    """Return the environment, with API keys from ``.env`` for those that it does not set."""
    return {**read(Path('.env')), **os.environ}


def read(file: Path) -> dict[str, str]:
    """Return the keys in a file, or none if it cannot be read: it may belong to another tool."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        try:
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            text = os.read(descriptor, MAX_SIZE).decode(errors='replace') if is_regular else ''
        finally:
            os.close(descriptor)
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, is_set, value = line.strip().partition('=')
        name, value = name.strip(), _unquoted(value.strip())
        if is_set and name in KEYS and value:
            found.setdefault(name, value)
    return found


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in '\'"'
    return value[1:-1] if is_quoted else value
