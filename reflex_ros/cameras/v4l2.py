# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera of Linux (Video4Linux 2), read by PyAV.

A camera that sends MJPEG sends pictures that the policy can read: they are handed on as they came,
and nobody decodes them. Other formats are decoded to RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
import errno
import logging
from pathlib import Path
from typing import Any

from reflex_ros.cameras import devices
from reflex_ros.cameras.frame import Frame
from reflex_ros.errors import ConfigurationError, ReflexError

OPEN_S = 5.0
READ_S = 1.0
_log = logging.getLogger(__name__)
_FORMATS = {'MJPG': 'mjpeg', 'JPEG': 'mjpeg', 'YUYV': 'yuyv422', 'YUY2': 'yuyv422',
            'UYVY': 'uyvy422', 'H264': 'h264', 'NV12': 'nv12', 'RGB3': 'rgb24', 'BGR3': 'bgr24',
            'GREY': 'gray'}
"""FourCC -> ``input_format`` of FFmpeg's v4l2 device."""
_PACKED = ('mjpeg', 'h264')
_UNFIT = (errno.EINVAL, errno.ENODEV, errno.ENOTTY)
"""What FFmpeg says of a driver that has chosen another format, and of what is no camera."""
_SHOWN = 6
"""Modes that an error names."""


class CameraLost(ReflexError):
    """The camera cannot be opened, or has gone."""


class V4l2Source:
    """
    One camera; a ``CameraSource``.

    :param device: path or number.
    :param width: to ask the camera for, as the height [pixels].
    :param warmup_frames: frames to drop at the start, while the exposure settles.
    :param fourcc: format to ask the camera for.
    :param form: input format of FFmpeg; a test reads a file with another one.
    :raises ConfigurationError: for a missing device, or an unknown format.
    """

    def __init__(self, device: str | int, width: int = 640, height: int = 480,
                 warmup_frames: int = 5, fourcc: str = 'MJPG', form: str = 'v4l2') -> None:
        if device == '':
            raise ConfigurationError('V4L2Camera requires device (path or index)')
        if fourcc not in _FORMATS:
            raise ConfigurationError(f'fourcc {fourcc!r} is not known. Known: '
                                     f'{", ".join(_FORMATS)}')
        self.device = f'/dev/video{device}' if isinstance(device, int) or device.isdigit() \
            else device
        self._size = f'{width}x{height}'
        self._warmup = warmup_frames
        self._fourcc = fourcc
        self._input_format = _FORMATS[fourcc]
        self._form = form
        self._container: Any = None
        self._frames: Iterator[Frame] = iter(())

    def open(self) -> None:
        """
        Open the camera and drop its first frames; blocks for some seconds at most.

        :raises ConfigurationError: when the package for it is missing.
        :raises CameraLost: when there is no such camera, or it refuses.
        """
        try:
            import av
        except ImportError as exc:
            raise ConfigurationError("v4l2 cameras need the package 'av': pip install "
                                     "'reflex_ros[camera]'") from exc
        options = {'video_size': self._size, 'input_format': self._input_format} \
            if self._form == 'v4l2' else {}
        try:
            self._container = av.open(self.device, format=self._form, options=options,
                                      timeout=(OPEN_S, READ_S))
        except OSError as exc:
            # The errors of FFmpeg derive from it.
            raise CameraLost(f'V4L2Camera failed to open {self.device}: '
                             f'{self._problem(exc)}') from exc
        [stream] = self._container.streams.video[:1]
        if (size := f'{stream.width}x{stream.height}') != self._size:
            _log.info('%s delivers %s; it was asked for %s', self.device, size, self._size)
        self._frames = self._read_all(self._container)
        for _ in range(self._warmup):
            self.read()

    def read(self) -> Frame | None:
        """
        Wait for the next frame and return it; blocks for 1 s at most.

        :raises CameraLost: when the camera has gone.
        """
        try:
            return next(self._frames)
        except StopIteration:
            raise CameraLost(f'{self.device} sends nothing more') from None
        except OSError as exc:
            if isinstance(exc, TimeoutError):
                return None
            raise CameraLost(f'{self.device} is lost: {exc.strerror}') from exc

    def close(self) -> None:
        """Close the camera; may be called twice."""
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    def _problem(self, exc: OSError) -> str:
        """Say why the camera does not open, and what to do."""
        path = Path(self.device)
        if exc.errno not in _UNFIT or self._form != 'v4l2' or not path.exists():
            return devices.open_problem(exc, path)
        found = devices.describe(path)
        if found is None:
            return ('it is no camera, or only the second node of one, for its metadata. `reflex '
                    'cameras find` lists the cameras')
        modes = ', '.join(map(str, found.modes[:_SHOWN])) or 'not known'
        return (f'it does not deliver {self._size} in the format {self._fourcc}. Choose one of '
                f'its modes: {modes}')

    def _read_all(self, container: Any) -> Iterator[Frame]:
        [stream] = container.streams.video[:1]
        is_jpeg = stream.codec_context.name == 'mjpeg'
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if is_jpeg:
                yield Frame(0, 'jpeg', memoryview(bytes(packet)))
                continue
            for picture in packet.decode():
                pixels = picture.to_ndarray(format='rgb24')
                height, width = pixels.shape[:2]
                yield Frame(0, 'rgb8', memoryview(pixels.tobytes()), False, width, height,
                            3 * width)
