# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of each camera of ``action_stream``."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

TABLE = (
    Spec('camera.<name>.topic', '', 'Topic of the frames, of type Image or CompressedImage. If it '
         'is empty: the first one that is published of <name>/image_raw/compressed, '
         '<name>/image_raw, <name>/color/image_raw/compressed and <name>/color/image_raw.',
         per='cameras'),
    Spec('camera.<name>.key', '', 'Name of the picture at the service. If it is empty: <name>.',
         per='cameras'),
    Spec('camera.<name>.width', 0, 'Width of the picture that is sent. 0 keeps the proportions to '
         'the height, or the size.', 'px', 0, 4096, per='cameras'),
    Spec('camera.<name>.height', 0, 'Height of the picture that is sent. 0 keeps the proportions '
         'to the width, or the size.', 'px', 0, 4096, per='cameras'),
    Spec('camera.<name>.longest_side', 0, 'Longest side of the picture that is sent: larger ones '
         'are scaled down. 0 switches this off. Excludes width and height.', 'px', 0, 4096,
         per='cameras'),
    Spec('camera.<name>.quality', 0, 'Quality of the JPEG that is sent. 0 leaves a JPEG untouched '
         'that needs no other change, and encodes others with 85.', '%', 0, 100, per='cameras'),
    Spec('camera.<name>.crop', '', 'Part of the picture to keep, cut before it is rotated: '
         'x,y,width,height in pixels, or square for the largest square in the middle. If it is '
         'empty: all of it.', per='cameras'),
    Spec('camera.<name>.rotation', 0, 'Clockwise rotation: 0, 90, 180 or 270.', 'degrees', 0, 270,
         per='cameras'),
    Spec('camera.<name>.rate_hz', 0.0, 'Largest rate at which frames are read; frames that come '
         'faster are skipped. 0 reads all.', 'Hz', 0.0, 200.0, per='cameras'),
    Spec('camera.<name>.min_rate_hz', 0.0, 'Rate of frames that the gate asks for before the arm '
         'may be promoted. 0 asks for none.', 'Hz', 0.0, 200.0, per='cameras'),
    Spec('camera.<name>.age_s', 0.0, 'Largest age of a frame that is sent. 0 takes camera_age_s.',
         's', 0.0, 5.0, per='cameras'),
)
