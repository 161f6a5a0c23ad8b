# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``view``: serves a page on this machine that shows the arm, the policy, the cameras and the gate.

It subscribes only while somebody looks, publishes nothing but a stop, and holds no lease, so
nothing stops when it ends. The page is served in a thread of its own (``view.server``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
import json
import math
import queue
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from reflex_ros.bringup.process_table import share_folder
from reflex_ros.config.parameters.view import TABLE
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat, LEADER_TOPIC, STREAM, StreamBeat
from reflex_ros.domain.operations import NODES, SERVICES
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.errors import ConfigurationError
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.camera_inputs import image_profile, published
from reflex_ros.nodes.process import run
from reflex_ros.runner.supervisor import ASKED_TO_STOP
from reflex_ros.view.model import read_model
from reflex_ros.view.server import CALLS, ViewServer

TURN_S = 0.02
LOOK_S = 1.0
ANSWER_S = 5.0
CHUNKS = 8
STALE_S = 2.0


class ViewNode(ReflexNode):
    """Serves the page of one robot."""

    def __init__(self) -> None:
        super().__init__('view', TABLE, 1.0)
        self._server: ViewServer | None = None
        self._inputs: dict[str, Any] = {}
        self._own_timers: list[Any] = []
        self._looked_at = 0.0
        self._heard: dict[str, tuple[float, bytes]] = {}
        self._pictures: dict[str, tuple[int, bytes]] = {}
        self._chunks: deque[tuple[float, JointTrajectory]] = deque(maxlen=CHUNKS)
        self._asked: queue.SimpleQueue[tuple[str, queue.SimpleQueue[tuple[bool, str]]]] = (
            queue.SimpleQueue())
        self._stops = self.create_publisher(String, 'safety/stop', qos.STOP)
        self._calls: dict[str, Any] = {name: self.create_client(Trigger, SERVICES[name])
                       for name in CALLS if name != 'stop'}

    def _setup(self, settings: Mapping[str, Any]) -> None:
        model = read_model(share_folder() / 'config' / 'so101.urdf').to_json()
        self._server = ViewServer(model, self._state, self._pictures.copy, self._call,
                                  settings['host'], settings['port'])
        as_json = settings['as_json']
        try:
            self._server.start()
        except ConfigurationError as exc:
            if as_json:
                print(json.dumps({'error': str(exc), 'ok': False}, indent=2), flush=True)
            raise
        url = self._server.url
        print(json.dumps({'ok': True, 'url': url}, indent=2) if as_json else f'Open {url}',
              flush=True)
        self._own_timers = [self.every(TURN_S, self._serve), self.every(LOOK_S / 4, self._look)]

    def _teardown(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None
        for timer in self._own_timers:
            self.destroy_timer(timer)
        self._own_timers = []
        self._unsubscribe()

    # Subscriptions and calls, in the executor's thread.

    def _look(self) -> None:
        """Subscribe while somebody looks."""
        if self._server is None or not self._server.is_watched:
            self._unsubscribe()
            return
        if not self._inputs:
            for topic, kind, profile in (
                    ('joint_states', JointState, qos.JOINT_STATES_INPUT),
                    ('safety/state', DiagnosticStatus, qos.STATE),
                    (f'_beat/{STREAM}', DiagnosticStatus, qos.LEASE),
                    (f'_beat/{DRIVER}', DiagnosticStatus, qos.LEASE)):
                # Raw: of many messages only the newest is shown, ten times a second.
                self._inputs[topic] = self.create_subscription(
                    kind, topic, partial(self._keep, topic), profile, raw=True)
            self._inputs['action_chunk'] = self.create_subscription(
                JointTrajectory, 'action_chunk',
                lambda message: self._chunks.append((time.monotonic(), message)), qos.CHUNK)
        if time.monotonic() - self._looked_at > LOOK_S:
            self._looked_at = time.monotonic()
            self._look_for_cameras()

    def _look_for_cameras(self) -> None:
        space = self.get_namespace().rstrip('/') + '/'
        for topic, kinds in self.get_topic_names_and_types():
            if (topic.startswith(space) and topic not in self._inputs
                    and kinds[0] == 'sensor_msgs/msg/CompressedImage'):
                for offer in published(self, [topic]).values():
                    name = topic[len(space):].partition('/')[0]
                    self._inputs[topic] = self.create_subscription(
                        CompressedImage, topic, partial(self._keep_picture, name),
                        image_profile(offer.is_reliable))

    def _unsubscribe(self) -> None:
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs = {}
        self._heard.clear()
        self._pictures.clear()
        self._chunks.clear()

    def _keep(self, topic: str, data: bytes) -> None:
        self._heard[topic] = time.monotonic(), data

    def _keep_picture(self, name: str, message: CompressedImage) -> None:
        stamp = message.header.stamp
        self._pictures[name] = stamp.sec * 10 ** 9 + stamp.nanosec, message.data.tobytes()

    def _serve(self) -> None:
        while not self._asked.empty():
            name, answer = self._asked.get_nowait()
            client = self._calls[name]
            if not client.service_is_ready():
                answer.put((False, f'the {NODES[name]} is not running: no such service was found'))
                continue
            future = client.call_async(Trigger.Request())
            future.add_done_callback(partial(_pass_on, answer))

    # For the page, in threads of the server.

    def _call(self, name: str) -> tuple[bool, str]:
        if name == 'stop':
            # At once, and past the supervisor: the driver obeys by itself.
            self._stops.publish(convert.to_stop(self.get_name(), ASKED_TO_STOP))
            return True, 'stop was sent'
        answer: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
        self._asked.put((name, answer))
        try:
            return answer.get(timeout=ANSWER_S)
        except queue.Empty:
            return False, f'no answer within {ANSWER_S:g} s'

    def _state(self) -> dict[str, Any]:
        """Return what the page shows."""
        now = time.monotonic()
        safety = self._status('safety/state', SafetyState)
        stream = self._status(f'_beat/{STREAM}', StreamBeat)
        driver = self._status(f'_beat/{DRIVER}', DriverBeat)
        ages = {topic: round(now - at, 2) for topic, (at, _) in self._heard.items()}
        refusal = str(stream.refusal) if stream.refusal is not None else ''
        return {
            'state': safety.state.value if 'safety/state' in ages else '',
            'why': safety.why, 'causes': [str(cause.text) for cause in safety.causes],
            'codes': [cause.code.name for cause in safety.causes],
            'guidance': stream.commander.text,
            'leader': self.count_publishers(LEADER_TOPIC) > 0,
            'for_s': round(safety.for_s, 1), 'prompt': stream.prompt,
            'remark': safety.remark or stream.policy_remark,
            'gate': [{'name': item.name, 'ok': item.is_green, 'text': item.text}
                     for item in safety.gate],
            'joints': self._joints(), 'wanted': self._wanted(now),
            'accepted': not refusal and 0.0 <= stream.since_chunk_s < STALE_S, 'refusal': refusal,
            'link': {'state': stream.link.value, 'remark': stream.remark,
                     'round_trip_ms': stream.rtt_ms_p50, 'age_ms': round(stream.age_ms),
                     'pace': driver.pace, 'received': stream.received,
                     'accepted': stream.accepted, 'refused': stream.refused},
            'chunks': [self._bar(now, at, chunk) for at, chunk in list(self._chunks)],
            'torque': driver.torque_text, 'ages': ages}

    def _status(self, topic: str, kind: type[Any]) -> Any:
        heard = self._heard.get(topic)
        return (heard and status_codec.decode_bytes(kind, heard[1])) or kind()

    def _joints(self) -> dict[str, float]:
        heard = self._heard.get('joint_states')
        try:
            message = deserialize_message(heard[1], JointState) if heard else JointState()
        except RuntimeError:
            # Bytes that are no message, from a stranger.
            return {}
        # JSON has no word for NaN: with one, the page could not read the whole state.
        return {name: angle for name, angle in zip(message.name, message.position, strict=False)
                if math.isfinite(angle)}

    def _begin(self, at: float, chunk: JointTrajectory) -> float:
        """Return when the first row of a chunk was meant (monotonic) [s]."""
        stamp = chunk.header.stamp.sec * 10 ** 9 + chunk.header.stamp.nanosec
        age_s = (self.get_clock().now().nanoseconds - stamp) / 1e9
        # Another clock (use_sim_time): then the rows begin when the chunk was heard.
        return time.monotonic() - age_s if 0.0 <= age_s < 60.0 else at

    def _wanted(self, now: float) -> dict[str, float]:
        """Return where the newest chunk wants the joints to be now."""
        try:
            at, chunk = self._chunks[-1]
        except IndexError:
            return {}
        since = now - self._begin(at, chunk)
        due = [point for point in chunk.points
               if point.time_from_start.sec + point.time_from_start.nanosec / 1e9 <= since]
        row = (due or chunk.points)[-1 if due else 0].positions if chunk.points else ()
        return dict(zip(chunk.joint_names, row, strict=False))

    def _bar(self, now: float, at: float, chunk: JointTrajectory) -> dict[str, float]:
        """Return when a chunk came and which time its rows cover, in seconds from now."""
        begin = self._begin(at, chunk)
        last = chunk.points[-1].time_from_start if chunk.points else None
        length = last.sec + last.nanosec / 1e9 if last is not None else 0.0
        return {'came': round(at - now, 3), 'begin': round(begin - now, 3),
                'end': round(begin + length - now, 3)}


def _pass_on(answer: queue.SimpleQueue[tuple[bool, str]], done: Any) -> None:
    answer.put((done.result().success, done.result().message))


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(ViewNode, autostart=True, must_start=True))


if __name__ == '__main__':
    main()
