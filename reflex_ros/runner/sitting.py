# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One sitting in which somebody shows a task again and again, and what was shown becomes a data set.

Three threads: the caller's moves the arm on and obeys the keys, one samples (``Sampler``), and one
encodes and writes the episodes that are over, so that the next one can begin meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
import queue
import shutil
import threading
import time

import numpy as np

from reflex_ros.domain.counted import counted
from reflex_ros.errors import ReflexError
from reflex_ros.recording.dataset_folder import DatasetFolder, Episode
from reflex_ros.recording.sampler import Sampler, Spool
from reflex_ros.recording.takes import Act, Takes
from reflex_ros.runner.demonstration import Demonstrator

LEAST_FRAMES = 10
SLOW = 0.9
"""Share of the data set's rate below which a camera is called slow."""
RATE_S = 2.0


class CameraRate:
    """Measures how often something comes. Any thread."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=200)

    def count(self, now: float) -> None:
        """Count one picture."""
        self._times.append(now)

    def hz(self, now: float) -> float:
        """Return the rate of the last two seconds [1/s]."""
        times = [at for at in tuple(self._times) if now - at < RATE_S]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """
    What a person looks at while recording.

    :param number: of the episode that is recorded or comes next, from 1, in this sitting.
    :param problem: why no episode can begin; empty if one can.
    :param seconds: since it began, or since the one before ended [s].
    :param frames: of this episode.
    :param late: frames of the sitting that were filled because a turn came too late.
    :param rates_hz: camera -> its real rate.
    :param saving: episodes that are still being written.
    """

    number: int
    wanted: int
    is_recording: bool
    problem: str
    seconds: float
    frames: int
    late: int
    rates_hz: Mapping[str, float]
    saving: int


class Sitting:
    """
    A sitting; used by one thread, except for ``press`` and ``put``.

    :param say: called with each remark for the person; in the caller's thread.
    """

    def __init__(self, arm: Demonstrator, sampler: Sampler, takes: Takes, dataset: DatasetFolder,
                 task: str, cameras: Sequence[str], say: Callable[[str], None]) -> None:
        self._arm = arm
        self._sampler = sampler
        self._takes = takes
        self._dataset = dataset
        self.task = task
        """What is shown, in words; may change between episodes. Any thread."""
        self._say = say
        self._keys: queue.SimpleQueue[tuple[str, Future[str]]] = queue.SimpleQueue()
        self._rates = {name: CameraRate() for name in cameras}
        self._waiting: queue.SimpleQueue[tuple[Episode, Mapping[str, Spool]] | None] = (
            queue.SimpleQueue())
        self._submitted = self._written = 0
        self._failure: Exception | None = None
        self._writer = threading.Thread(target=self._write, name='data set')

    def press(self, key: str) -> Future[str]:
        """
        Take a key. Any thread; never blocks.

        :returns: resolves when the key was obeyed: to an empty text, or to why nothing came of it.
        """
        answer: Future[str] = Future()
        self._keys.put((key, answer))
        return answer

    def put(self, camera: str, picture: bytes, at: float) -> None:
        """Take a picture of a camera. Any thread."""
        self._rates[camera].count(at)
        self._sampler.put(camera, picture, at)

    def progress(self) -> Progress:
        """Return what is going on."""
        now = time.monotonic()
        takes = self._takes
        return Progress(
            min(takes.kept + 1, takes.wanted), takes.wanted, takes.is_recording,
            self._problem(now), takes.lasts_s(now),
            self._sampler.frames if takes.is_recording else 0, self._sampler.figures.late,
            {name: rate.hz(now) for name, rate in self._rates.items()},
            self._submitted - self._written)

    def run(self, show: Callable[[Progress], None]) -> int:
        """
        Record until the last episode was kept, or somebody quits; return how many were kept.

        An episode that was not ended is dropped, those before it are whole.

        :param show: called about 50 times a second.
        :raises ReflexError: when the arm was lost or stopped, or an episode cannot be written.
        """
        self._writer.start()
        try:
            while not self._takes.is_over and self._failure is None:
                self._arm.turn()
                self._follow(time.monotonic())
                show(self.progress())
        finally:
            self._sampler.drop()
        return self._takes.kept

    def finish(self) -> None:
        """
        Wait until all kept episodes are written; blocks for as long as that takes.

        :raises ReflexError: when one cannot be written.
        """
        self._waiting.put(None)
        if self._writer.is_alive():
            self._writer.join()
        shutil.rmtree(self._sampler.folder, ignore_errors=True)
        if self._failure is not None:
            raise ReflexError(f'an episode was not saved: {self._failure}') from self._failure

    def _follow(self, now: float) -> None:
        """Do what keys and clock ask for."""
        lost = self._sampler.lost_cameras(now)
        reason = f'camera {", ".join(lost)} is lost' if lost else self._arm.problem
        if reason and self._takes.is_recording:
            self._say(f'{reason}: the episode is dropped')
            self._do(self._takes.press('x', now))
        problem = self._problem(now)
        is_barred = bool(problem) and not self._takes.is_recording
        while not self._keys.empty():
            key, answer = self._keys.get()
            if is_barred and key != 'q':
                self._say(problem)
                answer.set_result(problem)
                continue
            answer.set_result(self._do(self._takes.press(key, now)))
        if not is_barred:
            self._do(self._takes.tick(now))

    def _problem(self, now: float) -> str:
        """Return why no episode can begin; empty if one can."""
        lost = self._sampler.lost_cameras(now)
        return f'no picture of camera {", ".join(lost)} yet' if lost else self._arm.problem

    def _do(self, act: Act | None) -> str:
        """Do it; return why nothing came of it, mostly empty."""
        if act in (Act.DISCARD, Act.REPEAT):
            self._sampler.drop()
        if act in (Act.BEGIN, Act.REPEAT):
            self._sampler.begin()
        return self._save() if act is Act.SAVE else ''

    def _save(self) -> str:
        """End the episode and hand it to the writer; return why it is dropped, mostly empty."""
        self._sampler.end()
        episode, spools = self._sampler.take(self.task)
        if len(episode.state) < LEAST_FRAMES:
            refusal = f'the episode has {counted(len(episode.state), "frame")}: too short, dropped'
            self._say(refusal)
            self._takes.take_back()
            for spool in spools.values():
                spool.remove()
            return refusal
        if not self._arm.shows_actions:
            episode = replace(episode, action=np.vstack((episode.state[1:], episode.state[-1:])))
        for name, hz in self.progress().rates_hz.items():
            if hz < SLOW * self._dataset.fps:
                self._say(f'camera {name} sends {hz:.0f} pictures a second, the data set has '
                          f'{self._dataset.fps}: frames repeat pictures. Lower --fps, or choose '
                          'another mode of the camera')
        self._submitted += 1
        self._waiting.put((episode, spools))
        return ''

    def _write(self) -> None:
        while (job := self._waiting.get()) is not None:
            episode, spools = job
            try:
                if self._failure is None:
                    self._dataset.add(episode)
            except Exception as exc:
                # The main thread ends the sitting, and says it.
                self._failure = exc
            finally:
                for spool in spools.values():
                    spool.remove()
                self._written += 1
