# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Draw what the streaming bench plays: paths over chunk borders, ours beside the others.

``python -m bench.streaming_pictures`` writes one PNG per case into doc/pictures. It needs
Matplotlib: ``pip install -e '.[bench]'``.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np

from bench.streaming import Case, OURS, play
from bench.streaming_baselines import Method
from bench.streaming_models import DT, follow, Link, Policy

PICTURES = Path(__file__).resolve().parents[1] / 'doc' / 'pictures'
JOINT = 0
BEGIN_S, END_S = 6.0, 12.0
METHODS: dict[Method | str, str] = {
    OURS: '#0b6fb8', Method.NAIVE: '#7a7a7a', Method.WEIGHTED: '#d1661b',
    Method.RTC: '#2f8f46'}


@dataclass(frozen=True)
class Picture:
    """A case to draw."""

    file: str
    title: str
    case: Case


ALL = (
    Picture('streaming_usual.png', 'Inference 400 + 0..200 ms, rows at 30 Hz',
            Case('usual', Link(0.4, 0.2), seconds=END_S)),
    Picture('streaming_disagreement.png',
            'Chunks that disagree by 5 degrees, inference 400 + 0..200 ms, rows at 30 Hz',
            Case('disagreement', Link(0.4, 0.2), Policy(offset_deg=5.0), seconds=END_S)),
    Picture('streaming_slow.png', 'Inference 800 + 0..300 ms, rows at 30 Hz',
            Case('slow', Link(0.8, 0.3), seconds=END_S)),
)


def _goals(task: tuple[Case, Method | str]) -> np.ndarray:
    return play(*task)[1]


def _draw(picture: Picture, runs: dict[Method | str, np.ndarray]) -> Path:
    from matplotlib.figure import Figure
    figure = Figure(figsize=(12.0, 6.4), layout='constrained')
    figure.suptitle(picture.title, fontsize=13, fontweight='bold')
    grid = figure.subplots(2, len(runs), sharex=True, sharey='row')
    times = np.arange(round(END_S / DT)) * DT
    shown = slice(round(BEGIN_S / DT), None)
    peaks = {}
    for column, (method, goals) in enumerate(runs.items()):
        acceleration = np.gradient(np.gradient(follow(goals)[:, JOINT], DT), DT)
        peaks[method] = float(np.abs(acceleration[shown]).max())
        colour = METHODS[method]
        above, below = grid[0][column], grid[1][column]
        above.plot(times[shown], np.degrees(goals[shown, JOINT]), color=colour, lw=1.3)
        above.set_title(method if isinstance(method, str) else method.value, color=colour,
                        fontsize=12, fontweight='bold')
        below.plot(times[shown], acceleration[shown], color=colour, lw=0.8)
        below.text(0.97, 0.95, f'peak {peaks[method]:.3g} rad/s²', transform=below.transAxes,
                   ha='right', va='top', fontsize=11,
                   bbox={'facecolor': 'white', 'edgecolor': 'none', 'pad': 2.0, 'alpha': 0.85})
        below.set_xlabel('time [s]')
        for axes in (above, below):
            axes.grid(alpha=0.25)
            axes.spines[['top', 'right']].set_visible(False)
    # Enough for a stair of rows; jumps are cut off, and their number says how high they are.
    top = min(1.2 * max(peaks.values()), 120.0)
    grid[1][0].set_ylim(-top, top)
    grid[0][0].set_ylabel('goal of the first joint [degree]')
    grid[1][0].set_ylabel('acceleration of the joint [rad/s²]')
    path = PICTURES / picture.file
    figure.savefig(path, dpi=90)
    return path


@click.command()
def main() -> None:
    """Write the pictures of doc/streaming.md."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise click.ClickException(
            "The pictures need Matplotlib: pip install -e '.[bench]'") from None
    PICTURES.mkdir(parents=True, exist_ok=True)
    tasks = [(picture.case, method) for picture in ALL for method in METHODS]
    with get_context('spawn').Pool(2) as pool:
        played = iter(pool.map(_goals, tasks, chunksize=1))
    for picture in ALL:
        path = _draw(picture, {method: next(played) for method in METHODS})
        click.echo(f'{path}: {path.stat().st_size // 1000} kB')


if __name__ == '__main__':
    main()
