# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``camera``: publishes a camera of this machine, so that the graph can read it.

The camera is read in a thread of its own (``cameras.source``), which publishes too. A camera that
is missing or lost is tried again every second.
"""

from __future__ import annotations

from collections.abc import Mapping
import sys
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from reflex_ros.cameras.frame import Frame
from reflex_ros.cameras.shm import ShmSource
from reflex_ros.cameras.source import CameraSource, CameraThread
from reflex_ros.cameras.v4l2 import V4l2Source
from reflex_ros.config.parameters.camera import TABLE
from reflex_ros.nodes import qos
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run


class CameraNode(ReflexNode):
    """A camera of this machine."""

    def __init__(self) -> None:
        super().__init__('camera', TABLE, 1.0)
        self._name = ''
        self._said_of_camera = ''
        self._thread: CameraThread | None = None
        self._compressed: Any = None
        self._raw: Any = None

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._name = settings['camera']
        source = _source(settings)
        self._compressed = self.create_publisher(
            CompressedImage, f'{self._name}/image_raw/compressed', qos.CAMERA_DRIVER)
        self._thread = CameraThread(self._name, source, self._publish, self._say)
        self._thread.start(waits=True)

    def _teardown(self) -> None:
        if self._thread is not None:
            self._thread.end()
        for publisher in filter(None, (self._compressed, self._raw)):
            self.destroy_publisher(publisher)
        self._thread = self._compressed = self._raw = None

    def _publish(self, frame: Frame, _: float) -> None:
        """Publish a frame; the camera's thread."""
        stamp = self.get_clock().now().to_msg()
        if frame.is_compressed:
            message: Any = CompressedImage(format=frame.encoding)
            publisher = self._compressed
        else:
            message = Image(encoding=frame.encoding, width=frame.width, height=frame.height,
                            step=frame.step)
            # Only now: a reader prefers the compressed topic, and chooses by what is published.
            if self._raw is None:
                self._raw = self.create_publisher(Image, f'{self._name}/image_raw',
                                                  qos.CAMERA_DRIVER)
                self.destroy_publisher(self._compressed)
                self._compressed = None
            publisher = self._raw
        if publisher is None:
            return
        message.header.stamp = stamp
        message.header.frame_id = self._name
        message.data.frombytes(frame.data)
        publisher.publish(message)

    def _say(self, problem: str) -> None:
        """Log why there is no frame, once; the camera's thread."""
        if problem != self._said_of_camera:
            self._said_of_camera = problem
            if problem:
                self.get_logger().warning(problem)
            else:
                self.get_logger().info(f'camera {self._name} is back')


def _source(settings: Mapping[str, Any]) -> CameraSource:
    if settings['kind'] == 'shm':
        return ShmSource(settings['name'], settings['max_attach_retries'],
                         settings['attach_retry_delay_s'])
    return V4l2Source(settings['device'], settings['width'], settings['height'],
                      settings['warmup_frames'], settings['fourcc'])


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(CameraNode, autostart=True))


if __name__ == '__main__':
    main()
