# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An observation from the command line, and the rows that answer it as text."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
import math
import re
from typing import Any, TypeVar

import click

Command = TypeVar('Command', bound=Callable[..., Any])

MAX_IMAGE = 4 * 2 ** 20
MAX_STATE = 64 * 2 ** 10
ENCODINGS = {b'\xff\xd8\xff': 'jpeg_base64', b'\x89PNG\r\n\x1a\n': 'png_base64'}
"""First bytes of a file -> its encoding on the wire (section d.3)."""


class Finite(click.FloatRange):
    """A range without infinity and NaN, which click lets through."""

    def convert(self, value: Any, param: click.Parameter | None,
                ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f'{value} is no finite number', param, ctx)
        return number


def numbers(ctx: click.Context, param: click.Parameter, value: str) -> list[float]:
    """Read numbers separated by commas or blanks, or the file that holds them."""
    text = value
    if not re.fullmatch(r'[-+0-9.,eE\s]+', value):
        try:
            with open(value, encoding='utf-8') as file:
                text = file.read(MAX_STATE)
        except (OSError, ValueError) as exc:
            raise click.BadParameter(f'{value} is neither numbers nor a file that can be read '
                                     f'({getattr(exc, "strerror", None) or exc})') from exc
    try:
        # Two commas in a row are no separator: all joints behind them would move up by one.
        words = re.split(r'\s*,\s*|\s+', text.strip('[] \t\r\n'))
        found = [float(word) for word in words]
    except ValueError as exc:
        raise click.BadParameter(f'{value} holds no list of numbers: {exc}') from exc
    if not all(map(math.isfinite, found)):
        raise click.BadParameter(f'{value} holds a number that is not finite')
    return found


def image_files(ctx: click.Context, param: click.Parameter,
                values: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Read ``CAMERA=FILE``, a JPEG or PNG each; return what goes on the wire, by camera."""
    found: dict[str, dict[str, str]] = {}
    for value in values:
        camera, _, name = value.partition('=')
        if not camera or not name:
            raise click.BadParameter(f'{value!r} is not CAMERA=FILE, e.g. front=frame.jpg')
        if camera in found:
            raise click.BadParameter(f'camera {camera} is given twice')
        found[camera] = _image(name)
    return found


def _image(name: str) -> dict[str, str]:
    try:
        with open(name, 'rb') as file:
            data = file.read(MAX_IMAGE + 1)
    except OSError as exc:
        raise click.BadParameter(f'{name} cannot be read: {exc.strerror}') from exc
    encoding = next((known for head, known in ENCODINGS.items() if data.startswith(head)), None)
    if encoding is None:
        raise click.BadParameter(f'{name} is neither a JPEG nor a PNG')
    if len(data) > MAX_IMAGE:
        raise click.BadParameter(f'{name} is larger than {MAX_IMAGE >> 20} MiB; make it smaller, '
                                 'e.g. 640 x 480')
    return {'encoding': encoding, 'data': base64.b64encode(data).decode('ascii')}


def observed(command: Command) -> Command:
    """Add the options that make an observation."""
    for option in (
            click.option('--image', 'images', multiple=True, callback=image_files,
                         metavar='CAMERA=FILE',
                         help='A JPEG or PNG and its camera: front=frame.jpg. May be repeated.'),
            click.option('--state', required=True, callback=numbers, metavar='NUMBERS|FILE',
                         help='Joint positions in the units of the adapter: 0,-30,40,30,0,30, or '
                              'a file with such numbers or a JSON list.'),
            click.option('--prompt', default='do something', show_default=True,
                         help='The task.'),
            click.option('--adapter', help='Layout of the rows: so101_joint, aloha_joint or '
                                           'pi_native.')):
        command = option(command)
    return command


def table(state: Sequence[float], rows: Sequence[Sequence[float]]) -> Iterator[str]:
    """Lay a chunk out, one line per joint: where it is, first and last row, range."""
    from reflex_ros.domain.joints import JOINT_NAMES

    width = len(rows[0])
    names = JOINT_NAMES if width == len(JOINT_NAMES) else [str(index) for index in range(width)]
    yield f'{"joint":<15}{"state":>10}{"first":>10}{"last":>10}{"lowest":>10}{"highest":>10}'
    for index, name in enumerate(names):
        values = [row[index] for row in rows]
        here = f'{state[index]:10.3f}' if len(state) == width else f'{"-":>10}'
        yield f'{name:<15}{here}' + ''.join(
            f'{value:10.3f}' for value in (values[0], values[-1], min(values), max(values)))


def milliseconds(value: float | None) -> str:
    """Write a time [ms] that may be unknown."""
    return 'unknown' if value is None else f'{value:.1f} ms'
