# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far something has got: a bar on a terminal (stderr), nothing or plain lines without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


@contextmanager
def upload_bar(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """
    Show a bar while a file is sent.

    :param name: of the file.
    :param quiet: show nothing, whatever stderr is.
    :returns: what to call with the bytes sent so far and all of them.
    """
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}', markup=False), BarColumn(), DownloadColumn(True),
               TransferSpeedColumn(), TimeRemainingColumn())
    # rich draws a last bar even where there is no terminal.
    is_off = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=is_off) as progress:
        task = progress.add_task(name, total=None)

        def show(sent: int, size: int) -> None:
            progress.update(task, completed=sent, total=size)

        yield show
