# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr: a bar on a terminal, plain lines or nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from reflex_ros.cli.loss_curve import LossCurve
from reflex_ros.client.messages.training import TrainingRun
from reflex_ros.client.texts import printable


@contextmanager
def upload_bar(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """
    Show a progress bar while a file is uploaded.

    :param name: name of the file.
    :param quiet: show nothing, even on a terminal.
    :returns: function to call with the bytes sent so far and the total.
    """
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}', markup=False), BarColumn(), DownloadColumn(),
               TransferSpeedColumn(), TimeRemainingColumn())
    # Without a terminal, rich would still print the last state of the bar.
    is_off = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=is_off) as progress:
        task = progress.add_task(printable(name), total=None)

        def show(sent: int, size: int) -> None:
            progress.update(task, completed=sent, total=size)

        yield show


@contextmanager
def training_view(run_id: str, curve: LossCurve, *,
                  quiet: bool) -> Iterator[Callable[[TrainingRun], None]]:
    """
    Show the progress of a training run: a bar on a terminal, else a line for each change.

    :param curve: gets each state, and is shown behind the bar.
    :param quiet: show nothing, even on a terminal.
    :returns: function to call with the present state of the run.
    """
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}', markup=False), BarColumn(),
               TaskProgressColumn(), TextColumn('{task.fields[loss]}', markup=False),
               TimeElapsedColumn())
    is_bar = console.is_terminal and not quiet
    printed: list[str] = []
    with Progress(*columns, console=console, disable=not is_bar) as progress:
        task = progress.add_task(run_id, total=None, loss='')

        def show(run: TrainingRun) -> None:
            curve.add(run)
            loss = '' if run.loss is None else f'loss {run.loss:.4g}'
            progress.update(task, description=f'{run_id} {run.status}',
                            loss=f'{loss} {curve.blocks}'.rstrip(),
                            total=None if run.fraction is None else 1.0, completed=run.fraction)
            share = '' if run.fraction is None else f'{run.fraction:.0%}'
            place = '' if run.queue_place is None else f'position {run.queue_place}'
            line = '  '.join(part for part in (run_id, run.status, place, share, loss) if part)
            if not is_bar and not quiet and printed != [line]:
                printed[:] = [line]
                click.echo(line, err=True)

        yield show
