# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex models``, ``reflex artifacts`` (list and show only) and ``reflex keys``."""

from __future__ import annotations

import os
from pathlib import Path
import sys

import click

from reflex_ros.cli import next_steps, progress, text
from reflex_ros.cli.named import id_argument, IdOf
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask, ask_next
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages.models import ModelAnswer, ModelList
from reflex_ros.client.resources import keys as key_calls
from reflex_ros.client.resources import models as calls
from reflex_ros.errors import ConfigurationError

WAIT = 'reflex models get {} --wait'
INFER = 'reflex infer --robot so101 --state 0,-30,40,30,0,30'
wait_option = click.option('--wait', is_flag=True,
                           help='Wait until the model is ready, at most 10 minutes.')


@click.group()
def models() -> None:
    """Import, upload, list and delete models."""


@click.group()
def artifacts() -> None:
    """List and show models (the service calls them artifacts)."""


@click.group()
def keys() -> None:
    """Choose the model that an API key uses."""


@service_command('reflex models list --json', group=models)
def list_(common: CommonOptions) -> None:
    """List all models."""
    found, following = ask_next(common, calls.list_all, _after_list)
    rows = [{'id': row.model_id, **row.as_sent()} for row in found.rows]
    text.show_rows(common, 'Artifacts', rows, ('id', 'name', 'status', 'kind', 'createdAt'),
                   value=found.as_sent(), field='artifacts', next=following)


@service_command('reflex models get model_01 --wait', group=models)
@id_argument('model_id', 'model')
@wait_option
def get(common: CommonOptions, model_id: str, wait: bool) -> None:
    """Show one model."""
    found, following = ask_next(common, calls.wait_ready if wait else calls.get, _after_model,
                                model_id)
    _show(common, 'Artifact', found, 'artifact', next=following)


artifacts.add_command(list_, 'list')
artifacts.add_command(get, 'get')


@service_command('reflex models import me/pick-lora --wait', group=models)
@click.argument('hf_repo')
@click.option('--name', help='Name of the model (default: name of the repository).')
@click.option('--revision', help='Branch, tag or commit of the repository.')
@click.option('--with-hf-token', is_flag=True,
              help='Send the token in HF_TOKEN to the service, for a private repository.')
@wait_option
def import_(common: CommonOptions, hf_repo: str, name: str | None, revision: str | None,
            with_hf_token: bool, wait: bool) -> None:
    """Import a model from the Hugging Face Hub."""
    token = Secret(os.environ.get('HF_TOKEN', '').strip()) if with_hf_token else None
    if token is not None and not token.reveal():
        raise ConfigurationError('--with-hf-token needs HF_TOKEN: set it to your token')

    async def send(service: AsyncReflex) -> ModelAnswer:
        answer = await calls.import_from_hub(
            service, hf_repo, name or hf_repo.rpartition('/')[2], revision=revision,
            hf_token=token)
        return await calls.wait_ready(service, answer.model.model_id) if wait else answer

    found, following = ask_next(common, send, _after_model)
    _show(common, 'Model import started' if not wait else 'Model imported', found, 'model',
          next=following)


@service_command('reflex models upload adapter.safetensors --name pick', group=models)
@click.argument('adapter', type=click.Path(path_type=Path))
@click.option('--name', help='Name of the model (default: file name without suffix).')
@click.option('--config', type=click.Path(path_type=Path),
              help='Configuration of the adapter (default: adapter_config.json beside ADAPTER).')
@wait_option
def upload(common: CommonOptions, adapter: Path, name: str | None, config: Path | None,
           wait: bool) -> None:
    """
    Upload a LoRA adapter and its configuration.

    ADAPTER is a .safetensors file of at most 500 MiB.
    """
    with progress.upload_bar(adapter.name, quiet=common.as_json) as bar:
        async def send(service: AsyncReflex) -> ModelAnswer:
            answer = await calls.upload(service, adapter, name or adapter.stem, config=config,
                                        on_progress=bar)
            return await calls.wait_ready(service, answer.model.model_id) if wait else answer

        found, following = ask_next(common, send, _after_model)
    _show(common, 'Model uploaded', found, 'model', next=following)


@service_command('reflex models delete model_01 --yes', group=models)
@click.argument('model_id', type=IdOf('model'))
@click.option('--yes', is_flag=True, help='Skip the confirmation prompt.')
def delete(common: CommonOptions, model_id: str, yes: bool) -> None:
    """Delete one model."""
    if not yes:
        if common.as_json or not sys.stdin.isatty():
            raise click.UsageError(f'Deleting {model_id} cannot be undone: pass --yes to confirm.')
        click.confirm(f'Delete {model_id}? This cannot be undone', abort=True, err=True)
    found = ask(common, calls.delete, model_id)
    _show(common, 'Model is being deleted', found, 'model', next=['reflex models list'])


@service_command('reflex keys bind key_01 model_01', group=keys)
@click.argument('key_id')
@click.argument('model_id', type=IdOf('model'))
def bind(common: CommonOptions, key_id: str, model_id: str) -> None:
    """
    Bind an API key to a model for one-shot inference.

    `reflex whoami --json` shows the id of your key.
    """
    found = ask(common, key_calls.bind, key_id, model_id)
    text.show(common, 'Key bound', found.as_sent(), 'key', next=[INFER])


@service_command('reflex keys unbind key_01', group=keys)
@click.argument('key_id')
def unbind(common: CommonOptions, key_id: str) -> None:
    """Unbind an API key, so that it uses the default model."""
    found = ask(common, key_calls.unbind, key_id)
    text.show(common, 'Key unbound', found.as_sent(), 'key',
              next=[f'reflex keys bind {key_id} <model>'])


async def _after_list(service: AsyncReflex, found: ModelList) -> list[str]:
    if not found.rows:
        return [next_steps.TRAIN.format('@last')]
    return await next_steps.to_deployment(service)


async def _after_model(service: AsyncReflex, found: ModelAnswer) -> list[str]:
    model = found.model
    if model.status in ('', 'ready'):
        return await next_steps.to_deployment(service, model_id=model.model_id)
    return [] if model.status == 'failed' else [WAIT.format(model.model_id)]


def _show(common: CommonOptions, title: str, found: ModelAnswer, field: str,
          **more: object) -> None:
    noun = 'artifact' if found.artifact is not None else 'model'
    text.show_record(common, title, found, noun, field=field, ids=['modelId'], **more)
