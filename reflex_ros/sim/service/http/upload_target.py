# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The addresses that files are sent to: ``/uploads/<token>``.

A PUT or POST of the whole file is what the protocol knows (h.5, i.5, i.7). Beyond that, the target
of a dataset (PUT) and that of a recording (POST) can be resumed; those of the vendor's service are
not known to. doc/simulated_service.md lists the requests and their answers.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

from aiohttp import web

from reflex_ros.sim.service.http.access import Ended, refusal
from reflex_ros.sim.service.resources.uploads import LIMITS, METHODS, RESUMABLE, Upload
from reflex_ros.sim.service.state import ServiceState

# Of the whole file: RFC 9530, and RFC 3230 before it. Content-Digest is of one request's body.
_DIGESTS = ('Repr-Digest', 'Digest')
_SHA256 = re.compile(r'(?i:sha-256)=:?([A-Za-z0-9+/]{43}=)')
_CONTENT_RANGE = re.compile(r'bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})')


# First byte, one behind the last byte, and total of a parsed Content-Range.
_Piece = tuple[int | None, int, int]


class UploadTarget:
    """Serve ``/uploads/<token>``."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._uploads = state.uploads
        # Upload id -> the request that may write; a later one replaces one that hangs.
        self._writers: dict[str, web.Request] = {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Store the bytes of one request, or return how many there are."""
        upload = self._uploads.by_token(request.match_info['token'])
        if upload is None:
            raise refusal(404, 'upload_not_found')
        method = METHODS[upload.purpose]
        if request.method != method:
            raise web.HTTPMethodNotAllowed(request.method, (method,))
        if upload.is_used:
            raise refusal(409, 'upload_closed', 'this file is in use already')
        self._writers[upload.id] = request
        try:
            piece = _parse_range(request, upload)
            if piece is None:
                return await self._receive_whole(request, upload)
            return await self._receive_piece(request, upload, piece)
        finally:
            if self._writers.get(upload.id) is request:
                del self._writers[upload.id]

    async def _receive_whole(self, request: web.Request, upload: Upload) -> web.Response:
        length, expected = request.content_length, upload.expected_bytes
        limit = LIMITS[upload.purpose]
        if length is not None and length > limit:
            raise refusal(413, 'too_large', f'more than {limit} bytes')
        if length is not None and expected not in (None, length):
            raise refusal(400, 'size_mismatch', f'{expected} bytes were promised, {length} come')
        upload.sha256, upload.size_bytes = '', 0
        sha256 = await self._store(request, upload, 0, limit)
        received = self._uploads.blobs.size(upload.id)
        if expected not in (None, received):
            self._uploads.blobs.remove(upload.id)
            raise refusal(
                400, 'size_mismatch', f'{expected} bytes were promised, {received} came')
        return await self._finish(request, upload, sha256)

    async def _receive_piece(
        self, request: web.Request, upload: Upload, piece: _Piece
    ) -> web.Response:
        start, end, total = piece
        if upload.is_whole:
            return _done(upload)
        received = self._uploads.blobs.size(upload.id)
        if received == total:
            # All came, and the connection was lost before the answer.
            return await self._finish(request, upload)
        if start is None or start > received:
            return _incomplete(received)
        await self._store(request, upload, start, end)
        received = self._uploads.blobs.size(upload.id)
        if received < total:
            return _incomplete(received)
        return await self._finish(request, upload)

    async def _store(
        self, request: web.Request, upload: Upload, start: int, limit: int
    ) -> str:
        """Write the body from byte ``start`` on, up to ``limit``; return its digest."""
        digest, position = hashlib.sha256(), start
        cut = self._state.faults.get('upload_cut')
        cut_at = None if cut is None else start + int(cut.number)
        with self._uploads.blobs.writing(upload.id, start) as file:
            async for block in request.content.iter_any():
                if self._writers.get(upload.id) is not request:
                    raise refusal(409, 'upload_superseded', 'another request sends this file')
                if position + len(block) > limit:
                    file.truncate(start)
                    raise refusal(413, 'too_large', f'more than {limit - start} bytes')
                if cut_at is not None and position + len(block) > cut_at:
                    file.write(block[:cut_at - position])
                    self._state.faults.consume('upload_cut')
                    raise _hung_up(request)
                file.write(block)
                digest.update(block)
                position += len(block)
            if not _agrees(request, 'Content-Digest', digest.hexdigest()):
                file.truncate(start)
                raise refusal(
                    400, 'checksum_mismatch', 'the bytes are not those of Content-Digest')
        return digest.hexdigest()

    async def _finish(
        self, request: web.Request, upload: Upload, sha256: str | None = None
    ) -> web.Response:
        """Keep size and digest of the whole file; it came in pieces when ``sha256`` is None."""
        blobs = self._uploads.blobs
        if self._state.faults.consume('upload_corrupt'):
            blobs.damage(upload.id)
            sha256 = None
        if sha256 is None:
            sha256 = await asyncio.to_thread(blobs.sha256, upload.id)
        for header in _DIGESTS:
            if not _agrees(request, header, sha256):
                blobs.remove(upload.id)
                raise refusal(
                    400, 'checksum_mismatch', f'the stored bytes are not those of {header}')
        upload.size_bytes, upload.sha256 = blobs.size(upload.id), sha256
        return _done(upload)


def _hung_up(request: web.Request) -> Ended:
    """End the connection at once; the answer is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return Ended(web.Response())


def _done(upload: Upload) -> web.Response:
    if METHODS[upload.purpose] == 'POST':
        return web.json_response({'storageId': upload.id})
    return web.json_response({'size_bytes': upload.size_bytes, 'sha256': upload.sha256})


def _incomplete(received: int) -> web.Response:
    headers = {'Range': f'bytes=0-{received - 1}'} if received else {}
    return web.Response(status=308, headers=headers)


def _agrees(request: web.Request, header: str, sha256: str) -> bool:
    """Return False only when a header has another SHA-256 digest."""
    match = _SHA256.search(request.headers.get(header, ''))
    return match is None or match[1] == base64.b64encode(bytes.fromhex(sha256)).decode()


def _parse_range(request: web.Request, upload: Upload) -> _Piece | None:
    """Parse ``Content-Range``, None without one; the upload keeps the size that it names."""
    text = request.headers.get('Content-Range')
    if text is None:
        return None
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None or upload.purpose not in RESUMABLE:
        raise refusal(400, 'bad_content_range',
                       'this target takes a whole file' if match else
                       'expected "bytes A-B/TOTAL" or "bytes */TOTAL"')
    total = int(match[3])
    if total > LIMITS[upload.purpose]:
        raise refusal(413, 'too_large', f'more than {LIMITS[upload.purpose]} bytes')
    start = None if match[1] is None else int(match[1])
    end = 0 if start is None else int(match[2]) + 1
    if total < 1 or end > total or (start is not None and start >= end):
        raise refusal(400, 'bad_content_range', f'{text} is not a valid range')
    if upload.expected_bytes not in (None, total):
        raise refusal(400, 'size_mismatch', f'{upload.expected_bytes} bytes were promised')
    if start is not None and request.content_length not in (None, end - start):
        raise refusal(400, 'size_mismatch',
                       f'{text} does not fit a body of {request.content_length} bytes')
    upload.expected_bytes = total
    return start, end, total
