# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robots behind commands: real processes, their time-outs, their garbage, and their end."""

import json
import os
from pathlib import Path
import sys
import time

import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect import commands
from reflex_ros.runner.connect.commands import CommandError
from reflex_ros.runner.connect.step_run import run_session
from reflex_ros.runner.connect.steps import RobotAction
from reflex_ros.runner.connect.subprocess_connector import SubprocessConnector

pytestmark = pytest.mark.live


@pytest.fixture
def script(tmp_path):
    """Return a function that writes a Python program and returns the command that runs it."""
    def write(name, text):
        path = tmp_path / f'{name}.py'
        path.write_text(f'import json, os, sys, time\n{text}\n')
        return [sys.executable, '-S', '-E', str(path)]

    return write


OBSERVE = 'print(json.dumps({"state": [1, 2], "images": {"a": "/9j"}, "task": "t", "x": 3}))'


def test_observation_is_read_from_one_json_object(script):
    seen = SubprocessConnector(script('observe', OBSERVE)).get_observation()
    assert (seen.state, seen.cameras, seen.task, seen.extra) == (
        [1, 2], {'a': '/9j'}, 't', {'x': 3})


@pytest.mark.parametrize('text', [
    'print("a log line"); print(json.dumps({"state": [1]}))',
    'print(json.dumps({"state": [1]}, indent=2))',
    'assert sys.stdin.read() == "{}"; print(json.dumps({"state": [1]}))',
])
def test_logs_before_the_object_and_an_object_of_several_lines_are_read(script, text):
    assert SubprocessConnector(script('observe', text)).get_observation().state == [1]


def test_silence_is_an_empty_observation(script):
    assert SubprocessConnector(script('observe', 'pass')).get_observation().state == []


@pytest.mark.parametrize('text, message', [
    ('print("not json")', r'observe command must emit a JSON object: Expecting value'),
    ('print("[1, 2]")', r'observe command must emit a JSON object, not list'),
    ('sys.exit("no camera")', r'observe command failed \(1\): no camera'),
    ('print("out"); sys.exit(3)', r'observe command failed \(3\): out'),
    ('os.kill(os.getpid(), 9)', r'observe command failed \(-9\): it wrote nothing'),
])
def test_garbage_and_failure_are_said_with_what_the_command_wrote(script, text, message):
    with pytest.raises(CommandError, match=message):
        SubprocessConnector(script('observe', text)).get_observation()


def test_command_that_takes_too_long_is_ended_with_its_whole_group(script, tmp_path):
    pid = tmp_path / 'pid'
    command = script('observe', f"""
child = os.fork()
if not child:
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open({str(pid)!r}, "w").write(str(os.getpid()))
time.sleep(60)""")
    connector = SubprocessConnector(command, command_timeout_s=1.5)
    began = time.monotonic()
    with pytest.raises(CommandError, match=r'The observe command timed out after 1.5s: .*python'):
        connector.get_observation()
    assert time.monotonic() - began < 10.0
    deadline = time.monotonic() + 5.0
    while Path(f'/proc/{pid.read_text()}/status').exists() and 'State:\tZ' not in Path(
            f'/proc/{pid.read_text()}/status').read_text():
        assert time.monotonic() < deadline, 'a process of the group lives on'
        time.sleep(0.01)


def test_background_process_that_keeps_the_pipes_open_holds_nobody(script):
    text = f'if os.fork():\n    {OBSERVE}\nelse:\n    time.sleep(20)'
    began = time.monotonic()
    connector = SubprocessConnector(script('observe', text), command_timeout_s=15.0)
    assert connector.get_observation().state == [1, 2]
    assert time.monotonic() - began < 10.0


def test_output_is_bounded(script, monkeypatch):
    monkeypatch.setattr(commands, 'MAX_OUTPUT', 100_000)
    with pytest.raises(CommandError, match='wrote more than 100000 bytes'):
        SubprocessConnector(script('observe', 'while True: print("x" * 1000)')).get_observation()


def test_large_answer_and_large_request_pass(script):
    text = ('value = json.load(sys.stdin)["action_chunk"]\n'
            'assert len(value["actions"]) == 5000 and value["raw"] == {"dt_ms": 5.0}')
    connector = SubprocessConnector(
        script('observe', 'print(json.dumps({"state": [0.5] * 200000}))'),
        script('act', text), command_timeout_s=20.0)
    assert len(connector.get_observation().state) == 200_000
    connector.apply_action(RobotAction([[0.25] * 14] * 5000, {'raw': {'dt_ms': 5.0}}))


def test_no_command_sees_the_api_key(script, monkeypatch):
    for name in ('REFLEX_API_KEY', 'RFX_API_KEY', 'MY_OWN_NAME'):
        monkeypatch.setenv(name, 'rfx_secret_1')
    monkeypatch.setenv('HARMLESS', 'yes')
    text = ('found = [v for v in os.environ.values() if "rfx_" in v]\n'
            'print(json.dumps({"state": [len(found)], "task": os.environ["HARMLESS"]}))')
    seen = SubprocessConnector(script('observe', text)).get_observation()
    assert (seen.state, seen.task) == ([0], 'yes')


def test_command_is_split_like_a_shell_and_run_by_none(script, tmp_path):
    argv = script('observe', 'print(json.dumps({"state": [], "task": sys.argv[1]}))')
    connector = SubprocessConnector(f'{" ".join(argv)} "two words; $HOME > {tmp_path}/file"')
    assert connector.get_observation().task == f'two words; $HOME > {tmp_path}/file'
    assert not (tmp_path / 'file').exists()


def test_missing_and_empty_commands_are_said_at_once(script):
    with pytest.raises(ConfigurationError, match='requires observe_command'):
        SubprocessConnector('')
    with pytest.raises(ConfigurationError, match='No closing quotation'):
        SubprocessConnector('observe "')
    with pytest.raises(CommandError, match='no_such_program is not an executable file'):
        SubprocessConnector('no_such_program --fast').start()
    with pytest.raises(CommandError, match='command must not be empty: set action_command'):
        SubprocessConnector(script('observe', OBSERVE)).apply_action(RobotAction([[1.0]]))


def test_safe_stop_gets_the_reason_and_has_a_time_of_its_own(script, tmp_path):
    said = tmp_path / 'said'
    stop = script('stop', f'open({str(said)!r}, "w").write(sys.stdin.read())')
    SubprocessConnector(script('observe', OBSERVE), '', stop).safe_stop('the link is gone')
    assert json.loads(said.read_text()) == {'reason': 'the link is gone'}
    slow = SubprocessConnector(script('observe', OBSERVE), '', script('slow', 'time.sleep(30)'),
                               safe_stop_timeout_s=0.3)
    with pytest.raises(CommandError, match='safe stop command timed out after 0.3s.*safe_stop_t'):
        slow.safe_stop('x')


COUNTER = """
count = 0
for line in sys.stdin:
    assert json.loads(line) == {}
    count += 1
    print(json.dumps({"state": [count]}), flush=True)
"""


def test_persistent_command_answers_line_by_line_and_ends_with_the_run(script):
    connector = SubprocessConnector(script('observe', COUNTER), persistent=True,
                                    command_timeout_s=10.0)
    connector.start()
    try:
        assert [connector.get_observation().state for _ in range(3)] == [[1], [2], [3]]
        process = connector._running['observe']._process
    finally:
        connector.stop()
    assert process.returncode is not None


def test_persistent_command_that_writes_by_itself_is_read_at_its_newest_line(script):
    connector = SubprocessConnector(script('observe', """
for number in range(10**9):
    print(json.dumps({"state": [number]}), flush=True)
    time.sleep(0.002)"""), persistent=True, command_timeout_s=10.0)
    connector.start()
    try:
        first = connector.get_observation().state[0]
        time.sleep(0.1)
        second = connector.get_observation().state[0]
        assert connector.get_observation().state[0] > second > first + 5
    finally:
        connector.stop()


@pytest.mark.parametrize('text, message', [
    ('sys.stdin.readline(); time.sleep(60)', r'observe command timed out after 0.5s'),
    ('sys.stdin.readline(); sys.exit("broken")', r'observe command failed \(1\): broken'),
])
def test_persistent_command_that_hangs_or_ends_is_an_error(script, text, message):
    connector = SubprocessConnector(script('observe', text), persistent=True,
                                    command_timeout_s=0.5 if 'sleep' in text else 20.0)
    connector.start()
    try:
        with pytest.raises(CommandError, match=message):
            connector.get_observation()
    finally:
        connector.stop()


def test_persistent_action_command_starts_with_the_first_action_and_acknowledges(script, tmp_path):
    log = tmp_path / 'log'
    act = script('act', f"""
open({str(log)!r}, "w").close()
for line in sys.stdin:
    with open({str(log)!r}, "a") as file:
        file.write(line)
    print("{{}}", flush=True)""")
    connector = SubprocessConnector(script('observe', COUNTER), act, persistent=True,
                                    command_timeout_s=10.0)
    connector.start()
    try:
        connector.get_observation()
        assert not log.exists()
        for number in (1.0, 2.0):
            connector.apply_action(RobotAction([[number]]))
        chunks = [json.loads(line)['action_chunk'] for line in log.read_text().splitlines()]
        assert [chunk['actions'] for chunk in chunks] == [[[1.0]], [[2.0]]]
    finally:
        connector.stop()


class Policy:
    def start(self):
        pass

    def infer(self, observation):
        return {'actions': [[1.0]], 'metadata': {}}

    def stop(self):
        pass


def test_observe_command_that_hangs_stops_the_robot_by_its_command(script, tmp_path):
    said = tmp_path / 'said'
    connector = SubprocessConnector(
        script('observe', 'time.sleep(60)'), '',
        script('stop', f'open({str(said)!r}, "w").write(sys.stdin.read()); sys.exit("jammed")'),
        command_timeout_s=0.5)
    result = run_session(connector=connector, transport=Policy())
    assert result.errors[0].startswith('RuntimeError: The observe command timed out after 0.5s: ')
    assert result.errors[1] == 'safe_stop_failed: The safe stop command failed (1): jammed'
    assert result.safe_stops == 1 and result.codes == ['HW_COMMAND', '']
    assert 'timed out' in json.loads(said.read_text())['reason']


def test_fds_do_not_leak(script):
    connector = SubprocessConnector(script('observe', OBSERVE))
    connector.get_observation()
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(3):
        connector.get_observation()
    assert len(os.listdir('/proc/self/fd')) == before
