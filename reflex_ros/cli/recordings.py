# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex recordings``: look at recorded runs, move the arm like one, upload or delete them."""

from __future__ import annotations

import os
from pathlib import Path
import shlex
import shutil
import tempfile
from typing import TYPE_CHECKING

import click

from reflex_ros.cli import recorded, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.options import CommonOptions, local_command, service_command
from reflex_ros.cli.so101_port import arm_command, confirm
from reflex_ros.cli.so101_ranges import ACCEPT_RANGE
from reflex_ros.domain.counted import counted
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arms import ARMS
from reflex_ros.recording.reader import info

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex
    from reflex_ros.client.messages import Row
    from reflex_ros.client.transfer import Progress

COLUMNS = ('name', 'robot', 'started', 'seconds', 'megabytes', 'dropped', 'problem')


@click.group()
def recordings() -> None:
    """Look at recorded runs, play them on the arm, upload or delete them."""


@local_command('reflex recordings list', group=recordings)
@recorded.folder_option
def list_(common: CommonOptions, folder: str) -> None:
    """List the recorded runs; the newest one is the last."""
    recorded.show_list(common, recorded.folder(folder), 'recordings', COLUMNS)


@local_command('reflex recordings info', group=recordings)
@recorded.name_argument
@recorded.folder_option
def info_(common: CommonOptions, name: str, folder: str) -> None:
    """
    Show the topics of a recording and the size of each.

    NAME is the name of a recording, a part of it, or a file (default: the newest recording).
    """
    found = info(_find(folder, name))
    value = recorded.describe(found)
    if common.as_json:
        text.document({'ok': True, 'recording': value})
        return
    for line in text.lines({key: each for key, each in value.items() if key != 'topics'}):
        click.echo(line)
    click.echo()
    text.show_grid(('topic', 'type', 'messages'),
                   [tuple(row.values()) for row in recorded.topics(found)])


@local_command('reflex recordings show', group=recordings)
@recorded.name_argument
@recorded.folder_option
def show(common: CommonOptions, name: str, folder: str) -> None:
    """
    Show what happened in a run.

    NAME is the name of a recording, a part of it, or a file (default: the newest recording).
    Times are seconds before the end.
    """
    recorded.show_one(common, _find(folder, name))


@local_command('reflex recordings plot --out run.png', group=recordings)
@recorded.name_argument
@recorded.out_option
@recorded.folder_option
def plot(common: CommonOptions, name: str, out: Path | None, folder: str) -> None:
    """
    Draw a run as a PNG.

    Each joint as measured, written and wanted; age of the chunks; permit.

    NAME is the name of a recording, a part of it, or a file (default: the newest recording).
    """
    recorded.plot(common, _find(folder, name), out)


@local_command('reflex recordings export --format csv',
               "reflex recordings export monday tuesday --format lerobot --out pick --task 'pick'",
               group=recordings)
@click.argument('names', metavar='[NAME]...', nargs=-1)
@click.option('--format', 'form', type=click.Choice(('csv', 'jsonl', 'lerobot')), default='csv',
              show_default=True, help='Kind of file; lerobot is a folder.')
@click.option('--out', type=click.Path(path_type=Path),
              help='File or folder to write (default: beside the recording).')
@click.option('--fps', type=click.IntRange(1, 120), default=30, show_default=True,
              help='Frames per second of a LeRobot data set.')
@click.option('--task', default='', help='Task text of a LeRobot data set (default: the prompt of '
              'each run).')
@recorded.folder_option
def export(common: CommonOptions, names: tuple[str, ...], form: str, out: Path | None, fps: int,
           task: str, folder: str) -> None:
    """
    Write a run as a table, or several as a LeRobot data set.

    NAME is the name of a recording, a part of it, or a file (default: the newest recording). A
    table has one row per measurement, angles in radians. A data set has one episode per
    recording, in degrees and percent, and can be uploaded for training.
    """
    paths = [_find(folder, name) for name in names or (recorded.LAST,)]
    if form != 'lerobot':
        if len(paths) > 1:
            raise click.UsageError(f'--format {form} takes one recording. --format lerobot takes '
                                   'several')
        recorded.export(common, paths[0], form, out)
        return
    from reflex_ros.recording import lerobot

    out = out or paths[0].with_name(f'{paths[0].stem}_lerobot')
    frames = lerobot.export(paths, out, ARMS['so101'], fps=fps, task=task)
    following = [f'reflex datasets upload {shlex.quote(str(out))}']
    text.report(common, {'ok': True, 'folder': str(out), 'episodes': len(paths),
                         'frames': frames, 'next': following},
                f'Written: {out} ({counted(len(paths), "episode")}, '
                f'{counted(frames, "frame")} at {fps} Hz)',
                *text.next_lines(following))


@arm_command('reflex recordings replay', 'reflex recordings replay --speed 0.5 --yes', asks=True,
             group=recordings)
@recorded.name_argument
@click.option('--speed', type=FiniteRange(0.1, 1.0), default=0.5, show_default=True,
              help='Share of the recorded speed.')
@recorded.folder_option
@ACCEPT_RANGE
def replay(common: CommonOptions, name: str, speed: float, folder: str, accept_range: bool,
           yes: bool, port: str | None) -> None:
    """
    Move the arm as it was moved in a recording.

    All checks and limits of the driver apply.

    NAME is the name of a recording, a part of it, or a file (default: the newest recording). The
    arm first goes slowly to the pose in which the motion began. No other program may drive it.
    Ctrl-C brings it to rest under torque.
    """
    from reflex_ros.cli.so101_move import drive_arm, HOLDS
    from reflex_ros.runner.replay import check, MAX_SPEED, play, recorded_motion

    path = _find(folder, name)
    motion = recorded_motion(path)
    confirm(f'The arm will move for {motion.seconds / speed:.0f} s as in {path.stem}.', yes=yes)
    with drive_arm(port, velocity=MAX_SPEED, accepts_range=accept_range,
                   check=lambda drive, pose: check(drive, pose, motion)) as drive:
        play(drive, motion, speed)
    text.report(common, {'ok': True, 'recording': str(path),
                         'seconds': round(motion.seconds / speed, 2)},
                f'Replayed: {path.stem}', HOLDS)


@service_command('reflex recordings upload --yes', group=recordings)
@recorded.name_argument
@recorded.folder_option
@click.option('--yes', is_flag=True, help='Do not ask for confirmation.')
def upload(common: CommonOptions, name: str, folder: str, yes: bool) -> None:
    """
    Upload a recording to the service.

    It shows what the cameras saw.

    NAME is the name of a recording, a part of it, or a file (default: the newest recording).
    Nothing else uploads a recording. After an interruption, the same command continues the upload
    if the service supports that, and repeats it otherwise.
    """
    from reflex_ros.cli import progress
    from reflex_ros.cli.remote import ask_at

    path = _find(folder, name)
    confirm(f'{path.name} ({path.stat().st_size / 1e6:.1f} MB) will leave this machine.', yes=yes)
    found = info(path)
    with progress.upload_bar(path.name, quiet=common.as_json) as bar:
        answer = ask_at(common, lambda service: _upload(service, path, found.messages, bar))
    text.show_record(common, 'Recording uploaded', answer, 'recording')


@local_command('reflex recordings delete 20261126T101500Z_so101', group=recordings)
@click.argument('name')
@recorded.folder_option
@click.option('--yes', is_flag=True, help='Do not ask for confirmation.')
def delete(common: CommonOptions, name: str, folder: str, yes: bool) -> None:
    """
    Delete a recording from this machine.

    NAME is the name of a recording, a part of it, a file, or @last.
    """
    path = _find(folder, name)
    confirm(f'{path} will be deleted.', yes=yes)
    try:
        path.unlink()
        _memory(path).unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigurationError(f'{path} cannot be deleted: {exc.strerror}') from exc
    text.report(common, {'ok': True, 'deleted': str(path)}, f'Deleted: {path}')


async def _upload(service: AsyncReflex, path: Path, messages: int, bar: Progress) -> Row:
    from reflex_ros.client.resources import recordings as calls

    # The service takes an archive of a folder.
    with tempfile.TemporaryDirectory(prefix='.upload-', dir=path.parent) as temporary:
        packed = Path(temporary) / path.stem
        packed.mkdir()
        try:
            os.link(path, packed / path.name)
        except OSError:
            # Not every file system has links.
            shutil.copy2(path, packed / path.name)
        return await calls.upload(
            service, packed, session_id=path.stem,
            user_slug=calls.user_slug(service.key),
            formats=('mcap',), summary={'messages': messages}, on_progress=bar,
            memory=_memory(path))


def _memory(path: Path) -> Path:
    """Return the file that remembers an upload which is not complete."""
    return path.with_name(f'.{path.name}.upload')


def _find(folder: str, name: str) -> Path:
    return recorded.find(recorded.folder(folder), name, 'recordings')
