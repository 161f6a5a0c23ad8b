# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex doctor --local`` on a graph with a camera: what it says of the cameras' rates."""

import json
import os
import subprocess
import sys

import pytest

from .conftest import running, wait_for

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')
pytestmark = pytest.mark.xdist_group('ros nodes')

from ..unit.conftest import no_settings, Service  # noqa: E402, F401

CONFIG = """
/**/action_stream:
  ros__parameters:
    cameras: ["front", "wrist"]
/**/sim_camera:
  ros__parameters:
    camera: "front"
    rate_hz: 15.0
"""


def test_rate_of_a_camera_is_measured_and_a_missing_one_is_a_failure(
        domain, no_settings, tmp_path):  # noqa: F811
    config = tmp_path / 'robot.yaml'
    config.write_text(CONFIG)
    service = Service()
    environment = domain | {'REFLEX_API_KEY': service.key, 'REFLEX_CONVEX_URL': service.url,
                            'REFLEX_SO101_PORT': ''}
    try:
        with running('--ros-args', '--params-file', str(config), env=domain,
                     module='reflex_ros.nodes.sim_camera_node') as camera:
            done = wait_for(lambda: _doctor(config, environment), 60, 'frames of the camera')
            assert camera.poll() is None
    finally:
        service.stop()
    rows = {row['name']: row for row in done['local']}
    assert rows['camera front']['status'] == 'passed'
    assert rows['camera front']['message'].endswith(' Hz on /front/image_raw/compressed')
    assert 8.0 < float(rows['camera front']['message'].split()[0]) < 20.0
    assert rows['camera wrist']['status'] == 'failed'
    assert 'nothing publishes /wrist/image_raw' in rows['camera wrist']['message']
    assert done['ok'] is False and 'camera wrist' in done['error']


def _doctor(config, environment):
    """Return what the doctor says, once the camera has started."""
    done = subprocess.run(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'doctor', '--local', '--json', '--config',
         str(config)], env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=60, check=False)
    found = json.loads(done.stdout)
    rows = {row['name']: row for row in found['local']}
    return found if rows['camera front']['status'] == 'passed' else None
