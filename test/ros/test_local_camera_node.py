# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera of this machine as a node: from shared memory to the topic that the graph reads."""

import os
from pathlib import Path
import struct

import pytest

pytest.importorskip('rclpy')

from sensor_msgs.msg import Image  # noqa: E402

from reflex_ros.nodes import qos  # noqa: E402

from .node_rig import made  # noqa: E402

PIXELS = bytes(range(2 * 3 * 3))


@pytest.fixture
def segment():
    """Return a function that publishes a frame of 3 x 2 pixels in shared memory."""
    path = Path(f'/dev/shm/reflex_cam_test_{os.getpid()}')

    def write(sequence):
        head = struct.pack('<IIIIQ', 0xCAFEFACE, 3, 2, 3, sequence)
        path.write_bytes(head.ljust(64, b'\0') + PIXELS)
    write.name = path.name.removeprefix('reflex_cam_')
    yield write
    path.unlink(missing_ok=True)


def test_frames_are_published_also_when_the_camera_comes_later(ros, segment):
    from reflex_ros.nodes.camera_node import CameraNode
    with made(ros, CameraNode, '-p', 'camera:=top', '-p', 'kind:=shm', '-p',
              f'name:={segment.name}', '-p', 'max_attach_retries:=0', '-p',
              'attach_retry_delay_s:=0.01') as rig:
        assert rig.trigger('configure'), rig.node.problem
        rig.until(lambda: rig.node._said_of_camera, 'warning')
        sequence = iter(range(1, 1_000_000, 2))

        def seen(condition):
            segment(next(sequence))
            return condition()
        rig.until(lambda: seen(lambda: rig.node.count_publishers('top/image_raw')), 'publisher')
        images = rig.listen(Image, 'top/image_raw', qos.CAMERA_DRIVER)
        image = rig.until(lambda: seen(lambda: images and images[-1]), 'image')
        assert (image.width, image.height, image.step, image.encoding) == (3, 2, 9, 'rgb8')
        assert bytes(image.data) == PIXELS and image.header.frame_id == 'top'
        assert rig.node.count_publishers('top/image_raw/compressed') == 0
        assert rig.trigger('cleanup')
        rig.until(lambda: rig.node.count_publishers('top/image_raw') == 0, 'end of images')


def test_format_that_is_not_known_fails_configure_with_the_known_ones(ros):
    from reflex_ros.nodes.camera_node import CameraNode
    with made(ros, CameraNode, '-p', 'device:=/dev/video0', '-p', 'fourcc:=ABCD') as rig:
        assert not rig.trigger('configure')
        assert 'MJPG' in rig.node.problem
