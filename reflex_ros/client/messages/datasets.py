# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages about datasets, from RPC and from REST (sections c.5 and i.5)."""

from __future__ import annotations

from pydantic import Field

from reflex_ros.client.messages import Row, Text


class Dataset(Row):
    """A dataset, with the field names of RPC (``updatedAt``) or REST (``updated_at``)."""

    name: Text = ''
    is_deleted: bool = Field(False, alias='deleted')

    @property
    def dataset_id(self) -> str:
        """The id, from any of its field names; empty if there is none."""
        return self.first_text('dataset_id', 'datasetId', '_id', 'id')

    @property
    def updated_at(self) -> float | None:
        """Time of the last change [ms since 1970]."""
        return self.first_number('updatedAt', 'updated_at')

    @property
    def status(self) -> str:
        """Status to show; the reference derives it from other fields."""
        if self.is_deleted:
            return 'deleted'
        if self.first_number('lastValidatedAt', 'last_validated_at') is not None:
            return 'validated'
        return (self.first_text('validationMessage', 'validation_message')
                or self.first_text('status') or 'registered')

    @property
    def sha256(self) -> str:
        """SHA-256 of an uploaded file, hexadecimal; empty if the service sent none."""
        return self.first_text('sha256')

    @property
    def source(self) -> str:
        """Name on the Hugging Face hub; empty for an uploaded dataset."""
        repo = self.first_text('hfRepo')
        if not repo:
            return self.first_text('hfSourceUri', 'hf_source_uri')
        path, revision = self.first_text('hfPath'), self.first_text('hfRevision')
        return repo + (f'/{path}' if path else '') + (f'@{revision}' if revision else '')


class DatasetAnswer(Row):
    """Answer about one dataset: its fields, or the dataset in the field ``dataset``."""

    dataset: Dataset | None = None

    @property
    def dataset_id(self) -> str:
        """The id, from the answer or the dataset in it; empty if there is none."""
        own = self.first_text('datasetId', '_id', 'id')
        return own or (self.dataset.dataset_id if self.dataset else '')


class DatasetList(Row):
    """Answer of ``publicApi:listDatasets`` and of GET ``/v1/datasets``."""

    datasets: tuple[Dataset, ...] = ()


class UploadTicket(Row):
    """
    Answer of POST ``/v1/datasets``: URL and headers for the upload.

    :param is_resumable: whether the URL understands ``Content-Range``; an extension of this
        package, not of the vendor.
    """

    dataset_id: Text = ''
    upload_url: str = ''
    upload_method: Text = 'PUT'
    upload_headers: dict[str, str] = Field(default_factory=dict)
    is_resumable: bool = Field(False, alias='upload_resumable')
    status: Text = ''
