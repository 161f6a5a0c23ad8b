# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of a sitting work before the arm is touched, and show it afterwards."""

from __future__ import annotations

from collections.abc import Callable
import queue
import time

import numpy as np
import pytest

pytest.importorskip('PIL')

from reflex_ros.cameras.frame import Frame  # noqa: E402
from reflex_ros.config.robot.cameras import Camera, SimCamera  # noqa: E402
from reflex_ros.errors import ReflexError  # noqa: E402
from reflex_ros.runner import sitting_cameras  # noqa: E402
from reflex_ros.runner.sitting_cameras import SittingCameras  # noqa: E402

Measure = Callable[[], object]


class Source:
    """A camera that sends the frames of a list, then nothing; an exception is raised."""

    def __init__(self, *frames: Frame | ReflexError) -> None:
        self._frames = list(frames)
        self.measured: list[object] = []
        self.is_open = False
        self.measure: Measure = lambda: None

    def open(self) -> None:
        self.is_open = True

    def read(self) -> Frame | None:
        time.sleep(0.005)
        self.measured.append(self.measure())
        frame = self._frames[0] if self._frames else None
        if isinstance(frame, ReflexError):
            raise frame
        return frame

    def close(self) -> None:
        self.is_open = False


def picture() -> Frame:
    return Frame(0, 'rgb8', memoryview(np.zeros((16, 16, 3), np.uint8).tobytes()), False, 16, 16,
                 48)


def cameras(monkeypatch: pytest.MonkeyPatch, **sources: Source) -> SittingCameras:
    def make(name: str, camera: Camera, folder: object) -> Callable[[Measure], Source]:
        def made(measure: Measure) -> Source:
            sources[name].measure = measure
            return sources[name]
        return made
    monkeypatch.setattr(sitting_cameras, 'make_source', make)
    monkeypatch.setattr(sitting_cameras, 'FIRST_S', 0.2)
    return SittingCameras({name: SimCamera(kind='sim') for name in sources})


def test_pictures_go_to_the_sitting_once_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(picture())
    opened = cameras(monkeypatch, front=source)
    got: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    try:
        opened.open()
        # A simulated camera draws an arm that nobody has touched yet.
        assert set(source.measured) == {None}
        opened.serve(lambda: None, lambda name, data, at: got.put((name, data)))
        name, data = got.get(timeout=5.0)
        assert name == 'front' and data.startswith(b'\xff\xd8')
    finally:
        opened.close()
    assert not source.is_open


@pytest.mark.parametrize('source, text', [
    (Source(), 'camera side is open, and no picture came within 0.2 s'),
    (Source(ReflexError('unplugged')), 'camera side was lost before its first picture: unplugged'),
])
def test_camera_without_a_picture_is_named(monkeypatch: pytest.MonkeyPatch, source: Source,
                                           text: str) -> None:
    opened = cameras(monkeypatch, front=Source(picture()), side=source)
    with pytest.raises(ReflexError, match=text):
        opened.open()
    opened.close()
