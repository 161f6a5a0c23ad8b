# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that this process reads itself: a file in the place of a device, and shared memory."""

import io
import os
import struct
import threading
import time

import numpy as np
from PIL import Image
import pytest

from reflex_ros.cameras import still
from reflex_ros.cameras.convert import convert, refuse_unfit
from reflex_ros.cameras.frame import FrameRefused
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.shm import ShmLost, ShmSource
from reflex_ros.cameras.source import CameraThread
from reflex_ros.cameras.v4l2 import CameraLost, V4l2Source
from reflex_ros.errors import ConfigurationError, ReflexError

PLAIN = CameraSettings('front')
FRAMES = 8


def jpeg(number, size=(64, 48)):
    """Return a picture whose colour tells its number."""
    file = io.BytesIO()
    Image.new('RGB', size, (30 * number, 10, 200)).save(file, 'JPEG', quality=92)
    return file.getvalue()


@pytest.fixture
def video(tmp_path):
    """Return a function that writes a video as a camera would send it."""
    av = pytest.importorskip('av')

    def write(codec, pixels):
        path = tmp_path / f'{codec}.avi'
        with av.open(str(path), 'w') as container:
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
            for number in range(FRAMES):
                picture = np.full((48, 64, 3), (30 * number, 10, 200), np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


def colour(frame):
    """Return the mean colour of a frame."""
    return still.to_array(frame, PLAIN).reshape(-1, 3).mean(axis=0)


def test_mjpeg_is_handed_on_as_it_came(video):
    path = video('mjpeg', 'yuvj420p')
    source = V4l2Source(str(path), warmup_frames=2, form='avi')
    source.open()
    try:
        frame = source.read()
        assert (frame.is_compressed, frame.encoding) == (True, 'jpeg')
        refuse_unfit(frame)
        # Byte by byte what is in the file: nobody has decoded it.
        assert bytes(frame.data) in path.read_bytes()
        assert convert(frame, PLAIN).data == bytes(frame.data)
        # Two frames were dropped while the exposure settles.
        assert colour(frame) == pytest.approx((60, 10, 200), abs=12)
        for _ in range(FRAMES - 3):
            last = source.read()
        assert colour(last) == pytest.approx((210, 10, 200), abs=12)
        with pytest.raises(CameraLost, match='sends nothing more'):
            source.read()
    finally:
        source.close()
        source.close()


def test_other_formats_are_decoded(video):
    source = V4l2Source(str(video('rawvideo', 'yuyv422')), warmup_frames=0, fourcc='YUYV',
                        form='avi')
    source.open()
    try:
        frame = source.read()
        assert (frame.encoding, frame.width, frame.height) == ('rgb8', 64, 48)
        refuse_unfit(frame)
        assert colour(frame) == pytest.approx((0, 10, 200), abs=12)
    finally:
        source.close()


def test_missing_device_and_file_that_is_no_camera_are_said(tmp_path):
    pytest.importorskip('av')
    with pytest.raises(CameraLost, match='V4L2Camera failed to open /dev/video99: it is not'):
        V4l2Source(99).open()
    file = tmp_path / 'video'
    file.write_text('no camera')
    with pytest.raises(CameraLost, match='V4L2Camera failed to open .*video: it is no '
                       'camera, or only the second node'):
        V4l2Source(str(file)).open()
    with pytest.raises(ConfigurationError, match="fourcc 'XXXX' is not known"):
        V4l2Source(0, fourcc='XXXX')
    with pytest.raises(ConfigurationError, match='requires device'):
        V4l2Source('')


class Publisher:
    """Writes a segment as the reference says."""

    def __init__(self, folder, size=(4, 3, 3), magic=0xCAFEFACE):
        self.path = folder / 'reflex_cam_front'
        width, height, channels = size
        self.count = width * height * channels
        self.path.write_bytes(struct.pack('<IIIIQ', magic, width, height, channels, 0).ljust(
            64 + self.count, b'\0'))
        self.sequence = 0

    def write(self, value, is_whole=True):
        with self.path.open('r+b') as file:
            self.sequence += 1 if self.sequence % 2 else 2
            file.seek(16)
            file.write(struct.pack('<Q', self.sequence))
            file.seek(64)
            file.write(bytes([value]) * self.count)
            if is_whole:
                self.sequence += 1
                file.seek(16)
                file.write(struct.pack('<Q', self.sequence))


@pytest.fixture
def shared(tmp_path):
    made = []

    def make(**options):
        made.append(ShmSource('front', **{'max_attach_retries': 0} | options, folder=tmp_path))
        return made[-1]

    yield make
    for source in made:
        source.close()


def test_shared_memory_gives_each_whole_frame_once(shared, tmp_path, monkeypatch):
    publisher = Publisher(tmp_path)
    source = shared()
    source.open()
    publisher.write(7)
    frame = source.read()
    assert (frame.encoding, frame.width, frame.height) == ('rgb8', 4, 3)
    assert bytes(frame.data) == b'\7' * 36
    monkeypatch.setattr('reflex_ros.cameras.shm.WAIT_S', 0.05)
    assert source.read() is None
    publisher.write(8)
    assert bytes(source.read().data) == b'\x08' * 36


def test_frame_that_is_being_written_is_waited_for(shared, tmp_path, monkeypatch):
    publisher = Publisher(tmp_path)
    publisher.write(1)
    source = shared()
    source.open()
    publisher.write(2, is_whole=False)
    timer = threading.Timer(0.005, lambda: publisher.write(3))
    timer.start()
    assert bytes(source.read().data) == b'\3' * 36
    timer.join()


def test_segment_that_is_missing_foreign_or_too_short_is_said(shared, tmp_path):
    with pytest.raises(ShmLost, match='no SHM segment at .*reflex_cam_front'):
        shared().open()
    Publisher(tmp_path, magic=1)
    source = shared()
    source.open()
    with pytest.raises(ShmLost, match='is no camera segment'):
        source.read()
    source.close()
    publisher = Publisher(tmp_path)
    publisher.path.write_bytes(struct.pack('<IIIIQ', 0xCAFEFACE, 1000, 1000, 3, 1).ljust(99))
    source.open()
    with pytest.raises(FrameRefused, match='1000 x 1000 pixels'):
        source.read()


def test_segment_that_comes_later_is_found(shared, tmp_path):
    source = shared(max_attach_retries=200, attach_retry_delay_s=0.01)
    timer = threading.Timer(0.05, lambda: Publisher(tmp_path))
    timer.start()
    source.open()
    timer.join()


class Flaky:
    """Gives two frames, is lost, and comes back."""

    def __init__(self):
        self.opened = self.closed = self.reads = 0

    def open(self):
        self.opened += 1
        self.reads = 0

    def read(self):
        time.sleep(0.001)
        self.reads += 1
        if self.reads > 2 and self.opened == 1:
            raise ReflexError('the cable')
        if self.reads > 2 and self.opened == 2:
            raise ValueError('a mistake')
        return still.frame_of(jpeg(self.reads))

    def close(self):
        self.closed += 1


def test_lost_camera_is_said_and_opened_again(monkeypatch):
    monkeypatch.setattr('reflex_ros.cameras.source.AGAIN_S', 0.01)
    frames, problems, source = [], [], Flaky()
    thread = CameraThread('front', source, lambda frame, at: frames.append(frame),
                          problems.append)
    thread.start()
    deadline = time.monotonic() + 5.0
    while source.opened < 3 or len(frames) < 6:
        assert time.monotonic() < deadline, (source.opened, len(frames))
        time.sleep(0.005)
    thread.end()
    assert problems[:4] == ['the cable', '', 'ValueError: a mistake', '']
    assert source.closed == source.opened


@pytest.mark.parametrize('value', [
    jpeg(3), np.full((48, 64, 3), (90, 10, 200), np.uint8),
    {'encoding': 'jpeg_base64', 'data': still.to_base64(jpeg(3), PLAIN)},
    still.to_base64(jpeg(3), PLAIN)], ids=['jpeg', 'array', 'object', 'text'])
def test_picture_of_any_form_becomes_an_array_and_a_jpeg(value):
    array = still.to_array(value, PLAIN)
    assert array.shape == (48, 64, 3) and array.dtype == np.uint8
    assert array.reshape(-1, 3).mean(axis=0) == pytest.approx((90, 10, 200), abs=12)
    assert still.to_jpeg(value, PLAIN)[:3] == b'\xff\xd8\xff'
    small = CameraSettings('front', width=32, height=24)
    assert still.to_array(value, small).shape == (24, 32, 3)


@pytest.mark.parametrize('value', [7, np.zeros((4, 4, 3)), np.zeros(5, np.uint8), b'no picture',
                                   '!!'])
def test_what_is_no_picture_is_refused(value):
    with pytest.raises(FrameRefused):
        still.to_jpeg(value, PLAIN)


def test_segment_that_is_cut_short_or_written_anew_ends_no_process(shared, tmp_path):
    # Mapped, this killed the process: a writer that starts again truncates its segment.
    publisher = Publisher(tmp_path)
    publisher.write(1)
    source = shared()
    source.open()
    path = tmp_path / 'reflex_cam_front'
    whole = path.read_bytes()
    for length, refusal in ((0, ShmLost), (40, ShmLost), (70, FrameRefused)):
        os.truncate(path, length)
        with pytest.raises(refusal):
            source.read()
        path.write_bytes(whole[:16] + struct.pack('<Q', 2 * length + 9) + whole[24:])
        assert bytes(source.read().data) == b'\1' * 36
