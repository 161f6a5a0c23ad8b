# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A file that is sent: read in parts, hashed on the way, and noticed when it changes.

Memory is one part, whatever the size. Nothing of the network is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
import hashlib
import os
from pathlib import Path
import stat

from reflex_ros.errors import ConfigurationError

PART = 256 * 2 ** 10
"""Bytes read at once; storage services want resumable parts to be multiples of it."""


class FileSource:
    """
    An open file of a size that must not change.

    :param path: a regular file that is not empty.
    :raises ConfigurationError: when it is none; a directory with the command that packs it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # A pipe in this place would keep us waiting for its writer.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as exc:
            raise ConfigurationError(f'Cannot read {path}: {exc.strerror}') from exc
        info = os.fstat(self._descriptor)
        self.size = info.st_size
        self._mark = _mark(info)
        self._hash = hashlib.sha256()
        self._hashed = 0
        if reason := _unfit(path, info):
            self.close()
            raise ConfigurationError(reason)

    def __enter__(self) -> FileSource:
        """Return the source itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    @property
    def modified_ns(self) -> int:
        """When the file was last written, as it was when it was opened [ns since 1970]."""
        return self._mark[1]

    async def parts(self, start: int, end: int) -> AsyncIterator[bytes]:
        """
        Yield the bytes from ``start`` up to ``end``.

        :raises ConfigurationError: when the file has changed; before its last byte is yielded, so
            that nobody takes a mixture of two files for a whole one.
        """
        at = start
        while at < end:
            part = await self._read(at, min(PART, end - at))
            at += len(part)
            yield part

    async def sha256(self) -> str:
        """
        Return the checksum of the whole file, reading what nobody has read yet.

        :raises ConfigurationError: when the file has changed.
        """
        while self._hashed < self.size:
            await self._read(self._hashed, min(PART, self.size - self._hashed))
        return self._hash.hexdigest()

    async def _read(self, at: int, size: int) -> bytes:
        # In a thread, because a disk may be slow; by position, because a read that was given up
        # may still be under way.
        part = await asyncio.to_thread(os.pread, self._descriptor, size, at)
        if len(part) != size or (at + size == self.size and self._has_changed()):
            raise ConfigurationError(f'{self.path} changed while it was read. Try again when '
                                     'nobody writes to it')
        # In order and each byte once, whatever is sent again.
        if at <= self._hashed < at + size:
            self._hash.update(memoryview(part)[self._hashed - at:])
            self._hashed = at + size
        return part

    def _has_changed(self) -> bool:
        try:
            return self._mark != _mark(os.stat(self.path))
        except OSError:
            return True


def _mark(info: os.stat_result) -> tuple[int, int, int]:
    return info.st_size, info.st_mtime_ns, info.st_ino


def _unfit(path: Path, info: os.stat_result) -> str:
    if stat.S_ISDIR(info.st_mode):
        folder = path.resolve()
        return (f'{path} is a directory, and one file is uploaded. Pack it first: '
                f'tar -cf {folder.name}.tar -C {folder.parent} {folder.name}')
    if not stat.S_ISREG(info.st_mode):
        return f'{path} is not a regular file'
    return '' if info.st_size else f'{path} is empty'
