# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file, with the real launch packages and the installed package."""

from contextlib import contextmanager
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
import pytest

pytest.importorskip('launch_ros')
# Not `launch`: that marker belongs to launch_pytest.
pytestmark = [pytest.mark.ros_launch, pytest.mark.ros, pytest.mark.xdist_group('ros graphs')]

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [tuple(word.split(':=')) for word in sys.argv[2:]]
service = LaunchService(argv=sys.argv[2:])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)]))
sys.exit(service.run())
"""
OUTER = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
def generate_launch_description():
    return LaunchDescription([IncludeLaunchDescription(
        PythonLaunchDescriptionSource({!r}), launch_arguments=[('config', '/none.yaml')])])
"""
OUTSIDER = Path(__file__).parents[1] / 'ros' / 'outside_node.py'
PROCESSES = 7


@pytest.fixture
def launch_file():
    try:
        return Path(get_package_share_directory('reflex_ros')) / 'launch' / 'connect.launch.py'
    except PackageNotFoundError:
        pytest.skip('reflex_ros is not in the ament index: colcon build, then source '
                    'install/setup.bash')


@pytest.fixture
def start(launch_file, domain, tmp_path):
    """Return a context manager that launches, and ends what is left of the session."""
    environment = {**os.environ, **domain, 'ROS_LOG_DIR': str(tmp_path)}

    @contextmanager
    def started(*arguments, file=launch_file):
        launched = subprocess.Popen(
            [sys.executable, '-c', LAUNCH, str(file), *arguments], env=environment,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        launched.environment = environment
        try:
            yield launched
        finally:
            for pid in members(launched.pid):
                os.kill(pid, signal.SIGKILL)
            launched.communicate()
    return started


def members(session):
    """Return the processes of a session that still run, by id, without launch itself."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = entry.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != 'Z':
            found.append(int(entry.parent.name))
    return found


def test_launch_file_starts_a_graph_that_can_be_promoted_and_ends_cleanly(start):
    with start('sim:=true', 'description:=true') as launched:
        outsider = subprocess.run([sys.executable, str(OUTSIDER)], env=launched.environment,
                                  text=True, capture_output=True, timeout=120, check=False)
        assert outsider.returncode == 0, outsider.stderr
        # As Ctrl-C in a terminal does: the whole foreground group gets it. launch passes it on, so
        # each process gets it twice.
        os.killpg(launched.pid, signal.SIGINT)
        said = launched.communicate(timeout=20)[0]
    assert launched.returncode == 0, said
    assert 'Traceback' not in said, said
    # The model of the arm comes from one node of ours, or from several of ROS.
    assert said.count('process has finished cleanly') == said.count('process started') \
        > PROCESSES, said


def test_everything_ends_when_launch_is_killed(start):
    with start('sim:=true') as launched:
        for line in launched.stdout:
            if 'DRY_RUN' in line:
                break
        assert len(members(launched.pid)) == 1 + PROCESSES
        launched.kill()
        launched.wait()
        deadline = time.monotonic() + 8.0
        while members(launched.pid):
            assert time.monotonic() < deadline, 'processes outlive launch'
            time.sleep(0.05)


@pytest.mark.parametrize(('argument', 'reason'), [
    ('simulate:=true', "launch argument 'simulate' is unknown. Did you mean 'sim'?"),
    ('deployment:=x', "launch argument 'deployment' is unknown. Known arguments: sim, config"),
    ('sim:=maybe', 'is not valid'),
    ('config:=/none.yaml', '/none.yaml: the file does not exist'),
    (f'config:={__file__}', 'not valid YAML'),
    ('namespace:=1', 'expected different ROS names')])
def test_wrong_argument_ends_launch_before_anything_starts(start, argument, reason):
    with start(argument) as launched:
        said = launched.communicate(timeout=30)[0]
    assert launched.returncode == 1
    assert reason in said and 'process started' not in said, said


@pytest.mark.parametrize(('argument', 'reason'), [
    ('robot_namespace:=x', '/none.yaml: the file does not exist'),
    ('simulate:=true', "launch argument 'simulate' is unknown. Did you mean 'sim'?")])
def test_launch_file_that_includes_ours_may_have_other_arguments(
        start, launch_file, tmp_path, argument, reason):
    outer = tmp_path / 'outer.launch.py'
    outer.write_text(OUTER.format(str(launch_file)))
    with start(argument, file=outer) as launched:
        said = launched.communicate(timeout=30)[0]
    assert launched.returncode == 1 and reason in said, said
