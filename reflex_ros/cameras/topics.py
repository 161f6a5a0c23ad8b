# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which topic a camera is read from, when nobody named one.

Names as the usual drivers use them: ``image_raw`` by usb_cam, v4l2_camera, camera_ros and gscam,
``color/image_raw`` by realsense2_camera; image_transport adds ``/compressed``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reflex_ros.cameras.settings import CameraSettings

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
_ENDINGS = ('image_raw', 'color/image_raw')
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Source:
    """
    A topic to subscribe to.

    :param topic: absolute name.
    :param is_reliable: whether to subscribe reliably. A picture is sent in many packets, and best
        effort loses all of it with one; but it is all that some publishers offer.
    """

    topic: str
    is_compressed: bool
    is_reliable: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """
    What is known of a topic with at least one publisher.

    :param is_reliable: whether all of its publishers are reliable.
    """

    type: str
    is_reliable: bool


def candidates(camera: CameraSettings) -> tuple[str, ...]:
    """List the topics to look for, the best one first; compressed is cheaper to receive."""
    if camera.topic:
        return (camera.topic,)
    return tuple(f'{camera.name}/{ending}{transport}' for ending in _ENDINGS
                 for transport in ('/compressed', ''))


def choose(camera: CameraSettings, names: Sequence[str],
           published: Mapping[str, Published]) -> tuple[Source | None, str]:
    """
    Choose the topic of a camera.

    :param names: absolute names of its ``candidates``.
    :param published: all topics with publishers, by absolute name.
    :return: the source, and what is wrong with it, in words; empty when it has a publisher. Where
        there is none yet, the compressed topic of a camera without ``topic`` is subscribed in
        advance. The type of a topic that is set is known when it is published.
    """
    for name in names:
        found = published.get(name)
        if found is not None and found.type in (IMAGE, COMPRESSED):
            return Source(name, found.type == COMPRESSED, found.is_reliable), ''
    first = names[0]
    expected = None if camera.topic else Source(first, True)
    if first in published:
        return expected, (f'{first} is a {published[first].type}, expected {IMAGE} or '
                          f'{COMPRESSED}. Correct camera.{camera.name}.topic')
    others = [name for name, found in sorted(published.items())
              if found.type in (IMAGE, COMPRESSED) and 'depth' not in name.lower()]
    wanted = ' or '.join(names[:2])
    if not others:
        return expected, f'nothing publishes {wanted}. Start the camera driver'
    more = len(others) - _SHOWN
    shown = ', '.join(others[:_SHOWN]) + (f' and {more} more' if more > 0 else '')
    return expected, (f'nothing publishes {wanted}. Set camera.{camera.name}.topic to one of the '
                      f'image topics: {shown}')
