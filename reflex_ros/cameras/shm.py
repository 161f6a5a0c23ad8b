# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Frames that another process writes into shared memory (protocol reference, section f.6).

Little endian: magic, width, height, channels (u32 each), sequence (u64); pixels from byte 64 on,
uint8, row by row. An odd sequence that is the same before and after a copy means a whole frame.

The segment is read like a file, and not mapped: a writer that starts again cuts it short, and the
kernel would end a process that touches a page that is gone, with whatever arm it drives.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
import struct
import time

from reflex_ros.cameras.frame import Frame, FrameRefused
from reflex_ros.errors import ReflexError

FOLDER = Path('/dev/shm')  # noqa: S108  # the place of shared memory, not a temporary file
MAGIC = 0xCAFEFACE
HEAD = struct.Struct('<IIIIQ')
SEQUENCE = struct.Struct('<Q')
SEQUENCE_AT = 16
PIXELS_AT = 64
TRIES = 10
WAIT_S = 1.0
LOOK_S = 0.002
ENCODINGS = {1: 'mono8', 3: 'rgb8', 4: 'rgba8'}


class ShmLost(ReflexError):
    """There is no segment, or it does not hold what it should."""


class ShmSource:
    """
    A segment of shared memory; a ``CameraSource``.

    :param name: of the segment: ``/dev/shm/reflex_cam_NAME``.
    :param max_attach_retries: how often a missing segment is looked for again.
    :param attach_retry_delay_s: time between two looks [s].
    """

    def __init__(self, name: str, max_attach_retries: int = 20,
                 attach_retry_delay_s: float = 0.5, folder: Path = FOLDER) -> None:
        self._path = folder / f'reflex_cam_{name}'
        self._retries = max_attach_retries
        self._delay_s = attach_retry_delay_s
        self._file: int | None = None
        self._sequence = -1

    def open(self) -> None:
        """
        Attach to the segment; blocks for ``max_attach_retries * attach_retry_delay_s`` at most.

        :raises ShmLost: when there is none.
        """
        self._sequence = -1
        for attempt in range(self._retries + 1):
            with contextlib.suppress(OSError):
                if self._path.stat().st_size:
                    self._file = os.open(self._path, os.O_RDONLY)
                    return
            if attempt < self._retries:
                time.sleep(self._delay_s)
        raise ShmLost(f'no SHM segment at {self._path}. Start the program that writes it')

    def read(self) -> Frame | None:
        """
        Wait for a new frame, at most 1 s, and return a copy of it; None when none came.

        :raises ShmLost: when the segment does not hold a picture.
        """
        deadline = time.monotonic() + WAIT_S
        while (found := self._try()) is None and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return found

    def close(self) -> None:
        """Leave the segment; may be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _try(self) -> Frame | None:
        file = self._file
        head = os.pread(file, PIXELS_AT, 0) if file is not None else b''
        if file is None or len(head) < PIXELS_AT:
            raise ShmLost(f'{self._path} is too short to hold a frame')
        magic, width, height, channels, before = HEAD.unpack_from(head)
        if magic != MAGIC:
            raise ShmLost(f'{self._path} is no camera segment: it begins with {magic:#x}, '
                          f'expected {MAGIC:#x}')
        size, room = width * height * channels, os.fstat(file).st_size - PIXELS_AT
        if channels not in ENCODINGS or not 0 < size <= room:
            raise FrameRefused(f'{self._path} says {width} x {height} pixels of {channels} bytes, '
                               f'and has room for {room} bytes')
        if before == self._sequence:
            return None
        pixels = b''
        for _ in range(TRIES):
            before, pixels = self._sequence_of(file), os.pread(file, size, PIXELS_AT)
            if before % 2 and before == self._sequence_of(file) and len(pixels) == size:
                break
            time.sleep(LOOK_S)
        if len(pixels) < size:
            return None
        # After ten tries it takes what is there.
        self._sequence = before
        return Frame(0, ENCODINGS[channels], memoryview(pixels), False, width, height,
                     width * channels)

    def _sequence_of(self, file: int) -> int:
        """Return the present sequence; 0, which is no whole frame, while it is not there."""
        data = os.pread(file, SEQUENCE.size, SEQUENCE_AT)
        return int(SEQUENCE.unpack(data)[0]) if len(data) == SEQUENCE.size else 0
