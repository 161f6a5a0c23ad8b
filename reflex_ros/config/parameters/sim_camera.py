# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``sim_camera``, a rendered camera."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec
from reflex_ros.hardware.arms import ARMS

TABLE = (
    Spec('arm', 'so101', 'Arm whose joint states the images show.', choices=tuple(ARMS)),
    Spec('camera', 'front', 'Name of the camera. Its images are published on '
         '<name>/image_raw/compressed.'),
    Spec('rate_hz', 15.0, 'Frames per second.', 'Hz', 1.0, 60.0),
)
