# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recordings of sessions: begun, sent, committed (protocol c.4, h.5).

A recording that is not committed within a day is removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from reflex_ros.sim.service.calls import Json, JsonObject, rpc, Text, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.resources.uploads import Purpose, Uploads
from reflex_ros.sim.service.storage.table import new_id

SWEEP_MS = 24 * 3600 * 1000
Sha256 = Annotated[str, Field(pattern='^[0-9a-fA-F]{64}$')]
Formats = Annotated[list[Text], Field(min_length=1, max_length=16)]


@dataclass
class Recording(WireRow):
    """
    One recording.

    :param session_id: any text; a robot without a session of ours makes one up.
    :param sha256: hexadecimal, as the client promised it.
    :param meta: what the client says about it.
    """

    ID_NAME = 'recordingId'
    PRIVATE = ('is_committed',)

    id: str
    session_id: str
    user_slug: str
    formats: list[str]
    size_bytes: int
    sha256: str
    upload_id: str
    created_at: int
    is_committed: bool = False
    meta: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the row of ``/admin/state``."""
        return super().to_json() | {'committed': self.is_committed}


class Recordings:
    """Every recording, oldest first."""

    def __init__(self, context: Context, uploads: Uploads) -> None:
        self._clock = context.clock
        self._uploads = uploads
        self.table = context.add_table('recordings', Recording, Reason.RECORDING_NOT_FOUND)

    @rpc('publicApi:beginRecordingUpload')
    def begin(
        self, *, session_id: Text, user_slug: str, formats: Formats, size_bytes: int,
        sha256: Sha256,
    ) -> Json:
        """Make room for a recording, and say where its bytes go."""
        upload = self._uploads.begin(Purpose.RECORDING, size_bytes)
        recording = self.table.add(Recording(
            new_id('rec'), session_id, user_slug, formats, size_bytes, sha256.lower(), upload.id,
            self._clock.now_ms()))
        return recording.ids() | {'uploadUrl': self._uploads.url(upload), 'uploadResumable': True}

    @rpc('publicApi:commitRecordingUpload')
    def commit(
        self, *, recording_id: str, storage_id: str, size_bytes: int, sha256: Sha256,
        meta: JsonObject,
    ) -> Json:
        """Keep a recording whose bytes are there and as promised; repeating it is no error."""
        recording = self.table.get(recording_id)
        upload = self._uploads.table.get(recording.upload_id)
        if storage_id != upload.id:
            raise invalid('the storageId is not that of the recording')
        if not upload.is_whole:
            raise Refusal(Reason.UPLOAD_INCOMPLETE, 'send the recording first')
        for name, stored, promised, committed in (
            ('sizeBytes', upload.size_bytes, recording.size_bytes, size_bytes),
            ('sha256', upload.sha256, recording.sha256, sha256.lower()),
        ):
            if not stored == promised == committed:
                raise invalid(f'{name}: {promised} was promised, {stored} is stored, '
                              f'{committed} is committed')
        if not recording.is_committed:
            self._uploads.use(storage_id, Purpose.RECORDING)
            recording.is_committed, recording.meta = True, meta
        return recording.ids()

    def advance(self) -> None:
        """Remove the recordings that were not committed in time."""
        too_old_ms = self._clock.now_ms() - SWEEP_MS
        for recording in self.table.all():
            if not recording.is_committed and recording.created_at <= too_old_ms:
                self.table.remove(recording.id)
                self._uploads.discard(recording.upload_id)
