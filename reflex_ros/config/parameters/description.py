# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``description``, which publishes the model of the arm."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

TABLE = (
    Spec('rate_hz', 20.0, 'Highest rate of /tf.', 'Hz', 1.0, 100.0),
    Spec('frame_prefix', '', 'Text before the name of each frame, such as left/. If it is empty: '
         'the namespace.'),
)
