# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Datasets, uploaded or from the Hugging Face hub (protocol reference, section i.5).

An upload has three steps, :func:`create`, :func:`put` and :func:`complete`. :func:`upload` makes
all three, and resumes an upload that was interrupted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
import platform
import re
import uuid

from reflex_ros.client import lerobot_layout
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.file_source import FileSource, Source
from reflex_ros.client.folder_source import FolderSource
from reflex_ros.client.messages import parse
from reflex_ros.client.messages.datasets import Dataset, DatasetAnswer, DatasetList, UploadTicket
from reflex_ros.client.rest import segment
from reflex_ros.client.texts import printable
from reflex_ros.client.transfer import Progress, Target, Uploaded
from reflex_ros.client.transfer import upload as send
from reflex_ros.errors import ConfigurationError, ServiceProtocolError

ARRIVED = frozenset({'uploaded', 'complete', 'completed', 'processing', 'registered', 'ready',
                     'validated', 'invalid'})
"""Statuses of a dataset whose file has arrived; those of the real service are not known."""
_NAME = r'[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?'
_HUB_SOURCE = re.compile(
    rf'(?:(?:hf://|https://(?:huggingface\.co|hf\.co)/)datasets/)?{_NAME}/{_NAME}'
    r'(?:@[^\s@?#/]+)?(?:/[^\s@?#/]+)*/?')
HUB_HOSTS = ('huggingface.co', 'hf.co', 'www.huggingface.co')
SOURCE_FORMS = 'hf://datasets/<owner>/<repo> or <owner>/<repo>, with [@revision][/path]'


def check_source(uri: str) -> str:
    """
    Check the name of a dataset on the Hugging Face hub, and return it trimmed.

    :raises ConfigurationError: if it has none of the documented forms.
    """
    text = re.sub(r'(?i)^(?:https://)?(?:www\.)?(huggingface\.co|hf\.co)/datasets/',
                  lambda found: f'https://{found[1].lower()}/datasets/', uri.strip())
    parts = re.split('[/@]', text)
    # host/datasets/owner/repo without a scheme would make an owner of the host.
    is_host = '://' not in text and '.' in parts[0] and parts[1:2] == ['datasets']
    is_hub = parts[0].lower() in HUB_HOSTS
    if len(text) > 1000 or not _HUB_SOURCE.fullmatch(text) or '..' in parts or '.' in parts or (
            text.startswith('datasets/') or is_host or is_hub):
        raise ConfigurationError(f'{text[:200]!r} is not a dataset on the Hugging Face hub. Write '
                                 f'it as {SOURCE_FORMS}')
    return text


async def register(service: AsyncReflex, hf_source_uri: str) -> DatasetAnswer:
    """
    Register a dataset of the hub at the service; errors as in :meth:`.RpcClient.call`.

    :raises ConfigurationError: if the name is not valid; nothing is sent.
    """
    value = await service.rpc.call(
        'action', 'publicApi:registerDataset', 'Unable to register dataset',
        hfSourceUri=check_source(hf_source_uri))
    return parse(DatasetAnswer, value, 'publicApi:registerDataset')


async def validate(service: AsyncReflex, dataset_id: str) -> DatasetAnswer:
    """Let the service check a dataset for training; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'action', 'publicApi:validateDataset', 'Unable to validate dataset',
        datasetId=dataset_id)
    return parse(DatasetAnswer, value, 'publicApi:validateDataset')


async def list_all(service: AsyncReflex, status: str | None = None) -> DatasetList:
    """
    List datasets; errors as in :meth:`.RpcClient.call` and :meth:`.RestClient.call`.

    :param status: list only datasets with this status; the service defines the statuses.
    """
    if status is None:
        value = await service.rpc.call(
            'mutation', 'publicApi:listDatasets', 'Unable to list datasets', is_read=True)
        return parse(DatasetList, value, 'publicApi:listDatasets')
    value = await service.rest.call('GET', '/v1/datasets', query={'status': status})
    return parse(DatasetList, value, 'GET /v1/datasets')


async def get(service: AsyncReflex, dataset_id: str) -> Dataset:
    """Read one dataset; errors as in :meth:`.RestClient.call`."""
    value = await service.rest.call('GET', f'/v1/datasets/{segment(dataset_id, "dataset")}')
    return parse(Dataset, value.get('dataset', value), 'GET /v1/datasets/<id>')


async def create(service: AsyncReflex, name: str, *, size_bytes: int | None = None,
                 request_id: str | None = None) -> UploadTicket:
    """
    Create a dataset, and get the URL for its upload; errors as in :meth:`.RestClient.call`.

    :param request_id: idempotency key: repeating it returns the existing dataset. None makes a
        new key.
    :raises ConfigurationError: if the name is empty; nothing is sent.
    :raises ServiceProtocolError: also if the answer has no dataset id.
    """
    if not name.strip():
        raise ConfigurationError('A dataset needs a name: pass --name')
    value = await service.rest.call('POST', '/v1/datasets', {
        'name': name, 'request_id': request_id or str(uuid.uuid4()), 'size_bytes': size_bytes,
    }, is_repeatable=True)
    ticket = parse(UploadTicket, value, 'POST /v1/datasets')
    if not ticket.dataset_id:
        raise ServiceProtocolError('Dataset create response did not include dataset_id')
    return ticket


async def put(service: AsyncReflex, ticket: UploadTicket, source: Source,
              on_progress: Progress | None = None) -> Uploaded:
    """
    Upload the file of a dataset; errors as in :func:`.transfer.upload`.

    :raises ServiceProtocolError: also if the ticket has no URL, or the checksum of the storage
        differs.
    """
    if not ticket.upload_url:
        raise ServiceProtocolError('Dataset create response did not include upload_url')
    target = Target(ticket.upload_url, ticket.upload_method, ticket.upload_headers,
                    ticket.is_resumable, 'Dataset upload')
    uploaded = await send(service.transport, target, source, on_progress)
    _compare(uploaded.sha256, uploaded.answer.get('sha256'))
    return uploaded


async def complete(service: AsyncReflex, dataset_id: str,
                   size_bytes: int | None = None) -> Dataset:
    """Tell the service that the upload is complete; errors as in :meth:`.RestClient.call`."""
    path = f'/v1/datasets/{segment(dataset_id, "dataset")}/complete'
    value = await service.rest.call('POST', path, {'size_bytes': size_bytes})
    return parse(Dataset, value, 'POST /v1/datasets/<id>/complete')


async def upload(service: AsyncReflex, path: Path, name: str, *, request_id: str | None = None,
                 on_progress: Progress | None = None, is_checked: bool = True) -> Dataset:
    """
    Create a dataset, upload its file and complete it.

    The same call with the same unchanged file resumes an interrupted upload. Nothing is saved on
    this machine for that.

    :param path: one file, or a folder, which is packed as a tar archive on the way.
    :param request_id: idempotency key; None derives it from host, path, sizes and times and from
        the name.
    :param is_checked: check a folder with a LeRobot dataset before anything is sent.
    :returns: the dataset, with ``sha256`` and ``size_bytes`` of the file that was read.
    :raises ConfigurationError: if the file cannot be uploaded, or changes during the upload.
    :raises ServiceError: as in the three steps.
    """
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        raise ConfigurationError(f'The name {printable(name, 200)} is not UTF-8. Pass another one '
                                 'with --name') from exc
    if is_checked and path.is_dir():
        lerobot_layout.require(path)
    with FolderSource(path) if path.is_dir() else FileSource(path) as source:
        ticket = await create(service, name, size_bytes=source.size,
                              request_id=request_id or _request_id(source, name))
        fields = ticket.as_sent()
        # Only a checksum proves that an earlier call sent the file. The meaning of a status at the
        # real service is not known.
        is_sent = bool(fields.get('sha256'))
        if is_sent:
            sha256 = await source.sha256()
            _compare(sha256, fields.get('sha256'))
        else:
            sha256 = (await put(service, ticket, source, on_progress)).sha256
        if not (is_sent and ticket.status in ARRIVED):
            completed = await complete(service, ticket.dataset_id, source.size)
            _compare(sha256, completed.sha256)
            fields |= completed.as_sent()
        # The upload URL gives write access, and is not needed any more.
        fields = {key: value for key, value in fields.items() if not key.startswith('upload_')}
        return parse(Dataset, {**fields, 'dataset_id': ticket.dataset_id, 'sha256': sha256,
                               'size_bytes': source.size}, 'POST /v1/datasets')


def _request_id(source: Source, name: str) -> str:
    """Derive an idempotency key from a file, so that a second call finds the first upload."""
    marks = (platform.node(), source.path.resolve(), source.size, source.version, name)
    return 'upload-' + hashlib.sha256('\0'.join(map(str, marks)).encode(
        errors='surrogateescape')).hexdigest()[:32]


def _compare(ours: str, theirs: object) -> None:
    if isinstance(theirs, str) and theirs and theirs.lower() != ours:
        raise ServiceProtocolError(
            f'The service has other bytes than were sent: its SHA-256 is {theirs[:64]!r}, that of '
            f'the file is {ours}. Upload the file again with a new --request-id')
