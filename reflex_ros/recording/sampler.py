# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Sample an arm and its cameras at a fixed rate, while somebody shows what to do.

A frame has what belongs to its instant: the measured pose, the pose that was commanded, and the
picture of each camera that is nearest in time, so also one that came a moment later. Instants are
those of the time line, so that a late turn makes no gap: it is filled with what was newest, and
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
import threading
import time
from typing import NamedTuple

import numpy as np

from reflex_ros.recording.dataset_folder import Episode

OLD_S = 0.5
"""A picture that is older belongs to a camera that is lost [s]."""


KEPT_PERIODS = 3
"""Pictures are kept for so many frames: the nearest one is looked for one frame later."""


class Picture(NamedTuple):
    """A picture (JPEG or PNG) and the monotonic instant at which it came [s]."""

    data: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Pose:
    """
    The arm at one instant.

    :param at: monotonic instant of the measurement [s].
    :param state: as measured (joints,) [deg, percent].
    :param action: as commanded (joints,) [deg, percent].
    :param is_guided: whether a person guides the arm in place of a policy; None: nobody knows.
    """

    at: float
    state: Sequence[float]
    action: Sequence[float]
    is_guided: bool | None = None


@dataclass(slots=True)
class Figures:
    """
    How well a sitting is sampled.

    :param frames: of all episodes, also those that were dropped.
    :param late: frames that were filled, because a turn came too late.
    :param repeated: camera -> frames that show the same picture as the one before.
    :param joint_offset_s: distance in time of the measurement from the frame's instant [s].
    :param camera_offset_s: the same of each picture [s].
    """

    frames: int = 0
    late: int = 0
    repeated: dict[str, int] = field(default_factory=dict)
    joint_offset_s: list[float] = field(default_factory=list)
    camera_offset_s: list[float] = field(default_factory=list)


class Spool:
    """
    Pictures in a file, in their order: a minute of three cameras is half a gigabyte.

    :param path: made anew; removed by ``remove``.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open('wb+')
        self._places: list[tuple[int, int]] = []
        self._end = 0

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[bytes]:
        """Read the pictures; one that was repeated is the same object as the one before."""
        data, before = b'', None
        for place in self._places:
            if place != before:
                data, before = os.pread(self._file.fileno(), place[1], place[0]), place
            yield data

    def append(self, data: bytes) -> None:
        """Add a picture."""
        # Past the buffer, which a reader in another thread would not see.
        os.pwrite(self._file.fileno(), data, self._end)
        self._places.append((self._end, len(data)))
        self._end += len(data)

    def repeat(self) -> None:
        """Add the last picture once more."""
        self._places.append(self._places[-1])

    def remove(self) -> None:
        """Close and delete the file; may be called twice."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Sampler:
    """
    Samples in a thread of its own, from ``begin`` to ``end``.

    :param pose: returns the newest pose; called in the thread; must not block.
    :param cameras: names of the cameras; each must have shown a picture before ``begin``.
    :param folder: where the pictures of an episode are kept until it is saved.
    """

    def __init__(self, pose: Callable[[], Pose], joints: tuple[str, ...],
                 cameras: Sequence[str], fps: int, folder: Path) -> None:
        self._pose = pose
        self._joints = joints
        self.folder = folder
        self._period_s = 1.0 / fps
        # Each value is replaced, never changed: one thread puts, another one reads.
        self._recent: dict[str, tuple[Picture, ...]] = dict.fromkeys(cameras, ())
        self._thread: threading.Thread | None = None
        self._is_ending = threading.Event()
        self._states: list[Sequence[float]] = []
        self._actions: list[Sequence[float]] = []
        self._guided: list[bool | None] = []
        self._spools: dict[str, Spool] = {}
        self._count = 0
        self.figures = Figures(repeated=dict.fromkeys(cameras, 0))

    def put(self, camera: str, picture: bytes, at: float) -> None:
        """Take a picture (JPEG or PNG) of a camera, received at ``at`` [s]. Any thread."""
        oldest = at - KEPT_PERIODS * self._period_s
        kept = (each for each in self._recent[camera] if each.at > oldest)
        self._recent[camera] = *kept, Picture(picture, at)

    def lost_cameras(self, now: float) -> list[str]:
        """Return the cameras without a fresh picture."""
        return [name for name, recent in self._recent.items()
                if not recent or now - recent[-1].at > OLD_S]

    @property
    def frames(self) -> int:
        """Frames of the episode so far."""
        return len(self._states)

    def begin(self) -> None:
        """Begin an episode."""
        self._count += 1
        self._states, self._actions, self._guided = [], [], []
        self._spools = {name: Spool(self.folder / f'{self._count}-{name}.pictures')
                        for name in self._recent}
        self._is_ending.clear()
        self._thread = threading.Thread(target=self._run, name='sampler')
        self._thread.start()

    def end(self) -> None:
        """End the episode; blocks for one frame at most. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._is_ending.set()
            thread.join()

    def take(self, task: str) -> tuple[Episode, Mapping[str, Spool]]:
        """Return the episode that has ended, and its pictures, which the caller removes."""
        spools, self._spools = self._spools, {}
        return Episode(task, self._joints, np.array(self._states), np.array(self._actions),
                       spools, None if None in self._guided else np.array(self._guided)), spools

    def drop(self) -> None:
        """Forget the episode."""
        self.end()
        for spool in self._spools.values():
            spool.remove()
        self._spools = {}
        self._states, self._actions, self._guided = [], [], []

    def _run(self) -> None:
        began, period_s = time.monotonic(), self._period_s
        shown: dict[str, bytes | None] = dict.fromkeys(self._spools)
        while True:
            due = began + len(self._states) * period_s
            # A person's Ctrl-C ends the thread with its episode, not in the middle of a frame.
            is_over = self._is_ending.wait(max(due - time.monotonic(), 0.0))
            if self._states:
                # One period later: what is nearest may have come after the instant.
                self._choose_pictures(shown, due - period_s)
            if is_over:
                return
            self.figures.late += time.monotonic() - due > period_s
            self._read_pose(due)

    def _read_pose(self, due: float) -> None:
        pose = self._pose()
        self._states.append(pose.state)
        self._actions.append(pose.action)
        self._guided.append(pose.is_guided)
        self.figures.frames += 1
        self.figures.joint_offset_s.append(abs(due - pose.at))

    def _choose_pictures(self, shown: dict[str, bytes | None], due: float) -> None:
        for name, spool in self._spools.items():
            recent = self._recent[name]
            assert recent, 'begin was called without a picture'
            nearest = min(recent, key=lambda picture: abs(picture.at - due))
            self.figures.camera_offset_s.append(abs(nearest.at - due))
            if nearest.data is shown[name]:
                self.figures.repeated[name] += 1
                spool.repeat()
            else:
                spool.append(nearest.data)
                shown[name] = nearest.data
