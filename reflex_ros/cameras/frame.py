# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera frame as it arrived, read from the serialized message without decoding the picture.

A node subscribes to the raw bytes of a message: most frames are replaced by a newer one before
any observation needs them, so it would be a waste to unpack each. What is needed of every frame
(stamp, encoding, size) stands at the front; the pixels stay where they are.

The layout is that of ``sensor_msgs/msg/Image`` and ``CompressedImage`` in CDR, OMG's Common Data
Representation (DDS-XTypes 1.3, section 7.4; all ROS 2 middlewares use it). A number is aligned to
its own size, counted from the end of the 4-byte header.
"""

from __future__ import annotations

from dataclasses import dataclass
import struct

import numpy as np

from reflex_ros.errors import ReflexError

# Representation identifiers of plain CDR: XCDR1 and XCDR2, which differ only in the alignment of
# 8-byte numbers; these messages have none.
_ORDERS = {0x0000: '>', 0x0001: '<', 0x0006: '>', 0x0007: '<'}
_SAMPLE_STEP = 4099
LONGEST_TEXT = 256


class FrameRefused(ReflexError):
    """
    A frame that cannot be sent to the policy.

    The text gives the reason and the next step; ``<name>`` in it stands for the camera's name.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """
    One frame; equal to another frame with the same picture, whatever their stamps.

    :param stamp_ns: ``header.stamp`` [ns] on the publisher's ROS clock.
    :param encoding: ``encoding`` of an Image, ``format`` of a CompressedImage.
    :param data: a view into the message, which it keeps alive.
    :param width: [pixels]; as height and step (bytes per row) 0 for a compressed frame.
    """

    stamp_ns: int
    encoding: str
    data: memoryview
    is_compressed: bool = True
    width: int = 0
    height: int = 0
    step: int = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        if len(self.data) != len(other.data) or self.encoding != other.encoding:
            return False
        # Frames of a living camera differ nearly everywhere: a few bytes tell.
        if self.data[::_SAMPLE_STEP].tobytes() != other.data[::_SAMPLE_STEP].tobytes():
            return False
        return np.array_equal(np.frombuffer(self.data, np.uint8),
                              np.frombuffer(other.data, np.uint8))

    __hash__ = None  # type: ignore[assignment]


def read_image(message: bytes) -> Frame:
    """
    Read a serialized ``sensor_msgs/msg/Image``.

    :raises FrameRefused: when it is damaged.
    """
    reader = _Reader(message)
    stamp_ns = reader.header()
    height, width = reader.number(), reader.number()
    encoding = reader.text()
    reader.byte()  # is_bigendian: says nothing about values of one byte, and only those are taken.
    step = reader.number()
    return Frame(stamp_ns, encoding, reader.bytes(), False, width, height, step)


def read_compressed_image(message: bytes) -> Frame:
    """
    Read a serialized ``sensor_msgs/msg/CompressedImage``.

    :raises FrameRefused: when it is damaged.
    """
    reader = _Reader(message)
    return Frame(reader.header(), reader.text(), reader.bytes())


class _Reader:
    """Reads one field after the other; never beyond the end."""

    def __init__(self, message: bytes) -> None:
        view = memoryview(message)
        order = _ORDERS.get(int.from_bytes(view[:2], 'big')) if len(view) >= 4 else None
        if order is None:
            raise FrameRefused(f'the message is not plain CDR (it begins with '
                               f'{bytes(view[:4]).hex() or "nothing"}). Use a middleware of '
                               'ROS 2 for the camera')
        self._order = order
        self._body = view[4:]
        self._at = 0

    def header(self) -> int:
        """Read a ``std_msgs/msg/Header``; return its stamp [ns]."""
        seconds, nanoseconds = self._unpack('iI')
        self.text()
        return seconds * 10 ** 9 + nanoseconds

    def number(self) -> int:
        """Read a ``uint32``."""
        return self._unpack('I')[0]

    def byte(self) -> int:
        """Read a ``uint8``."""
        return self.view(1)[0]

    def text(self) -> str:
        """Read a string; its length counts the zero at its end."""
        raw = self.view(self.number())
        if len(raw) > LONGEST_TEXT:
            raise FrameRefused(f'the message has a text of {len(raw)} bytes where an encoding or '
                               'a frame id belongs. Check the publisher of the camera')
        return bytes(raw).rstrip(b'\0').decode('utf-8', 'replace')

    def bytes(self) -> memoryview:
        """Read a sequence of ``uint8``."""
        return self.view(self.number())

    def view(self, length: int) -> memoryview:
        """Return the next bytes."""
        end = self._at + length
        if end > len(self._body):
            raise FrameRefused(f'the message ends early: {len(self._body)} bytes, {end} expected. '
                               'Check the publisher of the camera')
        self._at, begin = end, self._at
        return self._body[begin:end]

    def _unpack(self, fields: str) -> tuple[int, ...]:
        self._at += -self._at % 4
        return struct.unpack(self._order + fields, self.view(4 * len(fields)))
