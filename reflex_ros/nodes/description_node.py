# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``description``: publishes the model of the arm and where its links are, for RViz and Foxglove.

It stands in for ``robot_state_publisher`` where that is not installed, and sends the frames of a
second arm, ``ghost/``, where the policy wants the first one to be. It listens only while somebody
reads ``/tf``, and holds no lease, so nothing stops when it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
import math
import sys
from typing import Any

from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from reflex_ros.bringup.process_table import share_folder
from reflex_ros.bringup.rviz import frame_prefix
from reflex_ros.config.parameters.description import TABLE
from reflex_ros.nodes import qos
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run
from reflex_ros.view.model import ArmModel, Joint, read_model

GHOST = 'ghost/'
ARMS = {'joint_states': '', 'policy/joint_states': GHOST}
"""Topic -> prefix of the frames of the arm that it moves."""
LOOK_S = 0.25


class DescriptionNode(ReflexNode):
    """Publishes the model of one robot."""

    def __init__(self) -> None:
        super().__init__('description', TABLE, 1.0)
        self._prefix = ''
        self._model = ArmModel({}, ())
        self._inputs: dict[str, Any] = {}
        self._outputs: list[Any] = []
        self._own_timers: list[Any] = []
        self._frames: Any = None
        self._positions: dict[str, dict[str, float]] = {}
        self._stamps: dict[str, Any] = {}

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._prefix = settings['frame_prefix'] or frame_prefix(self.get_namespace())
        path = share_folder() / 'config' / 'so101.urdf'
        self._model = read_model(path)
        description = self.create_publisher(String, 'robot_description', qos.STATE)
        self._outputs = [description]
        description.publish(String(data=path.read_text(encoding='utf-8')))
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            # The Python package index does not have it; every ROS installation does.
            self.get_logger().info('tf2_msgs is not installed: robot_description is published, '
                                   '/tf is not')
            return
        self._frames = self.create_publisher(TFMessage, '/tf', qos.TF)
        fixed = self.create_publisher(TFMessage, '/tf_static', qos.TF_STATIC)
        self._outputs += [self._frames, fixed]
        fixed.publish(TFMessage(transforms=self._fixed_frames()))
        self._own_timers = [self.every(LOOK_S, self._look),
                            self.every(1.0 / settings['rate_hz'], self._publish)]

    def _teardown(self) -> None:
        for timer in self._own_timers:
            self.destroy_timer(timer)
        self._unsubscribe()
        for publisher in self._outputs:
            self.destroy_publisher(publisher)
        self._own_timers, self._outputs, self._frames = [], [], None

    def _look(self) -> None:
        """Subscribe while somebody reads /tf: action_stream publishes the ghost only then."""
        if self._frames is None:
            # The events executor may still call a timer that was due when it was destroyed.
            return
        if not self._frames.get_subscription_count():
            self._unsubscribe()
        elif not self._inputs:
            self._inputs = {topic: self.create_subscription(
                JointState, topic, partial(self._on_joints, topic), qos.JOINT_STATES_INPUT)
                for topic in ARMS}

    def _unsubscribe(self) -> None:
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs, self._stamps, self._positions = {}, {}, {}

    def _on_joints(self, topic: str, message: JointState) -> None:
        # Joint states may come in several messages, from anybody, with joints that are not ours.
        joints = {joint.name for joint in self._model.joints}
        self._positions.setdefault(topic, {}).update(
            (name, angle) for name, angle in zip(message.name, message.position, strict=False)
            if name in joints and math.isfinite(angle))
        self._stamps[topic] = message.header.stamp

    def _publish(self) -> None:
        """Send the frames of each arm that was heard since the last time."""
        if self._frames is None or not self._stamps:
            return
        stamps, self._stamps = self._stamps, {}
        self._frames.publish(self._frames.msg_type(transforms=[
            frame for topic, stamp in stamps.items() for frame in self._moving_frames(
                stamp, self._prefix + ARMS[topic], self._positions[topic])]))

    def _moving_frames(self, stamp: Any, prefix: str,
                       positions: Mapping[str, float]) -> Iterable[TransformStamped]:
        """Make the frames of the joints whose positions are known."""
        return (self._frame(joint, prefix, stamp, positions[joint.name])
                for joint in self._model.joints
                if not joint.is_fixed and joint.name in positions)

    def _fixed_frames(self) -> list[TransformStamped]:
        """Make the frames that never move; the ghost stands where the arm stands."""
        stamp = self.get_clock().now().to_msg()
        children = {joint.child for joint in self._model.joints}
        [base] = self._model.links.keys() - children
        same = TransformStamped(child_frame_id=f'{self._prefix}{GHOST}{base}')
        same.header.stamp, same.header.frame_id = stamp, self._prefix + base
        return [same, *(self._frame(joint, self._prefix + arm, stamp)
                        for arm in ARMS.values() for joint in self._model.joints
                        if joint.is_fixed)]

    def _frame(self, joint: Joint, prefix: str, stamp: Any, angle: float = 0.0
               ) -> TransformStamped:
        frame = TransformStamped(child_frame_id=prefix + joint.child)
        frame.header.stamp, frame.header.frame_id = stamp, prefix + joint.parent
        place, turn = frame.transform.translation, frame.transform.rotation
        place.x, place.y, place.z = joint.xyz
        turn.x, turn.y, turn.z, turn.w = joint.rotation(angle)
        return frame


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(DescriptionNode, autostart=True))


if __name__ == '__main__':
    main()
