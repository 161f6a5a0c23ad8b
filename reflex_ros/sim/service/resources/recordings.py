# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of sessions: begun, sent, committed (protocol h.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.uploads import Purpose, Upload, Uploads
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# [ms] after which a recording that nobody committed is swept away.
SWEEP_MS = 24 * 3600 * 1000


@dataclass
class Recording(Row):
    """
    One recording.

    :param session_id: any text; a robot without a session of ours makes one up.
    :param sha256: hexadecimal, as the client promised it.
    :param meta: what the client says about it.
    """

    id: str
    session_id: str
    user_slug: str
    formats: list[str]
    size_bytes: int
    sha256: str
    upload_id: str
    created_ms: int
    is_committed: bool = False
    meta: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the row of ``/admin/state``."""
        return {
            'id': self.id, 'sessionId': self.session_id, 'formats': self.formats,
            'sizeBytes': self.size_bytes, 'sha256': self.sha256, 'committed': self.is_committed,
            'meta': self.meta,
        }


class Recordings:
    """
    Every recording, oldest first.

    :param clock: decides about the sweep.
    """

    def __init__(self, clock: ServiceClock, uploads: Uploads) -> None:
        """Start without any."""
        self._clock = clock
        self._uploads = uploads
        self.table = Table(Recording, Reason.RECORDING_NOT_FOUND)

    def begin(
        self, *, session_id: str, user_slug: str, formats: list[str], size_bytes: int, sha256: str
    ) -> tuple[Recording, Upload]:
        """
        Promise a place for a recording.

        :raises Refusal: ``invalid_parameters`` when the size is out of bounds.
        """
        upload = self._uploads.begin(Purpose.RECORDING, size_bytes)
        recording = self.table.add(Recording(
            new_id('rec'), session_id, user_slug, formats, size_bytes, sha256, upload.id,
            self._clock.now_ms(),
        ))
        return recording, upload

    def commit(
        self, recording_id: str, *, storage_id: str, size_bytes: int, sha256: str,
        meta: dict[str, object],
    ) -> Recording:
        """
        Keep a recording whose bytes are there and are the promised ones; again is no error.

        :raises Refusal: ``recording_not_found``; ``upload_incomplete``; ``invalid_parameters``
            when promise, commit and what is stored are not the same.
        """
        recording = self.table.get(recording_id)
        upload = self._uploads.table.get(recording.upload_id)
        if storage_id != upload.id:
            raise Refusal(Reason.INVALID_PARAMETERS, 'the storageId is not that of the recording')
        if not upload.is_whole:
            raise Refusal(Reason.UPLOAD_INCOMPLETE, 'send the recording first')
        for name, stored, promised, said in (
            ('sizeBytes', upload.size_bytes, recording.size_bytes, size_bytes),
            ('sha256', upload.sha256, recording.sha256, sha256.lower()),
        ):
            if not stored == promised == said:
                raise Refusal(Reason.INVALID_PARAMETERS,
                              f'{name}: {promised} was promised, {stored} is stored, {said} said')
        if not recording.is_committed:
            self._uploads.use(storage_id, Purpose.RECORDING)
            recording.is_committed, recording.meta = True, meta
        return recording

    def settle(self) -> None:
        """Sweep away what nobody committed in time."""
        too_old_ms = self._clock.now_ms() - SWEEP_MS
        for recording in self.table.all():
            if not recording.is_committed and recording.created_ms <= too_old_ms:
                self.table.remove(recording.id)
                self._uploads.discard(recording.upload_id)
