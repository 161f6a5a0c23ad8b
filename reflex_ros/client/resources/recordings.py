# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Upload of recordings of a session (protocol reference, section h.5).

Nothing is uploaded automatically: a recording shows what the cameras of the robot saw, so it
leaves the machine only by a command. Recordings are never deleted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
import contextlib
import hashlib
from pathlib import Path
import tarfile

from reflex_ros.client import retry
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.file_source import FileSource
from reflex_ros.client.messages import parse, Row
from reflex_ros.client.messages.models import RecordingTicket
from reflex_ros.client.resources.storage import store
from reflex_ros.client.transfer import Progress
from reflex_ros.errors import ConfigurationError, ServiceProtocolError, ServiceUnavailable

COMMIT_WAITS_S = (0.5, 1.0, 2.0)
"""Waits between the four attempts to commit; after 24 h the service deletes the upload."""


async def begin(service: AsyncReflex, session_id: str, user_slug: str, formats: Sequence[str],
                size_bytes: int, sha256: str) -> RecordingTicket:
    """Get the URL for the upload of an archive; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:beginRecordingUpload', 'Unable to begin recording upload',
        sessionId=session_id, userSlug=user_slug, formats=list(formats), sizeBytes=size_bytes,
        sha256=sha256)
    ticket = parse(RecordingTicket, value, 'publicApi:beginRecordingUpload')
    if not ticket.recording_id or not ticket.upload_url:
        raise ServiceProtocolError('publicApi:beginRecordingUpload answered without a recording '
                                   'id or an upload URL')
    return ticket


async def commit(service: AsyncReflex, recording_id: str, storage_id: str, size_bytes: int,
                 sha256: str, summary: Mapping[str, object]) -> Row:
    """
    Tell the service that the archive is complete; a repeated commit changes nothing.

    Up to four attempts. Errors as in :meth:`.RpcClient.call`.
    """
    for number, wait_s in enumerate((*COMMIT_WAITS_S, None), start=1):
        try:
            value = await service.rpc.call(
                'mutation', 'publicApi:commitRecordingUpload', 'Unable to commit recording',
                recordingId=recording_id, storageId=storage_id, sizeBytes=size_bytes,
                sha256=sha256, meta={'summary': dict(summary)})
        except ServiceUnavailable as exc:
            if wait_s is None:
                raise
            await service.transport.pause(retry.Attempt(number, 0.0, wait_s, str(exc)))
        else:
            return parse(Row, value, 'publicApi:commitRecordingUpload')
    raise AssertionError('the last attempt returns or raises')


def user_slug(key: Secret | None) -> str:
    """Return the folder name of a user, from the key (protocol reference, section f.8)."""
    if key is None:
        return 'anonymous'
    return hashlib.sha1(key.reveal().encode(), usedforsecurity=False).hexdigest()[:16]


async def upload(service: AsyncReflex, directory: Path, *, session_id: str, user_slug: str,
                 formats: Sequence[str] = ('lerobot',),
                 summary: Mapping[str, object] | None = None,
                 on_progress: Progress | None = None) -> Row:
    """
    Pack the directory of a session, upload the archive and commit it.

    The archive is written beside the directory and always removed at the end.

    :param user_slug: slug of the account that owns the recording.
    :param summary: sent with the commit, e.g. counts of steps.
    :raises ConfigurationError: if the directory does not exist or cannot be packed.
    :raises ServiceError: as in the three calls.
    """
    archive = await asyncio.to_thread(pack, directory)
    try:
        with FileSource(archive) as source:
            sha256 = await source.sha256()
            ticket = await begin(service, session_id, user_slug, formats, source.size, sha256)
            storage_id = await store(service, ticket.upload_url, source, 'application/x-tar',
                                     'Recording upload', on_progress)
            return await commit(service, ticket.recording_id, storage_id, source.size, sha256,
                                summary or {})
    finally:
        with contextlib.suppress(OSError):
            archive.unlink(missing_ok=True)


def pack(directory: Path) -> Path:
    """
    Pack a directory into an uncompressed tar file beside it; return the path of the file.

    :raises ConfigurationError: if it is not a directory, or the file exists or cannot be written.
    """
    if not directory.is_dir():
        raise ConfigurationError(f'{directory} is not a directory. Pass the directory of a '
                                 'recording')
    archive = directory.with_name(f'{directory.name}.tar')
    try:
        with archive.open('xb') as file:
            try:
                with tarfile.open(fileobj=file, mode='w', format=tarfile.PAX_FORMAT) as tar:
                    tar.add(directory, directory.name)
            except BaseException:
                archive.unlink(missing_ok=True)
                raise
    except FileExistsError as exc:
        raise ConfigurationError(f'{archive} exists already, maybe from an interrupted upload. '
                                 'Move or remove it') from exc
    except OSError as exc:
        raise ConfigurationError(f'Cannot pack {directory}: {exc.strerror}') from exc
    return archive
