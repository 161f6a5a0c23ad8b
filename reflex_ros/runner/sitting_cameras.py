# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras of a sitting: all of them work before anybody touches the arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
import threading
import time

from reflex_ros.cameras.frame import Frame
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.source import CameraThread
from reflex_ros.cameras.still import to_jpeg
from reflex_ros.cameras.trial import FIRST_S
from reflex_ros.cameras.v4l2 import CameraLost
from reflex_ros.config.robot.cameras import Camera
from reflex_ros.domain.sample import JointSample
from reflex_ros.runner.connect.cameras import make_source, Measure

Put = Callable[[str, bytes, float], None]
"""Takes camera, picture (JPEG) and the monotonic instant of its capture [s]."""


class SittingCameras:
    """
    Cameras that are opened before the arm, and hand their pictures on once there is a sitting.

    :param cameras: name -> camera.
    """

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        self._cameras = cameras
        self._threads: list[CameraThread] = []
        self._measure: Measure | None = None
        self._put: Put | None = None
        self._seen: set[str] = set()
        self._problems: dict[str, str] = {}
        self._changed = threading.Event()

    def open(self) -> None:
        """
        Open all cameras and wait for one picture of each. Blocks as long as they take, 5 s more.

        :raises ReflexError: when one cannot be opened.
        :raises CameraLost: when one goes away, or sends nothing.
        """
        for name, camera in self._cameras.items():
            self._start(name, camera)
        deadline = time.monotonic() + FIRST_S
        while not self._problems and (missing := self._cameras.keys() - self._seen):
            self._changed.clear()
            if not self._changed.wait(max(deadline - time.monotonic(), 0.0)):
                raise CameraLost(f'camera {", ".join(sorted(missing))} is open, and no picture '
                                 f'came within {FIRST_S:g} s. Plug it in again, at another port '
                                 'if there is one')
        for name, problem in self._problems.items():
            raise CameraLost(f'camera {name} was lost before its first picture: {problem}')

    def serve(self, measure: Measure, put: Put) -> None:
        """
        Hand each picture to ``put`` from now on, in the thread of its camera.

        :param measure: returns the newest measurement of the arm, which simulated cameras show.
        """
        self._measure, self._put = measure, put

    def close(self) -> None:
        """Close all cameras; may be called twice. Blocks for 2 s per camera at most."""
        for thread in self._threads:
            thread.end()

    def _start(self, name: str, camera: Camera) -> None:
        plain = CameraSettings(name)

        def take(frame: Frame, at: float) -> None:
            picture = to_jpeg(frame, plain)
            if self._put is not None:
                self._put(name, picture, at)
            elif name not in self._seen:
                self._seen.add(name)
                self._changed.set()

        def lose(problem: str) -> None:
            if problem and name not in self._seen:
                self._problems[name] = problem
                self._changed.set()

        thread = CameraThread(name, make_source(name, camera, Path())(self._sample), take, lose)
        self._threads.append(thread)
        thread.start()

    def _sample(self) -> JointSample | None:
        return None if self._measure is None else self._measure()
