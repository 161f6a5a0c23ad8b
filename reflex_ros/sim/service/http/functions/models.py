# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Import, upload, list, read, delete and bind models (protocol c.4, i.7)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.http.functions.nested import json_object_text
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.hf_dataset_name import parse_repo
from reflex_ros.sim.service.resources.models import Model
from reflex_ros.sim.service.resources.rows import ids
from reflex_ros.sim.service.resources.uploads import Purpose
from reflex_ros.sim.service.state import ServiceState

_SIZE_BYTES = 42_000_000


def import_from_hub(state: ServiceState, args: Args) -> Value:
    """Begin to pull a model; some names fail, so that a user can see how that looks."""
    try:
        repo = parse_repo(args.text('hfRepo'))
    except ValueError as exc:
        raise Refusal(Reason.INVALID_PARAMETERS, f'hfRepo: {exc}') from exc
    doom = ''
    if state.faults.take('import_fails') or 'missing' in repo.lower():
        doom = f'{repo} was not found on the hub'
    elif 'gated' in repo.lower() and not args.text('hfToken'):
        doom = f'{repo} is gated; an hfToken is needed'
    # The token is looked at and forgotten.
    model = state.models.pull(
        repo, name=_name(args), revision=args.text('hfRevision'), size_bytes=_SIZE_BYTES,
        pull_s=state.settings.pull_s, doom=doom,
    )
    return _ids(model) | {'kind': model.kind, 'sizeBytes': model.size_bytes}


def begin_upload(state: ServiceState, args: Args) -> Value:
    """Make room for an adapter, for anybody."""
    return {'uploadUrl': state.upload_url(state.uploads.begin(Purpose.MODEL))}


def upload_direct(state: ServiceState, args: Args) -> Value:
    """Make a model of an uploaded adapter and its configuration."""
    config = json_object_text(args, 'adapterConfigJson')
    name = _name(args)
    upload = state.uploads.use(args.text('storageId'), Purpose.MODEL)
    model = state.models.add(
        name=name, kind='direct_upload', size_bytes=upload.size_bytes, storage_id=upload.id,
        adapter_config=config)
    return _ids(model)


def list_models(state: ServiceState, args: Args) -> Value:
    """Return every model, oldest first."""
    return {'models': [model.to_json() for model in state.models.table.all()]}


def get(state: ServiceState, args: Args) -> Value | None:
    """Return one model, null when there is none."""
    model = state.models.table.find(args.text('modelId'))
    return None if model is None else {'artifact': model.to_json()}


def delete(state: ServiceState, args: Args) -> Value:
    """Begin to delete a model."""
    return _ids(state.models.delete(args.text('modelId')))


def bind_key(state: ServiceState, args: Args) -> Value:
    """Let a key serve a model; null unbinds it."""
    model_id = args.text_or_null('modelId')
    if model_id is not None:
        state.models.get_ready(model_id)
    key = state.keys.bind(args.text('keyId'), model_id or '')
    return {'keyId': key.id, 'modelId': model_id}


def _name(args: Args) -> str:
    name = args.text('name')
    if not name.strip():
        raise Refusal(Reason.INVALID_PARAMETERS, 'name must not be empty')
    return name


def _ids(model: Model) -> Value:
    return ids('modelId', model.id) | {'status': model.status.value}


FUNCTIONS = (
    Function('publicApi:importModelFromHuggingFace', import_from_hub,
             required={'hfRepo': str, 'name': str}, optional={'hfRevision': str, 'hfToken': str}),
    Function('models:beginDirectUpload', begin_upload, needs_key=False),
    Function('publicApi:uploadModelDirect', upload_direct,
             required={'storageId': str, 'name': str, 'adapterConfigJson': str}),
    Function('models:listWithApiKey', list_models),
    Function('models:getWithApiKey', get, required={'modelId': str}),
    Function('publicApi:deleteModel', delete, required={'modelId': str}),
    Function('publicApi:bindKeyToModel', bind_key,
             required={'keyId': str, 'modelId': str | None}),
)
