# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The graph as other ROS programs see it."""

import json
import os
from pathlib import Path
import subprocess
import sys

from .conftest import running

JOINTS = ['shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper']


def test_another_ros_process_can_watch_promote_and_stop(domain):
    with running('up', '--sim', '--description', env=domain) as system:
        outsider = subprocess.run(
            [sys.executable, str(Path(__file__).with_name('outside_node.py'))],
            env={**os.environ, **domain}, capture_output=True, text=True, timeout=90, check=False)
        assert outsider.returncode == 0, (outsider.stderr, system.poll())
        seen = json.loads(outsider.stdout)
    assert seen['moved_dry'] < 0.02
    assert seen['joints'] == JOINTS and seen['chunk_joints'] == JOINTS
    assert seen['velocities'] == 6 and seen['stamp'] > 1_600_000_000
    assert seen['chunk_points'] == 50 and abs(seen['second_row_ns'] - 1e9 / 30) < 1e3
    assert seen['promoted'][0], seen['promoted']
    assert not seen['again'][0] and 'ACTIVE' in seen['again'][1]
    assert not seen['early_reset'][0] and 'nothing is latched' in seen['early_reset'][1]
    assert seen['stopped']
    assert seen['states'][-3:] == ['ACTIVE', 'STOPPING', 'LATCHED']
    # A run that ended on a stop is a failed run.
    assert system.returncode == 1
