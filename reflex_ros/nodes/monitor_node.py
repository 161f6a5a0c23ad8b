# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``monitor``: prints the state of the graph as JSON lines, for programs without ROS.

On stdout, one object per line: ``{"snapshot": ...}`` at 5 Hz, ``{"state": ...}`` whenever the
system's state changes, ``{"answer": ...}`` for each call. On stdin: ``{"call": "promote"}`` (or
demote, stop, park, reset, gate); a stop may name a fault: ``"code"`` and ``"text"``. The node
holds no lease, so nothing stops when it ends.

Everything runs in the executor's thread, except ``_listen``.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import json
import queue
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reflex_ros.config.parameters.monitor import TABLE
from reflex_ros.domain import key_values
from reflex_ros.domain.cause import Cause, one_line
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DRIVER, STREAM, SUPERVISOR
from reflex_ros.domain.operations import NODES, SERVICES
from reflex_ros.domain.supervision import SafetyState, StateChange
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run
from reflex_ros.runner.supervisor import ASKED_TO_STOP

CAMERA_ENTRY = 'cameras/'
"""How the entry of a camera in /diagnostics begins, after the name of its node."""
RECORDING_ENTRY = 'recorder: recording'
"""The entry of the recorder in /diagnostics; it stops nothing, so no beat tells of it."""
INPUT_S = 0.02
DISCOVERY_S = 6.0
"""How long a call waits for its service [s]: DDS may find it seconds after the node's topics."""


class MonitorNode(ReflexNode):
    """Prints what the other nodes publish, and passes calls on."""

    def __init__(self) -> None:
        super().__init__('monitor', TABLE, 1.0)
        self._beats = {DRIVER: DiagnosticStatus(), STREAM: DiagnosticStatus()}
        self._seen_at: dict[str, float] = {}
        self._safety = DiagnosticStatus()
        self._joints: list[str] = []
        self._positions: list[float] = []
        self._cameras: dict[str, dict[str, str]] = {}
        self._problems: dict[str, str] = {}
        self._told_at = 0.0
        self._waiting: list[tuple[str, float]] = []
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in self._beats:
            self.create_subscription(DiagnosticStatus, f'_beat/{name}',
                                     lambda message, name=name: self._on_beat(name, message),
                                     qos.LEASE)
        self.create_subscription(DiagnosticStatus, 'safety/state', self._on_state, qos.STATE)
        self.create_subscription(JointState, 'joint_states', self._on_joints, qos.JOINT_STATES)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics,
                                 qos.DIAGNOSTICS)
        self._calls: dict[str, Any] = {
            name: self.create_client(Trigger, service) for name, service in SERVICES.items()}
        self._stops = self.create_publisher(String, 'safety/stop', qos.STOP)
        self._own_timers: list[Any] = []

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._own_timers = [self.every(1.0 / settings['rate_hz'], self._report),
                            self.every(INPUT_S, self._serve)]
        threading.Thread(target=self._listen, daemon=True).start()

    def _teardown(self) -> None:
        for timer in self._own_timers:
            self.destroy_timer(timer)
        self._own_timers = []

    def _listen(self) -> None:
        # In a thread of its own: reading stdin blocks.
        for line in sys.stdin:
            self._asked.put(line)

    def _serve(self) -> None:
        while not self._asked.empty():
            self._read_call(self._asked.get_nowait())
        waiting, self._waiting = self._waiting, []
        for name, asked_at in waiting:
            self._call(name, asked_at)

    def _read_call(self, line: str) -> None:
        try:
            message = json.loads(line)
            name = message['call']
            self._calls[name]
        except (ValueError, KeyError, TypeError):
            _emit({'answer': line.strip()[:80], 'success': False,
                   'message': f'this line is not a call. Known calls: {", ".join(SERVICES)}'})
            return
        if name == 'stop':
            # The driver obeys by itself, also without a supervisor that could answer.
            fault = FaultCode.__members__.get(str(message.get('code')))
            self._stops.publish(convert.to_stop(self.get_name(), ASKED_TO_STOP if fault is None
                                                else Cause(fault, str(message.get('text', '')))))
            if fault is not None:
                # No person asks, so nobody waits for an answer.
                return
        self._waiting.append((name, time.monotonic()))

    def _call(self, name: str, asked_at: float) -> None:
        client = self._calls[name]
        if client.service_is_ready():
            future = client.call_async(Trigger.Request())
            future.add_done_callback(lambda done: self._tell_answer(name, done.result()))
        elif time.monotonic() - asked_at < DISCOVERY_S:
            self._waiting.append((name, asked_at))
        else:
            _emit({'answer': name, 'success': False,
                   'message': f'the {NODES[name]} is not running: no such service was found'})

    @staticmethod
    def _tell_answer(name: str, answer: Any) -> None:
        _emit({'answer': name, 'success': answer.success, 'message': answer.message})

    def _on_beat(self, name: str, message: DiagnosticStatus) -> None:
        self._beats[name] = message
        self._seen_at[name] = time.monotonic()

    def _on_state(self, message: DiagnosticStatus) -> None:
        self._safety = message
        self._seen_at[SUPERVISOR] = time.monotonic()
        safety = status_codec.decode(SafetyState, message)
        # From the history: a state that lasted shorter than a message takes is reported too.
        for state, at in safety.history:
            if at > self._told_at:
                self._told_at = at
                # The reason belongs to the state in which the message was written.
                why = safety.why if state is safety.state else ''
                _emit(key_values.to_plain(StateChange(state, at, safety.causes, why)))

    def _on_joints(self, message: JointState) -> None:
        self._joints, self._positions = list(message.name), list(message.position)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        # All robots of a machine share this topic.
        robot = f'{self.get_namespace().strip("/")}/'.lstrip('/')
        for entry in message.status:
            if entry.name == robot + RECORDING_ENTRY:
                self._problems = {} if entry.level == DiagnosticStatus.OK else {
                    'recorder': one_line(entry.message)}
        start = f'{robot}{STREAM}: '
        own = [entry for entry in message.status if entry.name.startswith(start)]
        if own:
            start += CAMERA_ENTRY
            self._cameras = {entry.name[len(start):]: status_codec.pairs(entry)
                             for entry in own if entry.name.startswith(start)}

    def _report(self) -> None:
        now = time.monotonic()
        _emit({'snapshot': {
            'safety': status_codec.pairs(self._safety),
            'driver': status_codec.pairs(self._beats[DRIVER]),
            'stream': status_codec.pairs(self._beats[STREAM]),
            'joints': self._joints, 'positions': self._positions, 'cameras': self._cameras,
            'problems': self._problems,
            'age_s': {name: round(now - at, 3) for name, at in self._seen_at.items()}}})


def _emit(message: Mapping[str, object]) -> None:
    # The reading program may have ended.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(message), flush=True)


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(MonitorNode, autostart=True))


if __name__ == '__main__':
    main()
