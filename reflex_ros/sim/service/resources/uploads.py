# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Files that clients send: where each may go, how much of it has come, where its bytes are.

Datasets are sent by PUT, adapters and recordings by POST. Every client that has the address may
send: the address carries a token that nobody can guess.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
from enum import Enum
import hashlib
from pathlib import Path
import secrets
import tempfile
from typing import BinaryIO

from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row

_MIB = 1 << 20


class Purpose(str, Enum):
    """What a file is for."""

    DATASET = 'dataset'
    MODEL = 'model'
    RECORDING = 'recording'


METHODS = {Purpose.DATASET: 'PUT', Purpose.MODEL: 'POST', Purpose.RECORDING: 'POST'}
RESUMABLE = {Purpose.DATASET, Purpose.RECORDING}
# [bytes] The 500 MiB are documented (i.7); the other two only keep a disk from filling up.
LIMITS = {
    Purpose.DATASET: 65536 * _MIB, Purpose.MODEL: 500 * _MIB, Purpose.RECORDING: 65536 * _MIB,
}

# No key is needed to ask for a place for an adapter, so that their number must be bounded.
MOST_FREE_MODELS = 100


@dataclass
class Upload(Row):
    """
    One file, promised or there.

    :param id: also the ``storageId`` of what was sent by POST.
    :param token: the secret part of the address.
    :param expected_bytes: what the client has promised, None when it has not.
    :param size_bytes: of the whole file, once it is there.
    :param sha256: hexadecimal, empty until the whole file is there.
    :param is_used: whether something was made of it; then it accepts no more bytes.
    """

    id: str
    token: str
    purpose: Purpose
    created_at: int
    expected_bytes: int | None = None
    size_bytes: int = 0
    sha256: str = ''
    is_used: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every byte is there."""
        return bool(self.sha256)


class Blobs:
    """The bytes, one file per upload; without a directory they are gone after ``close``."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def size(self, upload_id: str) -> int:
        """Return how many bytes have come."""
        try:
            return self._path(upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    @contextlib.contextmanager
    def writing(self, upload_id: str, start: int) -> Iterator[BinaryIO]:
        """Open a file for what follows its first ``start`` bytes; drop what stood there."""
        path = self._path(upload_id)
        path.touch(mode=0o600)
        # Unbuffered: what has come is there, however the request ends.
        with path.open('r+b', buffering=0) as file:
            file.truncate(start)
            file.seek(start)
            yield file

    def sha256(self, upload_id: str) -> str:
        """Read the whole file and return its digest, hexadecimal; takes time for a large one."""
        digest = hashlib.sha256()
        with self._path(upload_id).open('rb') as file:
            while block := file.read(_MIB):
                digest.update(block)
        return digest.hexdigest()

    def damage(self, upload_id: str) -> None:
        """Change the first byte, when there is one."""
        with self._path(upload_id).open('r+b') as file:
            if first := file.read(1):
                file.seek(0)
                file.write(bytes((first[0] ^ 0xFF,)))

    def remove(self, upload_id: str) -> None:
        """Delete a file; a missing one is no error."""
        self._path(upload_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the temporary directory; may be called twice."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            temporary.cleanup()

    def _path(self, upload_id: str) -> Path:
        if self._directory is None:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix='reflex_sim_')
            return Path(self._temporary.name) / upload_id
        self._directory.mkdir(mode=0o700, exist_ok=True)
        return self._directory / upload_id


class Uploads:
    """Every upload, oldest first; without a directory the bytes do not survive a restart."""

    def __init__(self, context: Context, directory: Path | None) -> None:
        self._context = context
        self.blobs = Blobs(directory)
        self.table = context.add_table('uploads', Upload, Reason.UPLOAD_NOT_FOUND)

    def begin(self, purpose: Purpose, expected_bytes: int | None = None) -> Upload:
        """Make room for a file; refuse a size that is negative or beyond the limit."""
        if expected_bytes is not None and not 0 <= expected_bytes <= LIMITS[purpose]:
            raise invalid(f'the size must be in 0..{LIMITS[purpose]} bytes')
        if purpose is Purpose.MODEL:
            self._make_room()
        return self.table.add(Upload(
            new_id('file'), secrets.token_urlsafe(32), purpose, self._context.clock.now_ms(),
            expected_bytes))

    def url(self, upload: Upload) -> str:
        """Return the address that the bytes of an upload go to."""
        return f'{self._context.base_url}/uploads/{upload.token}'

    def by_token(self, token: str) -> Upload | None:
        """Return the upload that an address leads to, or None."""
        asked = token.encode(errors='surrogatepass')
        return self.table.first(
            lambda upload: secrets.compare_digest(upload.token.encode(), asked))

    def use(self, storage_id: str, purpose: Purpose) -> Upload:
        """Make something of a whole file, once; after that the file is closed."""
        upload = self.table.find(storage_id)
        if upload is None or upload.purpose is not purpose or upload.is_used:
            raise invalid('the storageId is unknown, or its file is in use')
        if not upload.is_whole:
            raise Refusal(
                Reason.UPLOAD_INCOMPLETE, f'{self.blobs.size(upload.id)} bytes have come')
        upload.is_used = True
        return upload

    def discard(self, upload_id: str) -> None:
        """Remove an upload and its bytes; an unknown id is no error."""
        if self.table.find(upload_id) is not None:
            self.table.remove(upload_id)
            self.blobs.remove(upload_id)

    def _make_room(self) -> None:
        """Remove the oldest places for adapters of which nothing was made."""
        free = [row for row in self.table.all()
                if row.purpose is Purpose.MODEL and not row.is_used]
        for row in free[:max(0, len(free) + 1 - MOST_FREE_MODELS)]:
            self.discard(row.id)
