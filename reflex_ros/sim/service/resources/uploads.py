# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Files that clients send: where each may go, how much of it has come, where its bytes are.

Three things are uploaded: datasets by PUT, adapters and recordings by POST. Whoever has the
address may send: it carries a token that nobody can guess.
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

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row, Table

_MIB = 1 << 20


class Purpose(str, Enum):
    """What a file is for."""

    DATASET = 'dataset'
    MODEL = 'model'
    RECORDING = 'recording'


METHODS = {Purpose.DATASET: 'PUT', Purpose.MODEL: 'POST', Purpose.RECORDING: 'POST'}
# [bytes] The 500 MiB are documented (i.7); the other two only keep a disk from filling up.
LIMITS = {
    Purpose.DATASET: 65536 * _MIB, Purpose.MODEL: 500 * _MIB, Purpose.RECORDING: 65536 * _MIB,
}

# Anybody may ask for a place for an adapter, so that their number must have an end.
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
    :param is_used: whether something was made of it; then it takes no more bytes.
    """

    id: str
    token: str
    purpose: Purpose
    created_ms: int
    expected_bytes: int | None = None
    size_bytes: int = 0
    sha256: str = ''
    is_used: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every byte is there."""
        return bool(self.sha256)


class Blobs:
    """
    The bytes, one file per upload.

    :param directory: where they stay; None takes a temporary one, which ``close`` removes.
    """

    def __init__(self, directory: Path | None) -> None:
        """Make nothing yet."""
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
        """Open a file for what follows its first ``start`` bytes; all that stood there goes."""
        path = self._path(upload_id)
        path.touch(mode=0o600)
        # Unbuffered: what has come is there, however the request ends.
        with path.open('r+b', buffering=0) as file:
            file.truncate(start)
            file.seek(start)
            yield file

    def sha256(self, upload_id: str) -> str:
        """Read the whole file and return its digest, hexadecimal; may take a while."""
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
        """Delete a file; one that never came is no error."""
        self._path(upload_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove what is temporary; may be called twice."""
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
    """
    Every upload, oldest first.

    :param clock: stamps the creation.
    """

    def __init__(self, clock: ServiceClock, blobs: Blobs) -> None:
        """Start without any."""
        self._clock = clock
        self.blobs = blobs
        self.table = Table(Upload, Reason.UPLOAD_NOT_FOUND)

    def begin(self, purpose: Purpose, expected_bytes: int | None = None) -> Upload:
        """
        Promise a place for a file.

        :raises Refusal: ``invalid_parameters`` when it is negative or larger than any may be.
        """
        if expected_bytes is not None and not 0 <= expected_bytes <= LIMITS[purpose]:
            raise Refusal(Reason.INVALID_PARAMETERS,
                          f'the size must be in 0..{LIMITS[purpose]} bytes')
        if purpose is Purpose.MODEL:
            self._make_room()
        return self.table.add(Upload(
            new_id('file'), secrets.token_urlsafe(32), purpose, self._clock.now_ms(),
            expected_bytes,
        ))

    def by_token(self, token: str) -> Upload | None:
        """Return the upload that an address leads to, or None."""
        given = token.encode(errors='surrogatepass')
        for upload in self.table.all():
            if secrets.compare_digest(upload.token.encode(), given):
                return upload
        return None

    def received_bytes(self, upload: Upload) -> int:
        """Return how much of a file is there."""
        return self.blobs.size(upload.id)

    def use(self, storage_id: str, purpose: Purpose) -> Upload:
        """
        Take a whole file for something that is made of it; after that it is closed.

        :raises Refusal: ``invalid_parameters`` when it is unknown, for something else or taken;
            ``upload_incomplete`` when bytes are missing.
        """
        upload = self.table.find(storage_id)
        if upload is None or upload.purpose is not purpose or upload.is_used:
            raise Refusal(Reason.INVALID_PARAMETERS, 'the storageId names no file that is free')
        if not upload.is_whole:
            raise Refusal(Reason.UPLOAD_INCOMPLETE,
                          f'{self.received_bytes(upload)} bytes have come')
        upload.is_used = True
        return upload

    def discard(self, upload_id: str) -> None:
        """Forget an upload and its bytes; an unknown id is no error."""
        if self.table.find(upload_id) is not None:
            self.table.remove(upload_id)
            self.blobs.remove(upload_id)

    def _make_room(self) -> None:
        """Forget the oldest places for adapters of which nothing was made."""
        free = [row for row in self.table.all()
                if row.purpose is Purpose.MODEL and not row.is_used]
        for row in free[:max(0, len(free) + 1 - MOST_FREE_MODELS)]:
            self.discard(row.id)
