# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras of a configuration: their sources, and one that a step loop can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
import time
from typing import Any

from reflex_ros.cameras.frame import Frame
from reflex_ros.cameras.settings import CameraSettings, check_keys
from reflex_ros.cameras.shm import ShmSource
from reflex_ros.cameras.source import CameraSource, CameraThread
from reflex_ros.cameras.v4l2 import V4l2Source
from reflex_ros.config.robot.cameras import (
    Camera,
    Picture,
    ShmCamera,
    SimCamera,
    UserCamera,
    V4l2Camera,
)
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect import user_class
from reflex_ros.runner.connect.arm_plan import MakeSource
from reflex_ros.runner.connect.steps import require_methods

Measure = Callable[[], JointSample | None]
FIRST_S = 2.0
FRESH_S = 1.0
"""Oldest frame that a step loop gets [s]; a camera that returns nothing is left out."""


def check_packages(cameras: Mapping[str, Camera]) -> None:
    """
    Check that the packages for pictures are installed.

    :raises ConfigurationError: naming the extra that installs them.
    """
    if cameras and find_spec('PIL') is None:
        raise ConfigurationError("cameras need the package 'Pillow': pip install "
                                 "'reflex_ros[camera]'")


def picture_settings(cameras: Mapping[str, Camera]) -> tuple[CameraSettings, ...]:
    """
    Return what is done to the pictures of each camera.

    :raises ConfigurationError: for values that exclude each other, or two cameras with one key.
    """
    found = tuple(camera.picture(name) if isinstance(camera, Picture) else CameraSettings(name)
                  for name, camera in cameras.items())
    check_keys(found)
    return found


def make_source(name: str, camera: Camera, folder: Path) -> MakeSource:
    """
    Return what makes the source of a camera.

    :param folder: where the configuration is; classes of the user are searched there too.
    :raises ConfigurationError: for a kind that is not read here.
    """
    if isinstance(camera, V4l2Camera):
        source: CameraSource = V4l2Source(camera.device, camera.width, camera.height,
                                          camera.warmup_frames, camera.fourcc)
        return lambda measure: source
    if isinstance(camera, ShmCamera):
        shared = ShmSource(camera.name, camera.max_attach_retries, camera.attach_retry_delay_s)
        return lambda measure: shared
    if isinstance(camera, SimCamera):
        return lambda measure: SimSource(name, camera.fps, measure)
    if isinstance(camera, UserCamera):
        made = user_class.make(camera.kind, camera.arguments, f'cameras.{name}.kind', folder)
        return lambda measure: UserSource(name, made)
    raise ConfigurationError(f'cameras.{name}.kind {camera.kind} is not read here')


class SimSource:
    """A rendered camera that shows the arm; a ``CameraSource``."""

    def __init__(self, name: str, fps: float, measure: Measure) -> None:
        self._name = name
        self._period_s = 1.0 / fps
        self._measure = measure
        # Looked up by name, because nothing imports the simulation.
        self._picture = import_module('reflex_ros.sim.picture')
        self._count = 0
        self._due_at = 0.0

    def open(self) -> None:
        """Begin now."""
        self._due_at = time.monotonic()

    def read(self) -> Frame:
        """Wait until the next frame is due, and draw it."""
        time.sleep(max(self._due_at - time.monotonic(), 0.0))
        self._due_at = max(self._due_at, time.monotonic() - self._period_s) + self._period_s
        self._count += 1
        sample = self._measure()
        pose: Sequence[float] = sample.position.tolist() if sample is not None else ()
        drawn = self._picture.draw(pose, f'{self._name} #{self._count}')
        return Frame(0, 'jpeg', memoryview(self._picture.jpeg(drawn)))

    def close(self) -> None:
        """Nothing is open."""


class UserSource:
    """
    A camera of a user: an object with ``read``, and ``start`` and ``stop`` if it needs them.

    ``read`` returns JPEG bytes, an array of uint8 (height, width, 3) in RGB, or None.
    """

    def __init__(self, name: str, camera: Any) -> None:
        require_methods(camera, ('read',), f'camera {name} ({type(camera).__name__})')
        self._camera = camera

    def open(self) -> None:
        """Call ``start``."""
        self._call('start')

    def read(self) -> Frame | None:
        """Call ``read``."""
        value = self._camera.read()
        if value is None:
            # It may return at once: do not ask a thousand times a second.
            time.sleep(0.01)
            return None
        # Not at the top: it needs Pillow.
        from reflex_ros.cameras.still import frame_of

        return frame_of(value)

    def close(self) -> None:
        """Call ``stop``."""
        self._call('stop')

    def _call(self, name: str) -> None:
        method = getattr(self._camera, name, None)
        if callable(method):
            method()


class ReadCamera:
    """A source as a camera of a step loop: its newest frame, if that is fresh."""

    def __init__(self, name: str, source: CameraSource) -> None:
        self._newest: tuple[Frame, float] | None = None
        self._thread = CameraThread(name, source, self._put)

    def start(self) -> None:
        """
        Open the camera and wait for its first frame, which the first step should have already.

        Blocks as long as its source, and 2 s more at most: a camera may have nothing to show yet.
        """
        self._thread.start()
        deadline = time.monotonic() + FIRST_S
        while self._newest is None and time.monotonic() < deadline:
            time.sleep(0.005)

    def read(self) -> Frame | None:
        """Return the newest frame; None when it is older than a second, or there is none."""
        newest = self._newest
        if newest is None or time.monotonic() - newest[1] > FRESH_S:
            return None
        return newest[0]

    def stop(self) -> None:
        """Close the camera; blocks for 2 s at most."""
        self._thread.end()

    def _put(self, frame: Frame, at: float) -> None:
        self._newest = frame, at
