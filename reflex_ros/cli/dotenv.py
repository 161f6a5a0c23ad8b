# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The API key in the file ``.env`` of the current directory (protocol reference, section a.3).

Unlike the reference, where such a file can set every variable, only the key is read. Otherwise a
``.env`` from somebody else could send a saved key to another host. The nodes do not read it.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
import os
from pathlib import Path
import re
import stat

KEYS = ('REFLEX_API_KEY', 'RFX_API_KEY')
MAX_SIZE = 64 * 1024


class Environment(dict[str, str]):
    """
    Environment variables, and what a ``.env`` file adds to them.

    :param sources: for the variables of the file, the name that a person knows them by.
    """

    def __init__(self, variables: Mapping[str, str], sources: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.sources = sources


def environment() -> Environment:
    """Return the environment, with API keys from ``.env`` for those that it does not set."""
    file = Path('.env')
    # Whatever the environment has set: an old name there wins over a new name in the file.
    found = {} if any(os.environ.get(name) for name in KEYS) else read(file)
    return Environment({**found, **os.environ},
                       {name: f'{name} in {file.absolute()}' for name in found})


def read(file: Path) -> dict[str, str]:
    """
    Return the keys in a file, or none if it cannot be read: it may belong to another tool.

    Lines are read as other programs read them: ``export`` in front, quotes, a comment behind; of
    a name that is there twice, the last counts.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        try:
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = os.read(descriptor, MAX_SIZE) if is_regular else b''
        finally:
            os.close(descriptor)
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in _decoded(data).splitlines():
        name, is_set, value = line.strip().partition('=')
        name = re.sub(r'^export\s+', '', name.strip())
        if is_set and name in KEYS and (text := _value(value.strip())):
            found[name] = text
    return found


def _decoded(data: bytes) -> str:
    # Editors on Windows write UTF-16 with a mark at its beginning.
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode('utf-16' if is_wide else 'utf-8-sig', errors='replace')


def _value(value: str) -> str:
    if value[:1] in ('"', "'"):
        inner, is_closed, _ = value[1:].partition(value[0])
        # A quote that does not end stays: the key is then refused with its place.
        return inner if is_closed else value
    # A # inside a word belongs to the value.
    return re.split(r'\s+#', value, maxsplit=1)[0].strip() if not value.startswith('#') else ''
