# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read a small file of somebody else, within bounds.

Such a file may be anything. A device has no end, a named pipe may have no writer, and a film fills
the memory. So every module that reads a whole file from outside reads it with this function;
``test/unit/test_input_bounds.py`` finds those that do not.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
import stat

LIMIT = 2 ** 20
"""Largest size, unless the caller says another [bytes]."""


def read(path: Path | str, limit: int = LIMIT, *, takes_pipes: bool = False) -> bytes:
    """
    Return the content of a file.

    :param limit: largest size [bytes].
    :param takes_pipes: whether the file may be a pipe, as of ``<(command)`` in a shell. It is
        waited for, so this is only for a file that a person has named just now.
    :raises OSError: when it cannot be read, is larger, or is no file; its ``strerror`` says so.
    """
    # Without O_NONBLOCK, opening a named pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if takes_pipes else os.O_NONBLOCK))
    with open(descriptor, 'rb') as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not (takes_pipes and stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, 'it is not a regular file', str(path))
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f'it is larger than {_size(limit)}', str(path))
    return data


def _size(limit: int) -> str:
    return f'{limit >> 20} MiB' if limit >= 2 ** 20 else f'{limit >> 10} KiB'
