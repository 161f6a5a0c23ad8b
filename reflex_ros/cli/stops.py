# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex stops``: the last seconds before each stop."""

from __future__ import annotations

from pathlib import Path

import click

from reflex_ros.cli import recorded
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.recording.reader import info

COLUMNS = ('name', 'code', 'text', 'started', 'problem')


@click.group()
def stops() -> None:
    """Look at the last seconds before each stop."""


@local_command('reflex stops list', group=stops)
@recorded.folder_option
def list_(common: CommonOptions, folder: str) -> None:
    """List the recorded stops with their causes."""
    recorded.show_list(common, recorded.folder(folder, of_stops=True), 'stops', COLUMNS)


@local_command('reflex stops show', 'reflex stops show USB-GONE', group=stops)
@recorded.name_argument
@recorded.folder_option
def show(common: CommonOptions, name: str, folder: str) -> None:
    """
    Show what happened before a stop.

    Also how far each joint moved after it.

    NAME is the name of a stop, a part of it, or a file (default: the newest stop). Times are
    seconds before (-) and after (+) the stop.
    """
    path = _find(folder, name)
    recorded.show_one(common, path, stop_at=recorded.stop_instant(info(path)))


@local_command('reflex stops plot --out stop.png', group=stops)
@recorded.name_argument
@recorded.out_option
@recorded.folder_option
def plot(common: CommonOptions, name: str, out: Path | None, folder: str) -> None:
    """
    Draw a stop as a PNG.

    Joints, goals, age of the chunks, permit, and the cause at its instant.

    NAME is the name of a stop, a part of it, or a file (default: the newest stop). The stop is at
    0 s.
    """
    path = _find(folder, name)
    recorded.plot(common, path, out, stop_at=recorded.stop_instant(info(path)))


@local_command('reflex stops export --format csv', group=stops)
@recorded.name_argument
@click.option('--format', 'form', type=click.Choice(('csv', 'jsonl')), default='csv',
              show_default=True, help='Kind of file.')
@recorded.out_option
@recorded.folder_option
def export(common: CommonOptions, name: str, form: str, out: Path | None, folder: str) -> None:
    """
    Write a stop as a table.

    One row per measurement, angles in radians.

    NAME is the name of a stop, a part of it, or a file (default: the newest stop).
    """
    recorded.export(common, _find(folder, name), form, out)


def _find(folder: str, name: str) -> Path:
    return recorded.find(recorded.folder(folder, of_stops=True), name, 'stops')
