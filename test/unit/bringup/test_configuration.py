# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both forms of a configuration file: what the nodes get, and what is refused with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reflex_ros.bringup import configuration, process_table
from reflex_ros.config.parameters import file as parameter_file
from reflex_ros.config.parameters.tables import TABLES
from reflex_ros.errors import ConfigurationError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration file."""
    def written(content: str) -> Path:
        path = tmp_path / 'robot.yaml'
        path.write_text(content, encoding='utf-8')
        return path
    return written


def refusal(path: Path, *namespaces: str, sim: bool = False) -> str:
    with pytest.raises(ConfigurationError) as refused:
        configuration.read(path, namespaces or ('',), sim=sim)
    return str(refused.value)


def nodes_of(path: Path, *, sim: bool = False) -> dict[str, dict[str, Any]]:
    """Return the parameters by node, as the parameter file has them."""
    tree = yaml.safe_load(configuration.read(path, sim=sim).path.read_text(encoding='utf-8'))
    return {name.removeprefix('/**/'): section['ros__parameters']
            for name, section in tree.items()}


# Neither form.

@pytest.mark.parametrize(('content', 'reason'), [
    ('so101: [1\n  b', ':2: not valid YAML'),
    ('a:\n\tb: 1', ':2: not valid YAML'),
    ('\x00\x01', ': the file is not a YAML text in UTF-8'),
    ('a: ' + '[' * 100_000, ': too many levels'),
    ('', ': neither a robot.yaml'),
    ('just words', ': neither a robot.yaml'),
    ('- 1', ': neither a robot.yaml'),
    ('so101:\n', ': neither a robot.yaml'),
    ('so101:\n  rate_hz: 50.0', ': neither a robot.yaml')])
def test_file_of_neither_form_is_refused_with_the_file_to_compare_with(
        write: Write, content: str, reason: str) -> None:
    path = write(content)
    text = refusal(path)
    assert text.startswith(f'{path}{reason}') and 'config/robot.yaml' in text


def test_missing_file_names_the_file_to_copy(tmp_path: Path) -> None:
    text = refusal(tmp_path / 'none.yaml')
    assert 'none.yaml: the file does not exist. Copy ' in text and 'config/robot.yaml' in text


# A ROS parameter file.

@pytest.mark.parametrize('content', [
    'so101:\n  ros__parameters:\n    rate_hz: 50.0', '/**:\n  ros__parameters: {prompt: x}',
    '\ufeff/so101:\n  ros__parameters: {rate_hz: 50.0}',
    '/**/supervisor:\n  ros__parameters: {gate: {dry_run_s: 3.0}, use_sim_time: true}',
    '/**/action_stream:\n  ros__parameters: {camera.front.width: 224}'])
def test_parameter_file_of_a_robot_is_passed_as_it_is(write: Write, content: str) -> None:
    path = write(content)
    assert configuration.read(path) == configuration.Configuration(path)


@pytest.mark.parametrize(('name', 'namespaces'), [
    ('robot.yaml', ('',)), ('two_arms.yaml', ('left',)), ('two_arms.yaml', ('left', 'right')),
    ('sim.yaml', ('',))])
def test_files_of_the_package_pass_without_a_warning(
        name: str, namespaces: tuple[str, ...]) -> None:
    path = process_table.share_folder() / 'config' / name
    assert configuration.read(path, namespaces).warnings == ()


@pytest.mark.parametrize(('content', 'namespace', 'reason'), [
    ('so101:\n  ros__parameters: {rate_hz: 50.0}', 'left',
     ':1: so101: section /so101 does not reach the node /left/so101: write /**/so101 for any '
     'namespace'),
    ('left:\n  so101:\n    ros__parameters: {rate_hz: 50.0}', '',
     ':2: left.so101: section /left/so101 does not reach the node /so101'),
    ('/*/so101:\n  ros__parameters: {rate_hz: 50.0}', 'a/b', 'does not reach the node /a/b/so101'),
    ('/**/so10l:\n  ros__parameters: {rate_hz: 50.0}', '',
     ':1: /**/so10l: section /**/so10l reaches no node. Did you mean /**/so101?'),
    ('/**/so101:\n  ros__parameters:\n    rate: 50.0', '',
     ':3: /**/so101.ros__parameters.rate: no node of the section /**/so101 has a parameter '
     "'rate'. Did you mean 'rate_hz'?"),
    ('/**/so101:\n  ros__parameters: {prompt: x}', '', "has a parameter 'prompt'. It is a "
     'parameter of action_stream'),
    ('/**:\n  ros__parameters: {promt: x}', '', "has a parameter 'promt'. Did you mean 'prompt'?"),
    ('/**/so101:\n  ros__parameters: 5', '', ':2: /**/so101.ros__parameters: must be a mapping'),
    ('ros__parameters: {rate_hz: 50.0}', '', ':1: ros__parameters: stands at the top'),
    ('/**/so101:\n  ros__parameters:\n    rate_hz: 50.0\n    rate_hz: 60.0', '',
     ":4: the key 'rate_hz' stands here again: it is in line 3 already"),
])
def test_section_or_parameter_that_reaches_no_node_is_refused_with_its_line(
        write: Write, content: str, namespace: str, reason: str) -> None:
    assert reason in refusal(write(content), namespace)


def test_every_section_that_reaches_no_node_is_named_at_once(write: Write) -> None:
    text = refusal(write('so101:\n  ros__parameters: {rate_hz: 50.0}\n'
                         'supervisor:\n  ros__parameters: {auto_dry_run: true}\n'), 'left')
    assert [line.split(': ')[1] for line in text.splitlines()] == ['so101', 'supervisor']


def test_section_of_a_node_of_somebody_else_is_warned_about(write: Write) -> None:
    path = write('/**/so101:\n  ros__parameters: {rate_hz: 50.0}\n'
                 'usb_cam:\n  ros__parameters: {video_device: /dev/video0}\n')
    found = configuration.read(path)
    assert found.path == path and len(found.warnings) == 1
    assert 'robot.yaml:3: usb_cam: section /usb_cam reaches no node' in found.warnings[0]


# robot.yaml.

ROBOT = """
prompt: 'pick: the "5"'
mode: apply_actions
pipeline_inference: false
control_period_s: 0.5
target: {base_model: m, rpc_url: http://127.0.0.1:1, url: ws://127.0.0.1:1, parallel: 2}
hardware: {kind: so101, config: {port: '/dev/x', limits.velocity: 1, trim.gripper: 0.1}}
cameras:
  front: {kind: topic, topic: /usb/image, send_width: 224, send_height: 224, rotation: 90}
  wrist: {kind: topic}
deployment: {id: deploy_1}
gate: {dry_run_s: 3}
"""


@pytest.mark.parametrize(('section', 'node', 'is_missed'), [
    ('so101', '/so101', False), ('/**/so101', '/left/so101', False), ('/**', '/arm', False),
    ('/*/so101', '/left/so101', False), ('so101', '/left/so101', True),
    ('/left/so101', '/right/so101', True), ('so101', '/arm', True), ('arm', '/left/arm', True),
    ('supervisor', '/so101', False)])
def test_parameter_file_of_a_command_line_that_misses_its_node_is_named(
        write: Write, section: str, node: str, is_missed: bool) -> None:
    path = str(write(f'"{section}":\n  ros__parameters:\n    rate_hz: 50.0\n'))
    said = [*parameter_file.missed(('node', '--ros-args', '--params-file', path), 'so101', node)]
    assert len(said) == is_missed
    assert all(path in text and f'does not reach this node, {node}' in text for text in said)


def test_parameter_file_that_is_not_ours_to_judge_is_left_to_rcl(write: Write) -> None:
    paths = '/nowhere.yaml', str(write('so101: [unclosed\n')), str(write('- a list\n'))
    for path in paths:
        assert not [*parameter_file.missed(('--params-file', path), 'so101', '/left/so101')]
    assert not [*parameter_file.missed(('--params-file',), 'so101', '/left/so101')]


def test_robot_yaml_becomes_the_parameters_of_the_nodes(write: Write) -> None:
    assert nodes_of(write(ROBOT)) == {
        'so101': {'port': '/dev/x', 'limits.velocity': 1.0, 'trim.gripper': 0.1},
        'action_stream': {
            'service.model': 'm', 'service.rpc_url': 'http://127.0.0.1:1',
            'service.actions_url': 'ws://127.0.0.1:1', 'service.parallel': 2,
            'limits.velocity': 1.0, 'prompt': 'pick: the "5"', 'cameras': ['front', 'wrist'],
            'schedule': 'sync', 'replan_s': 0.5, 'service.deployment': 'deploy_1',
            'camera.front.topic': '/usb/image', 'camera.front.width': 224,
            'camera.front.height': 224, 'camera.front.rotation': 90},
        'supervisor': {'gate.dry_run_s': 3.0}}


def test_every_translated_parameter_is_one_of_its_node_and_in_its_range(write: Write) -> None:
    for node, values in nodes_of(write(ROBOT)).items():
        for name, value in values.items():
            spec = next(spec for spec in TABLES[node] if spec.is_for(name))
            assert spec.check(value) == value


def test_graph_says_that_apply_actions_waits_for_the_promotion(write: Write) -> None:
    warnings = configuration.read(write(ROBOT)).warnings
    assert len(warnings) == 1 and ':3: mode: the graph begins in dry_run' in warnings[0]


def test_camera_of_this_machine_gets_a_node_that_publishes_it(write: Write) -> None:
    path = write("""
hardware: {kind: so101}
cameras:
  front: {kind: v4l2, device: 0, width: 1280, send_width: 224}
  wrist: {kind: shm, name: left}
  top: {kind: topic}
""")
    found = nodes_of(path)
    assert found['action_stream']['cameras'] == ['front', 'wrist', 'top']
    assert found['action_stream']['camera.front.width'] == 224
    assert found['camera_front'] == {'camera': 'front', 'kind': 'v4l2', 'device': '0',
                                     'width': 1280}
    assert found['camera_wrist'] == {'camera': 'wrist', 'kind': 'shm', 'name': 'left'}
    read = configuration.read(path)
    assert read.cameras == ('front', 'wrist') and read.warnings == ()
    nodes = {node.name: node for node in process_table.nodes(read.path, None, read.cameras)}
    command = nodes['camera_front'].command('left')
    assert '__node:=camera_front' in command and '__ns:=/left' in command


def test_simulated_world_has_a_simulated_camera_for_each(write: Write) -> None:
    read = configuration.read(write("""
hardware: {kind: so101}
cameras: {front: {kind: v4l2, device: 0}, top: {kind: sim}, other: {kind: topic}}
"""), sim=True)
    nodes = process_table.nodes(read.path, process_table.make_world(), read.cameras)
    assert [node.parameters['camera'] for node in nodes if 'camera' in node.name] == [
        'front', 'top']
    assert {node.executable for node in nodes if 'camera' in node.name} == {'sim_camera_node'}


def test_deployment_comes_from_the_environment_when_the_file_has_none(
        write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('REFLEX_DEPLOYMENT_ID', 'deploy_env')
    path = write('hardware: {kind: so101}')
    assert nodes_of(path)['action_stream']['service.deployment'] == 'deploy_env'


def test_robot_without_cameras_gets_none(write: Write) -> None:
    # ROS has no type for an empty list; the node reads a list with an empty text as empty.
    assert nodes_of(write('hardware: {kind: so101}'))['action_stream']['cameras'] == ['']


def test_simulated_hardware_needs_the_simulation(write: Write) -> None:
    path = write('hardware: {kind: sim, config: {limits.velocity: 1}}')
    assert ':1: hardware.kind: start the graph with a simulated arm' in refusal(path)
    assert nodes_of(path, sim=True)['so101'] == {'limits.velocity': 1.0}


@pytest.mark.parametrize(('content', 'expected'), [
    ('hardware: {kind: so101}\ntarget: {kind: edge, url: "http://h/act"}', ':2: target.kind: '),
    ('hardware: {kind: so101}\ntarget: {kind: infer}', ':2: target.kind: '),
    ('hardware: {kind: so101}\ntarget: {kind: "a:B"}', ':2: target.kind: '),
    ('hardware: {kind: shell, config: {observe_command: x}}', ':1: hardware.kind: '),
    ('hardware: {kind: "a:B"}', ':1: hardware.kind: '),
    ('hardware: {kind: so101}\nmax_steps: 5', ':2: max_steps: '),
    ('hardware: {kind: so101}\ncontrol_period_s: 6', ':2: control_period_s: '),
    ('hardware: {kind: so101}\nstop_on_error: false', ':2: stop_on_error: '),
    ('hardware: {kind: so101}\nrecording: {directory: x}', ':2: recording.directory: '),
    ('hardware: {kind: so101}\ncameras: {a: {kind: "a:B"}}', ':2: cameras.a.kind: '),
    ('hardware: {kind: so101}\ncameras: {a: {kind: sim}}', ':2: cameras.a.kind: '),
])
def test_what_the_graph_does_not_drive_is_refused_with_its_line_and_reflex_connect(
        write: Write, content: str, expected: str) -> None:
    path = write(content)
    text = refusal(path)
    assert text.startswith(f'{path}{expected}') and 'use `reflex connect`' in text
    assert '\n' not in text


def test_robot_yaml_is_one_robot(write: Write) -> None:
    assert 'is one robot' in refusal(write('hardware: {kind: so101}'), 'left', 'right')


def test_mistake_in_a_robot_yaml_is_refused_before_anything_starts(write: Write) -> None:
    path = write('hardware: {kind: so101}\nmax_stps: 5')
    assert refusal(path) == f"{path}:2: max_stps: unknown key. Did you mean 'max_steps'?"
