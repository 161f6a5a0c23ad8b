# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Upload of recordings of a session (protocol reference, section h.5).

Nothing is uploaded automatically: a recording shows what the cameras of the robot saw, so it
leaves the machine only by a command. Recordings are never deleted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
import hashlib
from pathlib import Path

from reflex_ros.client import private_file, retry
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.folder_source import FolderSource
from reflex_ros.client.messages import parse, Row
from reflex_ros.client.messages.models import RecordingTicket
from reflex_ros.client.resources.storage import store
from reflex_ros.client.transfer import Progress
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

COMMIT_WAITS_S = (0.5, 1.0, 2.0)
"""Waits between the four attempts to commit; after 24 h the service deletes the upload."""
WHAT = 'The upload'


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
                 on_progress: Progress | None = None, memory: Path | None = None) -> Row:
    """
    Upload the directory of a session and commit it; it is packed as a tar archive on the way.

    With ``memory``, the same call with the same unchanged directory goes on with an interrupted
    upload: it sends what the storage does not have yet, or only commits. A storage that cannot
    resume gets the whole file again.

    :param user_slug: slug of the account that owns the recording.
    :param summary: sent with the commit, e.g. counts of steps.
    :param memory: file that remembers an upload until it is committed.
    :raises ConfigurationError: if the directory cannot be read, or changes during the upload.
    :raises ServiceError: as in the three calls.
    """
    with FolderSource(directory) as source:
        sha256 = await source.sha256()
        started = _Started(memory, {'service': service.rpc.url, 'session_id': session_id,
                                    'sha256': sha256, 'size_bytes': source.size})
        if started.read():
            with contextlib.suppress(ServiceRefused):
                # Refused: the service has removed what was not committed within a day.
                return await _finish(service, source, started, sha256, summary, on_progress)
        started.ticket = await begin(service, session_id, user_slug, formats, source.size, sha256)
        started.storage_id = ''
        return await _finish(service, source, started, sha256, summary, on_progress)


async def _finish(service: AsyncReflex, source: FolderSource, started: _Started, sha256: str,
                  summary: Mapping[str, object] | None, on_progress: Progress | None) -> Row:
    """Send what is missing, and commit."""
    started.write()
    ticket = started.ticket
    if not started.storage_id:
        started.storage_id = await store(
            service, ticket.upload_url, source, 'application/x-tar', 'Recording upload',
            on_progress, is_resumable=ticket.is_resumable)
        started.write()
    kept = await commit(service, ticket.recording_id, started.storage_id, source.size, sha256,
                        summary or {})
    started.forget()
    return kept


class _Started:
    """
    An upload that is not committed yet, and the file that remembers it.

    :param identity: which bytes go where; what is remembered of others does not count.
    """

    def __init__(self, file: Path | None, identity: Mapping[str, object]) -> None:
        self._file = file
        self._identity = dict(identity)
        self.ticket = RecordingTicket.model_validate({})
        self.storage_id = ''

    def read(self) -> bool:
        """Return whether an upload of these bytes can go on."""
        try:
            found = private_file.read(self._file, WHAT) if self._file is not None else None
            if found is None or any(found.get(key) != value
                                    for key, value in self._identity.items()):
                return False
            self.ticket = parse(RecordingTicket, found['ticket'], WHAT)
        except (ConfigurationError, ServiceProtocolError, KeyError):
            return False
        self.storage_id = str(found.get('storage_id', ''))
        return bool(self.storage_id) or self.ticket.is_resumable

    def write(self) -> None:
        """Remember it, if that is possible: an upload needs no memory."""
        if self._file is not None:
            with contextlib.suppress(ConfigurationError):
                # The URL gives write access: only the owner may read it.
                private_file.write(self._file, {
                    **self._identity, 'ticket': self.ticket.as_sent(),
                    'storage_id': self.storage_id}, WHAT)

    def forget(self) -> None:
        """Remove the file."""
        if self._file is not None:
            with contextlib.suppress(ConfigurationError):
                private_file.remove(self._file, WHAT)
