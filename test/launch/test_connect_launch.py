# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file, with the real launch packages and the installed package."""

import os
from pathlib import Path
import signal
import subprocess
import sys

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
import pytest

pytest.importorskip('launch_ros')
# Not `launch`: that marker belongs to launch_pytest.
pytestmark = [pytest.mark.ros_launch, pytest.mark.ros]

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=[('sim', 'true')])]))
sys.exit(service.run())
"""
OUTSIDER = Path(__file__).parents[1] / 'ros' / 'outside_node.py'


@pytest.fixture
def launch_file():
    try:
        return Path(get_package_share_directory('reflex_ros')) / 'launch' / 'connect.launch.py'
    except PackageNotFoundError:
        pytest.skip('reflex_ros is not in the ament index: colcon build, then source '
                    'install/setup.bash')


def members(session):
    """Return the processes of a session that still run."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = entry.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != 'Z':
            found.append(int(entry.parent.name))
    return found


def test_launch_file_starts_a_graph_that_can_be_promoted_and_ends_cleanly(launch_file, tmp_path):
    environment = {**os.environ, 'ROS_DOMAIN_ID': '87', 'ROS_LOG_DIR': str(tmp_path),
                   'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    launched = subprocess.Popen(
        [sys.executable, '-c', LAUNCH, str(launch_file)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        outsider = subprocess.run([sys.executable, str(OUTSIDER)], env=environment, text=True,
                                  capture_output=True, timeout=120, check=False)
        assert outsider.returncode == 0, outsider.stderr
        # As Ctrl-C in a terminal does: the whole foreground group gets it.
        os.killpg(launched.pid, signal.SIGINT)
        said = launched.communicate(timeout=20)[0]
    finally:
        for pid in members(launched.pid):
            os.kill(pid, signal.SIGKILL)
        launched.wait()
    assert launched.returncode == 0, said
    assert 'Traceback' not in said, said
    assert said.count('process has finished cleanly') == 6, said
