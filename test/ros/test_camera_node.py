# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated camera in this process."""

import io

import pytest

from reflex_ros.domain.heartbeats import Beat, Lifecycle
from reflex_ros.hardware.so101 import JOINT_NAMES

rclpy = pytest.importorskip('rclpy')
Image = pytest.importorskip('PIL.Image')

from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402

from reflex_ros.nodes import qos  # noqa: E402

from .node_rig import made  # noqa: E402


@pytest.fixture
def rig(ros):
    from reflex_ros.nodes.sim_camera_node import SimCameraNode
    with made(ros, SimCameraNode, '-p', 'camera:=top', '-p', 'rate_hz:=30.0') as rig:
        yield rig


def test_images_come_from_configure_until_cleanup(rig):
    assert rig.node.count_publishers('top/image_raw/compressed') == 0
    assert rig.trigger('configure')
    images = rig.listen(CompressedImage, 'top/image_raw/compressed', qos.CAMERA_DRIVER)
    image = rig.until(lambda: images and images[-1], 'image')
    assert image.format == 'jpeg' and image.header.frame_id == 'top'
    assert image.header.stamp.sec > 1_600_000_000
    assert Image.open(io.BytesIO(bytes(image.data))).size[0] >= 64
    assert rig.trigger('activate') and rig.trigger('deactivate') and rig.trigger('cleanup')
    rig.node._teardown()
    rig.until(lambda: rig.node.count_publishers('top/image_raw/compressed') == 0, 'end of images')
    beats = rig.beats(Beat, '_beat/sim_camera')
    rig.until(lambda: beats().lifecycle is Lifecycle.UNCONFIGURED, 'beat')
    images.clear()
    assert rig.trigger('configure')
    rig.until(lambda: images, 'image after another configure')


def test_picture_shows_the_pose(rig):
    assert rig.trigger('configure')
    joints = rig.publisher(JointState, 'joint_states')
    pose = [0.3, -0.5, 0.5, 0.2, 0.0, 0.4]
    # A joint state without all joints, or with nonsense, changes nothing.
    joints.publish(JointState(name=['shoulder_pan'], position=[1.0]))
    joints.publish(JointState(name=list(JOINT_NAMES), position=[float('nan')] * 6))
    joints.publish(JointState(name=list(JOINT_NAMES), position=pose))
    rig.until(lambda: list(rig.node._pose) == pose, 'pose')


def test_no_two_images_are_the_same(rig):
    """The stream takes a camera that repeats an image for frozen."""
    assert rig.trigger('configure')
    images = rig.listen(CompressedImage, 'top/image_raw/compressed', qos.CAMERA_DRIVER)
    rig.until(lambda: len(images) >= 4, 'four images')
    data = [bytes(image.data) for image in images]
    assert len(set(data)) == len(data)
