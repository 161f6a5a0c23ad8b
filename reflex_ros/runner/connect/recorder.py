# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The steps of a run as files that any program can read (protocol reference, section f.8).

A thread writes; when it does not keep up, steps are dropped and counted, because the robot must
not wait for a disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
import json
import logging
from pathlib import Path
import queue
import threading
import time
from typing import Any

from reflex_ros.cameras.frame import FrameRefused
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect.result import RunResult
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation

_log = logging.getLogger(__name__)

QUEUE = 256
END_S = 10.0
QUALITY = 90


class JsonlRecorder:
    """
    ``meta.json``, ``steps.jsonl`` and a JPEG per picture.

    :param folder: made when it is missing; must not hold another recording.
    :param about: further fields of ``meta.json``.
    :raises ConfigurationError: when the folder cannot be used.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder = folder
        self._began = time.monotonic()
        now = time.time()
        self._meta = {
            **about, 'format': 'jsonl', 'start_time': now,
            'start_time_iso': datetime.fromtimestamp(now, timezone.utc).isoformat()}
        self._steps: queue.Queue[tuple[Any, ...] | None] = queue.Queue(QUEUE)
        self._written = self._dropped = 0
        self._problem = ''
        try:
            (folder / 'frames').mkdir(parents=True, exist_ok=True)
            self._file = (folder / 'steps.jsonl').open('x', encoding='utf-8')
            self._write_meta({})
        except FileExistsError as exc:
            raise ConfigurationError(f'{folder} holds another recording. Choose another folder '
                                     'with --record') from exc
        except OSError as exc:
            raise ConfigurationError(f'{folder} cannot be written: {exc.strerror}. Choose another '
                                     'folder with --record') from exc
        self._thread = threading.Thread(target=self._run, name='recorder', daemon=True)
        self._thread.start()

    def record(self, step: int, observation: RobotObservation, action: RobotAction) -> None:
        """Keep one step; never blocks."""
        try:
            self._steps.put_nowait((step, time.time(), time.monotonic() - self._began,
                                    observation, action))
        except queue.Full:
            self._dropped += 1
            if self._dropped % 50 == 1:
                _log.warning('recording queue full - dropped %d step(s)', self._dropped)

    def close(self, result: RunResult) -> None:
        """Write what waits, for 10 s at most, and the summary."""
        try:
            self._steps.put(None, timeout=END_S)
        except queue.Full:
            _log.warning('the recording is not complete: the disk does not keep up')
        self._thread.join(END_S)
        try:
            self._file.close()
            self._write_meta({'summary': {
                'total_steps': self._written, 'dropped_steps': self._dropped,
                'backend_failures': int(bool(self._problem)),
                'duration_s': round(time.monotonic() - self._began, 3),
                'safe_stops': result.safe_stops, 'errors': list(result.errors)}})
        except OSError as exc:
            _log.warning('the recording is not complete: %s', exc)

    def _run(self) -> None:
        while (row := self._steps.get()) is not None:
            if self._problem:
                continue
            try:
                self._write(*row)
            except OSError as exc:
                # A full disk ends the recording, not the run.
                self._problem = str(exc)
                _log.warning('the recording has ended: %s', exc)

    def _write(self, step: int, at: float, elapsed_s: float, observation: RobotObservation,
               action: RobotAction) -> None:
        pictures = {}
        for name, picture in observation.cameras.items():
            file = f'frames/{step:06d}_{name}.jpg'
            # Not at the top: it needs Pillow, and many robots have no camera.
            from reflex_ros.cameras.still import to_jpeg

            try:
                data = to_jpeg(picture, CameraSettings(name, quality=QUALITY))
            except FrameRefused as exc:
                _log.debug('a picture of %s is not kept: %s', name, exc)
                continue
            (self._folder / file).write_bytes(data)
            pictures[name] = file
        row = {'step': step, 'timestamp': at, 'elapsed_s': round(elapsed_s, 6),
               'state': list(observation.state), 'task': observation.task, 'cameras': pictures,
               'actions': action.actions, 'metadata': action.metadata}
        self._file.write(json.dumps(row, default=str) + '\n')
        self._written += 1

    def _write_meta(self, more: Mapping[str, Any]) -> None:
        (self._folder / 'meta.json').write_text(
            json.dumps({**self._meta, **more}, indent=2, default=str), encoding='utf-8')
