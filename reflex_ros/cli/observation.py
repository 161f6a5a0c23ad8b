# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options that describe an observation, and the table that shows a chunk."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
import errno
import math
import re

import click

from reflex_ros import small_file
from reflex_ros.cli.options import Function

MAX_IMAGE = 4 * 2 ** 20
MAX_STATE = 64 * 2 ** 10
ENCODINGS = {b'\xff\xd8\xff': 'jpeg_base64', b'\x89PNG\r\n\x1a\n': 'png_base64'}
"""First bytes of a file -> its encoding on the wire (protocol reference, section d.3)."""


def numbers(ctx: click.Context, param: click.Parameter, value: str) -> list[float]:
    """Parse numbers separated by commas or blanks, or read them from a file."""
    text = value
    if not re.fullmatch(r'[-+0-9.,eE\s]+', value):
        try:
            text = small_file.read(value, MAX_STATE, takes_pipes=True).decode('utf-8')
        except (OSError, ValueError) as exc:
            raise click.BadParameter(f'{value} is neither a list of numbers nor a readable '
                                     f'file ({getattr(exc, "strerror", None) or exc})') from exc
    try:
        # Two commas in a row are an error: a missing number would shift all joints after it.
        words = re.split(r'\s*,\s*|\s+', text.strip('[] \t\r\n'))
        found = [float(word) for word in words]
    except ValueError as exc:
        raise click.BadParameter(f'{value} is not a list of numbers: {exc}') from exc
    if not all(map(math.isfinite, found)):
        raise click.BadParameter(f'{value} contains a number that is not finite')
    return found


def image_files(ctx: click.Context, param: click.Parameter,
                values: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Read the images of ``CAMERA=FILE``; return camera -> image as it goes on the wire."""
    found: dict[str, dict[str, str]] = {}
    for value in values:
        camera, _, name = value.partition('=')
        if not camera or not name:
            raise click.BadParameter(f'{value!r} is not CAMERA=FILE, for example front=frame.jpg')
        if camera in found:
            raise click.BadParameter(f'camera {camera} is named twice: pass one image per camera')
        found[camera] = _image(name)
    return found


def _image(name: str) -> dict[str, str]:
    try:
        data = small_file.read(name, MAX_IMAGE, takes_pipes=True)
    except OSError as exc:
        hint = ': make it smaller, for example 640 x 480' if exc.errno == errno.EFBIG else ''
        raise click.BadParameter(f'{name} cannot be read: {exc.strerror}{hint}') from exc
    encoding = next((known for head, known in ENCODINGS.items() if data.startswith(head)), None)
    if encoding is None:
        raise click.BadParameter(f'{name} is neither a JPEG nor a PNG file')
    return {'encoding': encoding, 'data': base64.b64encode(data).decode('ascii')}


def observation_options(command: Function) -> Function:
    """Declare the options that describe an observation."""
    for option in (
            click.option('--image', 'images', multiple=True, callback=image_files,
                         metavar='CAMERA=FILE',
                         help='Camera and its JPEG or PNG file, for example front=frame.jpg; '
                              'repeatable.'),
            click.option('--state', required=True, callback=numbers, metavar='NUMBERS|FILE',
                         help='Joint positions in the units of the adapter, for example '
                              '0,-30,40,30,0,30, or a file with numbers or a JSON list.'),
            click.option('--prompt', default='do something', show_default=True,
                         help='Task text for the policy.'),
            click.option('--adapter', help='Layout of the rows: so101_joint, aloha_joint or '
                                           'pi_native.')):
        command = option(command)
    return command


def table(state: Sequence[float], rows: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yield a chunk as a table, one line per joint: state, first and last row, range."""
    from reflex_ros.hardware.arms import wire_names

    width = len(rows[0])
    names = wire_names(width) or [str(index) for index in range(width)]
    yield f'{"joint":<15}{"state":>10}{"first":>10}{"last":>10}{"lowest":>10}{"highest":>10}'
    for index, name in enumerate(names):
        values = [row[index] for row in rows]
        here = f'{state[index]:10.3f}' if len(state) == width else f'{"-":>10}'
        yield f'{name:<15}{here}' + ''.join(
            f'{value:10.3f}' for value in (values[0], values[-1], min(values), max(values)))


def milliseconds(value: float | None) -> str:
    """Format a time [ms] that may be unknown."""
    return 'unknown' if value is None else f'{value:.1f} ms'
