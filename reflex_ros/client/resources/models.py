# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Models: list, import, upload, delete (protocol reference, section i.7).

Some functions of the service call a model an artifact; the ids are the same.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
import re

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.file_source import FileSource
from reflex_ros.client.messages import parse
from reflex_ros.client.messages.models import ModelAnswer, ModelList, StorageTicket
from reflex_ros.client.resources.storage import store
from reflex_ros.client.transfer import Progress
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

MAX_ADAPTER = 500 * 2 ** 20
MAX_CONFIG = 2 ** 20
CONFIG_NAME = 'adapter_config.json'
POLL_S, READY_S = 5.0, 600.0
"""Time between polls and limit for all of them [s], as in the examples of the service."""
_REPO = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}')


async def list_all(service: AsyncReflex) -> ModelList:
    """List models; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'query', 'models:listWithApiKey', 'Unable to list artifacts', is_read=True, rows='models')
    return parse(ModelList, value, 'models:listWithApiKey')


async def get(service: AsyncReflex, model_id: str) -> ModelAnswer:
    """
    Read one model; errors as in :meth:`.RpcClient.call`.

    :raises ServiceProtocolError: also if the model does not exist: then the answer is null.
    """
    try:
        value = await service.rpc.call(
            'query', 'models:getWithApiKey', 'Unable to get artifact', is_read=True,
            modelId=model_id)
    except ServiceProtocolError as exc:
        if str(exc).endswith('must be a JSON object.'):
            raise ServiceProtocolError(
                f'{exc} There is probably no model {model_id[:80]!r}: run `reflex models '
                'list`') from exc
        raise
    return parse(ModelAnswer, value, 'models:getWithApiKey')


async def import_from_hub(service: AsyncReflex, hf_repo: str, name: str, *,
                          revision: str | None = None,
                          hf_token: Secret | None = None) -> ModelAnswer:
    """
    Let the service import a model from the Hugging Face hub.

    Errors as in :meth:`.RpcClient.call`.

    :param hf_token: access token for a private repository; it is sent to the service.
    :raises ConfigurationError: if the repository name is not valid; nothing is sent.
    """
    if not _REPO.fullmatch(hf_repo):
        raise ConfigurationError(f'{hf_repo[:200]!r} is not a model on the Hugging Face hub. '
                                 'Write it as <owner>/<repo>')
    value = await service.rpc.call(
        'action', 'publicApi:importModelFromHuggingFace', 'Unable to import model',
        hfRepo=hf_repo, name=name, hfRevision=revision, hfToken=hf_token)
    return parse(ModelAnswer, value, 'publicApi:importModelFromHuggingFace')


async def upload(service: AsyncReflex, adapter: Path, name: str, *, config: Path | None = None,
                 on_progress: Progress | None = None) -> ModelAnswer:
    """
    Upload an adapter: a ``.safetensors`` file of at most 500 MiB, and its configuration.

    :param config: the configuration; None uses ``adapter_config.json`` beside the adapter.
    :raises ConfigurationError: if a file is missing, too large or not valid; nothing is sent.
    :raises ServiceError: as in :meth:`.RpcClient.call` and :func:`.transfer.upload`.
    """
    if not adapter.is_file():
        raise ConfigurationError(f'adapter file not found: {adapter}')
    config_text = read_config(config or adapter.with_name(CONFIG_NAME))
    if adapter.suffix != '.safetensors':
        raise ConfigurationError(f'{adapter} is not a .safetensors file')
    with FileSource(adapter) as source:
        if source.size > MAX_ADAPTER:
            raise ConfigurationError(
                f'{adapter} has {source.size / 2 ** 20:.0f} MiB, but at most 500 MiB can be '
                'uploaded. Put it on the Hugging Face hub and use `reflex models import`')
        value = await service.rpc.call(
            'mutation', 'models:beginDirectUpload', 'Could not generate upload URL',
            is_keyless=True)
        ticket = parse(StorageTicket, value, 'models:beginDirectUpload')
        storage_id = await store(service, ticket.upload_url, source, 'application/octet-stream',
                                 'Convex storage upload', on_progress)
    value = await service.rpc.call(
        'action', 'publicApi:uploadModelDirect', 'Unable to upload model', storageId=storage_id,
        name=name, adapterConfigJson=config_text)
    return parse(ModelAnswer, value, 'publicApi:uploadModelDirect')


async def delete(service: AsyncReflex, model_id: str) -> ModelAnswer:
    """Delete a model; its files are removed later. Errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'action', 'publicApi:deleteModel', 'Unable to delete model', modelId=model_id)
    return parse(ModelAnswer, value, 'publicApi:deleteModel')


async def wait_ready(service: AsyncReflex, model_id: str, *, limit_s: float = READY_S,
                     poll_s: float = POLL_S) -> ModelAnswer:
    """
    Poll a model until it is ready; errors as in :func:`get`.

    :param limit_s: longest time to wait [s].
    :param poll_s: time between polls [s].
    :raises ServiceRefused: if the model failed or was deleted; carries the reason of the service.
    :raises ServiceUnavailable: if the model is not ready within ``limit_s``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        answer = await get(service, model_id)
        status = answer.model.status
        if status == 'ready':
            return answer
        if status in ('failed', 'deleting', 'deleted'):
            reason = answer.model.failure_reason or 'the service names no reason'
            raise ServiceRefused(f'Model {model_id} is {status}: {reason}', f'model_{status}')
        if loop.time() + poll_s > deadline:
            raise ServiceUnavailable(f'Model {model_id} is still {status or "not ready"} after '
                                     f'{limit_s:g} s. Check it later with `reflex models get '
                                     f'{model_id}`')
        await asyncio.sleep(poll_s)


def read_config(path: Path) -> str:
    """
    Read and check ``adapter_config.json``; return its text unchanged.

    :raises ConfigurationError: if the file is missing, or not a JSON object of at most 1 MiB.
    """
    if not path.is_file():
        raise ConfigurationError(f'adapter_config.json not found: {path}')
    try:
        with path.open('rb') as file:
            raw = file.read(MAX_CONFIG + 1)
        if len(raw) > MAX_CONFIG:
            raise ConfigurationError(f'{path} is larger than 1 MiB')
        text = raw.decode()
        content = json.loads(text)
    except OSError as exc:
        raise ConfigurationError(f'Cannot read {path}: {exc.strerror}') from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f'adapter_config.json is not valid JSON: {exc}') from exc
    if not isinstance(content, dict):
        raise ConfigurationError('adapter_config.json must be a JSON object')
    return text
