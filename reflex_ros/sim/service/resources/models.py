# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models, which the command line calls artifacts: pulled, uploaded or trained (c.4, i.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reflex_ros.sim.service.calls import Json, JsonText, rpc, Text, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.resources.hf_dataset_name import parse_repo
from reflex_ros.sim.service.resources.keys import Keys
from reflex_ros.sim.service.resources.uploads import Purpose, Uploads
from reflex_ros.sim.service.storage.table import new_id

# [ms] after which a model that is being deleted is gone.
DELETION_MS = 30_000
_SIZE_BYTES = 42_000_000


# Where a model is in its life.
Status = Literal['pulling', 'ready', 'failed', 'deleting']


@dataclass
class Model(WireRow):
    """
    One model; empty texts are unknown.

    :param kind: where it comes from: ``base``, ``hf_import``, ``direct_upload``, ``fine_tune``.
    :param due_at: when ``pulling`` or ``deleting`` ends.
    :param doom: why the pull will fail.
    :param storage_id: of the uploaded file.
    """

    ID_NAME = 'modelId'
    PRIVATE = ('due_at', 'doom')

    id: str
    name: str
    kind: str
    status: Status
    size_bytes: int
    created_at: int
    updated_at: int
    version: str = ''
    base_model: str = ''
    hf_repo: str = ''
    hf_revision: str = ''
    adapter_config_json: str = ''
    storage_id: str = ''
    training_run_id: str = ''
    due_at: int | None = None
    doom: str = ''
    failure_reason: str = ''


class Models:
    """Every model; at the start the one that the preset deployments run."""

    def __init__(self, context: Context, uploads: Uploads, keys: Keys) -> None:
        self._context = context
        self._uploads = uploads
        self._keys = keys
        self.table = context.add_table('models', Model, Reason.MODEL_NOT_FOUND)
        now_ms = context.clock.now_ms()
        self.table.add(Model(
            'model_sim', 'Simulated policy', 'base', 'ready', 0, now_ms, now_ms, 'v1',
            'pi0.5'))

    @rpc('publicApi:importModelFromHuggingFace')
    def import_from_hub(
        self, *, hf_repo: str, name: Text, hf_revision: str = '', hf_token: str = ''
    ) -> Json:
        """Begin to pull a model; some names fail, so that a user can see how that looks."""
        try:
            repo = parse_repo(hf_repo)
        except ValueError as exc:
            raise invalid(f'hfRepo: {exc}') from exc
        doom = ''
        if self._context.faults.consume('import_fails') or 'missing' in repo.lower():
            doom = f'{repo} was not found on the hub'
        elif 'gated' in repo.lower() and not hf_token:
            doom = f'{repo} is gated; an hfToken is needed'
        model = self.add(
            name=name, kind='hf_import', hf_repo=repo, hf_revision=hf_revision,
            size_bytes=_SIZE_BYTES, status='pulling', doom=doom)
        model.due_at = model.created_at + round(self._context.settings.pull_s * 1e3)
        return model.ids('status', 'kind') | {'sizeBytes': model.size_bytes}

    @rpc('models:beginDirectUpload', needs_key=False)
    def begin_upload(self) -> Json:
        """Make room for an adapter; needs no key."""
        return {'uploadUrl': self._uploads.url(self._uploads.begin(Purpose.MODEL))}

    @rpc('publicApi:uploadModelDirect')
    def upload_direct(
        self, *, storage_id: str, name: Text, adapter_config_json: JsonText
    ) -> Json:
        """Make a model of an uploaded adapter and its configuration."""
        upload = self._uploads.use(storage_id, Purpose.MODEL)
        return self.add(
            name=name, kind='direct_upload', size_bytes=upload.size_bytes, storage_id=upload.id,
            adapter_config_json=adapter_config_json).ids('status')

    @rpc('models:listWithApiKey')
    def list_rows(self) -> Json:
        """Return every model, oldest first."""
        return {'models': [model.to_json() for model in self.table.all()]}

    @rpc('models:getWithApiKey')
    def get(self, *, model_id: str) -> Json | None:
        """Return one model, null for an unknown id."""
        model = self.table.find(model_id)
        return None if model is None else {'artifact': model.to_json()}

    @rpc('publicApi:deleteModel')
    def delete(self, *, model_id: str) -> Json:
        """Begin to delete a model."""
        model = self.table.get(model_id)
        if model.status == 'deleting':
            raise Refusal(Reason.ALREADY_DELETING)
        model.status, model.updated_at = 'deleting', self._context.clock.now_ms()
        model.due_at = model.updated_at + DELETION_MS
        return model.ids('status')

    @rpc('publicApi:bindKeyToModel')
    def bind_key(self, *, key_id: str, model_id: str | None) -> Json:
        """Let a key serve a model; null lets it serve the base model again."""
        if model_id is not None:
            self.get_ready(model_id)
        key = self._keys.table.get(key_id)
        key.model_id = model_id or ''
        return {'keyId': key.id, 'modelId': model_id}

    def add(
        self, *, name: str, kind: str, status: Status = 'ready', size_bytes: int = 0,
        **fields: str,
    ) -> Model:
        """Add a model, ready unless told otherwise; the fields are those of ``Model``."""
        now_ms = self._context.clock.now_ms()
        # mypy cannot see through the mapping; the callers are ours.
        return self.table.add(Model(
            new_id('model'), name, kind, status, size_bytes, now_ms, now_ms,
            **fields))  # type: ignore[arg-type]

    def get_ready(self, model_id: str) -> Model:
        """Return a model that can be used; refuse one that is unknown or not ready."""
        model = self.table.get(model_id)
        if model.status != 'ready':
            raise Refusal(Reason.MODEL_NOT_READY, f'the model is {model.status}')
        return model

    def advance(self) -> None:
        """Finish the pulls and deletions that are due."""
        now_ms = self._context.clock.now_ms()
        for model in self.table.all():
            if model.due_at is None or now_ms < model.due_at:
                continue
            if model.status == 'deleting':
                self.table.remove(model.id)
                self._uploads.discard(model.storage_id)
                self._keys.unbind_model(model.id)
                continue
            model.status = 'failed' if model.doom else 'ready'
            model.updated_at, model.due_at = model.due_at, None
            model.failure_reason = model.doom
