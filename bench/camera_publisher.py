# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Publish three cameras of 640 x 480 at 30 Hz, each frame with the instant of its publication inside.

A JPEG carries the instant as a comment, a raw picture as 64 black and white squares at its top,
which survive the conversion to JPEG. Run as ``python -m bench.camera_publisher raw|compressed
together|apart``: the three frames come at one instant, or spread over the period.
"""

import base64
import binascii
import io
import struct
import sys
import time
from typing import Any

import numpy as np
from PIL import Image as Picture
import rclpy
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

CAMERAS = ('cam1', 'cam2', 'cam3')
WIDTH, HEIGHT, RATE_HZ, SQUARE = 640, 480, 30.0, 8
MARK = b'published at '


def stamp_of(image: Any) -> int:
    """Return the monotonic instant [ns] inside a picture as it came to the service."""
    text = image['data'] if isinstance(image, dict) else image
    data = base64.b64decode(text)
    at = data.find(MARK)
    if at >= 0:
        return int(data[at + len(MARK):at + len(MARK) + 20])
    grey = np.asarray(Picture.open(io.BytesIO(data)).convert('L'))
    squares = grey[:2 * SQUARE, :32 * SQUARE].reshape(2, SQUARE, 32, SQUARE).mean((1, 3))
    return int(''.join('1' if value > 128 else '0' for value in squares.reshape(-1)), 2)


def scene() -> np.ndarray:
    """Draw something with edges, gradients and noise, as a camera would see it."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    smooth = np.stack([128 + 100 * np.sin(x / 40) + 20 * np.sin(y / 7),
                       128 + 90 * np.cos(y / 50), x / WIDTH * 255], -1)
    smooth[200:280, 250:390] = 255, 0, 0
    return np.clip(smooth + rng.normal(0.0, 6.0, smooth.shape), 0, 255).astype(np.uint8)


class Compressed:
    """Messages of a JPEG with a comment."""

    type, ending = CompressedImage, 'image_raw/compressed'

    def __init__(self) -> None:
        buffer = io.BytesIO()
        Picture.fromarray(scene()).save(buffer, 'JPEG', quality=90)
        comment = MARK + b'0' * 20
        data = b'\xff\xd8\xff\xfe' + struct.pack('>H', len(comment) + 2) + comment \
            + buffer.getvalue()[2:]
        message = CompressedImage(format='jpeg')
        message.data.frombytes(data)
        self.bytes = bytearray(serialize_message(message))
        self._at = self.bytes.index(MARK) + len(MARK)

    def write(self, now_ns: int) -> None:
        self.bytes[self._at:self._at + 20] = b'%020d' % now_ns


class Raw:
    """Messages of rgb8 with squares."""

    type, ending = Image, 'image_raw'

    def __init__(self) -> None:
        message = Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH)
        message.data.frombytes(scene().tobytes())
        self.bytes = bytearray(serialize_message(message))
        size = HEIGHT * WIDTH * 3
        end = self.bytes.index(scene()[-1].tobytes()[-300:]) + 300
        view = np.frombuffer(self.bytes, np.uint8, size, end - size)
        self._squares = view.reshape(HEIGHT, WIDTH, 3)[:2 * SQUARE, :32 * SQUARE]

    def write(self, now_ns: int) -> None:
        bits = np.unpackbits(np.frombuffer(struct.pack('>Q', now_ns), np.uint8)).reshape(2, 32)
        self._squares[:] = np.kron(bits * 255, np.ones((SQUARE, SQUARE)))[:, :, None]


def main() -> None:
    kind, spread = sys.argv[1:]
    rclpy.init()
    node = rclpy.create_node('cameras')
    frames = Compressed() if kind == 'compressed' else Raw()
    publishers = [
        node.create_publisher(frames.type, f'{name}/{frames.ending}', QoSProfile(depth=5))
        for name in CAMERAS]
    pause = 1.0 / RATE_HZ / len(CAMERAS)
    begin = time.monotonic()
    for number in range(10 ** 9):
        for index, publisher in enumerate(publishers):
            due = begin + number / RATE_HZ + (index * pause if spread == 'apart' else 0.0)
            time.sleep(max(0.0, due - time.monotonic()))
            now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
            # header.stamp stands behind the four bytes of the representation.
            struct.pack_into('<iI', frames.bytes, 4, wall_ns // 10 ** 9, wall_ns % 10 ** 9)
            frames.write(now_ns)
            publisher.publish(bytes(frames.bytes))


if __name__ == '__main__':
    try:
        main()
    except (KeyboardInterrupt, binascii.Error):
        pass
