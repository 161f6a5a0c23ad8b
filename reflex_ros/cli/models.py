# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex models``, ``reflex artifacts`` (the same, to look at) and ``reflex keys``."""

from __future__ import annotations

import os
from pathlib import Path
import sys

import click

from reflex_ros.cli import options, progress, text
from reflex_ros.cli.remote import ask, remote
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import Row
from reflex_ros.client.messages.models import ModelAnswer
from reflex_ros.client.resources import keys as key_calls
from reflex_ros.client.resources import models as calls
from reflex_ros.errors import ConfigurationError

COLUMNS = ('id', 'name', 'status', 'kind', 'createdAt')
GET = 'reflex models get {}'


@click.group()
def models() -> None:
    """Bring models to the service, list them, delete them."""


@click.group()
def artifacts() -> None:
    """List and show models, under the name that the service uses."""


@click.group()
def keys() -> None:
    """Choose which model an API key serves."""


@models.command('list', epilog=options.example('reflex models list --json'))
@remote
def list_(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """List models."""
    found = ask(calls.list_all, api_key, convex_url)
    rows = [{'id': row.model_id, **row.as_sent()} for row in found.rows]
    text.show_rows('Artifacts', rows, COLUMNS, value=found.as_sent(),
                   as_json=options.wants_json(as_json), field='artifacts')


@models.command(epilog=options.example('reflex models get model_01 --wait'))
@click.argument('model_id')
@click.option('--wait', is_flag=True, help='Wait until it is ready, at most 10 minutes.')
@remote
def get(model_id: str, wait: bool, api_key: str | None, convex_url: str | None, as_json: bool,
        verbose: bool) -> None:
    """Show one model."""
    question = calls.wait_ready if wait else calls.get
    found = ask(lambda service: question(service, model_id), api_key, convex_url)
    _show('Artifact', found, as_json, 'artifact')


artifacts.add_command(list_, 'list')
artifacts.add_command(get, 'get')


@models.command('import', epilog=options.example('reflex models import me/pick-lora --wait'))
@click.argument('hf_repo')
@click.option('--name', help='What it is called here; as the repository when not given.')
@click.option('--revision', help='Branch, tag or commit.')
@click.option('--with-hf-token', is_flag=True,
              help='Send the token in HF_TOKEN to the service, for a private repository.')
@click.option('--wait', is_flag=True, help='Wait until it is ready, at most 10 minutes.')
@remote
def import_(hf_repo: str, name: str | None, revision: str | None, with_hf_token: bool, wait: bool,
            api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """Let the service pull a model from the Hugging Face hub."""
    token = Secret(os.environ.get('HF_TOKEN', '').strip()) if with_hf_token else None
    if token is not None and not token.reveal():
        raise ConfigurationError('--with-hf-token needs the token in HF_TOKEN, which is not set')

    async def bring(service: AsyncReflex) -> ModelAnswer:
        answer = await calls.import_from_hub(
            service, hf_repo, name or hf_repo.rpartition('/')[2], revision=revision,
            hf_token=token)
        return await calls.wait_ready(service, answer.model.model_id) if wait else answer

    found = ask(bring, api_key, convex_url)
    _show('Model import started' if not wait else 'Model imported', found, as_json, 'model',
          GET.format(found.model.model_id))


@models.command(epilog=options.example('reflex models upload adapter.safetensors --name pick'))
@click.argument('adapter', type=click.Path(path_type=Path))
@click.option('--name', help='What it is called; as the file when not given.')
@click.option('--config', type=click.Path(path_type=Path),
              help='adapter_config.json beside the adapter when not given.')
@click.option('--wait', is_flag=True, help='Wait until it is ready, at most 10 minutes.')
@remote
def upload(adapter: Path, name: str | None, config: Path | None, wait: bool, api_key: str | None,
           convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """Upload a LoRA adapter: a .safetensors file of at most 500 MiB and its configuration."""
    with progress.upload_bar(adapter.name, quiet=options.wants_json(as_json)) as bar:
        async def bring(service: AsyncReflex) -> ModelAnswer:
            answer = await calls.upload(service, adapter, name or adapter.stem, config=config,
                                        on_progress=bar)
            return await calls.wait_ready(service, answer.model.model_id) if wait else answer

        found = ask(bring, api_key, convex_url)
    _show('Model uploaded', found, as_json, 'model', GET.format(found.model.model_id))


@models.command(epilog=options.example('reflex models delete model_01 --yes'))
@click.argument('model_id')
@click.option('--yes', is_flag=True, help='Do not ask.')
@remote
def delete(model_id: str, yes: bool, api_key: str | None, convex_url: str | None, as_json: bool,
           verbose: bool) -> None:
    """Delete a model."""
    if not yes:
        if options.wants_json(as_json) or not sys.stdin.isatty():
            raise click.UsageError(f'Deleting {model_id} cannot be undone: pass --yes.')
        click.confirm(f'Delete {model_id}? This cannot be undone', abort=True, err=True)
    found = ask(lambda service: calls.delete(service, model_id), api_key, convex_url)
    _show('Model is being deleted', found, as_json, 'model')


@keys.command(epilog=options.example('reflex keys bind key_01 model_01'))
@click.argument('key_id')
@click.argument('model_id')
@remote
def bind(key_id: str, model_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
         verbose: bool) -> None:
    """Let one-shot inference with a key use a model. `reflex whoami --json` shows your key id."""
    found = ask(lambda service: key_calls.bind(service, key_id, model_id), api_key, convex_url)
    _show_key('Key bound', found, as_json)


@keys.command(epilog=options.example('reflex keys unbind key_01'))
@click.argument('key_id')
@remote
def unbind(key_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
           verbose: bool) -> None:
    """Let it use the default model again."""
    found = ask(lambda service: key_calls.unbind(service, key_id), api_key, convex_url)
    _show_key('Key unbound', found, as_json)


def _show(title: str, found: ModelAnswer, as_json: bool, field: str, *following: str) -> None:
    more = {'next': list(following)} if following else {}
    inner = 'artifact' if found.artifact is not None else 'model'
    text.show_record(title, found.as_sent(), as_json=options.wants_json(as_json), field=field,
                     inner=inner, ids=('modelId', '_id'), **more)


def _show_key(title: str, found: Row, as_json: bool) -> None:
    text.show(title, found.as_sent(), as_json=options.wants_json(as_json), field='key')
