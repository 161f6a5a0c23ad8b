# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex cameras``: a pipe in the place of a device; what the kernel says is in cameras/."""

import os
import threading
import time

import numpy as np
from PIL import Image
import pytest

from reflex_ros.cameras import trial
from reflex_ros.cameras.devices import Device, Mode
from reflex_ros.cli import cameras

pytestmark = pytest.mark.live

av = pytest.importorskip('av')

WEBCAM = Device('/dev/video0', '/dev/v4l/by-id/usb-HD-index0', 'HD Webcam', 'usb-1', (
    Mode('MJPG', 640, 480, 30.0), Mode('MJPG', 1280, 720, 30.0), Mode('YUYV', 640, 480, 10.0)),
    ('guvcview (pid 7)',))
GREY = Device('/dev/video2', name='Old one', modes=(Mode('YUYV', 320, 240, 5.0),))
LOCKED = Device('/dev/video4', problem='you may not read it')


@pytest.fixture
def camera(tmp_path):
    """Return a function that starts a camera behind a pipe; it sends MJPEG until it is closed."""
    path, closing, threads = tmp_path / 'video9', threading.Event(), []

    class Pipe:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            return os.write(self.file, data)

    def send(rate_hz, count):
        file = os.open(path, os.O_WRONLY)
        try:
            with av.open(Pipe(file), 'w', format='avi', options={'flush_packets': '1'}) as made:
                stream = made.add_stream('mjpeg', rate=30)
                stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuvj420p'
                began = time.monotonic()
                for number in range(count):
                    closing.wait(max(0.0, began + number / rate_hz - time.monotonic()))
                    if closing.is_set():
                        break
                    picture = np.full((48, 64, 3), (200, 10, 60), np.uint8)
                    made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format='rgb24')))
        except OSError:
            # The command has seen enough.
            pass
        finally:
            os.close(file)

    def start(rate_hz, count=10_000):
        os.mkfifo(path)
        threads.append(threading.Thread(target=send, args=(rate_hz, count)))
        threads[0].start()
        return 'cameras', 'show', str(path), '--form', 'avi', '--width', '64', '--height', '48'

    yield start
    closing.set()
    for thread in threads:
        thread.join(10.0)
        assert not thread.is_alive()


def test_picture_size_and_real_rate(reflex, camera, tmp_path):
    out = tmp_path / 'front.jpg'
    outcome = reflex(*camera(25.0), '--seconds', '1', '--rate', '25', '--out', str(out), '--json')
    found = outcome.document
    assert found['ok'] and found['warnings'] == [], found
    assert (found['width'], found['height'], found['encoding']) == (64, 48, 'jpeg')
    assert found['rate_hz'] == pytest.approx(25.0, rel=0.3) and found['frames'] >= 15
    assert found['longest_gap_ms'] > 30.0 and found['frame_bytes'] > 300
    with Image.open(out) as picture:
        assert (picture.size, picture.format) == ((64, 48), 'JPEG')
        assert picture.convert('RGB').getpixel((30, 20)) == pytest.approx((200, 10, 60), abs=8)


def test_slow_camera_is_said(reflex, camera):
    outcome = reflex(*camera(6.0), '--seconds', '1', '--rate', '30')
    assert outcome.code == 0 and '64 x 48 jpeg, ' in outcome.out
    assert 'Warning: it is slow: ' in outcome.err and 'pictures/s, expected 30. Give it more ' \
        'light' in outcome.err


def test_other_size_than_asked_for_is_said(reflex, camera):
    outcome = reflex(*camera(30.0)[:-4], '--seconds', '0.3')
    assert outcome.code == 0
    assert 'Warning: it was asked for 640 x 480 and delivers 64 x 48' in outcome.err


def test_camera_that_is_unplugged_while_it_is_read_is_said(reflex, camera):
    reflex(*camera(30.0, count=12), '--seconds', '30').failed(
        'was lost after 12 pictures: ')


def test_camera_that_sends_nothing_is_said(reflex, camera, monkeypatch):
    monkeypatch.setattr(trial, 'FIRST_S', 0.3)

    class Silent:
        device = '/dev/video0'

        def __init__(self, *_):
            pass

        def open(self):
            pass

        def read(self):
            time.sleep(0.01)

        def close(self):
            pass

    monkeypatch.setattr(cameras, 'V4l2Source', Silent)
    reflex('cameras', 'show', '0').failed(
        'camera /dev/video0 is open, and no picture came within 0.3 s. Plug it in again')


def test_camera_that_is_not_there_is_said(reflex):
    reflex('cameras', 'show', '99').failed('/dev/video99: it is not there. Plug the camera in')


def test_cameras_are_listed_with_what_matters(reflex, monkeypatch):
    monkeypatch.setattr(cameras, 'find_devices', lambda: [GREY, WEBCAM, LOCKED])
    outcome = reflex('cameras', 'find')
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        '/dev/video2  Old one',
        '  YUYV: 320x240 at 5 Hz',
        '  no MJPG: each picture is decoded and encoded again',
        '/dev/video0  HD Webcam  usb-1',
        '  the same after a reboot: /dev/v4l/by-id/usb-HD-index0',
        '  MJPG: 640x480 at 30 Hz, 1280x720 at 30 Hz  (sent without decoding)',
        '  YUYV: 640x480 at 10 Hz',
        '  in use by guvcview (pid 7)',
        '/dev/video4  unknown',
        '  you may not read it',
        '', 'Next:', '  reflex cameras show /dev/v4l/by-id/usb-HD-index0']
    rows = reflex('cameras', 'find', '--json').document['cameras']
    assert [row['mjpeg'] for row in rows] == [False, True, False]
    assert rows[1]['modes'][0] == {'fourcc': 'MJPG', 'width': 640, 'height': 480, 'rate_hz': 30.0}


def test_machine_without_a_camera_is_told_what_to_do(reflex, monkeypatch):
    monkeypatch.setattr(cameras, 'find_devices', list)
    outcome = reflex('cameras', 'find', '--json')
    assert outcome.code == 1 and outcome.document['cameras'] == []
    assert 'no camera was found. Plug one in' in outcome.document['error']
    reflex('cameras', 'show').failed('no camera was found')


def test_rate_of_the_mode_is_what_is_expected():
    seen = trial.Trial([0.0, 0.1, 0.2])
    assert cameras._warnings(Mode('MJPG', 640, 480), WEBCAM, seen, (640, 480))[0].startswith(
        'it is slow: 10.0 pictures/s, expected 30.')
    assert cameras._warnings(Mode('YUYV', 640, 480), WEBCAM, seen, (640, 480)) == []
