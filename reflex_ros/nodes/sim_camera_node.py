# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``sim_camera``: publishes rendered JPEG images that show the arm's pose.

Everything runs in the executor's thread; drawing an image takes a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
import json
import sys
from typing import Any

from sensor_msgs.msg import CompressedImage, JointState

from reflex_ros.config.parameters.sim_camera import TABLE
from reflex_ros.hardware.arms import ARMS
from reflex_ros.nodes import convert, qos
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run


class SimCameraNode(ReflexNode):
    """A camera that shows the arm."""

    def __init__(self) -> None:
        super().__init__('sim_camera', TABLE, 1.0)
        # Looked up by name, because nothing may import sim.
        self._picture = import_module('reflex_ros.sim.picture')
        self._arm = next(iter(ARMS.values()))
        self._pose: Sequence[float] = self._arm.rest_pose.tolist()
        self._count = 0
        self._name = ''
        self._frames: Any = None
        self._timer: Any = None
        self.create_subscription(JointState, 'joint_states', self._on_joints, qos.JOINT_STATES)

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._name = settings['camera']
        self._arm = ARMS[settings['arm']]
        self._pose = self._arm.rest_pose.tolist()
        self._frames = self.create_publisher(
            CompressedImage, f'{self._name}/image_raw/compressed', qos.CAMERA_DRIVER)
        self._timer = self.every(1.0 / settings['rate_hz'], self._publish)
        # As the other simulated parts say it, for a program that waits for it.
        print(json.dumps({'ready': True, 'camera': self._name, 'topic': self._frames.topic_name}),
              flush=True)

    def _teardown(self) -> None:
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self.destroy_publisher(self._frames)
        self._timer = self._frames = None

    def _on_joints(self, message: JointState) -> None:
        self._pose = convert.positions(message, self._arm.joint_names) or self._pose

    def _publish(self) -> None:
        if self._frames is None:
            # The events executor may still call a timer that was due when it was destroyed.
            return
        self._count += 1
        stamp = self.get_clock().now().to_msg()
        caption = f'{self._name} #{self._count}  ' + '  '.join(
            f'{name} {value:+.2f}'
            for name, value in zip(self._arm.joint_names, self._pose, strict=True))
        message = CompressedImage(format='jpeg')
        message.header.stamp = stamp
        message.header.frame_id = self._name
        message.data.frombytes(self._picture.jpeg(self._picture.draw(self._pose, caption)))
        self._frames.publish(message)


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(SimCameraNode, autostart=True))


if __name__ == '__main__':
    main()
