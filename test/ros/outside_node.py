# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A ROS node that knows nothing of ours: standard messages, standard services, another process.

Listens to chunks and joint states, promotes, sees the arm move, stops; prints what it saw.
"""

import json
import time

from diagnostic_msgs.msg import DiagnosticStatus
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

LATE_JOINER = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Outsider(Node):
    def __init__(self):
        super().__init__('outsider')
        self.chunks, self.poses, self.states, self.models = [], [], [], []
        self.said = {}
        self.create_subscription(JointTrajectory, 'action_chunk', self.chunks.append, 10)
        self.create_subscription(JointState, 'joint_states', self.poses.append, 10)
        self.create_subscription(String, 'robot_description', self.models.append, LATE_JOINER)
        self.create_subscription(DiagnosticStatus, 'safety/state', self.on_state, LATE_JOINER)

    def on_state(self, message):
        self.said = {pair.key: pair.value for pair in message.values}
        state = self.said['state']
        if not self.states or self.states[-1] != state:
            self.states.append(state)

    def until(self, condition, what, timeout_s=30.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f'no {what}; states {self.states}, {self.said}'
            rclpy.spin_once(self, timeout_sec=0.1)

    def call(self, name):
        client = self.create_client(Trigger, f'supervisor/{name}')
        assert client.wait_for_service(10.0), name
        future = client.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(self, future, timeout_sec=10.0)
        return future.result()


def main():
    rclpy.init()
    node = Outsider()
    node.until(lambda: len(node.chunks) >= 3 and len(node.poses) >= 50, 'chunks in dry_run')
    node.until(lambda: node.models, 'model of the arm')
    resting = [list(pose.position) for pose in node.poses]
    moved_dry = max(max(column) - min(column) for column in zip(*resting, strict=True))
    node.until(lambda: node.states[-1:] == ['READY'], 'READY')
    early_reset = node.call('reset')
    promoted = node.call('promote')
    node.until(lambda: node.states[-1:] == ['ACTIVE'], 'ACTIVE')
    start = node.poses[-1].position
    node.until(lambda: max(abs(a - b) for a, b in zip(
        start, node.poses[-1].position, strict=True)) > 0.1, 'motion')
    again = node.call('promote')
    stopped = node.call('stop')
    node.until(lambda: node.states[-1:] == ['LATCHED'], 'LATCHED')
    chunk, pose = node.chunks[-1], node.poses[-1]
    print(json.dumps({
        'moved_dry': moved_dry, 'states': node.states, 'joints': list(pose.name),
        'velocities': len(pose.velocity), 'stamp': pose.header.stamp.sec,
        'chunk_joints': list(chunk.joint_names), 'chunk_points': len(chunk.points),
        'second_row_ns': chunk.points[1].time_from_start.nanosec,
        'early_reset': [early_reset.success, early_reset.message],
        'promoted': [promoted.success, promoted.message],
        'again': [again.success, again.message], 'stopped': stopped.success}))


main()
