# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of a configuration: simulated ones, those of a user, the newest frame of each."""

from pathlib import Path
import time
from types import SimpleNamespace

import numpy as np
import pytest

from reflex_ros.cameras import still
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.config.robot.cameras import ShmCamera, SimCamera, TopicCamera, V4l2Camera
from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect import cameras
from reflex_ros.runner.connect.cameras import make_source, ReadCamera, SimSource, UserSource

HERE = Path()


class Camera:
    """A camera of a user that gives its frames after a while."""

    def __init__(self, delay_s=0.0, values=None):
        self.ready_at = time.monotonic() + delay_s
        self.values = values
        self.log = []

    def start(self):
        self.log.append('start')

    def read(self):
        if time.monotonic() < self.ready_at:
            return None
        return np.full((8, 8, 3), 9, np.uint8) if self.values is None else self.values

    def stop(self):
        self.log.append('stop')


def test_first_step_has_a_frame_of_a_camera_that_needs_a_moment():
    own = Camera(0.1)
    camera = ReadCamera('front', UserSource('front', own))
    camera.start()
    try:
        assert bytes(camera.read().data) == b'\x09' * 192
    finally:
        camera.stop()
    assert own.log == ['start', 'stop']


def test_camera_that_stays_dark_is_left_out(monkeypatch):
    monkeypatch.setattr(cameras, 'FIRST_S', 0.05)
    camera = ReadCamera('front', UserSource('front', Camera(99.0)))
    camera.start()
    assert camera.read() is None
    camera.stop()


def test_old_frame_is_no_frame(monkeypatch):
    monkeypatch.setattr(cameras, 'FRESH_S', 0.0)
    camera = ReadCamera('front', UserSource('front', Camera()))
    camera.start()
    camera.stop()
    assert camera.read() is None


def test_simulated_camera_shows_the_pose_of_the_arm():
    pose = SimpleNamespace(position=np.zeros(6))
    source = SimSource('front', 60.0, lambda: pose)
    source.open()
    began = time.monotonic()
    before = still.to_array(source.read(), CameraSettings('front'))
    pose.position = np.array([0.0, -1.0, 1.0, 0.0, 0.0, 0.0])
    after = still.to_array(source.read(), CameraSettings('front'))
    assert np.abs(before.astype(int) - after).mean() > 1.0
    # The second frame is due a period after the first one.
    assert time.monotonic() - began >= 1.0 / 60.0


def test_kinds_of_a_configuration():
    assert make_source('a', V4l2Camera(kind='webcam', device=3), HERE)(lambda: None) is not None
    assert make_source('a', ShmCamera(kind='shm', name='x'), HERE)(lambda: None) is not None
    assert isinstance(make_source('a', SimCamera(kind='sim'), HERE)(lambda: None), SimSource)
    with pytest.raises(ConfigurationError, match='cameras.a.kind topic is not read here'):
        make_source('a', TopicCamera(kind='topic'), HERE)
    with pytest.raises(ConfigurationError, match="fourcc 'ABCD' is not known"):
        make_source('a', V4l2Camera(kind='v4l2', device=0, fourcc='ABCD'), HERE)
    with pytest.raises(ConfigurationError, match='camera a .* has no method read'):
        UserSource('a', object())
