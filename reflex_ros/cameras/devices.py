# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The cameras of this machine, as Linux knows them (Video4Linux 2): names, modes, and who uses them.

Nothing is streamed, so a camera that another program reads is described as well. Numbers and
layouts are those of the kernel's ``linux/videodev2.h``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass
import errno
import fcntl
from itertools import count
import os
from pathlib import Path
import stat
import struct

DEVICES = Path('/dev')
Ioctl = Callable[[int, int, bytearray], object]
USUAL_SIZES = ((1920, 1080), (1280, 720), (800, 600), (640, 480), (320, 240))
"""What is asked for where a camera takes any size."""
MOST = 256
"""Entries after which a list is not believed any more."""

_CAPABILITY = struct.Struct('=16s32s32s3I12x')
_FORMAT = struct.Struct('=3I32sI16x')
_SIZE = struct.Struct('=9I8x')
_INTERVAL = struct.Struct('=11I8x')
_WRITE, _READ = 1, 2
_CAPTURE, _OWN_CAPABILITIES = 0x1, 0x80000000
_BUFFER_CAPTURE = 1
_DISCRETE = 1


def _request(direction: int, number: int, layout: struct.Struct) -> int:
    """Return the number of an ioctl, as the macros of ``asm-generic/ioctl.h`` make it."""
    return direction << 30 | layout.size << 16 | ord('V') << 8 | number


QUERY = _request(_READ, 0, _CAPABILITY)
FORMATS = _request(_READ | _WRITE, 2, _FORMAT)
SIZES = _request(_READ | _WRITE, 74, _SIZE)
INTERVALS = _request(_READ | _WRITE, 75, _INTERVAL)


@dataclass(frozen=True, slots=True)
class Mode:
    """
    A way in which a camera delivers pictures.

    :param fourcc: format, such as MJPG or YUYV.
    :param width: [pixels], as the height.
    :param rate_hz: its highest rate; 0 when the driver does not say.
    """

    fourcc: str
    width: int
    height: int
    rate_hz: float = 0.0

    def __str__(self) -> str:
        rate = f' at {self.rate_hz:g} Hz' if self.rate_hz else ''
        return f'{self.fourcc} {self.width}x{self.height}{rate}'


@dataclass(frozen=True, slots=True)
class Device:
    """
    A camera.

    :param path: such as /dev/video0.
    :param stable_path: below /dev/v4l/by-id, the same after a reboot; empty when there is none.
    :param name: as the driver gives it.
    :param bus: where it is plugged in.
    :param users: programs that have it open, of those that we may see.
    :param problem: why nothing more is known of it; empty usually.
    """

    path: str
    stable_path: str = ''
    name: str = ''
    bus: str = ''
    modes: tuple[Mode, ...] = ()
    users: tuple[str, ...] = ()
    problem: str = ''

    @property
    def has_mjpeg(self) -> bool:
        """Whether it delivers JPEG pictures, which are sent without decoding."""
        return any(mode.fourcc in ('MJPG', 'JPEG') for mode in self.modes)


def find_devices(folder: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl) -> list[Device]:
    """
    Describe every camera of this machine; a device that is none is left out.

    :param folder: where the devices are.
    """
    paths = sorted(folder.glob('video*'), key=lambda path: (len(path.name), path.name))
    return [device for path in paths if (device := describe(path, folder, ioctl)) is not None]


def describe(path: Path, folder: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl) -> Device | None:
    """Describe one camera; None for a device that is no camera, such as its second node."""
    path = path.resolve()
    stable = next((str(link) for link in sorted(folder.glob('v4l/by-id/*'))
                   if link.resolve() == path), '')
    try:
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as exc:
        return Device(str(path), stable, users=users(path), problem=open_problem(exc, path))
    try:
        data = bytearray(_CAPABILITY.size)
        ioctl(file, QUERY, data)
        _, card, bus, _, all_nodes, own = _CAPABILITY.unpack(data)
        if not (own if all_nodes & _OWN_CAPABILITIES else all_nodes) & _CAPTURE:
            return None
        return Device(str(path), stable, _text(card), _text(bus), tuple(_modes(file, ioctl)),
                      users(path))
    except OSError:
        # It does not know these requests: no camera, or a file.
        return None
    finally:
        os.close(file)


def open_problem(exc: OSError, path: Path) -> str:
    """Say why a camera cannot be opened, and what to do."""
    if exc.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return ('it is not there. Plug the camera in; `reflex cameras find` lists those that are '
                'there')
    if exc.errno in (errno.EACCES, errno.EPERM):
        return ('you may not read it. Join the group video: sudo usermod -aG video $USER, then '
                'log in again')
    if exc.errno == errno.EBUSY:
        by = ' and '.join(users(path)) or 'another program'
        return (f'it is busy: {by} uses it. End that program, or let the ROS driver have the '
                'camera and read its topic')
    return exc.strerror or str(exc)


def users(path: Path) -> tuple[str, ...]:
    """Name the other programs that have a device open; those of other users are not seen."""
    try:
        wanted = path.stat()
    except OSError:
        return ()
    if not stat.S_ISCHR(wanted.st_mode):
        return ()
    found = []
    for process in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            if int(process.name) != os.getpid() and any(
                    os.stat(link).st_rdev == wanted.st_rdev
                    for link in (process / 'fd').iterdir()):
                found.append(f'{(process / "comm").read_text().strip()} (pid {process.name})')
    return tuple(found)


def _modes(file: int, ioctl: Ioctl) -> Iterator[Mode]:
    def formats(index: int) -> bytearray:
        return bytearray(_FORMAT.pack(index, _BUFFER_CAPTURE, 0, b'', 0))

    for _, _, _, _, fourcc in _entries(file, ioctl, FORMATS, _FORMAT, formats):
        name = struct.pack('=I', fourcc & 0x7FFFFFFF).decode('ascii', 'replace').strip()
        for width, height in _sizes(file, ioctl, fourcc):
            yield Mode(name, width, height, _rate_hz(file, ioctl, fourcc, width, height))


def _sizes(file: int, ioctl: Ioctl, fourcc: int) -> Iterator[tuple[int, int]]:
    def sizes(index: int) -> bytearray:
        return bytearray(_SIZE.pack(index, fourcc, *(0,) * 7))

    for _, _, kind, *numbers in _entries(file, ioctl, SIZES, _SIZE, sizes):
        if kind == _DISCRETE:
            yield numbers[0], numbers[1]
            continue
        least_w, most_w, _, least_h, most_h, _ = numbers
        yield from ((width, height) for width, height in USUAL_SIZES
                    if least_w <= width <= most_w and least_h <= height <= most_h)
        return


def _rate_hz(file: int, ioctl: Ioctl, fourcc: int, width: int, height: int) -> float:
    """Return the highest rate of a mode; 0 when the driver does not say."""
    def intervals(index: int) -> bytearray:
        return bytearray(_INTERVAL.pack(index, fourcc, width, height, *(0,) * 7))

    best = 0.0
    # Where any interval is allowed, the shortest one stands in the same place.
    for found in _entries(file, ioctl, INTERVALS, _INTERVAL, intervals):
        numerator, denominator = found[5:7]
        if numerator:
            best = max(best, round(denominator / numerator, 2))
        if found[4] != _DISCRETE:
            break
    return best


def _entries(file: int, ioctl: Ioctl, request: int, layout: struct.Struct,
             ask: Callable[[int], bytearray]) -> Iterator[tuple[int, ...]]:
    """Yield the entries of a list of the driver, which ends with an error."""
    for index in count():
        data = ask(index)
        try:
            ioctl(file, request, data)
        except OSError:
            return
        if index >= MOST:
            return
        yield layout.unpack(data)


def _text(data: bytes) -> str:
    return data.partition(b'\0')[0].decode('utf-8', 'replace')
