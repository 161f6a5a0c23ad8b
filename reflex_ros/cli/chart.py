# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Line charts as a PNG file, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE = (1200, 260)
"""Width and height of one panel [pixel]."""
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 28, 26
COLOURS = ('#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd', '#8c564b', '#17becf', '#7f7f7f')
GRID, INK, MARK = '#dddddd', '#333333', '#cc0000'


@dataclass(frozen=True, slots=True)
class Panel:
    """
    One chart.

    :param lines: name -> points (x, y), x in the unit of the axis, usually seconds.
    :param marks: places on that axis, with a word each.
    :param least: smallest range of y that is drawn, so that noise does not fill the chart.
    """

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    marks: Sequence[tuple[float, str]] = ()
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Strip:
    """
    Pictures of one camera in a row, from the earliest to the latest.

    :param pictures: (height, width, 3) of uint8 each.
    """

    title: str
    pictures: Sequence[NDArray[np.uint8]]


def draw(path: Path, panels: Sequence[Panel], strips: Sequence[Strip] = (), *,
         unit: str = 's') -> None:
    """
    Draw panels below each other with a common axis, whose numbers are the points' own.

    :param strips: stand above the panels, along the same axis.
    :param unit: of the axis.
    :raises OSError: if the file cannot be written.
    """
    heights = [_height(strip) for strip in strips]
    image = Image.new('RGB', (SIZE[0], sum(heights) + SIZE[1] * len(panels)), 'white')
    canvas = ImageDraw.Draw(image)
    xs = [x for panel in panels for line in panel.lines.values() for x, _ in line] or [0.0]
    for index, panel in enumerate(panels):
        _panel(canvas, panel, sum(heights) + index * SIZE[1], (min(xs), max(xs)), unit)
    for index, strip in enumerate(strips):
        _strip(image, strip, sum(heights[:index]))
    image.save(path, format='PNG')


def _height(strip: Strip) -> int:
    height, width = strip.pictures[0].shape[:2]
    return TOP + int((SIZE[0] - LEFT - RIGHT) / len(strip.pictures) * height / width)


def _strip(image: Image.Image, strip: Strip, top: int) -> None:
    ImageDraw.Draw(image).text((LEFT, top + 8), strip.title, fill=INK,
                               font=ImageFont.load_default())
    width = (SIZE[0] - LEFT - RIGHT) / len(strip.pictures)
    for index, pixels in enumerate(strip.pictures):
        size = round(width) - 2, _height(strip) - TOP - 2
        image.paste(Image.fromarray(pixels).resize(size),
                    (LEFT + round(index * width), top + TOP))


def _panel(canvas: ImageDraw.ImageDraw, panel: Panel, top: int,
           span: tuple[float, float], unit: str) -> None:
    font = ImageFont.load_default()
    low, high = _range([y for line in panel.lines.values() for _, y in line], panel.least)
    width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - TOP - BOTTOM
    bottom = top + TOP + height

    def at(x: float, y: float) -> tuple[float, float]:
        return (LEFT + (x - span[0]) / max(span[1] - span[0], 1e-9) * width,
                bottom - (y - low) / (high - low) * height)

    canvas.text((LEFT, top + 8), panel.title, fill=INK, font=font)
    for step in range(5):
        y = low + (high - low) * step / 4
        x = span[0] + (span[1] - span[0]) * step / 4
        canvas.line([at(span[0], y), (LEFT + width, at(span[0], y)[1])], fill=GRID)
        canvas.text((8, at(span[0], y)[1] - 6), f'{y:.4g}', fill=INK, font=font)
        number = f'{x:.3g}' if abs(x) < 1000 else f'{x:.0f}'
        canvas.text((LEFT + width * step / 4 - 8, bottom + 6), f'{number} {unit}', fill=INK,
                    font=font)
    for x, word in panel.marks:
        if span[0] <= x <= span[1]:
            canvas.line([at(x, low), at(x, high)], fill=MARK, width=2)
            canvas.text((at(x, low)[0] + 4, top + TOP), word, fill=MARK, font=font)
    for index, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = [at(x, y) for x, y in line]
        if len(points) > 1:
            canvas.line(points, fill=colour, width=2)
        canvas.text((LEFT + width + 12, top + TOP + 16 * index), name, fill=colour, font=font)


def _range(values: Sequence[float], least: float) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max(0.05 * (high - low) or 0.5, (least - (high - low)) / 2)
    return low - margin, high + margin
