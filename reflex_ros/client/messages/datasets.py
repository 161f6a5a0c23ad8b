# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets as the service describes them, over RPC and over REST (sections c.5 and i.5)."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from reflex_ros.client.messages import Outcome, Row, Text


class Dataset(Row):
    """A dataset; its times are milliseconds since 1970."""

    name: Text = ''
    stated: Text = Field('', alias='status')
    is_deleted: bool = Field(False, alias='deleted')
    validated_at: float | None = Field(
        None, validation_alias=AliasChoices('lastValidatedAt', 'last_validated_at'),
        serialization_alias='lastValidatedAt')
    validation_message: Text | None = Field(
        None, validation_alias=AliasChoices('validationMessage', 'validation_message'),
        serialization_alias='validationMessage')
    updated_at: float | None = Field(
        None, validation_alias=AliasChoices('updatedAt', 'updated_at'),
        serialization_alias='updatedAt')
    sha256: Text | None = None

    @property
    def dataset_id(self) -> str:
        """The id, whichever of its names it has here; empty when there is none."""
        return self.first_text('dataset_id', 'datasetId', '_id', 'id')

    @property
    def status(self) -> str:
        """What the service's own rows are shown as: the reference derives it from the fields."""
        if self.is_deleted:
            return 'deleted'
        if self.validated_at is not None:
            return 'validated'
        return self.validation_message or self.stated or 'registered'

    @property
    def source(self) -> str:
        """Where it lies on the Hugging Face hub, empty for one that was uploaded."""
        repo = self.first_text('hfRepo')
        if not repo:
            return self.first_text('hfSourceUri', 'hf_source_uri')
        path, revision = self.first_text('hfPath'), self.first_text('hfRevision')
        return repo + (f'/{path}' if path else '') + (f'@{revision}' if revision else '')


class DatasetAnswer(Row, Outcome):
    """Answer of the functions about one dataset: its fields, or the dataset in one of them."""

    dataset: Dataset | None = None


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
    sha256: Text | None = None
