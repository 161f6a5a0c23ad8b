# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``camera``, which publishes a camera of this machine."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

TABLE = (
    Spec('camera', 'front', 'Name of the camera. Its frames are published on '
         '<name>/image_raw/compressed, or on <name>/image_raw if the camera does not compress.'),
    Spec('kind', 'v4l2', 'Where the frames come from: a camera of Linux (v4l2), or shared memory '
         'that another process writes (shm).', choices=('v4l2', 'shm')),
    Spec('device', '', 'Path or number of a v4l2 camera.'),
    Spec('width', 640, 'Width to ask a v4l2 camera for.', 'px', 16, 8192),
    Spec('height', 480, 'Height to ask a v4l2 camera for.', 'px', 16, 8192),
    Spec('warmup_frames', 5, 'Frames of a v4l2 camera to drop at the start, while the exposure '
         'settles.', '', 0, 1000),
    Spec('fourcc', 'MJPG', 'Format to ask a v4l2 camera for. MJPG is published as it comes.'),
    Spec('name', '', 'Name of the shared memory: /dev/shm/reflex_cam_NAME.'),
    Spec('max_attach_retries', 20, 'How often missing shared memory is looked for.', '', 0,
         10_000),
    Spec('attach_retry_delay_s', 0.5, 'Time between two looks for shared memory.', 's', 0.01,
         60.0),
)
