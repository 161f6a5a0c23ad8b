# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Begin and commit the upload of a recording (protocol c.4, h.5)."""

from __future__ import annotations

import re

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.rows import ids
from reflex_ros.sim.service.state import ServiceState

_SHA256 = re.compile(r'[0-9a-fA-F]{64}')
_MOST_FORMATS = 16


def begin(state: ServiceState, args: Args) -> Value:
    """Make room for a recording, and say where its bytes go."""
    formats = [name for name in args.items('formats') if isinstance(name, str) and name]
    if len(formats) != len(args.items('formats')) or not 1 <= len(formats) <= _MOST_FORMATS:
        raise Refusal(Reason.INVALID_PARAMETERS, 'formats must be a list of one or more names')
    if not args.text('sessionId'):
        raise Refusal(Reason.INVALID_PARAMETERS, 'sessionId must not be empty')
    recording, upload = state.recordings.begin(
        session_id=args.text('sessionId'), user_slug=args.text('userSlug'), formats=formats,
        size_bytes=args.integer('sizeBytes'), sha256=_sha256(args),
    )
    return ids('recordingId', recording.id) | {'uploadUrl': state.upload_url(upload)}


def commit(state: ServiceState, args: Args) -> Value:
    """Keep a recording; the client may say so more than once."""
    recording = state.recordings.commit(
        args.text('recordingId'), storage_id=args.text('storageId'),
        size_bytes=args.integer('sizeBytes'), sha256=_sha256(args), meta=args.mapping('meta'),
    )
    return ids('recordingId', recording.id)


def _sha256(args: Args) -> str:
    digest = args.text('sha256')
    if not _SHA256.fullmatch(digest):
        raise Refusal(Reason.INVALID_PARAMETERS, 'sha256 must have 64 hexadecimal digits')
    return digest.lower()


FUNCTIONS = (
    Function('publicApi:beginRecordingUpload', begin, required={
        'sessionId': str, 'userSlug': str, 'formats': list, 'sizeBytes': int, 'sha256': str}),
    Function('publicApi:commitRecordingUpload', commit, required={
        'recordingId': str, 'storageId': str, 'sizeBytes': int, 'sha256': str, 'meta': dict}),
)
