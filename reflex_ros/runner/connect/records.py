# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What ``reflex connect`` keeps of a run, in which formats, and where.

An arm with a stream is recorded as in the graph: MCAP with the same topics. A robot that is driven
step by step is recorded by its steps: as JSON lines, as MCAP, or both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
import time
from typing import Any

from reflex_ros.cameras.frame import Frame, FrameRefused
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.heartbeats import DRIVER, STREAM, StreamBeat
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording import encoding
from reflex_ros.recording.places import recordings_folder
from reflex_ros.recording.recorder import Recorder, RecorderSettings
from reflex_ros.runner.connect.recorder import JsonlRecorder, QUALITY
from reflex_ros.runner.connect.result import RunResult
from reflex_ros.runner.connect.step_run import Recorder as StepRecorder
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation

_log = logging.getLogger(__name__)

FORMATS = ('lerobot', 'jsonl', 'mcap', 'rerun')
"""Names that the vendor's runner knows."""


@dataclass(frozen=True, slots=True)
class Records:
    """
    What is kept.

    :param folder: where; None: nothing but an arm under a stream, at the usual place.
    :param formats: formats that were asked for, of ``FORMATS``.
    :param is_explicit: whether a person named the formats; else they are the default.
    """

    folder: Path | None
    formats: tuple[str, ...]
    is_explicit: bool = True

    def steps(self, about: Mapping[str, Any]) -> StepRecorder | None:
        """
        Return what keeps the steps of a robot.

        :raises ConfigurationError: when the folder cannot be used.
        """
        if self.folder is None:
            return None
        if 'lerobot' in self.formats:
            _log.warning('lerobot is not written of a robot that is driven step by step; jsonl is '
                         'kept instead. `reflex record` makes a LeRobot data set of '
                         'demonstrations')
        self._explain_rerun()
        made: list[StepRecorder] = []
        if {'jsonl', 'lerobot'} & {*self.formats}:
            made.append(JsonlRecorder(self.folder / 'jsonl', about))
        if {'mcap', 'rerun'} & {*self.formats}:
            made.append(McapSteps(self.folder / 'mcap', about))
        if not made:
            _log.warning('nothing of this run is recorded: no known format is left')
        return _Several(made) if made else None

    def arm(self, joint_names: Sequence[str]) -> ArmRecorder | None:
        """
        Return what keeps the run of an arm; None, with a line in the log, when that is impossible.

        :raises ConfigurationError: when it was asked for, and is impossible.
        """
        if self.folder is not None:
            if 'lerobot' in self.formats:
                _log.warning('an arm is recorded as mcap. When the run is over, make a LeRobot '
                             'data set of it: reflex recordings export --folder %s --format '
                             'lerobot --out DATASET', self.folder / 'mcap')
            if 'jsonl' in self.formats and self.is_explicit:
                _log.warning('an arm with a stream has no steps: jsonl is not written, mcap is')
            self._explain_rerun()
        settings = RecorderSettings(recordings_folder(), 'runs') if self.folder is None else \
            RecorderSettings(self.folder / 'mcap', 'always')
        try:
            encoding.encoder(encoding.JOINT_STATE)
            return ArmRecorder(Recorder(settings, {'name': DRIVER}), joint_names)
        except ConfigurationError as exc:
            if self.folder is not None:
                raise
            _log.info('not recorded: %s', exc)
            return None

    def _explain_rerun(self) -> None:
        if 'rerun' in self.formats:
            _log.warning('rerun is not written; the MCAP file opens in it: rerun FILE.mcap')


def chosen(folder: Path | None, names: str, *, is_explicit: bool = True) -> Records:
    """
    Read the names of formats; an unknown one is said, and the run goes on.

    :param names: with commas between them.
    :param is_explicit: as in :class:`Records`.
    """
    found = [name for name in dict.fromkeys(name.strip() for name in names.split(',')) if name]
    for name in found:
        if name not in FORMATS:
            _log.warning('unknown recording format %s; valid: %s', name, ', '.join(FORMATS))
    return Records(folder, tuple(name for name in found if name in FORMATS), is_explicit)


class ArmRecorder:
    """
    Keeps the run of an arm under a stream, with the topics of the graph. Any thread; never blocks.

    :param joint_names: of the arm.
    """

    def __init__(self, recorder: Recorder, joint_names: Sequence[str]) -> None:
        self._recorder = recorder
        self._names = tuple(joint_names)
        self._was_latched = False

    def sample(self, sample: JointSample) -> None:
        """Keep a measurement."""
        now = time.time_ns()
        self._recorder.put('/joint_states', encoding.JOINT_STATE, now, lambda: (
            encoding.joint_state(now, self._names, sample.position.tolist(),
                                 sample.velocity.tolist())))

    def goals(self, goals: Vector) -> None:
        """Keep what was written to the servos (joints,) [rad]."""
        now, values = time.time_ns(), goals.tolist()
        self._recorder.put(f'/{DRIVER}/goals', encoding.JOINT_STATE, now,
                           lambda: encoding.joint_state(now, self._names, values))

    def chunk(self, chunk: ActionChunk, *, is_applied: bool) -> None:
        """Keep an accepted chunk, and whether it commanded the arm."""
        now = time.time_ns()
        observed = now - round((time.monotonic() - chunk.observed_at) * 1e9)

        def data() -> bytes:
            return encoding.trajectory(observed, chunk.joint_names, chunk.rows.tolist(),
                                       1.0 / chunk.rate_hz)
        for topic in ('/action_chunk', *((f'/{DRIVER}/command',) if is_applied else ())):
            self._recorder.put(topic, encoding.TRAJECTORY, now, data, size=chunk.rows.nbytes)

    def state(self, safety: SafetyState, *, is_moving: bool) -> None:
        """Keep the state of the system; a stop that latches leaves a file of its own."""
        self._recorder.set_running(is_moving)
        self._recorder.put('/safety/state', encoding.STATUS, time.time_ns(),
                           lambda: encoding.status(safety, 'safety'), size=2000)
        if safety.latched and not self._was_latched and safety.causes:
            first = safety.causes[0]
            self._recorder.stopped({'code': first.code.name, 'text': first.text,
                                    'state': safety.state.value})
        self._was_latched = safety.latched

    def link(self, beat: StreamBeat) -> None:
        """Keep how the link is."""
        self._recorder.put(f'/_beat/{STREAM}', encoding.STATUS, time.time_ns(),
                           lambda: encoding.status(beat, STREAM), size=2000)

    def frame(self, name: str, frame: Frame) -> None:
        """Keep a picture that is compressed."""
        if frame.is_compressed:
            now, data = time.time_ns(), bytes(frame.data)
            self._recorder.put(f'/{name}/image_raw/compressed', encoding.PICTURE, now,
                               lambda: encoding.picture(now, name, frame.encoding, data),
                               size=len(data))

    def close(self) -> None:
        """Write what waits."""
        self._recorder.close()


class McapSteps:
    """
    Keeps steps as MCAP: the state, the rows and the pictures of each.

    :param folder: of the file; made when it is missing.
    :param about: what the run is.
    :raises ConfigurationError: when the folder cannot be used, or the library is missing.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        encoding.encoder(encoding.JOINT_STATE)
        self._period_s = float(about.get('control_period_s') or 0.1)
        self._recorder = Recorder(RecorderSettings(folder, 'always'), {
            'name': 'steps', **{key: str(value) for key, value in about.items()}})

    def record(self, step: int, observation: RobotObservation, action: RobotAction) -> None:
        """Keep one step; never blocks."""
        now = time.time_ns()
        state, rows = list(observation.state), action.actions
        self._recorder.put('/observation/state', encoding.JOINT_STATE, now, lambda: (
            encoding.joint_state(now, _numbered('state', len(state)), state)))
        self._recorder.put('/action', encoding.TRAJECTORY, now, lambda: encoding.trajectory(
            now, _numbered('action', len(rows[0]) if rows else 0), rows, self._period_s))
        for name, picture in observation.cameras.items():
            # Not at the top: it needs Pillow, and many robots have no camera.
            from reflex_ros.cameras.still import to_jpeg

            try:
                data = to_jpeg(picture, CameraSettings(name, quality=QUALITY))
            except FrameRefused as exc:
                _log.debug('a picture of %s is not kept: %s', name, exc)
                continue
            self._recorder.put(f'/observation/cameras/{name}', encoding.PICTURE, now,
                               encoding.picture(now, name, 'jpeg', data))

    def close(self, result: RunResult) -> None:
        """Write what waits."""
        self._recorder.close()


class _Several:
    """Passes steps on to several recorders."""

    def __init__(self, recorders: Sequence[StepRecorder]) -> None:
        self._recorders = recorders

    def record(self, step: int, observation: RobotObservation, action: RobotAction) -> None:
        for recorder in self._recorders:
            recorder.record(step, observation, action)

    def close(self, result: RunResult) -> None:
        for recorder in self._recorders:
            recorder.close(result)


def _numbered(name: str, count: int) -> list[str]:
    return [f'{name}_{index}' for index in range(count)]
