# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A file to upload: read in parts, hashed while it is read, and checked for changes.

Only one part is in memory at a time. Nothing here uses the network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
import asyncio
from collections.abc import AsyncIterator
import hashlib
import os
from pathlib import Path
import stat
from typing import TYPE_CHECKING

from reflex_ros.errors import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self

PART = 256 * 2 ** 10
"""Bytes per read; storage services want the size of resumable parts to be a multiple of it."""


class Source(ABC):
    """
    Bytes to upload that must not change while they are read.

    :param path: what is uploaded, for texts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """Number of all bytes."""
        self._hash = hashlib.sha256()
        self._hashed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 (not every source has something to close)
        """Close what is open; may be called twice."""

    @property
    @abstractmethod
    def version(self) -> object:
        """Something that differs when the bytes do, without reading them."""

    @abstractmethod
    def _read_at(self, at: int, size: int) -> bytes:
        """Read bytes; fewer if there are no more, or if they have changed."""

    @abstractmethod
    def _has_changed(self) -> bool:
        """Whether the bytes differ from those of the beginning."""

    async def parts(self, start: int, end: int) -> AsyncIterator[bytes]:
        """
        Yield the bytes from ``start`` up to ``end``, not including ``end``.

        :raises ConfigurationError: if the file has changed. It is raised before the last byte is
            yielded, so that the receiver never gets a complete file with mixed content.
        """
        at = start
        while at < end:
            part = await self._read(at, min(PART, end - at))
            at += len(part)
            yield part

    async def sha256(self) -> str:
        """
        Return the SHA-256 of all bytes; reads the parts that were not read before.

        :raises ConfigurationError: if the file has changed.
        """
        while self._hashed < self.size:
            await self._read(self._hashed, min(PART, self.size - self._hashed))
        return self._hash.hexdigest()

    async def _read(self, at: int, size: int) -> bytes:
        # In a thread, because a disk can be slow.
        part = await asyncio.to_thread(self._read_at, at, size)
        if len(part) != size or (at + size == self.size and self._has_changed()):
            raise ConfigurationError(f'{self.path} changed while it was read. Try again when '
                                     'no program writes to it')
        # The hash needs each byte once and in order; a retried part is read again.
        if at <= self._hashed < at + size:
            self._hash.update(memoryview(part)[self._hashed - at:])
            self._hashed = at + size
        return part


class FileSource(Source):
    """
    An open file that must not change while it is read.

    :param path: a regular file that is not empty.
    :raises ConfigurationError: if the file cannot be opened, or is empty or not a regular file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for its writer.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as exc:
            raise ConfigurationError(f'Cannot read {path}: {exc.strerror}') from exc
        info = os.fstat(self._descriptor)
        self.size = info.st_size
        self._mark = mark(info)
        if reason := _refusal_reason(path, info):
            self.close()
            raise ConfigurationError(reason)

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    @property
    def version(self) -> int:
        """Time of the last change when the file was opened [ns since 1970]."""
        return self._mark[1]

    def _read_at(self, at: int, size: int) -> bytes:
        # With pread, because a cancelled read may still run and would move a shared position.
        return os.pread(self._descriptor, size, at)

    def _has_changed(self) -> bool:
        try:
            return self._mark != mark(os.stat(self.path))
        except OSError:
            return True


def mark(info: os.stat_result) -> tuple[int, int, int]:
    """Return size, time of the last change [ns since 1970] and inode of a file."""
    return info.st_size, info.st_mtime_ns, info.st_ino


def _refusal_reason(path: Path, info: os.stat_result) -> str:
    if stat.S_ISDIR(info.st_mode):
        return f'{path} is a directory, but one file is needed here'
    if not stat.S_ISREG(info.st_mode):
        return f'{path} is not a regular file'
    return '' if info.st_size else f'{path} is empty'
