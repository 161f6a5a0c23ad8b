# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the launch file describes, without the launch packages.

Classes that only record stand in for the actions of ``launch``, so this test runs everywhere.
``test/launch`` runs the same file with the real packages.
"""

from __future__ import annotations

from collections.abc import Iterator
import importlib.util
import os
from pathlib import Path
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from reflex_ros.bringup import process_table
from reflex_ros.errors import ConfigurationError
from reflex_ros.runner import running_graphs

FILE = Path(__file__).resolve().parents[3] / 'launch' / 'connect.launch.py'


class Record(SimpleNamespace):
    """Anything that the launch file makes: its keywords as attributes."""

    def __init__(self, *positional: Any, **keywords: Any) -> None:
        name = positional[0] if positional else None
        super().__init__(positional=positional, **{'name': name, **keywords})


KINDS = {
    'launch': ('LaunchContext', 'LaunchDescription', 'LaunchDescriptionEntity'),
    'launch.actions': ('DeclareLaunchArgument', 'ExecuteProcess', 'LogInfo', 'OpaqueFunction',
                       'RegisterEventHandler', 'SetEnvironmentVariable'),
    'launch.event_handlers': ('OnProcessIO',),
    'launch.events.process': ('ProcessIO',),
    'launch_ros.actions': ('Node',),
    'launch_ros.substitutions': ('ExecutableInPackage',),
}


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the launch file with the stand-ins."""
    for name, kinds in KINDS.items():
        module = ModuleType(name)
        for kind in kinds:
            setattr(module, kind, type(kind, (Record,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location('connect_launch', FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv('ROS_AUTOMATIC_DISCOVERY_RANGE', raising=False)
    monkeypatch.delenv('ROS_DISTRO', raising=False)
    yield module


def kind(entity: Any) -> str:
    return type(entity).__name__


def describe(launch_file: Any, **arguments: str) -> list[Any]:
    """Return what the launch file starts; the steps are those of launch."""
    configurations = dict(arguments)
    found: list[Any] = []
    for entity in launch_file.generate_launch_description().positional[0]:
        if kind(entity) == 'DeclareLaunchArgument':
            configurations.setdefault(entity.positional[0], entity.default_value)
        elif kind(entity) == 'OpaqueFunction':
            context = SimpleNamespace(launch_configurations=configurations,
                                      environment=dict(os.environ))
            found += entity.function(context, *getattr(entity, 'args', ())) or []
        else:
            found.append(entity)
    return found


def of_kind(entities: list[Any], name: str) -> list[Any]:
    return [entity for entity in entities if kind(entity) == name]


def test_nodes_of_a_real_robot_are_started_again_when_they_die(launch_file: Any) -> None:
    found = of_kind(describe(launch_file), 'Node')
    assert [node.executable for node in found] == [
        'so101_driver_node', 'action_stream_node', 'supervisor_node', 'recorder_node']
    for node in found:
        assert node.package == 'reflex_ros' and node.namespace == '' and node.respawn
        assert node.parameters[0].endswith('config/robot.yaml')


def test_simulation_starts_first_and_the_nodes_when_both_parts_are_ready(launch_file: Any) -> None:
    found = describe(launch_file, sim='true')
    arm, service = parts = of_kind(found, 'ExecuteProcess')
    assert [part.cmd[-len(part.cmd) + part.cmd.index('sim'):][:2] for part in parts] == [
        ['sim', 'arm'], ['sim', 'service']]
    # The executable of the package, not the interpreter of launch, which may lack aiohttp.
    for part in parts:
        assert part.cmd[part.cmd.index('sim') - 1].positional == ('reflex', 'reflex_ros')
        assert sys.executable not in part.cmd
    assert not of_kind(found, 'Node')
    on_arm, on_service = (handler.positional[0] for handler in of_kind(
        found, 'RegisterEventHandler'))
    assert (on_arm.target_action, on_service.target_action) == (arm, service)
    assert on_arm.on_stdout(None) == []
    started = on_service.on_stdout(None)
    assert [node.executable for node in started] == [
        'so101_driver_node', 'action_stream_node', 'supervisor_node', 'recorder_node',
        'sim_camera_node']
    assert on_service.on_stdout(None) == [] == on_arm.on_stdout(None), 'started twice'


def test_key_of_the_simulated_service_is_in_the_environment_only(launch_file: Any) -> None:
    found = describe(launch_file, sim='true')
    service = of_kind(found, 'ExecuteProcess')[1]
    assert service.env['REFLEX_SIM_KEY'] == process_table.SIM_KEY
    assert not [word for word in service.cmd if process_table.SIM_KEY in str(word)]


@pytest.mark.parametrize('sim', ['false', 'true'])
def test_key_of_the_person_is_in_the_environment_of_the_stream_alone(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch, sim: str) -> None:
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_of_the_person')
    monkeypatch.setenv('RFX_OTHER', 'rfx_of_the_person')
    found = describe(launch_file, sim=sim)
    if sim == 'true':
        for handler in of_kind(found, 'RegisterEventHandler'):
            found += handler.positional[0].on_stdout(None)
    for action in of_kind(found, 'Node') + of_kind(found, 'ExecuteProcess'):
        has_key = 'rfx_of_the_person' in action.env.values()
        assert has_key is (getattr(action, 'executable', '') == 'action_stream_node')
        assert action.env['PATH'] == os.environ['PATH']


def test_rviz_that_is_not_installed_is_named_and_everything_else_starts(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_file, 'is_installed', lambda name: name == 'tf2_ros')
    found = describe(launch_file, rviz='true')
    [line] = [each.msg for each in of_kind(found, 'LogInfo')]
    assert 'rviz:=true needs rviz2, which is not installed' in line
    assert 'sudo apt install ros-$ROS_DISTRO-rviz2' in line
    assert [node.executable for node in of_kind(found, 'Node')[4:]] == ['description_node']


@pytest.mark.parametrize('argument', ['rviz', 'description'])
def test_our_node_publishes_the_model_where_robot_state_publisher_is_not_installed(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_of_the_person')
    monkeypatch.setattr(launch_file, 'is_installed', lambda name: name == 'rviz2')
    node, *others = of_kind(describe(launch_file, namespace='left', **{argument: 'true'}),
                            'Node')[4:]
    assert (node.package, node.executable) == ('reflex_ros', 'description_node')
    assert (node.name, node.namespace) == ('description', 'left') and node.respawn
    assert node.parameters[0].endswith('config/robot.yaml') and 'REFLEX_API_KEY' not in node.env
    assert [other.executable for other in others] == ['rviz2'] * (argument == 'rviz')


def test_rviz_shows_the_arm_and_what_the_policy_wants_and_gets_no_key(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_of_the_person')
    monkeypatch.setattr(launch_file, 'is_installed', lambda name: True)
    found = of_kind(describe(launch_file, rviz='true', namespace='left'), 'Node')[4:]
    assert [node.executable for node in found] == [
        'robot_state_publisher', 'robot_state_publisher', 'static_transform_publisher', 'rviz2']
    real, ghost, _, rviz = found
    assert real.parameters[0]['robot_description'].startswith('<?xml')
    assert real.parameters[0]['frame_prefix'] == 'left/'
    assert ghost.parameters[0]['frame_prefix'] == 'left/ghost/'
    assert ('joint_states', 'policy/joint_states') in ghost.remappings
    assert Path(rviz.arguments[1]).name == 'reflex.rviz' and Path(rviz.arguments[1]).exists()
    shown = yaml.safe_load(Path(rviz.arguments[1]).read_text())['Visualization Manager']
    assert shown['Global Options']['Fixed Frame'] == 'left/base_link'
    assert [each['TF Prefix'] for each in shown['Displays'] if 'TF Prefix' in each] == [
        'left', 'left/ghost']
    assert {each[key]['Value'] for each in shown['Displays']
            for key in ('Topic', 'Description Topic') if key in each} == {
        '/left/robot_description', '/left/front/image_raw/compressed'}
    for node in found:
        assert node.namespace == 'left' and 'REFLEX_API_KEY' not in node.env
        assert node.env['PATH'] == os.environ['PATH']


def test_every_namespace_is_a_robot(launch_file: Any) -> None:
    found = of_kind(describe(launch_file, namespace='left,right'), 'Node')
    assert [node.namespace for node in found] == 4 * ['left'] + 4 * ['right']


def test_robot_yaml_is_translated_for_every_node_and_its_warnings_are_shown(
        launch_file: Any, tmp_path: Path) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_text('mode: apply_actions\nhardware: {kind: so101, config: {port: /dev/x}}')
    found = describe(launch_file, config=str(path))
    files = {node.parameters[0] for node in of_kind(found, 'Node')}
    assert len(files) == 1 and '/dev/x' in Path(files.pop()).read_text()
    assert [':1: mode: ' in entry.msg for entry in of_kind(found, 'LogInfo')] == [True]


@pytest.mark.parametrize(('distribution', 'expected'), [
    ('kilted', {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}),
    ('humble', {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_LOCALHOST_ONLY': '1'})])
def test_graph_stays_on_this_machine(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch, distribution: str,
        expected: dict[str, str]) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    found = of_kind(describe(launch_file), 'SetEnvironmentVariable')
    assert dict(entity.positional for entity in found) == expected


def test_range_that_the_user_chose_is_kept(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    assert not of_kind(describe(launch_file), 'SetEnvironmentVariable')


@pytest.mark.parametrize('arguments', [
    {'simulate': 'true'}, {'use_sim': 'true'}, {'simulation': 'true'}, {'si': 'true'}])
def test_misspelt_sim_does_not_start_the_real_arm(
        launch_file: Any, arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'sim'"):
        describe(launch_file, **arguments)


@pytest.mark.parametrize('arguments', [
    {'use_sim_time': 'true'}, {'robot_namespace': 'left'}, {'simulate': 'true', 'sim': 'true'}])
def test_launch_file_that_includes_ours_may_have_other_arguments(
        launch_file: Any, arguments: dict[str, str]) -> None:
    assert describe(launch_file, **arguments)


@pytest.mark.parametrize(('argv', 'expected'), [
    (['ros2', 'launch', 'reflex_ros', 'connect.launch.py', 'deployment:=x'], ['deployment']),
    (['ros2', 'launch', str(FILE), 'a:=1', 'b:=c:=d'], ['a', 'b']),
    (['ros2', 'launch', 'my_robot', 'connect.launch.py', 'a:=1'], []),
    (['ros2', 'launch', 'reflex_ros', 'other.launch.py', 'a:=1'], [])])
def test_arguments_are_ours_when_the_command_line_names_our_file(
        launch_file: Any, argv: list[str], expected: list[str]) -> None:
    assert launch_file.typed_arguments(argv) == expected


def test_typed_argument_that_is_unknown_is_refused(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', str(FILE), 'deployment:=x'])
    with pytest.raises(ConfigurationError, match="argument 'deployment' is unknown. Known"):
        describe(launch_file, deployment='x')


def test_leader_is_one_of_the_processes(launch_file: Any) -> None:
    found = describe(launch_file, leader='/dev/so101_leader', namespace='left')
    [leader] = [each for each in found if getattr(each, 'executable', '') == 'leader_node']
    assert leader.namespace == 'left' and {'port': '/dev/so101_leader'} in leader.parameters
    with pytest.raises(ConfigurationError, match='can guide one robot'):
        describe(launch_file, leader='/dev/so101_leader', namespace='left,right')


def test_second_graph_in_one_domain_and_namespace_is_refused(
        launch_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = running_graphs.Graph(7, 'left', nodes={'so101': 1, 'reflex up': 2})
    monkeypatch.setattr(running_graphs, 'find', lambda **_: [graph])
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    with pytest.raises(ConfigurationError, match='a graph already runs in ROS domain 7, '
                       r'namespace left \(so101: process 1, reflex up: process 2\)'):
        describe(launch_file, namespace='right,left')
    assert of_kind(describe(launch_file, namespace='right'), 'Node')
