# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``episodes``, which records demonstrations in the graph."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec
from reflex_ros.hardware.arms import ARMS

TABLE = (
    Spec('arm', 'so101', 'Arm whose joint states are recorded.', choices=tuple(ARMS)),
    Spec('folder', '', 'Folder of the LeRobot data set; one that exists is continued. Must be '
         'set.'),
    Spec('task', '', 'What is shown, in words. If it is empty: the newest text on the topic '
         'prompt.', is_live=True),
    Spec('fps', 30, 'Frames per second of the data set.', 'Hz', 1, 100),
    Spec('cameras', ['front'], 'Names of the cameras, as action_stream has them. With [] the data '
         'set has no pictures.'),
    Spec('robot', 'so101_follower', 'Robot type in the data set.'),
)
