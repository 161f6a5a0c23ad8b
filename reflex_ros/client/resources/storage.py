# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upload of adapters and recordings by POST to the storage (sections h.5 and i.7)."""

from __future__ import annotations

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.file_source import Source
from reflex_ros.client.texts import printable
from reflex_ros.client.transfer import Progress, Target, upload
from reflex_ros.errors import ServiceProtocolError


async def store(service: AsyncReflex, url: str, source: Source, content_type: str, what: str,
                on_progress: Progress | None = None, *, is_resumable: bool = False) -> str:
    """
    Upload a file and return its id in the storage; errors as in :func:`.transfer.upload`.

    :param what: start of the error texts, e.g. ``Recording upload``.
    :param is_resumable: send only what the storage does not have yet.
    :raises ServiceProtocolError: also if the answer of the storage has no id.
    """
    target = Target(url, 'POST', {'Content-Type': content_type}, is_resumable, what)
    uploaded = await upload(service.transport, target, source, on_progress)
    storage_id = uploaded.answer.get('storageId')
    if not isinstance(storage_id, str) or not storage_id:
        raise ServiceProtocolError(f'{what} returned no storageId: '
                                   f'{printable(str(dict(uploaded.answer)), 200)}')
    return storage_id
