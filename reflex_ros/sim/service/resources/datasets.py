# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Datasets: from the Hugging Face hub, or uploaded over REST (protocol i.5).

Both kinds share one table. The statuses are our proposal; nobody has seen the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.hf_dataset_name import HubDataset
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.resources.uploads import Purpose, Upload, Uploads
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# A name with this in it fails its validation, so that a user can see how that looks.
INVALID_NAME = 'invalid'


class Status(str, Enum):
    """What is known about a dataset."""

    AWAITING_UPLOAD = 'awaiting_upload'
    REGISTERED = 'registered'
    VALIDATED = 'validated'
    INVALID = 'invalid'


@dataclass
class Dataset(Row):
    """
    One dataset; empty texts are unknown.

    :param upload_id: of the file that it was uploaded as, empty when it is on the hub.
    :param is_complete: whether there is anything to validate.
    :param request_id: the caller's name for its creation.
    :param validated_ms: epoch [ms] of the last validation that passed.
    """

    id: str
    name: str
    created_ms: int
    updated_ms: int
    source: str = ''
    repo: str = ''
    path: str = ''
    revision: str = ''
    upload_id: str = ''
    request_id: str = ''
    is_complete: bool = True
    size_bytes: int | None = None
    sha256: str = ''
    validated_ms: int | None = None
    validation_message: str = ''

    @property
    def status(self) -> Status:
        """What can be said about it in one word."""
        if not self.is_complete:
            return Status.AWAITING_UPLOAD
        if self.validated_ms is not None:
            return Status.VALIDATED
        return Status.INVALID if self.validation_message else Status.REGISTERED

    def to_json(self) -> dict[str, object]:
        """Return the row of the RPC functions."""
        row = ids('datasetId', self.id) | {
            'name': self.name,
            'status': self.status.value, 'createdAt': self.created_ms,
            'updatedAt': self.updated_ms, 'deleted': False,
        }
        return row | given({
            'hfSourceUri': self.source, 'hfRepo': self.repo, 'hfPath': self.path,
            'hfRevision': self.revision, 'sizeBytes': self.size_bytes, 'sha256': self.sha256,
            'lastValidatedAt': self.validated_ms, 'validationMessage': self.validation_message,
        })

    def to_rest(self) -> dict[str, object]:
        """Return the object of the REST endpoints, which spell with underscores."""
        row: dict[str, object] = {
            'dataset_id': self.id, 'id': self.id, 'name': self.name,
            'status': self.status.value, 'created_at': self.created_ms,
            'updated_at': self.updated_ms,
        }
        return row | given({
            'hf_source_uri': self.source, 'size_bytes': self.size_bytes, 'sha256': self.sha256,
            'last_validated_at': self.validated_ms, 'validation_message': self.validation_message,
        })


class Datasets:
    """
    Every dataset, oldest first.

    :param clock: stamps what happens.
    """

    def __init__(self, clock: ServiceClock, uploads: Uploads) -> None:
        """Start without any."""
        self._clock = clock
        self._uploads = uploads
        self.table = Table(Dataset, Reason.DATASET_NOT_FOUND)

    def register(self, source: str, hub: HubDataset) -> Dataset:
        """Return the dataset of a place on the hub, a new one when it is not known yet."""
        for dataset in self.table.all():
            if (dataset.repo, dataset.path, dataset.revision) == (
                    hub.repo, hub.path, hub.revision):
                return dataset
        return self.table.add(Dataset(
            new_id('dataset'), hub.repo, self._clock.now_ms(), self._clock.now_ms(),
            source=source, repo=hub.repo, path=hub.path, revision=hub.revision,
        ))

    def create(self, name: str, request_id: str, size_bytes: int | None) -> Dataset:
        """
        Promise a dataset that will be uploaded; the same request id again is the same dataset.

        :param request_id: empty for none.
        :raises Refusal: ``invalid_parameters`` when the size is out of bounds.
        """
        for dataset in self.table.all():
            if request_id and dataset.request_id == request_id:
                return dataset
        upload = self._uploads.begin(Purpose.DATASET, size_bytes)
        return self.table.add(Dataset(
            new_id('dataset'), name, self._clock.now_ms(), self._clock.now_ms(),
            upload_id=upload.id, request_id=request_id, is_complete=False, size_bytes=size_bytes,
        ))

    def upload_of(self, dataset: Dataset) -> Upload | None:
        """Return the upload of a dataset, None for one that is on the hub."""
        return self._uploads.table.find(dataset.upload_id)

    def complete(self, dataset_id: str, size_bytes: int | None) -> Dataset:
        """
        Follow the client's word that every byte is sent; saying it again is no error.

        :raises Refusal: ``dataset_not_found``; ``upload_incomplete`` when bytes are missing;
            ``invalid_parameters`` when there is nothing to upload, or another size is named.
        """
        dataset = self.table.get(dataset_id)
        upload = self.upload_of(dataset)
        if upload is None:
            raise Refusal(Reason.INVALID_PARAMETERS, 'this dataset is not uploaded')
        if upload.is_whole and size_bytes not in (None, upload.size_bytes):
            raise Refusal(Reason.INVALID_PARAMETERS,
                          f'{upload.size_bytes} bytes are stored, not {size_bytes}')
        if not dataset.is_complete:
            self._uploads.use(upload.id, Purpose.DATASET)
            dataset.is_complete = True
            dataset.size_bytes, dataset.sha256 = upload.size_bytes, upload.sha256
            dataset.updated_ms = self._clock.now_ms()
        return dataset

    def validate(self, dataset_id: str, fails: bool) -> Dataset:
        """
        Look whether a dataset can be trained on, and remember the outcome.

        :param fails: whether it is to fail, whatever it holds.
        :raises Refusal: ``dataset_not_found``; ``dataset_invalid`` with what is wrong;
            ``upload_incomplete``.
        """
        dataset = self.table.get(dataset_id)
        if not dataset.is_complete:
            raise Refusal(Reason.UPLOAD_INCOMPLETE, 'complete the upload first')
        complaint = ''
        if fails or INVALID_NAME in dataset.name.lower():
            complaint = 'meta/info.json is missing or not readable'
        elif dataset.size_bytes == 0:
            complaint = 'the uploaded file is empty'
        dataset.updated_ms = self._clock.now_ms()
        dataset.validation_message = complaint
        dataset.validated_ms = None if complaint else dataset.updated_ms
        if complaint:
            raise Refusal(Reason.DATASET_INVALID, complaint)
        return dataset
