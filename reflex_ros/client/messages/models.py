# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages about models, also called artifacts, and recordings (sections h.5 and i.7)."""

from __future__ import annotations

from pydantic import Field

from reflex_ros.client.messages import Row, Text


class Model(Row):
    """A model; it can be used in the status ``ready``."""

    name: Text = ''
    status: Text = ''
    failure_reason: Text | None = Field(None, alias='failureReason')

    @property
    def model_id(self) -> str:
        """The id, from any of its field names; empty if there is none."""
        return self.first_text('modelId', '_id', 'id', 'artifactId')


class ModelAnswer(Row):
    """Answer about one model: its fields, or the model in one of its fields."""

    artifact: Model | None = None
    nested: Model | None = Field(None, alias='model')

    @property
    def model(self) -> Model:
        """The model, from ``artifact``, ``model`` or the answer itself."""
        return self.artifact or self.nested or Model.model_validate(self.as_sent())


class ModelList(Row):
    """Answer of ``models:listWithApiKey``; the list has one of two names."""

    models: tuple[Model, ...] = ()
    artifacts: tuple[Model, ...] = ()

    @property
    def rows(self) -> tuple[Model, ...]:
        """The models, from ``models`` or ``artifacts``."""
        return self.models or self.artifacts


class StorageTicket(Row):
    """
    URL for the upload of a file by POST.

    :param is_resumable: whether the URL understands ``Content-Range``; an extension of this
        package, not of the vendor.
    """

    upload_url: str = Field('', alias='uploadUrl')
    is_resumable: bool = Field(False, alias='uploadResumable')


class RecordingTicket(StorageTicket):
    """Answer of ``publicApi:beginRecordingUpload``."""

    recording_id: Text = Field('', alias='recordingId')
