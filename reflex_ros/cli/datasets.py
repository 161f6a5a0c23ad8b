# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex datasets``: datasets for training, from the Hugging Face Hub or from a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
import shlex

import click

from reflex_ros.cli import dataset_pages, next_steps, progress, text
from reflex_ros.cli.named import id_argument, real
from reflex_ros.cli.options import CommonOptions, local_command, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client.messages.datasets import Dataset
from reflex_ros.client.resources import datasets as calls
from reflex_ros.domain.counted import counted

VALIDATE = next_steps.VALIDATE
folder_argument = click.argument(
    'path', metavar='DIR', type=click.Path(exists=True, file_okay=False, path_type=Path))
size_option = click.option('--size', 'size_bytes', type=click.IntRange(1),
                           help='File size in bytes.')


@click.group()
def datasets() -> None:
    """Register, upload, validate and list datasets."""


@service_command('reflex datasets create --name pick-2 --size 1048576', group=datasets)
@click.option('--name', required=True, help='Name of the dataset.')
@size_option
@click.option('--request-id', help='Idempotency key: repeating it returns the existing dataset.')
def create(common: CommonOptions, name: str, size_bytes: int | None,
           request_id: str | None) -> None:
    """
    Create a dataset and print its upload URL.

    Upload the file to that URL yourself, then run `reflex datasets complete`. The command
    `reflex datasets upload` does all three steps.
    """
    ticket = ask(common, calls.create, name, size_bytes=size_bytes, request_id=request_id)
    text.show_record(common, 'Dataset created', ticket, 'dataset',
                     next=[f'reflex datasets complete {ticket.dataset_id}'])


@service_command('reflex datasets upload ~/lerobot/pick-2',
                 'reflex datasets upload pick.tar --name pick-2', group=datasets)
@click.argument('path', type=click.Path(path_type=Path))
@click.option('--name', help='Name of the dataset (default: file name without suffix).')
@click.option('--request-id', help='Idempotency key: repeating it returns the existing dataset '
              '(default: generated from the name and from paths, sizes and times of the files).')
@click.option('--check/--no-check', 'is_checked', default=True,
              help='Check a folder as a LeRobot dataset first (default).')
def upload(common: CommonOptions, path: Path, name: str | None, request_id: str | None,
           is_checked: bool) -> None:
    """
    Upload a file or a folder as a dataset.

    A folder is packed as a tar archive on the way, without a copy on the disk. Before anything is
    sent, it is checked that the folder is a LeRobot dataset (v2.0, v2.1 or v3.0) with all its
    files. To continue an interrupted upload, run the same command again.
    """
    try:
        with progress.upload_bar(path.name, quiet=common.as_json) as bar:
            own = path.resolve().name if path.is_dir() else path.stem
            found = ask(common, calls.upload, path, name or own, request_id=request_id,
                        on_progress=bar, is_checked=is_checked)
    except KeyboardInterrupt:
        click.echo('The upload was interrupted. To continue it, run the same command again',
                   err=True)
        raise
    # A repeated upload returns the data set of the first one, which may be validated by now.
    text.show_record(common, 'Dataset uploaded', found, 'dataset', next=_following(found))


@local_command('reflex datasets check ~/lerobot/pick-2', group=datasets)
@folder_argument
def check(common: CommonOptions, path: Path) -> None:
    """
    Check a LeRobot dataset on this machine.

    It looks for missing frames and files, wrong shapes and rates, values that are not finite,
    jumps, radians in place of degrees, an arm or a camera that never moves. The exit code is 1
    when something would be refused; the rest are remarks.
    """
    from reflex_ros.recording import dataset_check

    found = dataset_check.read(path)
    findings = list(dataset_check.check(found))
    errors = [finding.text for finding in findings if finding.is_error]
    about = {'dataset': str(path), 'version': found.info['codebase_version'],
             'episodes': found.info['total_episodes'], 'frames': found.info['total_frames'],
             'fps': found.info['fps'], 'cameras': found.cameras, 'errors': errors,
             'remarks': [finding.text for finding in findings if not finding.is_error]}
    lines = [f'{"ERROR" if finding.is_error else "remark"}: {finding.text}'
             for finding in findings]
    head = (f'{path}: {about["version"]}, {counted(found.info["total_episodes"], "episode")}, '
            f'{counted(found.info["total_frames"], "frame")} '
            f'at {about["fps"]} Hz')
    if errors:
        text.fail(common, f'{path} would be refused: {errors[0]}', about, head, *lines)
    following = [f'reflex datasets upload {shlex.quote(str(path))}']
    text.report(common, {'ok': True, **about, 'next': following}, head, *lines,
                *text.next_lines(following))


@local_command('reflex datasets show ~/lerobot/pick-2', 'reflex datasets show pick-2 --episode 3',
               group=datasets)
@folder_argument
@click.option('--episode', type=click.IntRange(0), help='Draw this episode as a PNG: pictures of '
              'each camera, and each joint as measured and as told.')
@click.option('--out', metavar='FILE', type=click.Path(dir_okay=False, path_type=Path),
              help='File to write (default: DIR-episode-N.png beside the folder).')
def show(common: CommonOptions, path: Path, episode: int | None, out: Path | None) -> None:
    """List the episodes of a local LeRobot dataset, or draw one."""
    from reflex_ros.recording.dataset_reader import Dataset

    found = Dataset(path)
    if episode is not None:
        dataset_pages.draw(common, found, episode, out)
        return
    dataset_pages.show_list(common, found)


@local_command('reflex datasets edit pick --drop 3,7 --out pick-clean',
               'reflex datasets edit monday tuesday --out both',
               'reflex datasets edit pick --trim 2:0.5-6.0 --task "pick the cube" --out pick-2',
               group=datasets)
@click.argument('paths', metavar='DIR...', nargs=-1, required=True,
                type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option('--out', metavar='DIR', required=True, type=click.Path(path_type=Path),
              help='Folder of the new dataset.')
@click.option('--keep', metavar='N,N-N', help='Keep only these episodes, for example 0-9,12.')
@click.option('--drop', metavar='N,N-N', help='Leave these episodes out.')
@click.option('--task', default='', metavar='TEXT', help='Another task for all episodes.')
@click.option('--trim', 'trims', metavar='N:FROM-TO', multiple=True,
              help='Keep these seconds of an episode; repeat it for each.')
def edit(common: CommonOptions, paths: tuple[Path, ...], out: Path, keep: str | None,
         drop: str | None, task: str, trims: tuple[str, ...]) -> None:
    """
    Make a new LeRobot dataset of the episodes of others.

    Several folders are merged. Their episodes are numbered one after the other, from 0. The
    folders stay as they are. Pictures are encoded once more, which costs a little quality.
    """
    from reflex_ros.recording.dataset_reader import Edit, write_edited

    made = write_edited(paths, out, Edit(
        dataset_pages.numbers(keep, '--keep') if keep else None,
        dataset_pages.numbers(drop, '--drop') if drop else (), task,
        dict(dataset_pages.trim(words) for words in trims)))
    quoted = shlex.quote(str(out))
    following = [f'reflex datasets check {quoted}', f'reflex datasets upload {quoted}']
    text.report(common, {'ok': True, 'dataset': str(out), 'episodes': made.episodes,
                         'frames': made.frames, 'next': following},
                f'{out}: {counted(made.episodes, "episode")}, {counted(made.frames, "frame")}',
                *text.next_lines(following))


@service_command('reflex datasets complete ds_01', group=datasets)
@id_argument('dataset_id', 'dataset')
@size_option
def complete(common: CommonOptions, dataset_id: str, size_bytes: int | None) -> None:
    """
    Report that the file of a dataset is uploaded.

    This is only needed after `reflex datasets create`.
    """
    found = ask(common, calls.complete, dataset_id, size_bytes)
    text.show_record(common, 'Dataset completed', found, 'dataset',
                     next=[VALIDATE.format(real(dataset_id))])


@service_command('reflex datasets register hf://datasets/me/pick-2', group=datasets)
@click.argument('hf_source_uri')
def register(common: CommonOptions, hf_source_uri: str) -> None:
    """Register a dataset of the Hugging Face Hub."""
    found = ask(common, calls.register, hf_source_uri)
    text.show_record(common, 'Dataset registered', found, 'dataset',
                     next=[VALIDATE.format(found.dataset_id or '<dataset-id>')])


@service_command('reflex datasets validate ds_01', group=datasets)
@id_argument('dataset_id', 'dataset')
def validate(common: CommonOptions, dataset_id: str) -> None:
    """Check whether a dataset can be used for training."""
    found = ask(common, calls.validate, dataset_id)
    text.show_record(common, 'Dataset validation complete', found, 'dataset', field='validation',
                     next=[next_steps.TRAIN.format(real(dataset_id))])


@service_command('reflex datasets list --json', group=datasets)
@click.option('--status', help='Only datasets with this status; the service defines the values.')
def list_(common: CommonOptions, status: str | None) -> None:
    """List all datasets."""
    found = ask(common, calls.list_all, status)
    blocks = (_block(number, dataset) for number, dataset in enumerate(found.datasets, start=1))
    following = (_following(found.datasets[-1]) if found.datasets else [next_steps.DATASETS])
    text.report(common, {'ok': True, 'datasets': found.as_sent(), 'next': following},
                'Datasets\n', *(chain(*blocks) if found.datasets else ['No datasets found.']),
                *text.next_lines(following))


@service_command('reflex datasets get ds_01', group=datasets)
@id_argument('dataset_id', 'dataset')
def get(common: CommonOptions, dataset_id: str) -> None:
    """Show one dataset."""
    found = ask(common, calls.get, dataset_id)
    text.show_record(common, 'Dataset', found, 'dataset',
                     next=_following(found, real(dataset_id)))


def _following(dataset: Dataset, dataset_id: str = '') -> list[str]:
    """Return the step after a dataset: validate it, or train on it."""
    step = next_steps.TRAIN if dataset.status == 'validated' else VALIDATE
    return [step.format(dataset_id or dataset.dataset_id)]


def _block(number: int, dataset: Dataset) -> Iterator[str]:
    yield f'{number}. {dataset.name or dataset.source or text.MISSING}'
    yield f'   ID: {dataset.dataset_id or text.MISSING}'
    yield f'   Source: {dataset.source or "uploaded"}'
    yield f'   Status: {dataset.status}'
    yield f'   Updated: {text.plain("updatedAt", dataset.updated_at)}'
