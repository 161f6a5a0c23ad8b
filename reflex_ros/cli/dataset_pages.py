# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``reflex datasets show`` shows of a data set on this machine, and how ``edit`` is told."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
import re
import shlex
from typing import TYPE_CHECKING

import click
import numpy as np

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.output_file import writing
from reflex_ros.domain.counted import counted

if TYPE_CHECKING:
    from reflex_ros.recording.dataset_reader import Dataset

PICTURES = 6
"""Pictures of each camera on the sheet of an episode."""
LEAST = 5.0
"""Smallest range of a joint that is drawn [deg, percent]."""


def show_list(common: CommonOptions, found: Dataset) -> None:
    """Print the episodes of a data set."""
    rows = []
    for number in found.episodes:
        episode = found.episode(number)
        travel = np.ptp(episode.state, axis=0)
        most = int(travel.argmax())
        rows.append({'episode': number, 'seconds': round(len(episode.state) / found.fps, 1),
                     'frames': len(episode.state), 'task': episode.task,
                     'moves_most': found.joints[most], 'by': round(float(travel[most]), 1)})
    quoted = shlex.quote(str(found.folder))
    following = [f'reflex datasets show {quoted} --episode 0',
                 f'reflex datasets upload {quoted}']
    if common.as_json:
        text.document({'ok': True, 'dataset': str(found.folder), 'episodes': rows,
                       'fps': found.fps, 'cameras': found.cameras, 'next': following})
        return
    click.echo(f'{found.folder}: {counted(len(rows), "episode")} at {found.fps} Hz, cameras '
               f'{", ".join(found.cameras) or "none"}\n')
    text.show_grid(('episode', 'seconds', 'frames', 'task', 'moves most', 'by'),
                   [tuple(map(str, row.values())) for row in rows])
    for line in text.next_lines(following):
        click.echo(line)


def draw(common: CommonOptions, found: Dataset, number: int, out: Path | None) -> None:
    """Draw one episode as a PNG: some pictures of each camera, and each joint."""
    from reflex_ros.cli import chart

    episode = found.episode(number)
    times = np.arange(len(episode.state)) / found.fps
    places = np.linspace(0, len(times) - 1, min(PICTURES, len(times))).astype(int)
    strips = []
    for camera, clip in episode.pictures.items():
        wanted = set(places.tolist())
        chosen = [np.asarray(picture) for index, picture in enumerate(
            islice(clip, int(places[-1]) + 1)) if index in wanted]
        strips.append(chart.Strip(camera, chosen))
    panels = [chart.Panel(
        f'{name} [deg, or percent of the travel]',
        {'measured': list(zip(times, episode.state[:, index], strict=True)),
         'told': list(zip(times, episode.action[:, index], strict=True))}, least=LEAST)
        for index, name in enumerate(found.joints)]
    out = out or found.folder.with_name(f'{found.folder.resolve().name}-episode-{number}.png')
    with writing(out, '--out'):
        chart.draw(out, panels, strips)
    text.report(common, {'ok': True, 'file': str(out), 'episode': number, 'task': episode.task,
                         'frames': len(times)}, f'Written: {out}')


def numbers(words: str, option: str) -> list[int]:
    """Return the numbers in ``0-9,12``."""
    found: list[int] = []
    for part in words.split(','):
        match = re.fullmatch(r'\s*(\d+)(?:-(\d+))?\s*', part)
        if match is None:
            raise click.UsageError(f'{option} {words!r}: expected numbers, such as 0-9,12')
        first = int(match[1])
        found += range(first, int(match[2] or first) + 1)
    return found


def trim(words: str) -> tuple[int, tuple[float, float]]:
    """Return episode, first and last second of ``3:0.5-6``."""
    match = re.fullmatch(r'(\d+):(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)', words)
    if match is None or float(match[2]) >= float(match[3]):
        raise click.UsageError(f'--trim {words!r}: expected N:FROM-TO in seconds, such as '
                               '3:0.5-6.0')
    return int(match[1]), (float(match[2]), float(match[3]))
