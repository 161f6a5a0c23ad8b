# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The description of the processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.errors import ConfigurationError


@pytest.mark.parametrize(('text', 'expected'), [
    ('', ('',)), ('left', ('left',)), ('/left/', ('left',)), ('left, right', ('left', 'right')),
    ('cell/a,cell/b', ('cell/a', 'cell/b'))])
def test_namespaces_are_a_robot_each(text: str, expected: tuple[str, ...]) -> None:
    assert process_table.namespaces(text) == expected


@pytest.mark.parametrize('text', ['left,', 'left,left', '1left', 'le-ft', 'a b', 'a//b', 'ärm'])
def test_namespace_that_is_no_ros_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match='such as left,right'):
        process_table.namespaces(text)


@pytest.mark.parametrize(('content', 'reason'), [
    ('so101: [1\n  b', ', line 2: not valid YAML'),
    ('a:\n\tb: 1', ', line 2: not valid YAML'),
    ('"', ', line 1: not valid YAML'),
    ('\x00\x01', 'is not a YAML text file'),
    ('', 'is not a ROS parameter file'),
    ('just words', 'is not a ROS parameter file'),
    ('- 1', 'is not a ROS parameter file'),
    ('so101:\n', 'is not a ROS parameter file'),
    ('so101:\n  rate_hz: 50.0', 'is not a ROS parameter file'),
    ('so101:\n  ros__parameters: 5', 'is not a ROS parameter file')])
def test_file_that_no_node_could_read_is_refused(
        tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        process_table.nodes(path)
    assert f'configuration {path}' in str(refused.value) and reason in str(refused.value)
    assert 'config/robot.yaml' in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_bytes(b'\xff\xfe\xff')
    with pytest.raises(ConfigurationError, match='is not a YAML text file'):
        process_table.nodes(path)


@pytest.mark.parametrize('content', [
    'so101:\n  ros__parameters:\n    rate_hz: 50.0', '/**:\n  ros__parameters: {a: 1}',
    'left:\n  so101:\n    ros__parameters: {a: 1}'])
def test_parameter_file_of_a_robot_is_passed_to_every_node(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_text(content)
    assert all(node.parameter_files == (path,) for node in process_table.nodes(path))


@pytest.mark.parametrize('name', ['robot.yaml', 'two_arms.yaml', 'sim.yaml'])
def test_files_of_the_package_pass_the_check(name: str) -> None:
    process_table.check_parameter_file(process_table.share_folder() / 'config' / name)
