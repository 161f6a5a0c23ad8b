# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model of the arm and its frames, as a viewer of ROS reads them."""

from importlib import invalidate_caches
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import math
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

from reflex_ros.hardware.so101 import JOINT_NAMES
from reflex_ros.view.model import read_model

pytest.importorskip('rclpy')

from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from reflex_ros.nodes import qos  # noqa: E402
from reflex_ros.nodes.description_node import DescriptionNode  # noqa: E402

from . import tf2_package  # noqa: E402
from .node_rig import made  # noqa: E402

URDF = Path(__file__).parents[2] / 'config' / 'so101.urdf'
POSE = dict(zip(JOINT_NAMES, (0.3, -0.6, 0.9, -0.4, 0.7, 0.5), strict=True))


def is_jazzy():
    """Whether ROS is that of the index, in the version of Jazzy."""
    try:
        return version('ros-rclpy').startswith('7.')
    except PackageNotFoundError:
        return False


@pytest.fixture(scope='module')
def tf2(tmp_path_factory):
    """Make tf2_msgs importable: that of the installation, or one that is built."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec('tf2_msgs') is None:
            if is_jazzy():
                pytest.skip('tf2_msgs is not on the index, and the middleware of the wheels of '
                            'Jazzy refuses a type that is built beside them')
            patch.setenv('AMENT_PREFIX_PATH', sys.prefix)
            try:
                patch.syspath_prepend(str(tf2_package.build(tmp_path_factory.mktemp('tf2'))))
            except (ImportError, subprocess.CalledProcessError) as exc:
                pytest.skip(f'tf2_msgs cannot be built here: {exc}')
            invalidate_caches()
        yield pytest.importorskip('tf2_msgs.msg').TFMessage


@pytest.fixture
def viewer(ros, tf2):
    """Return a function that makes the node, and what a viewer knows of the frames."""
    class Viewer:
        def __init__(self, rig):
            self.rig = rig
            self.frames = {}
            assert rig.trigger('configure') and rig.trigger('activate'), rig.node.problem
            for topic, profile in (('/tf', qos.TF), ('/tf_static', qos.TF_STATIC)):
                rig.peer.create_subscription(tf2, topic, self._on_frames, profile)

        def _on_frames(self, message):
            self.frames.update({each.child_frame_id: each for each in message.transforms})

        def place(self, frame):
            """Return where a frame is in that of its root (4, 4), as tf2 computes it."""
            found = self.frames.get(frame)
            if found is None:
                return np.eye(4)
            p, q = found.transform.translation, found.transform.rotation
            v, w = np.array((q.x, q.y, q.z)), q.w
            pose = np.eye(4)
            pose[:3, :3] = [w * w * e + 2 * w * np.cross(v, e) + 2 * v * (v @ e) - (v @ v) * e
                            for e in np.eye(3)]
            pose[:3, :3] = pose[:3, :3].T
            pose[:3, 3] = p.x, p.y, p.z
            return self.place(found.header.frame_id) @ pose

        def move(self, topic, positions):
            """Publish joint states; return when they were sent."""
            message = JointState(name=list(positions), position=list(positions.values()))
            message.header.stamp = self.rig.peer.get_clock().now().to_msg()
            self.rig.publisher(JointState, topic, qos.JOINT_STATES).publish(message)
            return message.header.stamp

    stack = []

    def enter(*parameters):
        stack.append(made(ros, DescriptionNode, *parameters))
        return Viewer(stack[-1].__enter__())

    yield enter
    for context in stack:
        context.__exit__(None, None, None)


def test_model_reaches_a_viewer_that_comes_later(viewer):
    made = viewer()
    heard = made.rig.listen(String, 'robot_description', qos.STATE)
    made.rig.until(lambda: heard, 'description')
    assert heard[0].data == URDF.read_text()


def test_every_link_is_where_the_joints_put_it(viewer):
    made = viewer()
    stamp = made.move('joint_states', POSE)
    made.rig.until(lambda: 'moving_jaw_so101_v1_link' in made.frames
                   and 'gripper_frame_link' in made.frames, 'frames')
    for link, frame in read_model(URDF).frames(POSE).items():
        assert made.place(link) == pytest.approx(frame, abs=1e-9), link
    assert made.place('gripper_frame_link')[:3, 3] == pytest.approx(
        (0.3042, -0.0875, 0.2002), abs=6e-4)
    assert made.frames['wrist_link'].header.stamp == stamp
    assert 'ghost/wrist_link' not in made.frames


def test_ghost_stands_where_the_policy_wants_the_arm(viewer):
    made = viewer()
    made.move('policy/joint_states', POSE)
    made.rig.until(lambda: 'ghost/moving_jaw_so101_v1_link' in made.frames
                   and 'ghost/gripper_frame_link' in made.frames, 'ghost')
    for link, frame in read_model(URDF).frames(POSE).items():
        assert made.place(f'ghost/{link}') == pytest.approx(frame, abs=1e-9), link
    assert made.frames['ghost/base_link'].header.frame_id == 'base_link'
    assert 'wrist_link' not in made.frames


def test_joints_that_come_in_two_messages_are_one_arm(viewer):
    made = viewer()
    made.move('joint_states', {'shoulder_pan': 0.3})
    made.rig.until(lambda: 'shoulder_link' in made.frames, 'first joint')
    assert 'wrist_link' not in made.frames
    made.move('joint_states', {'wrist_flex': 0.5})
    made.rig.until(lambda: 'wrist_link' in made.frames, 'second joint')
    assert made.place('shoulder_link')[0, 1] != 0.0


@pytest.mark.parametrize('angle', [math.nan, math.inf, -math.inf])
def test_joint_states_that_are_no_angles_move_no_frame(viewer, angle):
    made = viewer()
    made.move('joint_states', POSE)
    made.rig.until(lambda: 'wrist_link' in made.frames, 'frames')
    before = made.place('gripper_frame_link')
    made.move('joint_states', dict.fromkeys((*POSE, 'of another robot'), angle))
    stamp = made.move('joint_states', {'shoulder_pan': POSE['shoulder_pan']})
    made.rig.until(lambda: made.frames['shoulder_link'].header.stamp == stamp, 'newest frames')
    assert made.place('gripper_frame_link') == pytest.approx(before, abs=1e-9)


@pytest.mark.parametrize('arguments', [('-p', 'frame_prefix:=left/'), ('-r', '__ns:=/left')],
                         ids=('prefix', 'namespace'))
def test_prefix_tells_two_arms_apart(viewer, arguments):
    made = viewer(*arguments)
    made.move('joint_states', POSE)
    made.move('policy/joint_states', POSE)
    made.rig.until(lambda: 'left/wrist_link' in made.frames
                   and 'left/ghost/wrist_link' in made.frames, 'frames')
    made.rig.until(lambda: 'left/ghost/gripper_frame_link' in made.frames, 'fixed frames')
    assert all(frame.startswith('left/') and each.header.frame_id.startswith('left/')
               for frame, each in made.frames.items())


def test_it_listens_only_while_somebody_reads_the_frames(viewer):
    made = viewer()
    count = made.rig.peer.count_subscribers
    made.rig.until(lambda: count('joint_states') and count('policy/joint_states'), 'listener')
    [frames] = [each for each in made.rig.peer.subscriptions if each.topic_name == '/tf']
    made.rig.peer.destroy_subscription(frames)
    made.rig.until(lambda: not count('joint_states') and not count('policy/joint_states'),
                   'end of listening')


def test_without_tf2_the_model_is_published_all_the_same(ros, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_msgs', None)
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', None)
    with made(ros, DescriptionNode) as rig:
        assert rig.trigger('configure') and rig.trigger('activate'), rig.node.problem
        heard = rig.listen(String, 'robot_description', qos.STATE)
        rig.until(lambda: heard, 'description')
        assert '/tf' not in dict(rig.peer.get_topic_names_and_types())
        assert rig.trigger('deactivate') and rig.trigger('cleanup')
