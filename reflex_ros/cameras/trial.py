# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that is read for a moment: which pictures come, and how many."""

from __future__ import annotations

from dataclasses import dataclass, field
import threading
import time

from reflex_ros.cameras.frame import Frame
from reflex_ros.cameras.source import CameraSource, CameraThread
from reflex_ros.cameras.v4l2 import CameraLost
from reflex_ros.domain.counted import counted

FIRST_S = 5.0
"""How long the first picture is waited for [s]."""


@dataclass(slots=True)
class Trial:
    """
    What came from a camera.

    :param times: instant of each frame (monotonic) [s].
    :param received: bytes of all frames.
    :param newest: the last frame.
    """

    times: list[float] = field(default_factory=list)
    received: int = 0
    newest: Frame | None = None

    @property
    def rate_hz(self) -> float:
        """Frames per second; 0 when fewer than two came."""
        times = self.times
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def longest_gap_s(self) -> float:
        """Longest time between two frames [s]."""
        return max((after - before for before, after in zip(
            self.times, self.times[1:], strict=False)), default=0.0)


def try_camera(name: str, source: CameraSource, seconds: float) -> Trial:
    """
    Read a camera for some seconds from its first frame on, and close it. Blocks for 12 s more.

    :param name: of the camera, for the errors.
    :raises ReflexError: when it cannot be opened.
    :raises CameraLost: when it goes away, or nothing comes.
    """
    trial = Trial()
    problems: list[str] = []
    changed = threading.Event()

    def put(frame: Frame, at: float) -> None:
        trial.times.append(at)
        trial.received += len(frame.data)
        trial.newest = frame
        changed.set()

    def lose(problem: str) -> None:
        if problem:
            problems.append(problem)
            changed.set()

    thread = CameraThread(name, source, put, lose)
    thread.start()
    try:
        changed.wait(FIRST_S)
        ends_at = time.monotonic() + seconds
        while not problems and trial.times and (left := ends_at - time.monotonic()) > 0:
            changed.clear()
            changed.wait(left)
    finally:
        thread.end()
    if problems:
        raise CameraLost(f'camera {name} was lost after '
                         f'{counted(len(trial.times), "picture")}: {problems[0]}')
    if not trial.times:
        raise CameraLost(f'camera {name} is open, and no picture came within {FIRST_S:g} s. Plug '
                         'it in again, at another port if there is one')
    return trial
