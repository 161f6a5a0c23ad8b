# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All nodes with their parameters."""

from __future__ import annotations

from collections.abc import Mapping

from reflex_ros.config.parameters import (
    action_stream,
    camera,
    description,
    episodes,
    leader,
    monitor,
    recorder,
    sim_camera,
    so101,
    supervisor,
    view,
)
from reflex_ros.config.parameters.spec import Spec

TABLES: Mapping[str, tuple[Spec, ...]] = {
    'so101': so101.TABLE,
    'action_stream': action_stream.TABLE,
    'supervisor': supervisor.TABLE,
    'camera': camera.TABLE,
    'sim_camera': sim_camera.TABLE,
    'recorder': recorder.TABLE,
    'description': description.TABLE,
    'episodes': episodes.TABLE,
    'leader': leader.TABLE,
    'view': view.TABLE,
    'monitor': monitor.TABLE,
}
"""Name of a node -> its parameters, in the order of doc/parameters.md."""
