# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``recorder``, which writes what the graph does to files."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec
from reflex_ros.recording.recorder import MODES

TABLE = (
    Spec('record', 'runs', 'What is recorded: nothing, the time in which actions are applied, or '
         'everything. A stop writes its last seconds in every mode. The files stay on this '
         'machine.', choices=MODES),
    Spec('folder', '', 'Folder of the recordings. Empty: REFLEX_RECORDINGS_DIR, else '
         '~/.reflex/recordings.'),
    Spec('images', True, 'Record the compressed pictures of the cameras of this robot.'),
    Spec('raw_images', False, 'Record pictures also when they are not compressed: about 27 MB a '
         'second for one camera of 640 x 480 at 30 Hz.'),
    Spec('before_stop_s', 10.0, 'How long before a stop its file begins.', 's', 1.0, 60.0),
    Spec('queue_mb', 64.0, 'Most bytes that wait for the disk. What comes then is dropped and '
         'counted.', 'MB', 1.0, 4096.0),
    Spec('memory_mb', 128.0, 'Most bytes of the last seconds in memory.', 'MB', 1.0, 4096.0),
    Spec('warn_free_mb', 2000.0, 'Less free space is a warning.', 'MB', 0.0, 1e6),
    Spec('min_free_mb', 500.0, 'With less free space nothing is recorded.', 'MB', 0.0, 1e6),
    Spec('required', False, 'Stop the arm when a run cannot be recorded.'),
)
