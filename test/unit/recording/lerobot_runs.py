# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of a run with a camera, for the tests of data sets."""

import io
import math

import messages as made
from PIL import Image

from reflex_ros.domain.heartbeats import Commander, DriverBeat, StreamBeat
from reflex_ros.recording import encoding

START = 1_790_000_000 * 10 ** 9
SECONDS = 4.0


def pose(at):
    """Return six angles [rad] at a time [s]; the gripper opens from 0 to 50 %."""
    return (0.5 * math.sin(at), *(-0.4 + 0.01 * k * at for k in range(4)), 0.25 * at)


def jpeg(at):
    """Return a picture whose brightness says when it was taken."""
    buffer = io.BytesIO()
    Image.new('RGB', (65, 48), (round(60 * at),) * 3).save(buffer, 'JPEG', quality=95)
    return buffer.getvalue()


def run(path, prompt='wave', joints=True, is_frozen=False):
    file = made.opened(path)
    made.status(file, '/_beat/so101', START,
                DriverBeat(gripper_closed_rad=0.0, gripper_open_rad=2.0))
    made.status(file, '/_beat/action_stream', START, StreamBeat(prompt=prompt))
    # A person has guided the arm from the third second on.
    made.status(file, '/_beat/action_stream', START + 2 * 10 ** 9,
                StreamBeat(prompt=prompt, commander=Commander.PERSON))
    for number in range(int(SECONDS * 100)):
        at = number / 100
        now = START + int(at * 1e9)
        made.joints(file, '/joint_states', now, pose(at - 0.1))
        if joints:
            made.joints(file, '/so101/goals', now, pose(at))
        if number % 4 == 0:
            file.write('/front/image_raw/compressed', encoding.PICTURE, now,
                       encoding.picture(now, 'front', 'jpeg', jpeg(0.0 if is_frozen else at)))
    file.close()
    return path
