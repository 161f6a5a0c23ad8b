# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A camera frame as it arrived: ``sensor_msgs/msg/Image`` or ``CompressedImage``, not decoded.

The fields in front of the pixels are read; the pixels stay where they are in the message.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reflex_ros.domain.cdr import CdrReader
from reflex_ros.errors import ReflexError

_SAMPLE_STEP = 4099


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

    @property
    def summary(self) -> str:
        """What it is, in a few words."""
        shown = ''.join(filter(str.isprintable, self.encoding))[:40]
        return shown if self.is_compressed else f'{shown} {self.width} x {self.height}'

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


@dataclass(frozen=True, slots=True)
class Picture:
    """
    A picture as it is sent.

    :param format: ``jpeg`` or ``png``.
    """

    format: str
    data: bytes


def read_image(message: bytes) -> Frame:
    """
    Read a serialized ``sensor_msgs/msg/Image``.

    :raises DamagedMessage: when it does not hold what it should.
    """
    reader = CdrReader(message)
    stamp_ns = reader.header()
    height, width = reader.number(), reader.number()
    encoding = reader.text()
    reader.byte()  # is_bigendian: says nothing about values of one byte, and only those are taken.
    step = reader.number()
    return Frame(stamp_ns, encoding, reader.bytes(), False, width, height, step)


def read_compressed_image(message: bytes) -> Frame:
    """
    Read a serialized ``sensor_msgs/msg/CompressedImage``.

    :raises DamagedMessage: when it does not hold what it should.
    """
    reader = CdrReader(message)
    return Frame(reader.header(), reader.text(), reader.bytes())
