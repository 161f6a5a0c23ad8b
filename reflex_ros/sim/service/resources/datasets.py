# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Datasets: from the Hugging Face hub, or uploaded over REST (protocol c.4, c.5, i.5).

Both kinds share one table. The statuses are our proposal; those of the real service are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reflex_ros.sim.service.calls import Json, known, rest, rpc, Text, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.resources.hf_dataset_name import parse_dataset
from reflex_ros.sim.service.resources.uploads import Purpose, Upload, Uploads
from reflex_ros.sim.service.storage.table import new_id

# A name with this in it fails its validation, so that a user can see how that looks.
INVALID_NAME = 'invalid'


# What is known about a dataset.
Status = Literal['awaiting_upload', 'registered', 'validated', 'invalid']


@dataclass
class Dataset(WireRow):
    """
    One dataset; empty texts are unknown.

    :param upload_id: of the file that it was uploaded as, empty when it is on the hub.
    :param is_complete: whether its bytes are all there.
    :param request_id: the caller's idempotency key of its creation.
    :param last_validated_at: when it last passed its validation.
    """

    ID_NAME = 'datasetId'
    PRIVATE = ('upload_id', 'request_id', 'is_complete')

    id: str
    name: str
    created_at: int
    updated_at: int
    hf_source_uri: str = ''
    hf_repo: str = ''
    hf_path: str = ''
    hf_revision: str = ''
    upload_id: str = ''
    request_id: str = ''
    is_complete: bool = True
    size_bytes: int | None = None
    sha256: str = ''
    last_validated_at: int | None = None
    validation_message: str = ''

    @property
    def status(self) -> Status:
        """The status, which follows from the other fields."""
        if not self.is_complete:
            return 'awaiting_upload'
        if self.last_validated_at is not None:
            return 'validated'
        return 'invalid' if self.validation_message else 'registered'

    def to_json(self) -> Json:
        """Return the row of the RPC functions."""
        return self.ids('name', 'status') | {
            'createdAt': self.created_at, 'updatedAt': self.updated_at, 'deleted': False,
        } | super().to_json()

    def to_rest(self) -> Json:
        """Return the object of the REST routes, which spell with underscores."""
        names = ('id', 'name', 'status', 'created_at', 'updated_at', 'hf_source_uri',
                 'size_bytes', 'sha256', 'last_validated_at', 'validation_message')
        return {'dataset_id': self.id} | known({name: getattr(self, name) for name in names})


class Datasets:
    """Every dataset, oldest first."""

    def __init__(self, context: Context, uploads: Uploads) -> None:
        self._context = context
        self._uploads = uploads
        self.table = context.add_table('datasets', Dataset, Reason.DATASET_NOT_FOUND)

    @rpc('publicApi:registerDataset')
    def register(self, *, hf_source_uri: str) -> Json:
        """Register a dataset on the hub; the same place again is the same dataset."""
        row = self.find_or_add(hf_source_uri).to_json()
        return row | {'dataset': row}

    @rpc('publicApi:validateDataset')
    def validate_row(self, *, dataset_id: str) -> Json:
        """Validate a dataset."""
        row = self.validate(dataset_id).to_json()
        return row | {'valid': True, 'dataset': row}

    @rpc('publicApi:listDatasets')
    def list_rows(self) -> Json:
        """Return every dataset, from the hub or uploaded."""
        return {'datasets': [dataset.to_json() for dataset in self.table.all()]}

    @rest('POST /v1/datasets')
    def create(self, *, name: Text, request_id: str = '', size_bytes: int | None = None) -> Json:
        """Make room for a dataset; the same request id again is the same dataset."""
        dataset = self.table.first(lambda row: bool(request_id) and row.request_id == request_id)
        if dataset is None:
            upload = self._uploads.begin(Purpose.DATASET, size_bytes)
            now_ms = self._context.clock.now_ms()
            dataset = self.table.add(Dataset(
                new_id('dataset'), name, now_ms, now_ms, upload_id=upload.id,
                request_id=request_id, is_complete=False, size_bytes=size_bytes))
        return dataset.to_rest() | {
            'upload_url': self._uploads.url(self._uploads.table.get(dataset.upload_id)),
            'upload_method': 'PUT',
            'upload_headers': {'Content-Type': 'application/octet-stream'},
            # Our extension, see upload_target; a client that ignores it sends one whole PUT.
            'upload_resumable': True,
        }

    @rest('GET /v1/datasets')
    def list_objects(self, *, query: Mapping[str, str]) -> Json:
        """Return every dataset, or those in a status; an unknown status matches none."""
        wanted = query.get('status')
        objects = [dataset.to_rest() for dataset in self.table.all()]
        return {'datasets': [each for each in objects if wanted in (None, '', each['status'])]}

    @rest('GET /v1/datasets/{dataset_id}')
    def get(self, *, dataset_id: str) -> Json:
        """Return one dataset; while its upload is not complete, also how far that got."""
        dataset = self.table.get(dataset_id)
        upload = self._upload_of(dataset)
        if upload is None or dataset.is_complete:
            return dataset.to_rest()
        return dataset.to_rest() | {'received_bytes': self._uploads.blobs.size(upload.id)}

    @rest('POST /v1/datasets/{dataset_id}/complete')
    def complete(self, *, dataset_id: str, size_bytes: int | None = None) -> Json:
        """Close the upload when every byte is there; repeating it is no error."""
        dataset = self.table.get(dataset_id)
        upload = self._upload_of(dataset)
        if upload is None:
            raise invalid('this dataset is not uploaded')
        if upload.is_whole and size_bytes not in (None, upload.size_bytes):
            raise invalid(f'{upload.size_bytes} bytes are stored, not {size_bytes}')
        if not dataset.is_complete:
            self._uploads.use(upload.id, Purpose.DATASET)
            dataset.is_complete = True
            dataset.size_bytes, dataset.sha256 = upload.size_bytes, upload.sha256
            dataset.updated_at = self._context.clock.now_ms()
        return dataset.to_rest()

    def find_or_add(self, source: str) -> Dataset:
        """Return the dataset at a place on the hub; refuse what is no ``hfSourceUri``."""
        try:
            hub = parse_dataset(source)
        except ValueError as exc:
            raise invalid(f'hfSourceUri: {exc}') from exc
        dataset = self.table.first(lambda row: (row.hf_repo, row.hf_path, row.hf_revision) == (
            hub.repo, hub.path, hub.revision))
        if dataset is not None:
            return dataset
        now_ms = self._context.clock.now_ms()
        return self.table.add(Dataset(
            new_id('dataset'), hub.repo, now_ms, now_ms, source, hub.repo, hub.path,
            hub.revision))

    def validate(self, dataset_id: str) -> Dataset:
        """Check whether a dataset can be trained on, keep the outcome, refuse a bad one."""
        fails = self._context.faults.consume('dataset_invalid') is not None
        dataset = self.table.get(dataset_id)
        if not dataset.is_complete:
            raise Refusal(Reason.UPLOAD_INCOMPLETE, 'complete the upload first')
        problem = ''
        if fails or INVALID_NAME in dataset.name.lower():
            problem = 'meta/info.json is missing or not readable'
        elif dataset.size_bytes == 0:
            problem = 'the uploaded file is empty'
        dataset.updated_at = self._context.clock.now_ms()
        dataset.validation_message = problem
        dataset.last_validated_at = None if problem else dataset.updated_at
        if problem:
            raise Refusal(Reason.DATASET_INVALID, problem)
        return dataset

    def _upload_of(self, dataset: Dataset) -> Upload | None:
        return self._uploads.table.find(dataset.upload_id)
