# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of an installation without the extras: they name the extra, or work without it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.live

RUN = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(',')))
from reflex_ros.cli.main import main
main()
"""


def run(missing, *arguments):
    """Run the command in an interpreter in which some packages cannot be imported."""
    return subprocess.run([sys.executable, '-c', RUN, missing, *arguments], text=True,
                          capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize('arguments', [
    ('sim', 'service'), ('sim', 'service', '--port', '8900'), ('demo',), ('up', '--sim')])
def test_simulation_names_the_extra(arguments):
    if arguments[0] != 'sim':
        pytest.importorskip('rclpy')
    done = run('aiohttp,PIL', *arguments)
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr.endswith('Error: not installed: aiohttp, PIL. Install them: pip install '
                                "'reflex_ros[sim]'.\n")


@pytest.mark.parametrize(('arguments', 'extras'), [(('up',), 'ros'), (('demo',), 'ros,sim')])
def test_graph_names_both_extras_at_once(arguments, extras):
    done = run('aiohttp,PIL,rclpy,diagnostic_msgs', *arguments)
    assert done.returncode == 1
    assert f"pip install 'reflex_ros[{extras}]'. Or source a ROS 2" in done.stderr


def test_chart_names_pillow_and_is_refused_before_the_arm_is_opened(tmp_path):
    done = run('PIL', 'so101', 'monitor', '--plot', str(tmp_path / 'arm.png'), '--port', '/none')
    assert done.returncode == 1 and 'pip install Pillow' in done.stderr


@pytest.mark.parametrize('arguments', [
    ('--help',), ('sim', '--help'), ('sim', 'arm', '--help'), ('so101', 'monitor', '--help'),
    ('demo', '--help'), ('whoami', '--help'), ('stream', '--help')])
def test_help_needs_no_extra(arguments):
    done = run('aiohttp,PIL,rclpy,diagnostic_msgs', *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', ['so101_driver_node', 'action_stream_node', 'supervisor_node',
                                  'monitor_node', 'recorder_node', 'camera_node',
                                  'sim_camera_node', 'view_node', 'description_node',
                                  'episodes_node'])
def test_node_ends_at_once_and_names_the_extra(name):
    done = subprocess.run(
        [sys.executable, '-c', 'import sys\nsys.modules["rclpy"] = None\n'
         f'from reflex_ros.nodes.executables import {name} as main\nmain()'],
        text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stdout == ''
    assert done.stderr == ("not installed: rclpy. Install them: pip install 'reflex_ros[ros]'. Or "
                           'source a ROS 2 installation\n')


def test_module_is_the_command():
    done = subprocess.run([sys.executable, '-m', 'reflex_ros', '--version'], text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and 'reflex_ros' in done.stdout
