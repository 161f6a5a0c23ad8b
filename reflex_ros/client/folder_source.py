# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A folder to upload, packed as a tar archive while it is read.

The archive is never on the disk: where each of its bytes comes from follows from names and sizes
alone, so an interrupted upload goes on in the middle. Links are followed as long as they stay in
the folder that was named; a link that leads out of it is refused, because nobody named what is
there. Nothing here uses the network.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import stat
import tarfile

from reflex_ros.client.file_source import mark, Source
from reflex_ros.client.texts import printable
from reflex_ros.errors import ConfigurationError

BLOCK = 512
END = bytes(2 * BLOCK)
MAX_FILES = 200_000


@dataclass(frozen=True, slots=True)
class _File:
    """
    A file of the folder.

    :param marks: size, time of the last change [ns since 1970] and inode.
    """

    path: Path
    name: str
    marks: tuple[int, int, int]


class FolderSource(Source):
    """
    A folder whose files must not change while they are read.

    :raises ConfigurationError: if it has no file, a link that leads out of it, or something that
        is neither a file nor a folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._root = path.resolve()
        self._files = list(self._found(path, self._root.name, (self._root,)))
        if not self._files:
            raise ConfigurationError(f'{path} has no files')
        self._starts: list[int] = []
        self._pieces: list[tuple[int, bytes | _File]] = []
        for file in self._files:
            self._add(_header(file))
            self._add(file)
            self._add(bytes(-file.marks[0] % BLOCK))
        self._add(END)

    @property
    def version(self) -> str:
        """A text that differs when a name, a size or a time in the folder does."""
        rows = repr([(file.name, file.marks) for file in self._files])
        return hashlib.sha256(rows.encode(errors='surrogateescape')).hexdigest()

    def _add(self, piece: bytes | _File) -> None:
        length = len(piece) if isinstance(piece, bytes) else piece.marks[0]
        if length:
            self._starts.append(self.size)
            self._pieces.append((length, piece))
            self.size += length

    def _found(self, folder: Path, name: str, above: tuple[Path, ...]) -> Iterator[_File]:
        """Yield the files of a folder and those below it, in the order of their names."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as exc:
            raise ConfigurationError(f'Cannot read {folder}: {exc.strerror}') from exc
        for entry in entries:
            path, inner = Path(entry.path), f'{name}/{entry.name}'
            real = path
            try:
                if entry.is_symlink():
                    real = path.resolve(strict=True)
                    self._require_inside(path, real)
                info = os.stat(real)
            except (OSError, RuntimeError) as exc:
                reason = getattr(exc, 'strerror', None) or exc
                raise ConfigurationError(f'{path} leads nowhere: {reason}. Remove it') from exc
            if stat.S_ISDIR(info.st_mode):
                if (inside := real.resolve()) in above:
                    raise ConfigurationError(f'{path} is a link to a folder that it is in. Remove '
                                             'the link')
                yield from self._found(path, inner, (*above, inside))
            elif stat.S_ISREG(info.st_mode):
                yield _File(real, inner, mark(info))
            else:
                raise ConfigurationError(f'{path} is neither a file nor a folder. Remove it')

    def _require_inside(self, path: Path, real: Path) -> None:
        if not real.is_relative_to(self._root):
            raise ConfigurationError(f'{path} is a link to {real}, which is not in {self.path}. '
                                     'Copy the file there, or name the folder that holds both')

    def _read_at(self, at: int, size: int) -> bytes:
        parts = []
        while size > 0 and at < self.size:
            index = bisect_right(self._starts, at) - 1
            length, piece = self._pieces[index]
            offset = at - self._starts[index]
            count = min(size, length - offset)
            part = (piece[offset:offset + count] if isinstance(piece, bytes)
                    else _part(piece, offset, count))
            parts.append(part)
            if len(part) < count:
                break
            at, size = at + count, size - count
        return b''.join(parts)

    def _has_changed(self) -> bool:
        return any(not _is_same(file) for file in self._files)


def _part(file: _File, offset: int, count: int) -> bytes:
    """Read a part of a file; nothing if it is another file by now."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        raise ConfigurationError(f'Cannot read {file.path}: {exc.strerror}') from exc
    try:
        if mark(os.fstat(descriptor)) != file.marks:
            return b''
        return os.pread(descriptor, count, offset)
    finally:
        os.close(descriptor)


def _is_same(file: _File) -> bool:
    try:
        return mark(os.stat(file.path)) == file.marks
    except OSError:
        return False


def _header(file: _File) -> bytes:
    entry = tarfile.TarInfo(file.name)
    entry.size, entry.mtime = file.marks[0], file.marks[1] // 10 ** 9
    try:
        return entry.tobuf(tarfile.PAX_FORMAT, 'utf-8', 'strict')
    except UnicodeEncodeError as exc:
        raise ConfigurationError(f'the name {printable(file.name, 200)} is not UTF-8. Rename the '
                                 'file') from exc
