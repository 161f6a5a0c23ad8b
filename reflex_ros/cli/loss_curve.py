# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loss of a training run over its steps: a line of blocks, or a PNG."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from reflex_ros.cli.output_file import writing
from reflex_ros.client.messages.training import TrainingRun
from reflex_ros.client.texts import printable
from reflex_ros.errors import ConfigurationError

BLOCKS = '▁▂▃▄▅▆▇█'
WIDTH = 24


class LossCurve:
    """
    The losses that were seen of one run.

    The service sends the first loss and the newest one, so a run that is watched from its start
    has a whole curve, and any other one two or three points.
    """

    def __init__(self) -> None:
        self._losses: dict[int, float] = {}
        self._title = ''

    def add(self, run: TrainingRun) -> None:
        """Remember what an answer says of the loss."""
        self._losses.update(run.losses)
        name = run.first_text('modelName') or run.run_id
        self._title = f'loss of {printable(name, 80)} ({printable(run.status, 20)})'

    @property
    def points(self) -> list[tuple[int, float]]:
        """Step and loss, from the first step to the last."""
        return sorted(self._losses.items())

    @property
    def blocks(self) -> str:
        """The curve as a line of blocks along the steps; empty for fewer than two points."""
        points = self.points
        if len(points) < 2:
            return ''
        # The newest loss up to the step of each column, from the first step to the last.
        first, last, gaps = points[0][0], points[-1][0], min(WIDTH, len(points)) - 1
        steps = [first + (last - first) * gap // gaps for gap in range(gaps + 1)]
        losses = [next(loss for at, loss in reversed(points) if at <= step) for step in steps]
        low, high = min(losses), max(losses)
        scale = (len(BLOCKS) - 1) / ((high - low) or 1.0)
        return ''.join(BLOCKS[round((loss - low) * scale)] for loss in losses)

    def draw(self, path: Path) -> None:
        """
        Draw the curve as a PNG.

        :raises ConfigurationError: if no loss was seen, or the file cannot be written.
        """
        from reflex_ros.cli import chart

        if not self._losses:
            raise ConfigurationError('The service has sent no loss of this run yet: nothing was '
                                     'drawn. Add --watch to wait for it')
        with writing(path, '--plot'):
            chart.draw(path, [chart.Panel(self._title, {'loss': self.points})], unit='steps')


def check_plot(path: Path | None) -> None:
    """
    Check that a plot can be drawn, before a run is watched for hours.

    :raises ConfigurationError: if Pillow or the folder is missing.
    """
    if path is None:
        return
    if find_spec('PIL') is None:
        raise ConfigurationError('--plot needs Pillow, which is not installed. Install it: pip '
                                 'install Pillow')
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f'{path} cannot be written: there is no folder '
                                 f'{path.absolute().parent}. Choose another file with --plot')
