# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Pictures for the tests of cameras, written by hand from the definition of each encoding.

A picture is an array (height, width, 3) of RGB; ``pack`` makes the bytes that a camera driver
would publish of it.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from reflex_ros.cameras.frame import Frame

COLOURS = {'red': (255, 0, 0), 'green': (0, 255, 0), 'blue': (0, 0, 255), 'grey': (128, 128, 128),
           'white': (255, 255, 255), 'black': (0, 0, 0), 'orange': (230, 120, 30)}


def four_squares(width: int = 64, height: int = 48) -> np.ndarray:
    """Draw red, green / blue, grey in the four corners: shows swapped colours, sides and axes."""
    picture = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    picture[:top, :left], picture[:top, left:] = COLOURS['red'], COLOURS['green']
    picture[top:, :left], picture[top:, left:] = COLOURS['blue'], COLOURS['grey']
    return picture


def yuv(picture: np.ndarray) -> np.ndarray:
    """Convert RGB to Y, U, V as BT.601 with limited range defines them (ITU-R BT.601-7, 2.5)."""
    red, green, blue = np.moveaxis(picture.astype(float) / 255.0, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (blue - luma) / 1.772, (red - luma) / 1.402
    return np.rint(np.stack([16 + 219 * luma, 128 + 224 * u, 128 + 224 * v], -1)).astype(np.uint8)


def pack(picture: np.ndarray, encoding: str) -> np.ndarray:
    """Lay a picture out as an encoding: (height, bytes per row)."""
    height, width, _ = picture.shape
    alpha = np.full((height, width, 1), 7, np.uint8)
    if encoding in ('rgb8', 'bgr8', 'rgba8', 'bgra8'):
        colours = picture if encoding.startswith('rgb') else picture[:, :, ::-1]
        layers = [colours, alpha] if encoding.endswith('a8') else [colours]
        return np.concatenate(layers, -1).reshape(height, -1)
    if encoding in ('mono8', '8UC1'):
        return np.rint(picture @ (0.299, 0.587, 0.114)).astype(np.uint8)
    if encoding.startswith('bayer'):
        tile = encoding[6:10]
        mosaic = np.zeros((height, width), np.uint8)
        for place, colour in enumerate(tile):
            row, column = divmod(place, 2)
            mosaic[row::2, column::2] = picture[row::2, column::2, 'rgb'.index(colour)]
        return mosaic
    values = yuv(picture)
    out = np.zeros((height, width * 2), np.uint8)
    luma, u, v = (0, 1, 3) if encoding in ('yuyv', 'yuv422_yuy2') else (1, 0, 2)
    out[:, luma::2] = values[:, :, 0]
    out[:, u::4] = values[:, ::2, 1]
    out[:, v::4] = values[:, ::2, 2]
    return out


def frame(picture: np.ndarray, encoding: str, padding: int = 0) -> Frame:
    """Make the frame of a camera driver, with some bytes of padding behind each row."""
    rows = pack(picture, encoding)
    rows = np.concatenate([rows, np.full((len(rows), padding), 0xAA, np.uint8)], -1)
    return Frame(1, encoding, memoryview(rows.tobytes()), False, picture.shape[1],
                 picture.shape[0], rows.shape[1])


def file(picture: np.ndarray, kind: str = 'JPEG', mode: str = 'RGB', **options: object) -> bytes:
    """Encode a picture with Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def compressed(data: bytes, form: str = 'jpeg') -> Frame:
    """Make the frame of a CompressedImage."""
    return Frame(1, form, memoryview(data))


def decode(data: bytes) -> np.ndarray:
    """Decode a picture as the service does: to RGB (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))


# Messages as a raw subscription delivers them, written by hand as the CDR specification says.


def padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % 4)


def text(order: str, value: str) -> bytes:
    raw = value.encode() + b'\0'
    return struct.pack(order + 'I', len(raw)) + raw


def header(order: str, stamp_ns: int, frame_id: str) -> bytes:
    return struct.pack(order + 'iI', stamp_ns // 10 ** 9, stamp_ns % 10 ** 9) \
        + text(order, frame_id)


def kind(order: str) -> bytes:
    return b'\0\1\0\0' if order == '<' else b'\0\0\0\0'


def image_message(order: str, stamp_ns: int, frame_id: str, encoding: str, size: tuple[int, int],
          step: int, data: bytes) -> bytes:
    """Write an Image by hand, as the CDR specification says."""
    body = padded(header(order, stamp_ns, frame_id))
    body += struct.pack(order + 'II', size[1], size[0]) + text(order, encoding) + b'\0'
    body = padded(body) + struct.pack(order + 'II', step, len(data)) + data
    return kind(order) + body


def compressed_message(order: str, stamp_ns: int, frame_id: str, form: str, data: bytes) -> bytes:
    body = padded(header(order, stamp_ns, frame_id))
    body = padded(body + text(order, form)) + struct.pack(order + 'I', len(data)) + data
    return kind(order) + body


def message(shown: Frame, stamp_ns: int = 0) -> bytes:
    """Serialize a frame."""
    data = bytes(shown.data)
    if shown.is_compressed:
        return compressed_message('<', stamp_ns, 'front', shown.encoding, data)
    return image_message('<', stamp_ns, 'front', shown.encoding, (shown.width, shown.height),
                         shown.step, data)
