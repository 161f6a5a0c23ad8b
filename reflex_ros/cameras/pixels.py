# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Pixels of ``sensor_msgs/msg/Image`` to a picture, for every encoding of 8 bits per value.

Names and layouts of the encodings: ``sensor_msgs/image_encodings.hpp``.

YUV is read as BT.601 with limited range (Y 16..235, U and V 16..240). That is what UVC cameras
send unless they say otherwise, and how ``cv_bridge`` shows it, so the policy gets the colours that
a person sees and that were recorded. A JPEG holds BT.601 with full range: the values are stretched
and stay YUV, without a detour over RGB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reflex_ros.cameras.frame import Frame, FrameRefused

Bytes = NDArray[np.uint8]

LARGEST_SIDE = 8192
LARGEST_PICTURE = 4096 * 4096
"""[pixels] More is refused before anything is decoded: a small file can claim any size."""

# Encoding -> mode of Pillow, its name of the layout, bytes per pixel.
_DIRECT = {
    'rgb8': ('RGB', 'RGB', 3), 'bgr8': ('RGB', 'BGR', 3), 'rgba8': ('RGB', 'RGBX', 4),
    'bgra8': ('RGB', 'BGRX', 4), 'mono8': ('L', 'L', 1), '8UC1': ('L', 'L', 1)}

# Encoding -> places of Y0, U, Y1, V in the 4 bytes of two pixels. The old name yuv422 is UYVY.
_YUYV, _UYVY = (0, 1, 2, 3), (1, 0, 3, 2)
_YUV = {'yuyv': _YUYV, 'yuv422_yuy2': _YUYV, 'uyvy': _UYVY, 'yuv422': _UYVY}

# Encoding -> row and column of the red pixel in each square of 2 x 2; blue is diagonal to it.
_BAYER = {'bayer_rggb8': (0, 0), 'bayer_grbg8': (0, 1), 'bayer_gbrg8': (1, 0),
          'bayer_bggr8': (1, 1)}

ENCODINGS = (*_DIRECT, *_YUV, *_BAYER)

_LEVELS = np.arange(256.0)
_LUMA = np.clip(np.rint((_LEVELS - 16.0) * 255.0 / 219.0), 0, 255).astype(np.uint8)
_CHROMA = np.clip(np.rint((_LEVELS - 128.0) * 255.0 / 224.0 + 128.0), 0, 255).astype(np.uint8)


def refuse_if_wrong(frame: Frame) -> None:
    """
    Check encoding, size and amount of data of an uncompressed frame; cheap enough for every frame.

    :raises FrameRefused: with the numbers, and what to change.
    """
    name, width, height = frame.encoding, frame.width, frame.height
    if name not in ENCODINGS:
        raise FrameRefused(_encoding_reason(name))
    refuse_size(width, height)
    if (name in _YUV and width % 2) or (name in _BAYER and (width % 2 or height % 2)):
        raise FrameRefused(f'a picture in {name} of {width} x {height} pixels has half a group of '
                           'pixels at its edge. Choose an even size at the camera driver')
    pixel = _DIRECT[name][2] if name in _DIRECT else 2 if name in _YUV else 1
    if frame.step < width * pixel:
        raise FrameRefused(f'step is {frame.step} bytes, a row of {width} pixels in {name} needs '
                           f'{width * pixel}. Check the camera driver')
    if len(frame.data) != frame.step * height:
        raise FrameRefused(f'the data has {len(frame.data)} bytes, {height} rows of {frame.step} '
                           f'are {frame.step * height}. Check the camera driver')


def refuse_size(width: int, height: int) -> None:
    """
    Check the size of a picture [pixels].

    :raises FrameRefused: when it is empty or too large to decode.
    """
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE
            and width * height <= LARGEST_PICTURE):
        raise FrameRefused(f'a picture of {width} x {height} pixels, allowed are 1 to '
                           f'{LARGEST_PICTURE} pixels. Choose another size at the camera driver')


def to_picture(frame: Frame) -> Image.Image:
    """
    Turn a frame that ``refuse_if_wrong`` has passed into a picture, mode RGB, L or YCbCr.

    numpy and Pillow let other threads run meanwhile.
    """
    values = np.frombuffer(frame.data, np.uint8)
    if frame.encoding in _DIRECT:
        mode, layout, _ = _DIRECT[frame.encoding]
        return Image.frombuffer(mode, (frame.width, frame.height), values, 'raw', layout,
                                frame.step, 1)
    rows = values.reshape(frame.height, frame.step)
    if frame.encoding in _YUV:
        pixels, mode = _yuv(rows[:, :2 * frame.width], _YUV[frame.encoding]), 'YCbCr'
    else:
        pixels, mode = _demosaic(rows[:, :frame.width], *_BAYER[frame.encoding]), 'RGB'
    return Image.frombuffer(mode, (frame.width, frame.height), pixels, 'raw', mode, 0, 1)


def _yuv(rows: Bytes, places: tuple[int, int, int, int]) -> Bytes:
    """Spread 4:2:2 (height, 2 * width) to full-range YCbCr (height, width, 3)."""
    height, length = rows.shape
    groups = rows.reshape(height, length // 4, 4)
    first, blue, second, red = places
    pixels = np.empty((height, length // 4, 2, 3), np.uint8)
    pixels[:, :, 0, 0] = _LUMA[groups[:, :, first]]
    pixels[:, :, 1, 0] = _LUMA[groups[:, :, second]]
    pixels[:, :, :, 1] = _CHROMA[groups[:, :, blue]][:, :, None]
    pixels[:, :, :, 2] = _CHROMA[groups[:, :, red]][:, :, None]
    return pixels.reshape(height, length // 2, 3)


def _demosaic(rows: Bytes, red_row: int, red_column: int) -> Bytes:
    """
    Fill in the two missing colours of each pixel with the mean of its neighbours (bilinear).

    :param rows: (height, width), both even.
    :param red_row: row of the red pixel in each square of 2 x 2, as red_column.
    """
    height, width = rows.shape
    # Mirrored about the outermost pixel, so that the neighbour beyond the edge has the colour
    # that the pattern would have there.
    wide = np.pad(rows, 1, 'reflect').astype(np.uint16)
    pixels = np.empty((height, width, 3), np.uint8)

    def at(row: int, column: int) -> NDArray[np.uint16]:
        return wide[1 + row:1 + row + height:2, 1 + column:1 + column + width:2]

    def mean(row: int, column: int, offsets: tuple[tuple[int, int], ...]) -> NDArray[np.uint16]:
        total = sum((at(row + down, column + right) for down, right in offsets),
                    np.full((height // 2, width // 2), len(offsets) // 2, np.uint16))
        return total // np.uint16(len(offsets))

    def put(row: int, column: int, red: NDArray[np.uint16], green: NDArray[np.uint16],
            blue: NDArray[np.uint16]) -> None:
        for channel, values in enumerate((red, green, blue)):
            pixels[row::2, column::2, channel] = values

    cross = ((-1, 0), (1, 0), (0, -1), (0, 1))
    diagonal = ((-1, -1), (-1, 1), (1, -1), (1, 1))
    beside, above = cross[2:], cross[:2]
    blue_row, blue_column = 1 - red_row, 1 - red_column
    for row, column, own in ((red_row, red_column, 'red'), (blue_row, blue_column, 'blue')):
        others = mean(row, column, diagonal), mean(row, column, cross), at(row, column)
        put(row, column, *(reversed(others) if own == 'red' else others))
    put(red_row, blue_column, mean(red_row, blue_column, beside), at(red_row, blue_column),
        mean(red_row, blue_column, above))
    put(blue_row, red_column, mean(blue_row, red_column, above), at(blue_row, red_column),
        mean(blue_row, red_column, beside))
    return pixels


def _encoding_reason(name: str) -> str:
    shown = ''.join(filter(str.isprintable, name))[:40]
    if not shown:
        return 'the encoding is empty. Set the encoding at the camera driver, for example rgb8'
    if name in ('16UC1', '32FC1', 'mono16'):
        return (f'{shown} is a depth image or has 16 bits and more per pixel; the policy needs '
                'colours of 8 bits. Name a colour topic with camera.<name>.topic')
    if name in ('8UC3', '8UC4'):
        return (f'{shown} does not say whether red or blue comes first. Set the encoding at the '
                'publisher to rgb8 or bgr8')
    wide = any(bits in name for bits in ('16', '32', '64'))
    return (f'the encoding {shown} ' + ('has more than 8 bits per value' if wide else
                                        'is not supported')
            + f'. Set the camera driver to one of {", ".join(ENCODINGS)}')
