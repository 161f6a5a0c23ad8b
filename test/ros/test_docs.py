# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters: the tables hold what the nodes read."""

import importlib
from pathlib import Path
import re

import pytest

pytest.importorskip('rclpy')
pytestmark = pytest.mark.xdist_group('ros nodes')


@pytest.mark.parametrize('name', [
    'so101_driver_node', 'action_stream_node', 'supervisor_node', 'sim_camera_node', 'camera_node',
    'monitor_node'])
def test_every_setting_that_a_node_reads_is_in_its_table(name):
    module = importlib.import_module(f'reflex_ros.nodes.{name}')
    source = Path(module.__file__).read_text(encoding='utf-8')
    read = set(re.findall(r"settings\['([\w.]+)'\]", source))
    assert read <= {spec.name for spec in module.TABLE}
