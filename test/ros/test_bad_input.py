# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bad input is refused at configure, in one line: the thing, the reason, the next step."""

import fcntl
import os
import pty
import subprocess
import sys

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.bringup.processes import ProcessGroup
from reflex_ros.sim.arm.client import ArmControl

from .conftest import running

pytest.importorskip('rclpy')
pytestmark = pytest.mark.xdist_group('ros nodes')

SIM_KEY = {'REFLEX_API_KEY': process_table.SIM_KEY}


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """Run the simulated arm and service for all tests of this file."""
    folder = tmp_path_factory.mktemp('world')
    world = process_table.World(folder / 'arm', folder / 'arm.sock', process_table.free_port())
    group = ProcessGroup(folder / 'log')
    for process in process_table.simulation(world):
        group.start_ready(process)
    yield world
    group.end()


@pytest.fixture
def clean_environment(monkeypatch, tmp_path):
    """Take away whatever key or port the machine has."""
    for name in list(os.environ):
        if name.startswith(('REFLEX_', 'RFX_')):
            monkeypatch.delenv(name)
    monkeypatch.setenv('REFLEX_CONFIG_DIR', str(tmp_path))


def configure(node):
    """Configure a node; return whether it worked and the line that it shows."""
    from rclpy.lifecycle import TransitionCallbackReturn
    try:
        result = node.trigger_configure()
        return result == TransitionCallbackReturn.SUCCESS, node.problem
    finally:
        node.trigger_shutdown()
        node.destroy_node()


def refusal(ros, make_node, **parameters):
    """Configure a node with parameters that it must refuse; return its one line."""
    arguments = [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]
    with ros(*arguments):
        worked, line = configure(make_node())
    assert not worked, 'it took the bad input'
    assert line and '\n' not in line
    return line


def driver():
    from reflex_ros.nodes.so101_driver_node import So101DriverNode
    return So101DriverNode()


def stream():
    from reflex_ros.nodes.action_stream_node import ActionStreamNode
    return ActionStreamNode()


def supervisor():
    from reflex_ros.nodes.supervisor_node import SupervisorNode
    return SupervisorNode()


def service(world, **parameters):
    return {'service.rpc_url': f'"{world.url}"', 'service.actions_url': f'"{world.actions_url}"',
            **parameters}


def test_driver_configures_on_the_simulated_arm(ros, clean_environment, world):
    with ros('-p', f'port:="{world.link}"'):
        assert configure(driver()) == (True, '')


def test_driver_without_a_port_names_the_parameter(ros, clean_environment):
    line = refusal(ros, driver)
    assert "parameter 'port'" in line and 'REFLEX_SO101_PORT' in line


def test_driver_names_a_port_that_does_not_exist(ros, clean_environment):
    line = refusal(ros, driver, port='/dev/ttyNOPE')
    assert '/dev/ttyNOPE does not exist' in line and '/dev/serial/by-id' in line


def test_driver_names_the_process_that_has_the_port(ros, clean_environment, world):
    holder = subprocess.Popen(
        [sys.executable, '-c', 'import serial, sys; port = serial.Serial(sys.argv[1], '
         'exclusive=True); print("held", flush=True); sys.stdin.read()', str(world.link)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == 'held\n'
        line = refusal(ros, driver, port=f'"{world.link}"')
    finally:
        holder.communicate()
    assert f'process {holder.pid}' in line and 'Stop that program' in line


def test_driver_refuses_a_silent_bus_and_asks_for_the_supply(ros, clean_environment):
    leader, follower = pty.openpty()
    # Nobody answers on this one.
    fcntl.fcntl(leader, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        line = refusal(ros, driver, port=os.ttyname(follower))
    finally:
        os.close(leader)
        os.close(follower)
    assert 'no servo answers' in line and 'supply' in line


@pytest.mark.parametrize('name, value, words', [
    ('rate_hz', '1000.0', ("'rate_hz' is 1000.0", '20..200', 'configure again')),
    ('rate_hz', 'fast', ("'rate_hz' is 'fast'", 'a number')),
    ('rate_hz', '.nan', ("'rate_hz' is nan", '20..200')),
    ('limits.velocity', '3.0', ("'limits.velocity' is 3.0", '2')),
    ('limits.clamp', '1', ("'limits.clamp' is 1", 'true or false')),
    ('stop.soft_s', '0.15', ("'stop.soft_s' is 0.15", "'stop.hard_s'")),
    ('limit.velocity', '1.0', ("'limit.velocity' does not exist", 'limits.velocity')),
    ('calibration_file', '/nowhere.json', ('/nowhere.json', 'cannot be read')),
])
def test_driver_names_a_malformed_parameter(ros, clean_environment, world, name, value, words):
    given = {'port': f'"{world.link}"', 'stop.hard_s': '0.12', name: value}
    line = refusal(ros, driver, **given)
    for word in words:
        assert word in line


def test_driver_refuses_a_rate_that_the_bus_cannot_carry(ros, clean_environment, world):
    arm = ArmControl(world.control)
    try:
        # Six answers, each 2 ms late: 15 ms a measurement.
        arm.fault('turnaround', us=2000)
        line = refusal(ros, driver, port=f'"{world.link}"')
        assert "'rate_hz' is 100, but this bus carries at most" in line and 'Set it lower' in line
        with ros('-p', f'port:="{world.link}"', '-p', 'rate_hz:=20.0'):
            assert configure(driver()) == (True, '')
    finally:
        arm.clear()
        arm.close()


def test_leader_is_configured_and_not_activated(ros, clean_environment, world):
    from rclpy.lifecycle import TransitionCallbackReturn
    with ros('-p', f'port:="{world.link}"', '-p', 'profile:=leader'):
        node = driver()
        try:
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            assert node.trigger_activate() != TransitionCallbackReturn.SUCCESS
        finally:
            node.trigger_shutdown()
            node.destroy_node()


@pytest.mark.parametrize('progress', ['\u00b2', '-1', '1e3', '9' * 5000, ''])
def test_beat_without_a_number_renews_nothing_and_ends_nothing(ros, clean_environment, progress):
    from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
    with ros():
        node = driver()
        before = node._guard._progress
        node._on_beat(DiagnosticStatus(values=[KeyValue(key='progress', value=progress)]))
        assert node._guard._progress == before
        node.destroy_node()


def test_a_whole_number_serves_as_a_number(ros, clean_environment, world):
    with ros('-p', f'port:="{world.link}"', '-p', 'rate_hz:=50'):
        assert configure(driver()) == (True, '')


def test_stream_without_a_key_says_how_to_get_one(ros, clean_environment, world):
    line = refusal(ros, stream, **service(world))
    assert line == "API key is required. Run 'reflex login' or set REFLEX_API_KEY."


def test_stream_with_a_wrong_key_says_so_and_does_not_show_it(ros, clean_environment, world,
                                                              monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_canary_value')
    line = refusal(ros, stream, **service(world))
    assert 'unknown_key' in line and 'reflex login' in line and 'canary' not in line


def test_stream_refuses_a_deployment_that_does_not_exist(ros, clean_environment, world,
                                                         monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', process_table.SIM_KEY)
    line = refusal(ros, stream, **service(world, **{'service.deployment': 'deploy_none'}))
    assert 'deployment_not_found' in line


def test_stream_refuses_a_robot_that_does_not_exist(ros, clean_environment, world, monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', process_table.SIM_KEY)
    line = refusal(ros, stream, **service(world, **{'service.robot': 'benhc'}))
    assert 'there is no robot benhc' in line and 'reflex robots list' in line


def test_stream_names_a_service_that_is_not_there(ros, clean_environment, monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', process_table.SIM_KEY)
    url = f'http://127.0.0.1:{process_table.free_port()}'
    line = refusal(ros, stream, **{'service.rpc_url': f'"{url}"',
                                   'service.actions_url': f'"{url}"'})
    assert f'Cannot reach the Reflex backend at {url}' in line


def test_stream_never_sends_the_key_unencrypted_to_another_machine(ros, clean_environment,
                                                                   monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', process_table.SIM_KEY)
    line = refusal(ros, stream, **{'service.rpc_url': 'http://192.0.2.1'})
    assert 'unencrypted' in line and 'https' in line


def test_stream_refuses_a_camera_that_is_named_twice(ros, clean_environment, world, monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', process_table.SIM_KEY)
    line = refusal(ros, stream, **service(world, cameras='["front", "front"]'))
    assert "'cameras'" in line


def test_supervisor_refuses_an_unknown_parameter(ros, clean_environment):
    assert "'gate.dryrun_s' does not exist" in refusal(ros, supervisor, **{'gate.dryrun_s': '1.0'})


def test_parameters_cannot_change_while_configured(ros, clean_environment, world):
    from rclpy.parameter import Parameter
    with ros('-p', f'port:="{world.link}"'):
        node = driver()
        node.trigger_configure()
        try:
            answer = node.set_parameters([Parameter('limits.velocity', value=1.0)])[0]
            assert not answer.successful and 'clean up first' in answer.reason
            node.trigger_cleanup()
            assert node.set_parameters([Parameter('limits.velocity', value=1.0)])[0].successful
            bad = node.set_parameters([Parameter('limits.velocity', value=9.0)])[0]
            assert not bad.successful
            # The words are rclpy's own: the parameter has a range.
            assert 'limits.velocity' in bad.reason and 'Min: 0.05, Max: 2.0' in bad.reason
        finally:
            node.trigger_shutdown()
            node.destroy_node()


def test_a_parameter_file_that_is_no_yaml_ends_the_process_with_one_line(domain, tmp_path):
    file = tmp_path / 'robot.yaml'
    file.write_text('so101: [unclosed\n')
    done = subprocess.run(
        [sys.executable, '-m', 'reflex_ros.nodes.so101_driver_node', '--ros-args',
         '--params-file', str(file)],
        env={**os.environ, **domain}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'cannot start' in done.stderr and 'robot.yaml' in done.stderr


def test_up_refuses_a_configuration_that_does_not_exist(domain):
    done = subprocess.run(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'up', '--config', '/nowhere.yaml'],
        env={**os.environ, **domain}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert '/nowhere.yaml: the file does not exist' in done.stderr


def test_a_parameter_file_that_misses_the_node_is_warned_about(domain, tmp_path):
    file = tmp_path / 'robot.yaml'
    file.write_text('so101:\n  ros__parameters:\n    rate_hz: 50.0\n')
    with running('--ros-args', '-r', '__ns:=/left', '--params-file', str(file), env=domain,
                 module='reflex_ros.nodes.so101_driver_node') as node:
        line = node.stderr.readline()
        assert 'the section /so101 does not reach this node, /left/so101' in line, line
        assert 'Write /**/so101' in line
