# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex datasets``: from the Hugging Face hub or from a file, to what training takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from reflex_ros.cli import options, progress, text
from reflex_ros.cli.remote import ask, remote
from reflex_ros.client.messages import Row
from reflex_ros.client.messages.datasets import Dataset
from reflex_ros.client.resources import datasets as calls

VALIDATE = 'reflex datasets validate {}'
TRAIN = 'reflex training start --dataset {}'


@click.group()
def datasets() -> None:
    """Bring datasets to the service, and see which are there."""


@datasets.command(epilog=options.example('reflex datasets create --name pick-2 --size 1048576'))
@click.option('--name', required=True, help='What the dataset is called.')
@click.option('--size', 'size_bytes', type=click.IntRange(1), help='Of the file, in bytes.')
@click.option('--request-id', help='The same one again returns the same dataset.')
@remote
def create(name: str, size_bytes: int | None, request_id: str | None, api_key: str | None,
           convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """
    Ask where a dataset is to be uploaded to, to do that by hand.

    `reflex datasets upload` does all of it.
    """
    ticket = ask(lambda service: calls.create(
        service, name, size_bytes=size_bytes, request_id=request_id), api_key, convex_url)
    _show('Dataset created', ticket, as_json, f'reflex datasets complete {ticket.dataset_id}')


@datasets.command(epilog=options.example('reflex datasets upload pick.tar --name pick-2'))
@click.argument('path', type=click.Path(path_type=Path))
@click.option('--name', help='What the dataset is called; as the file when not given.')
@click.option('--request-id', help='The same one again is the same dataset; by default made of '
                                   'the name, and of path, size and time of the file.')
@remote
def upload(path: Path, name: str | None, request_id: str | None, api_key: str | None,
           convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """
    Upload one file as a dataset: create, send, complete.

    May be interrupted at any moment. The same command again goes on where it stopped.
    """
    try:
        with progress.upload_bar(path.name, quiet=options.wants_json(as_json)) as bar:
            found = ask(lambda service: calls.upload(
                service, path, name or path.stem, request_id=request_id, on_progress=bar),
                api_key, convex_url)
    except KeyboardInterrupt:
        click.echo('What has arrived is kept. The same command again goes on from there', err=True)
        raise
    _show('Dataset uploaded', found, as_json, VALIDATE.format(found.dataset_id))


@datasets.command(epilog=options.example('reflex datasets complete ds_01'))
@click.argument('dataset_id')
@click.option('--size', 'size_bytes', type=click.IntRange(1), help='Of the file, in bytes.')
@remote
def complete(dataset_id: str, size_bytes: int | None, api_key: str | None,
             convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """Say that a dataset created by hand was sent."""
    found = ask(lambda service: calls.complete(service, dataset_id, size_bytes), api_key,
                convex_url)
    _show('Dataset completed', found, as_json, VALIDATE.format(dataset_id))


@datasets.command(epilog=options.example('reflex datasets register hf://datasets/me/pick-2'))
@click.argument('hf_source_uri')
@remote
def register(hf_source_uri: str, api_key: str | None, convex_url: str | None, as_json: bool,
             verbose: bool) -> None:
    """Make a dataset of the Hugging Face hub known to the service."""
    found = ask(lambda service: calls.register(service, hf_source_uri), api_key, convex_url)
    _show('Dataset registered', found, as_json,
          VALIDATE.format(found.dataset_id or '<dataset-id>'))


@datasets.command(epilog=options.example('reflex datasets validate ds_01'))
@click.argument('dataset_id')
@remote
def validate(dataset_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
             verbose: bool) -> None:
    """Let the service look whether a dataset can be trained on."""
    found = ask(lambda service: calls.validate(service, dataset_id), api_key, convex_url)
    _show('Dataset validation complete', found, as_json, TRAIN.format(dataset_id),
          field='validation')


@datasets.command('list', epilog=options.example('reflex datasets list --json'))
@click.option('--status', help='Only those that the service lists under this word.')
@remote
def list_(status: str | None, api_key: str | None, convex_url: str | None, as_json: bool,
          verbose: bool) -> None:
    """List datasets."""
    found = ask(lambda service: calls.list_all(service, status), api_key, convex_url)
    if options.wants_json(as_json):
        text.document({'ok': True, 'datasets': found.as_sent()})
        return
    click.echo('Datasets\n')
    if not found.datasets:
        click.echo('No datasets found.')
    for number, dataset in enumerate(found.datasets, start=1):
        for line in _block(number, dataset):
            click.echo(line)


@datasets.command(epilog=options.example('reflex datasets get ds_01'))
@click.argument('dataset_id')
@remote
def get(dataset_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
        verbose: bool) -> None:
    """Show one dataset."""
    found = ask(lambda service: calls.get(service, dataset_id), api_key, convex_url)
    _show('Dataset', found, as_json)


def _show(title: str, found: Row, as_json: bool, *following: str,
          field: str = 'dataset') -> None:
    more = {'next': list(following)} if following else {}
    text.show_record(title, found.as_sent(), as_json=options.wants_json(as_json), field=field,
                     inner='dataset', ids=('dataset_id', 'datasetId', '_id'), **more)


def _block(number: int, dataset: Dataset) -> Iterator[str]:
    yield f'{number}. {dataset.name or dataset.source or text.MISSING}'
    yield f'   ID: {dataset.dataset_id or text.MISSING}'
    yield f'   Source: {dataset.source or "uploaded"}'
    yield f'   Status: {dataset.status}'
    yield f'   Updated: {text.plain("updatedAt", dataset.updated_at)}'
