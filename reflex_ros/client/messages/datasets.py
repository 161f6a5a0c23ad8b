# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets as the service describes them, over RPC and over REST (sections c.5 and i.5)."""

from __future__ import annotations

from pydantic import Field

from reflex_ros.client.messages import Row, Text


class Dataset(Row):
    """A dataset, with the names of RPC (``updatedAt``) or those of REST (``updated_at``)."""

    name: Text = ''
    is_deleted: bool = Field(False, alias='deleted')

    @property
    def dataset_id(self) -> str:
        """The id, whichever of its names it has here; empty when there is none."""
        return self.first_text('dataset_id', 'datasetId', '_id', 'id')

    @property
    def updated_at(self) -> float | None:
        """When it was changed [ms since 1970]."""
        return self.first_number('updatedAt', 'updated_at')

    @property
    def status(self) -> str:
        """How it is shown: the reference derives it from other fields."""
        if self.is_deleted:
            return 'deleted'
        if self.first_number('lastValidatedAt', 'last_validated_at') is not None:
            return 'validated'
        return (self.first_text('validationMessage', 'validation_message')
                or self.first_text('status') or 'registered')

    @property
    def sha256(self) -> str:
        """Checksum of an uploaded file, hexadecimal; empty when the service names none."""
        return self.first_text('sha256')

    @property
    def source(self) -> str:
        """Where it lies on the Hugging Face hub, empty for one that was uploaded."""
        repo = self.first_text('hfRepo')
        if not repo:
            return self.first_text('hfSourceUri', 'hf_source_uri')
        path, revision = self.first_text('hfPath'), self.first_text('hfRevision')
        return repo + (f'/{path}' if path else '') + (f'@{revision}' if revision else '')


class DatasetAnswer(Row):
    """Answer of the functions about one dataset: its fields, or the dataset in one of them."""

    dataset: Dataset | None = None

    @property
    def dataset_id(self) -> str:
        """The id, wherever it stands; empty when there is none."""
        own = self.first_text('datasetId', '_id', 'id')
        return own or (self.dataset.dataset_id if self.dataset else '')


class DatasetList(Row):
    """Answer of ``publicApi:listDatasets`` and of GET ``/v1/datasets``."""

    datasets: tuple[Dataset, ...] = ()


class UploadTicket(Row):
    """
    Answer of POST ``/v1/datasets``: where the file goes.

    :param is_resumable: ours, not the vendor's: the address understands ``Content-Range``.
    """

    dataset_id: Text = ''
    upload_url: str = ''
    upload_method: Text = 'PUT'
    upload_headers: dict[str, str] = Field(default_factory=dict)
    is_resumable: bool = Field(False, alias='upload_resumable')
    status: Text = ''
