# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The cameras of this machine, with a simulated kernel behind the requests of Video4Linux 2.

It answers with the bytes that the kernel would write; their layout is compared with its header.
"""

import errno
import os
from pathlib import Path
import shutil
import struct
import subprocess

import pytest

from reflex_ros.cameras import devices
from reflex_ros.cameras.devices import describe, Device, find_devices, Mode
from reflex_ros.cameras.v4l2 import CameraLost, V4l2Source

HEADER = Path('/usr/include/linux/videodev2.h')
WEBCAM = {'MJPG': [(640, 480, [(1, 30), (1, 15)]), (1280, 720, [(1, 30)])],
          'YUYV': [(640, 480, [(1, 30)]), (1280, 720, [(1, 10)])]}
CAPTURE, METADATA, HAS_OWN = 0x1, 0x800000, 0x80000000


class Kernel:
    """Answers the requests for each device of a folder."""

    def __init__(self, folder):
        self.folder = folder
        self._cameras = {}

    def add(self, number, formats, name='HD Webcam', own=CAPTURE, kind='discrete'):
        path = self.folder / f'video{number}'
        path.touch()
        self._cameras[str(path)] = name, formats, own, kind
        return path

    def ioctl(self, file, request, data):
        found = self._cameras.get(os.readlink(f'/proc/self/fd/{file}'))
        if found is None:
            raise OSError(errno.ENOTTY, 'Inappropriate ioctl for device')
        name, formats, own, kind = found
        index, = struct.unpack_from('=I', data)
        if request == devices.QUERY:
            struct.pack_into('=16s32s32s3I', data, 0, b'uvcvideo', name.encode(), b'usb-1', 6,
                             HAS_OWN | CAPTURE | METADATA, own)
        elif request == devices.FORMATS:
            code = self._at(list(formats), index)
            struct.pack_into('=4s', data, 44, code.encode())
        elif request == devices.SIZES:
            sizes = formats[data[4:8].decode()]
            if kind == 'discrete':
                struct.pack_into('=3I', data, 8, 1, *self._at(sizes, index)[:2])
            else:
                self._at([0], index)
                struct.pack_into('=7I', data, 8, 3, 16, 1280, 2, 16, 720, 2)
        elif request == devices.INTERVALS:
            width, height = struct.unpack_from('=2I', data, 8)
            rates = {size[:2]: size[2] for size in formats[data[4:8].decode()]}
            interval = self._at(rates.get((width, height), []), index)
            struct.pack_into('=3I', data, 16, 1 if kind == 'discrete' else 3, *interval)

    @staticmethod
    def _at(entries, index):
        if index >= len(entries):
            raise OSError(errno.EINVAL, 'Invalid argument')
        return entries[index]


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)


def test_cameras_are_listed_with_modes_and_the_name_that_stays(kernel):
    kernel.add(10, {'YUYV': [(320, 240, [(1, 5)])]}, 'Old one')
    path = kernel.add(2, WEBCAM)
    kernel.add(3, {}, own=METADATA)
    (kernel.folder / 'v4l' / 'by-id').mkdir(parents=True)
    link = kernel.folder / 'v4l' / 'by-id' / 'usb-HD_Webcam-video-index0'
    link.symlink_to(path)
    first, second = find_devices(kernel.folder, kernel.ioctl)
    assert first == Device(str(path), str(link), 'HD Webcam', 'usb-1', (
        Mode('MJPG', 640, 480, 30.0), Mode('MJPG', 1280, 720, 30.0),
        Mode('YUYV', 640, 480, 30.0), Mode('YUYV', 1280, 720, 10.0)))
    assert first.has_mjpeg and not second.has_mjpeg
    assert (second.name, second.stable_path) == ('Old one', '')
    assert str(first.modes[3]) == 'YUYV 1280x720 at 10 Hz'
    assert describe(link, kernel.folder, kernel.ioctl) == first


def test_camera_that_takes_any_size_is_asked_for_the_usual_ones(kernel):
    path = kernel.add(0, {'YUYV': [(640, 480, [(1, 60)])]}, kind='stepwise')
    assert describe(path, kernel.folder, kernel.ioctl).modes == (
        Mode('YUYV', 1280, 720), Mode('YUYV', 800, 600), Mode('YUYV', 640, 480, 60.0),
        Mode('YUYV', 320, 240))


def test_what_is_no_camera_is_left_out(kernel):
    (kernel.folder / 'video7').write_text('a film')
    assert find_devices(kernel.folder, kernel.ioctl) == []
    assert find_devices(kernel.folder) == []


def test_device_that_is_gone_says_so(kernel):
    (kernel.folder / 'video4').symlink_to(kernel.folder / 'nothing')
    [found] = find_devices(kernel.folder, kernel.ioctl)
    assert 'it is not there. Plug the camera in' in found.problem


@pytest.mark.parametrize(('number', 'said'), [
    (errno.ENOENT, 'it is not there. Plug the camera in; `reflex cameras find` lists'),
    (errno.ENODEV, 'it is not there'),
    (errno.EACCES, 'you may not read it. Join the group video: sudo usermod -aG video $USER'),
    (errno.EBUSY, 'it is busy: another program uses it. End that program, or let the ROS driver'),
    (errno.EIO, 'Input/output error')])
def test_every_reason_has_its_sentence(number, said):
    exc = OSError(number, os.strerror(number))
    assert said in devices.open_problem(exc, Path('/dev/video0'))


def test_program_that_has_a_device_open_is_named():
    # Any character device will do; this one nobody else opens.
    with open('/dev/full') as full, subprocess.Popen(['sleep', '60'], stdin=full) as other:
        try:
            named = f'sleep (pid {other.pid})'
            assert named in devices.users(Path('/dev/full'))
            busy = OSError(errno.EBUSY, 'Device or resource busy')
            assert f'it is busy: {named}' in devices.open_problem(busy, Path('/dev/full'))
        finally:
            other.kill()
    assert devices.users(Path('/dev/null/none')) == ()


@pytest.mark.skipif(not (HEADER.exists() and shutil.which('gcc')),
                    reason='the header of the kernel or gcc is missing')
def test_layouts_are_those_of_the_kernel(tmp_path):
    source = tmp_path / 'layout.c'
    source.write_text("""
#include <stddef.h>
#include <stdio.h>
#include <linux/videodev2.h>
int main(void) {
  printf("%u %u %u %u %zu %zu %zu %zu %zu %zu", (unsigned)VIDIOC_QUERYCAP,
         (unsigned)VIDIOC_ENUM_FMT, (unsigned)VIDIOC_ENUM_FRAMESIZES,
         (unsigned)VIDIOC_ENUM_FRAMEINTERVALS, offsetof(struct v4l2_capability, card),
         offsetof(struct v4l2_capability, device_caps), offsetof(struct v4l2_fmtdesc, pixelformat),
         offsetof(struct v4l2_frmsizeenum, stepwise.max_height),
         offsetof(struct v4l2_frmivalenum, type),
         offsetof(struct v4l2_frmivalenum, discrete.denominator));
}
""")
    subprocess.run(['gcc', source, '-o', tmp_path / 'layout'], check=True)
    said = subprocess.run([tmp_path / 'layout'], capture_output=True, check=True, text=True)
    # The requests hold the sizes; the offsets are those at which the simulated kernel writes.
    assert list(map(int, said.stdout.split())) == [
        devices.QUERY, devices.FORMATS, devices.SIZES, devices.INTERVALS, 16, 88, 44, 28, 16, 24]


def test_mode_that_a_camera_does_not_have_is_said_with_those_it_has(kernel, monkeypatch):
    pytest.importorskip('av')
    path = kernel.add(0, {'YUYV': [(640, 480, [(1, 30)])]})
    monkeypatch.setattr(devices, 'describe', lambda path: describe(
        path, kernel.folder, kernel.ioctl))
    # A file answers FFmpeg with ENOTTY, a camera of another format with EINVAL.
    with pytest.raises(CameraLost, match='video0: it does not deliver 640x480 in the format MJPG. '
                       'Choose one of its modes: YUYV 640x480 at 30 Hz'):
        V4l2Source(str(path)).open()
