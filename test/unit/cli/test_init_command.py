# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex init`` and ``reflex connect --check``."""

import json

import pytest

from reflex_ros.config.robot import file as robot_file
from reflex_ros.config.robot import template

pytestmark = pytest.mark.usefixtures('no_settings')


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_file_that_cannot_be_written_is_named_with_its_option(ask):
    ask('init', '--yes', '--file', '/proc/x.yaml').failed(
        '/proc/x.yaml cannot be written: No such file or directory. Choose another file with')


def test_file_that_is_written_without_a_question_is_valid(reflex, in_folder):
    done = reflex('init', '--yes')
    assert done.code == 0 and 'reflex connect --config robot.yaml --check' in done.out
    config = robot_file.read(in_folder / 'robot.yaml').config
    assert config.mode == 'dry_run' and config.prompt == 'hold' and not config.cameras


def test_options_go_into_the_file(reflex, in_folder):
    prompt = 'pick: "ü" # now'
    done = reflex('init', '--yes', '--file', 'my.yaml', '--port', '/dev/x', '--prompt', prompt,
                  '--deployment', 'deploy_1', '--camera', 'front=/dev/video0', '--camera',
                  'wrist=2', '--json')
    assert done.document['file'] == 'my.yaml'
    config = robot_file.read(in_folder / 'my.yaml').config
    assert config.hardware.config.values()['port'] == '/dev/x'
    assert config.prompt == prompt and config.deployment.id == 'deploy_1'
    assert [camera.device for camera in config.cameras.values()] == ['/dev/video0', '2']


def test_file_that_exists_is_replaced_only_with_force(reflex, in_folder):
    (in_folder / 'robot.yaml').write_text('mine')
    reflex('init', '--yes').failed('robot.yaml exists already')
    assert (in_folder / 'robot.yaml').read_text() == 'mine'
    assert reflex('init', '--yes', '--force').code == 0
    assert 'mine' not in (in_folder / 'robot.yaml').read_text()


def test_without_a_terminal_it_asks_for_yes(reflex, in_folder):
    done = reflex('init')
    assert done.code == 2 and '--yes' in done.err
    assert not (in_folder / 'robot.yaml').exists()


@pytest.mark.parametrize('camera', ['front', 'front=', '=x', 'a-b=x'])
def test_camera_without_name_or_device_is_a_usage_error(reflex, camera):
    done = reflex('init', '--yes', '--camera', camera)
    assert done.code == 2 and 'expected NAME=DEVICE' in done.err


def test_schema_knows_every_key_at_the_top(reflex, in_folder):
    done = reflex('init', '--schema')
    schema = json.loads(done.out)
    assert {'mode', 'target', 'hardware', 'cameras', 'prompt'} <= schema['properties'].keys()
    assert schema['additionalProperties'] is False and schema['required'] == ['hardware']
    assert done.out == template.schema() and not (in_folder / 'robot.yaml').exists()


def test_check_of_a_valid_file_starts_nothing(reflex, in_folder):
    (in_folder / 'robot.yaml').write_text('hardware: {kind: so101}\nstreaming: {fps: 5}')
    done = reflex('connect', '--config', 'robot.yaml', '--check')
    assert done.code == 0 and 'robot.yaml is valid' in done.out
    assert 'Warning: robot.yaml:2: streaming: has no effect' in done.out
    document = reflex('connect', '--config', 'robot.yaml', '--check', '--json').document
    assert document['ok'] and document['target'] == 'stream' and len(document['warnings']) == 1


def test_check_names_every_mistake_in_a_line_and_exits_1(reflex, in_folder):
    (in_folder / 'robot.yaml').write_text('hardware: {kind: so100}\nmax_stps: 5')
    done = reflex('connect', '--config', 'robot.yaml', '--check')
    assert done.code == 1
    assert "robot.yaml:1: hardware.kind: Unknown connector kind: 'so100'. Did you mean" in done.err
    assert "robot.yaml:2: max_stps: unknown key. Did you mean 'max_steps'?" in done.err


def test_parameter_file_is_sent_to_reflex_up(reflex, in_folder):
    (in_folder / 'robot.yaml').write_text('/**/so101:\n  ros__parameters: {rate_hz: 50.0}')
    done = reflex('connect', '--config', 'robot.yaml', '--check')
    assert done.code == 1 and 'reflex up --config robot.yaml' in done.err
