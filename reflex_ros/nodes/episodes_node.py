# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``episodes``: records demonstrations in the graph, as a LeRobot data set.

It does what ``reflex record`` does, with a service for each key. It listens to the measured
joints, the written goals and the cameras, and commands nothing: a person, a policy or another
program moves the arm. It holds no lease, so nothing stops when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from functools import partial
from pathlib import Path
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reflex_ros.cameras.frame import FrameRefused, read_compressed_image, read_image
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.still import to_jpeg
from reflex_ros.cameras.topics import candidates, choose
from reflex_ros.config.parameters.episodes import TABLE
from reflex_ros.domain.cdr import DamagedMessage
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat, STREAM, StreamBeat
from reflex_ros.domain.joint_states import in_order, JointStateReader
from reflex_ros.domain.joints import Vector
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arms import ARMS
from reflex_ros.nodes import qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.camera_inputs import image_profile, published
from reflex_ros.nodes.process import run
from reflex_ros.recording.dataset_folder import claimed, DatasetFolder, UNFINISHED
from reflex_ros.recording.sampler import Sampler
from reflex_ros.recording.takes import Takes
from reflex_ros.runner.demonstration import HeardArm
from reflex_ros.runner.sitting import Sitting

NEVER = 10 ** 9
LOOK_S = 0.5
ANSWER_S = 2.0
"""How long a service waits for the sitting to do what it was asked for [s]."""


class EpisodesNode(ReflexNode):
    """Records demonstrations of one robot."""

    def __init__(self) -> None:
        super().__init__('episodes', TABLE, 1.0)
        self._claim = ExitStack()
        self._sitting: Sitting | None = None
        self._dataset: DatasetFolder | None = None
        self._thread: threading.Thread | None = None
        self._failure = ''
        self._arm = HeardArm(next(iter(ARMS.values())))
        self._cameras: dict[str, CameraSettings] = {}
        self._inputs: dict[str, Any] = {}
        self._pictures: dict[str, tuple[str, Any]] = {}
        self._look_timer: Any = None
        self._prompt = ''
        self.refused = 0
        """Pictures and joint states that could not be read."""
        for name, act in (('start', self._begin), ('finish', partial(self._end, ' ')),
                          ('discard', partial(self._end, 'x')), ('repeat', self._repeat)):
            self.create_service(Trigger, f'~/{name}', partial(self._answer, act))

    def _setup(self, settings: Mapping[str, Any]) -> None:
        if not settings['folder']:
            raise ConfigurationError("parameter 'folder' is empty: name the folder of the data "
                                     'set, for example -p folder:=cubes')
        folder = Path(settings['folder']).expanduser()
        self._claim.enter_context(claimed(folder))
        self._dataset = DatasetFolder(folder, settings['robot'], settings['fps'])
        self._arm, self._failure = HeardArm(ARMS[settings['arm']]), ''
        self._cameras = {name: CameraSettings(name) for name in settings['cameras']}
        sampler = Sampler(self._arm.pose, self._arm.description.joint_names, [*self._cameras],
                          settings['fps'], folder / UNFINISHED)
        self._sitting = Sitting(self._arm, sampler, Takes(NEVER), self._dataset, '',
                                [*self._cameras], self._warn)
        self._listen()
        self._thread = threading.Thread(target=self._sit, args=(self._sitting,), name='sitting')
        self._thread.start()

    def _teardown(self) -> None:
        if self._look_timer is not None:
            self.destroy_timer(self._look_timer)
        for subscription in (*self._inputs.values(), *(each for _, each in
                                                       self._pictures.values())):
            self.destroy_subscription(subscription)
        self._look_timer, self._inputs, self._pictures = None, {}, {}
        if self._sitting is not None and self._thread is not None:
            self._sitting.press('q')
            self._thread.join()
        self._sitting = self._thread = self._dataset = None
        self._claim.close()

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report the data set, and what prevents an episode."""
        sitting, dataset = self._sitting, self._dataset
        if sitting is None or dataset is None:
            return []
        now = sitting.progress()
        problem = self._failure or ('' if now.is_recording else now.problem)
        return [status_codec.entry(f'{self.get_name()}: data set', {
            'folder': str(dataset.folder), 'episodes': dataset.episodes, 'recording':
            now.is_recording, 'frames': now.frames, 'late': now.late, 'saving': now.saving,
            'refused': self.refused,
            **{f'{name}_hz': hz for name, hz in now.rates_hz.items()}},
            level=DiagnosticStatus.ERROR if self._failure else
            DiagnosticStatus.WARN if problem else DiagnosticStatus.OK,
            message=problem or ('recording' if now.is_recording else 'ready'))]

    # The sitting, in a thread of its own.

    def _sit(self, sitting: Sitting) -> None:
        try:
            try:
                sitting.run(lambda progress: None)
            finally:
                sitting.finish()
        except Exception as exc:
            self._failure = str(exc)
            self.get_logger().error(f'no more episodes are recorded: {exc}. Configure the node '
                                    'again')

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text)

    # Services, in the executor's thread.

    def _answer(self, act: Callable[[Sitting], str], _: Trigger.Request,
                response: Trigger.Response) -> Trigger.Response:
        try:
            if self._sitting is None:
                raise ConfigurationError(self.problem or 'the node is not configured')
            if self._failure:
                raise ConfigurationError(self._failure)
            response.message, response.success = act(self._sitting), True
        except ConfigurationError as exc:
            response.message, response.success = str(exc), False
        return response

    def _begin(self, sitting: Sitting) -> str:
        now = sitting.progress()
        if now.is_recording:
            raise ConfigurationError('an episode is recorded: call finish or discard first')
        if now.problem:
            raise ConfigurationError(now.problem)
        sitting.task = self.get_parameter('task').value or self._prompt
        if not sitting.task:
            raise ConfigurationError("what is shown? Set the parameter 'task', or publish it on "
                                     'the topic prompt')
        self._press(sitting, ' ')
        return f'episode {now.number}: {sitting.task}'

    def _end(self, key: str, sitting: Sitting) -> str:
        now = sitting.progress()
        if not now.is_recording:
            raise ConfigurationError('no episode is recorded: call start first')
        self._press(sitting, key)
        return f'episode {now.number} {"dropped" if key == "x" else "kept"}'

    def _repeat(self, sitting: Sitting) -> str:
        return f'{self._end("x", sitting)}. {self._begin(sitting)}'

    def _press(self, sitting: Sitting, key: str) -> None:
        """Press a key and wait until it was obeyed; ConfigurationError says why it was not."""
        try:
            refusal = sitting.press(key).result(ANSWER_S)
        except FutureTimeout:
            refusal = self._failure or (f'nothing has happened within {ANSWER_S:g} s: this '
                                        'machine is too busy')
        if refusal:
            raise ConfigurationError(refusal)

    # Messages, in the executor's thread.

    def _listen(self) -> None:
        for topic, put in (('joint_states', self._arm.put_measured),
                           (f'{DRIVER}/goals', self._arm.put_goals)):
            # Raw: a hundred messages a second, of which the positions are read.
            self._inputs[topic] = self.create_subscription(
                JointState, topic, partial(self._on_joints, JointStateReader(), put),
                qos.JOINT_STATES_INPUT, raw=True)
        self._inputs['beat'] = self.create_subscription(
            DiagnosticStatus, f'_beat/{DRIVER}', self._on_beat, qos.LEASE)
        self._inputs['stream'] = self.create_subscription(
            DiagnosticStatus, f'_beat/{STREAM}', self._on_stream, qos.LEASE)
        self._inputs['prompt'] = self.create_subscription(
            String, 'prompt', self._on_prompt, qos.PROMPT)
        self._look_timer = self.every(LOOK_S, self._look)
        self._look()

    def _look(self) -> None:
        """Subscribe to each camera, in the form in which it is published now."""
        for name, camera in self._cameras.items():
            topics = [self.resolve_topic_name(topic) for topic in candidates(camera)]
            source, _ = choose(camera, topics, published(self, topics))
            if source is None or self._pictures.get(name, ('', None))[0] == source.topic:
                continue
            if name in self._pictures:
                self.destroy_subscription(self._pictures[name][1])
            self._pictures[name] = source.topic, self.create_subscription(
                CompressedImage if source.is_compressed else Image, source.topic,
                partial(self._on_picture, name, source.is_compressed),
                image_profile(source.is_reliable), raw=True)

    def _on_picture(self, name: str, is_compressed: bool, message: bytes) -> None:
        now, sitting = time.monotonic(), self._sitting
        if sitting is None:
            return
        try:
            frame = (read_compressed_image if is_compressed else read_image)(message)
            sitting.put(name, to_jpeg(frame, self._cameras[name]), now)
        except (FrameRefused, DamagedMessage):
            self.refused += 1

    def _on_joints(self, reader: JointStateReader, put: Callable[[Vector, float], None],
                   message: bytes) -> None:
        now = time.monotonic()
        try:
            _, names, positions = reader.read(message)
            put(in_order(names, positions, self._arm.description.joint_names), now)
        except (DamagedMessage, KeyError):
            self.refused += 1

    def _on_beat(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(DriverBeat, message)
        travel = beat.gripper_travel if beat is not None else None
        if travel is not None:
            self._arm.put_travel(travel)

    def _on_stream(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(StreamBeat, message)
        if beat is not None:
            self._arm.put_commander(beat.commander)

    def _on_prompt(self, message: String) -> None:
        self._prompt = message.data


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(EpisodesNode, autostart=True))


if __name__ == '__main__':
    main()
