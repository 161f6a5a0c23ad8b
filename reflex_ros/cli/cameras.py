# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex cameras``: find the cameras of this machine, and look at what one delivers."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import click

from reflex_ros.cameras.devices import describe, Device, find_devices, Mode
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.trial import Trial, try_camera
from reflex_ros.cameras.v4l2 import V4l2Source
from reflex_ros.cli import text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.cli.output_file import writing
from reflex_ros.errors import ConfigurationError, ReflexError

NO_CAMERA = ('no camera was found. Plug one in; a virtual machine or a container must be given '
             'its device (docker run --device /dev/video0)')
SLOW = 0.8
"""Share of the rate of its mode below which a camera is slow."""


@click.group()
def cameras() -> None:
    """Find the cameras of this machine, and look at what one delivers."""


@local_command('reflex cameras find', group=cameras)
def find(common: CommonOptions) -> None:
    """
    List the cameras with their modes.

    Pictures in the format MJPG are sent to the policy without decoding. Cameras of which only a
    ROS driver knows (RealSense depth, network cameras) are not listed.
    """
    found = find_devices()
    value = {'ok': True, 'cameras': [
        {'device': each.path, 'stable_path': each.stable_path, 'name': each.name, 'bus': each.bus,
         'mjpeg': each.has_mjpeg, 'used_by': list(each.users), 'problem': each.problem,
         'modes': [{'fourcc': mode.fourcc, 'width': mode.width, 'height': mode.height,
                    'rate_hz': mode.rate_hz} for mode in each.modes]} for each in found]}
    if not found:
        text.fail(common, NO_CAMERA, value)
    best = next((each for each in found if each.has_mjpeg), found[0])
    text.report(common, value, *(line for each in found for line in _lines(each)),
                *text.next_lines([f'reflex cameras show {best.stable_path or best.path}']))


@local_command('reflex cameras show', 'reflex cameras show /dev/video2 --out front.jpg',
               'reflex cameras show 0 --width 1280 --height 720', group=cameras)
@click.argument('device', default='')
@click.option('--width', type=click.IntRange(16, 8192), default=640, show_default=True,
              help='Width to ask the camera for.')
@click.option('--height', type=click.IntRange(16, 8192), default=480, show_default=True,
              help='Height to ask the camera for.')
@click.option('--fourcc', default='MJPG', show_default=True, help='Format to ask the camera for.')
@click.option('--rate', 'wanted_hz', type=FiniteRange(0.0, 1000.0), default=0.0,
              help='Rate that is needed in Hz (default: that of the mode).')
@click.option('--seconds', type=FiniteRange(0.1, 3600.0), default=3.0, show_default=True,
              help='Time to watch the camera.')
@click.option('--out', type=click.Path(dir_okay=False, path_type=Path),
              help='File for the last picture, as a policy would get it.')
@click.option('--form', default='v4l2', hidden=True,
              help='Input format of FFmpeg, to read a file or a pipe in a test.')
def show(common: CommonOptions, device: str, width: int, height: int, fourcc: str,
         wanted_hz: float, seconds: float, out: Path | None, form: str) -> None:
    """
    Read a camera for a moment; print size, format and real rate.

    DEVICE is a path or a number (default: the first camera). A camera that is slower than its
    mode, or has chosen another size, is named in a warning.
    """
    if find_spec('PIL') is None:
        raise ConfigurationError("cameras need the package 'Pillow': pip install "
                                 "'reflex_ros[camera]'")
    from reflex_ros.cameras.convert import convert, size_of

    asked = Mode(fourcc, width, height, wanted_hz)
    source = V4l2Source(device or _first(), width, height, 5 if form == 'v4l2' else 0, fourcc,
                        form)
    found = describe(Path(source.device))
    trial = try_camera(source.device, source, seconds)
    frame = trial.newest
    assert frame is not None
    size = size_of(frame)
    warnings = list(_warnings(asked, found, trial, size))
    if out is not None:
        with writing(out, '--out'):
            out.write_bytes(convert(frame, CameraSettings('camera')).data)
    value = {'ok': True, 'device': source.device, 'encoding': frame.encoding, 'width': size[0],
             'height': size[1], 'rate_hz': round(trial.rate_hz, 2),
             'longest_gap_ms': round(1e3 * trial.longest_gap_s, 1), 'frames': len(trial.times),
             'frame_bytes': trial.received // len(trial.times), 'warnings': warnings,
             'file': str(out or '')}
    text.report(
        common, value,
        f'{source.device}: {size[0]} x {size[1]} {frame.encoding}, {trial.rate_hz:.1f} '
        f'pictures/s, longest gap {1e3 * trial.longest_gap_s:.0f} ms, '
        f'{trial.received / len(trial.times) / 1e3:.0f} kB each',
        *([f'Last picture: {out}'] if out else []))
    for warning in warnings:
        click.echo(f'Warning: {warning}', err=True)


def _first() -> str:
    found = [each for each in find_devices() if not each.problem]
    if not found:
        raise ReflexError(NO_CAMERA)
    return found[0].path


def _lines(device: Device) -> list[str]:
    """Describe a camera for a person."""
    lines = [f'{device.path}  {device.name or "unknown"}  {device.bus}'.rstrip()]
    if device.stable_path:
        lines.append(f'  the same after a reboot: {device.stable_path}')
    for fourcc, modes in groupby(device.modes, lambda mode: mode.fourcc):
        note = '  (sent without decoding)' if fourcc in ('MJPG', 'JPEG') else ''
        listed = ', '.join(str(mode).partition(' ')[2] for mode in modes)
        lines.append(f'  {fourcc}: {listed}{note}')
    if device.modes and not device.has_mjpeg:
        lines.append('  no MJPG: each picture is decoded and encoded again')
    if device.users:
        lines.append(f'  in use by {" and ".join(device.users)}')
    if device.problem:
        lines.append(f'  {device.problem}')
    return lines


def _warnings(asked: Mode, device: Device | None, trial: Trial,
              size: tuple[int, int]) -> list[str]:
    """Say what is not as it was asked for."""
    found = []
    if size != (asked.width, asked.height):
        modes = ', '.join(map(str, device.modes)) if device else ''
        found.append(f'it was asked for {asked.width} x {asked.height} and delivers {size[0]} x '
                     f'{size[1]}' + (f'. Its modes: {modes}' if modes else ''))
    wanted_hz = asked.rate_hz or max(
        (mode.rate_hz for mode in (device.modes if device else ())
         if (mode.fourcc, mode.width, mode.height) == (asked.fourcc, *size)), default=0.0)
    if trial.rate_hz < SLOW * wanted_hz:
        found.append(f'it is slow: {trial.rate_hz:.1f} pictures/s, expected {wanted_hz:g}. Give '
                     'it more light (in the dark, many cameras expose longer), a smaller size, '
                     'the format MJPG, or a USB port of its own')
    return found
