# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models, which the command line calls artifacts too, and recordings (sections h.5 and i.7)."""

from __future__ import annotations

from pydantic import Field

from reflex_ros.client.messages import Row, Text


class Model(Row):
    """A model; ``ready`` is the status in which it can serve."""

    name: Text = ''
    status: Text = ''
    failure_reason: Text | None = Field(None, alias='failureReason')

    @property
    def model_id(self) -> str:
        """The id, whichever of its names it has here; empty when there is none."""
        return self.first_text('modelId', '_id', 'id', 'artifactId')


class ModelAnswer(Row):
    """Answer of the functions about one model: its fields, or the model in one of them."""

    artifact: Model | None = None
    nested: Model | None = Field(None, alias='model')

    @property
    def model(self) -> Model:
        """The model, wherever it stands."""
        return self.artifact or self.nested or Model.model_validate(self.as_sent())


class ModelList(Row):
    """Answer of ``models:listWithApiKey``, whose list has had several names."""

    models: tuple[Model, ...] = ()
    artifacts: tuple[Model, ...] = ()

    @property
    def rows(self) -> tuple[Model, ...]:
        """The models, under whichever name they came."""
        return self.models or self.artifacts


class StorageTicket(Row):
    """Where a file may be sent by POST."""

    upload_url: str = Field('', alias='uploadUrl')


class RecordingTicket(StorageTicket):
    """Answer of ``publicApi:beginRecordingUpload``."""

    recording_id: Text = Field('', alias='recordingId')
