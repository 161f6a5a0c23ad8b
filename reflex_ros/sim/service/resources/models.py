# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models, which the command line calls artifacts (protocol i.7): pulled, uploaded or trained."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# [ms] after which a model that is being deleted is gone.
DELETION_MS = 30_000
PRESET = 'model_sim'


class Status(str, Enum):
    """Where a model is in its life."""

    PULLING = 'pulling'
    READY = 'ready'
    FAILED = 'failed'
    DELETING = 'deleting'


@dataclass
class Model(Row):
    """
    One model; empty texts are unknown.

    :param kind: where it comes from: ``base``, ``hf_import``, ``direct_upload``, ``fine_tune``.
    :param due_ms: epoch [ms] at which ``PULLING`` or ``DELETING`` ends.
    :param doom: why the pull will fail.
    :param storage_id: of the uploaded file.
    """

    id: str
    name: str
    kind: str
    created_ms: int
    updated_ms: int
    status: Status = Status.READY
    version: str = ''
    base_model: str = ''
    repo: str = ''
    revision: str = ''
    size_bytes: int = 0
    storage_id: str = ''
    adapter_config: str = ''
    training_run_id: str = ''
    due_ms: int | None = None
    doom: str = ''
    failure_reason: str = ''

    def to_json(self) -> dict[str, object]:
        """Return the row of the lists; what is unknown is left out."""
        row = ids('modelId', self.id) | {
            'name': self.name,
            'kind': self.kind, 'status': self.status.value, 'sizeBytes': self.size_bytes,
            'createdAt': self.created_ms, 'updatedAt': self.updated_ms,
        }
        return row | given({
            'version': self.version, 'baseModel': self.base_model, 'hfRepo': self.repo,
            'hfRevision': self.revision, 'adapterConfigJson': self.adapter_config,
            'storageId': self.storage_id, 'trainingRunId': self.training_run_id,
            'failureReason': self.failure_reason,
        })


class Models:
    """
    Every model, oldest first.

    :param clock: decides when a pull or a deletion is over.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start with the one that the preset deployments run."""
        self._clock = clock
        self.table = Table(Model, Reason.MODEL_NOT_FOUND)
        self.table.add(Model(
            PRESET, 'Simulated policy', 'base', clock.now_ms(), clock.now_ms(), version='v1',
            base_model='pi0.5',
        ))

    def add(self, *, name: str, kind: str, **fields: object) -> Model:
        """Add a model that is ready at once; the fields are those of ``Model``."""
        now_ms = self._clock.now_ms()
        # mypy cannot see through the mapping; the callers are ours.
        return self.table.add(Model(
            new_id('model'), name, kind, now_ms, now_ms, **fields))  # type: ignore[arg-type]

    def pull(
        self, repo: str, *, name: str, revision: str, size_bytes: int, pull_s: float, doom: str
    ) -> Model:
        """
        Begin to fetch a model from the hub.

        :param pull_s: how long it takes.
        :param doom: why it will fail, empty when it will not.
        """
        model = self.add(
            name=name, kind='hf_import', repo=repo, revision=revision, size_bytes=size_bytes)
        model.status, model.doom = Status.PULLING, doom
        model.due_ms = model.created_ms + round(pull_s * 1e3)
        return model

    def get_ready(self, model_id: str) -> Model:
        """
        Return a model that can be used.

        :raises Refusal: ``model_not_found``, ``model_not_ready``.
        """
        model = self.table.get(model_id)
        if model.status is not Status.READY:
            raise Refusal(Reason.MODEL_NOT_READY, f'the model is {model.status.value}')
        return model

    def delete(self, model_id: str) -> Model:
        """
        Begin to delete a model.

        :raises Refusal: ``model_not_found``, ``already_deleting``.
        """
        model = self.table.get(model_id)
        if model.status is Status.DELETING:
            raise Refusal(Reason.ALREADY_DELETING)
        self._enter(model, Status.DELETING, self._clock.now_ms())
        model.due_ms = model.updated_ms + DELETION_MS
        return model

    def settle(self) -> list[Model]:
        """Let happen what is due; return the models that are gone now."""
        now_ms, gone = self._clock.now_ms(), []
        for model in self.table.all():
            if model.due_ms is None or now_ms < model.due_ms:
                continue
            if model.status is Status.DELETING:
                self.table.remove(model.id)
                gone.append(model)
                continue
            model.failure_reason = model.doom
            self._enter(model, Status.FAILED if model.doom else Status.READY, model.due_ms)
            model.due_ms = None
        return gone

    def _enter(self, model: Model, status: Status, now_ms: int) -> None:
        model.status, model.updated_ms = status, now_ms
