# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are looked at when they arrive, and converted when an observation needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
import time

from camera_pictures import compressed, decode, file, four_squares, frame, message
import numpy as np
import pytest

from reflex_ros.cameras import feed as module
from reflex_ros.cameras.feed import CameraFeed
from reflex_ros.cameras.frame import Frame, Picture
from reflex_ros.cameras.settings import CameraSettings, observation_bounds
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.observation import Observation, Observer

ROS_NOW = 1_800_000_000 * 10 ** 9
JPEG = file(four_squares())


class Rig:
    """A feed and its observer; ``put`` is what a subscription does."""

    def __init__(self, *cameras: CameraSettings) -> None:
        self.observer = Observer([camera.name for camera in cameras],
                                 observation_bounds(cameras, 0.3, 0.3))
        self.feed = CameraFeed(cameras, self.observer)

    def put(self, name: str, shown: Frame, at: float, age_s: float | None = 0.0) -> None:
        stamp_ns = 0 if age_s is None else ROS_NOW - round(age_s * 1e9)
        self.feed.receive(name, message(shown, stamp_ns), is_compressed=shown.is_compressed,
                          now=at, ros_now_ns=ROS_NOW)
        self.observer.put_joints((0.0,), at, 0)

    def observe(self, now: float) -> dict[str, Picture] | None | Cause:
        found = self.observer.snapshot(now)
        if isinstance(found, Cause):
            return found
        return asyncio.run(self.feed.pictures(found.images))


@pytest.fixture
def rigs() -> Iterator[type]:
    made: list[Rig] = []

    def make(*cameras: CameraSettings) -> Rig:
        made.append(Rig(*cameras))
        return made[-1]

    yield make
    for rig in made:
        rig.feed.close()


@pytest.mark.parametrize('shown', [compressed(JPEG), frame(four_squares(), 'yuyv', 4)])
def test_newest_frame_becomes_the_picture_of_the_key(rigs: type, shown: Frame) -> None:
    rig = rigs(CameraSettings('front', key='cam_high', quality=90))
    rig.put('front', frame(np.zeros((8, 8, 3), np.uint8), 'rgb8'), 0.98)
    rig.put('front', shown, 1.0)
    pictures = rig.observe(1.0)
    assert list(pictures) == ['cam_high']
    assert decode(pictures['cam_high'].data).shape == (48, 64, 3)


def test_frame_is_converted_once(rigs: type, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, 'convert', lambda *given: calls.append(given) or Picture(
        'jpeg', b'x'))
    rig = rigs(CameraSettings('front'))
    for number in range(10):
        rig.put('front', compressed(JPEG + bytes(number)), 1.0 + number * 0.01)
    assert not calls, 'nobody needs a picture yet'
    assert rig.observe(1.09) == rig.observe(1.1) == {'front': Picture('jpeg', b'x')}
    assert len(calls) == 1


def test_frame_that_an_observation_waits_for_is_converted_at_once(
        rigs: type, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, 'convert', lambda *given: calls.append(given) or Picture(
        'jpeg', b'x'))
    rig = rigs(CameraSettings('front'), CameraSettings('wrist'))
    for number in range(31):
        rig.put('front', compressed(JPEG + bytes(number)), number / 30)
        rig.put('wrist', compressed(JPEG + bytes(number)), number / 30 + 0.004)
    assert rig.observer.wait_for_fresher(1.02, lambda: None) > 0.0
    rig.put('front', compressed(JPEG + bytes(50)), 31 / 30)
    assert len(calls) == 1 and calls[0][1].name == 'front'


@pytest.mark.parametrize(('shown', 'words'), [
    (compressed(b'this is a text'), 'neither JPEG nor PNG'),
    (compressed(JPEG[:300]), 'half a JPEG'),
    (Frame(0, '16UC1', memoryview(bytes(32)), False, 4, 4, 8), 'camera.front.topic'),
    (Frame(0, 'rgb8', memoryview(bytes(32)), False, 4, 4, 8), 'step is 8 bytes')])
def test_frame_that_cannot_be_used_is_named_in_the_gap(rigs: type, shown: Frame,
                                                       words: str) -> None:
    rig = rigs(CameraSettings('front'))
    for number in range(3):
        rig.put('front', shown, 1.0 + number * 0.03)
    found = rig.observe(1.06)
    assert isinstance(found, Cause) and found.code is FaultCode.CAM_REFUSED
    assert 'refused (3 so far)' in found.text and words in found.text


def test_damaged_message_is_refused(rigs: type) -> None:
    rig = rigs(CameraSettings('front'))
    rig.observer.put_joints((0.0,), 1.0, 0)
    rig.feed.receive('front', b'\0\1\0\0', is_compressed=True, now=1.0, ros_now_ns=ROS_NOW)
    found = rig.observe(1.0)
    assert isinstance(found, Cause) and 'ends early' in found.text


def test_picture_that_cannot_be_decoded_takes_the_observation_along(rigs: type) -> None:
    rig = rigs(CameraSettings('front'), CameraSettings('wrist'))
    rig.put('front', compressed(JPEG), 1.0)
    rig.put('wrist', compressed(JPEG[:200] + JPEG[-2:]), 1.0)
    assert rig.observe(1.0) is None
    # The instant of the refusal is that of this machine's clock.
    rig.observer.put_joints((0.0,), time.monotonic(), 0)
    report = rig.observer.camera_reports(time.monotonic())['wrist']
    assert report.refused == 1
    assert report.fault is not None and report.fault.code is FaultCode.CAM_REFUSED
    assert 'cannot be decoded' in report.fault.text


@pytest.mark.parametrize(('age_s', 'captured_at', 'note'), [
    (0.04, 0.96, 'used'), (None, 1.0, 'not set: the time of receipt is used'),
    (61.2, 1.0, '61.2 s old on the ROS clock: the time of receipt is used'),
    (-5.0, 1.0, '5.0 s ahead on the ROS clock: the time of receipt is used')])
def test_stamp_counts_where_it_can_be_right(rigs: type, age_s: float | None, captured_at: float,
                                            note: str) -> None:
    rig = rigs(CameraSettings('front'))
    rig.put('front', compressed(JPEG), 1.0, age_s)
    found = rig.observer.snapshot(1.0)
    assert isinstance(found, Observation)
    assert found.captured_at == pytest.approx(captured_at)
    assert rig.feed.notes('front')['stamp'] == note


def test_camera_with_a_rate_limit_is_read_at_that_rate(rigs: type) -> None:
    rig = rigs(CameraSettings('front', rate_hz=10.0))
    for number in range(91):
        rig.put('front', compressed(JPEG + bytes(number)), number / 30)
    assert rig.observer.camera_reports(3.0)['front'].rate_hz == pytest.approx(10.0)


def test_camera_that_misses_the_rate_that_is_asked_for_is_named(rigs: type) -> None:
    rig = rigs(CameraSettings('front', min_rate_hz=24.0), CameraSettings('wrist'))
    for number in range(31):
        rig.put('front', compressed(JPEG + bytes(number)), number / 25)
        rig.put('wrist', compressed(JPEG + bytes(number)), number / 5)
    assert rig.observer.slow_cameras(1.2) == ''
    for number in range(31):
        rig.put('front', compressed(JPEG + bytes(number)), 2.0 + number / 15)
    assert rig.observer.slow_cameras(4.0) == (
        'camera front delivers 15.0 Hz, asked for are 24 Hz (camera.front.min_rate_hz)')
    assert 'delivers 0.0 Hz' in rig.observer.slow_cameras(10.0)


def test_bytes_that_were_sent_are_reported(rigs: type) -> None:
    rig = rigs(CameraSettings('front'))
    assert rig.feed.notes('front')['sent_bytes_per_s'] == 0.0
    rig.put('front', compressed(JPEG), 1.0)
    for _ in range(5):
        rig.observe(1.0)
    notes = rig.feed.notes('front')
    assert notes['sent_bytes'] == len(JPEG) and notes['picture'] == 'jpeg'
    assert notes['sent_bytes_per_s'] == pytest.approx(5 * len(JPEG), rel=0.2)
