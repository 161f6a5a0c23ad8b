# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that the node of every connector has."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

STOP_TABLE = (
    Spec('stop.soft_s', 0.06, 'Silence of supervisor or stream after which the arm slows down.',
         's', 0.04, 0.2),
    Spec('stop.hard_s', 0.2, 'Silence of supervisor or stream after which the arm stops and '
         'latches.', 's', 0.1, 0.5),
    Spec('stop.starved_s', 2.0, 'Longest time without a chunk to play, before the arm latches.',
         's', 0.2, 10.0),
)
