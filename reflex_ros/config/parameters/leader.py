# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``leader``, which reads the arm that a person moves by hand."""

from __future__ import annotations

from reflex_ros.config.parameters import so101
from reflex_ros.config.parameters.spec import Spec

_SHARED = ('baud', 'calibration_file', 'accept_range')

TABLE = (
    Spec('port', '', 'Serial port of the leader arm, for example /dev/serial/by-id/... Must be '
         'set: with two arms, a search may find the one that moves.'),
    *(spec for spec in so101.TABLE if spec.name in _SHARED),
    Spec('rate_hz', 50.0, 'Rate of leader/joint_states.', 'Hz', 20.0, 100.0),
)
