# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a process that is started gets; real processes."""

import json
from pathlib import Path

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.bringup.process_table import Process, World
from reflex_ros.bringup.processes import ProcessGroup
from reflex_ros.errors import ConfigurationError

KEY = 'rfx_canary_7c1d9e'
SECRETS = {'REFLEX_API_KEY': KEY, 'MY_OWN_NAME': KEY, 'REFLEX_PROXY': 'http://me:word@proxy:1',
           'REFLEX_ACTIONS_URL': f'wss://x/v1/actions?token={KEY}'}
SHOW = 'import json, os; print(json.dumps(dict(os.environ)), flush=True)'


@pytest.fixture
def environment_of(monkeypatch, tmp_path):
    """Return a function that starts a process and returns the environment that it has."""
    (tmp_path / 'show_environment.py').write_text(SHOW)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.delenv('ROS_LOG_DIR', raising=False)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def start(process):
        group = ProcessGroup(tmp_path / 'logs')
        try:
            return group.start_ready(Process(process.name, 'show_environment',
                                             environment=process.environment,
                                             has_key=process.has_key))
        finally:
            group.end()

    return start


def test_key_is_in_the_environment_of_the_stream_alone(environment_of):
    for process in (*process_table.nodes(), process_table.monitor()):
        found = environment_of(process)
        has = {name for name in SECRETS if name in found}
        assert has == (set(SECRETS) if process.name == 'action_stream' else set()), process.name
        assert (KEY in json.dumps(found)) is bool(has)


def test_simulated_parts_get_no_key_of_the_person(environment_of):
    world = World(Path('/tmp/arm'), Path('/tmp/arm.sock'), 1)
    for process in (*process_table.simulation(world), *process_table.nodes(world=world)):
        found = environment_of(process)
        assert (KEY in json.dumps(found)) is process.has_key
        assert found.get('REFLEX_API_KEY') == (
            process_table.SIM_KEY if process.has_key else None), process.name


def test_logs_of_ros_are_with_the_other_logs_unless_a_person_has_chosen(environment_of, tmp_path,
                                                                        monkeypatch):
    monitor = process_table.monitor()
    assert environment_of(monitor)['ROS_LOG_DIR'] == str(tmp_path / 'logs' / 'ros')
    monkeypatch.setenv('ROS_LOG_DIR', '/chosen')
    assert environment_of(monitor)['ROS_LOG_DIR'] == '/chosen'


@pytest.mark.parametrize('folder', ['/proc/x', '/proc', '/dev/null', '/dev/null/x'])
def test_folder_that_takes_no_log_is_refused_with_the_next_step(folder):
    with pytest.raises(ConfigurationError, match=f'no log can be written to the folder {folder}: '
                       r'.+\. Name another one with --logs'):
        ProcessGroup(Path(folder))
