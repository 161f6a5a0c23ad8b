# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``monitor``, what a terminal shows."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

TABLE = (Spec('rate_hz', 5.0, 'Snapshots per second.', 'Hz', 0.5, 20.0),)
