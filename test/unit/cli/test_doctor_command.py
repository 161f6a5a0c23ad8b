# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex doctor --local``: one line for each check of this machine, with a remedy."""

from email.utils import formatdate
import json
import time
from types import SimpleNamespace

import pytest

from reflex_ros.cli.checks import machine, ros
from reflex_ros.cli.checks.check import Outcome

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

CONFIG = '/**/action_stream:\n  ros__parameters:\n    cameras: []\n'


@pytest.fixture(autouse=True)
def _no_arm(monkeypatch):
    """Find no real port, and keep the answers of ROS out of the environment of the tests."""
    monkeypatch.setattr('reflex_ros.cli.checks.arm.candidates', lambda environ: [])
    for name in ('REFLEX_SO101_PORT', 'ROS_DISTRO', 'RMW_IMPLEMENTATION', 'HTTPS_PROXY',
                 'https_proxy', 'ALL_PROXY', 'all_proxy'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path):
    """Write a parameter file and return its path."""
    def write(content=CONFIG):
        file = tmp_path / 'robot.yaml'
        file.write_text(content)
        return str(file)

    return write


def by_name(outcome):
    return {row['name']: row for row in outcome.document['local']}


def test_machine_without_arm_and_cameras_is_well_and_says_what_it_skipped(ask, config):
    outcome = ask('doctor', '--local', '--config', config(), '--json')
    rows = by_name(outcome)
    assert (outcome.code, outcome.document['ok']) == (0, True), outcome.document
    assert 'readiness' not in outcome.document
    assert {rows[name]['status'] for name in ('address', 'key', 'clock', 'latency', 'jitter',
                                              'disk')} == {'passed'}
    assert {rows[name]['status'] for name in ('port', 'cameras')} == {'skipped'}
    assert 'no arm is connected' in rows['port']['message']
    assert set(rows) >= {'proxy', 'ROS distribution', 'RMW', 'ROS domain', 'reflex command'}


def test_local_checks_stand_below_those_of_the_service(ask, config):
    outcome = ask('doctor', 'deploy_blocked', '--local', '--config', config())
    assert outcome.code == 1
    head, _, machine_part = outcome.out.partition('\nThis machine\n\n')
    assert head.startswith('Readiness check\n') and 'robot_paired' in head
    lines = machine_part.splitlines()
    assert lines[0].startswith('passed   address')
    assert lines[-2:] == ['Next:', '  reflex doctor deploy_blocked']
    document = ask('doctor', 'deploy_sim', '--local', '--config', config(), '--json').document
    assert document['readiness']['passed'] and document['local'] and document['ok']


def test_without_deployment_and_local_both_ways_are_named(ask):
    outcome = ask('doctor')
    assert outcome.code == 2
    assert "Missing argument 'DEPLOYMENT_ID': an id, a name, or --last." in outcome.err
    assert '--local' in outcome.err


def test_service_that_is_not_there_is_a_failed_check_and_the_others_go_on(
        reflex, closed_port, config):
    url = f'http://127.0.0.1:{closed_port}'
    outcome = reflex('doctor', '--local', '--config', config(), '--json', url=url)
    assert outcome.code == 1
    document = outcome.document
    assert document['ok'] is False and url in document['error']
    rows = by_name(outcome)
    assert rows['address']['status'] == 'failed' and rows['address']['remedy']
    assert rows['key'] == {'name': 'key', 'status': 'skipped', 'message': 'needs the service'}
    assert rows['disk']['status'] == 'passed'


def test_key_that_is_refused_or_missing_is_named(ask, config):
    for key in ('rfx_wrong', None):
        rows = by_name(ask('doctor', '--local', '--config', config(), '--json', key=key))
        assert rows['key']['status'] == 'failed' and 'reflex login' in rows['key']['remedy']


@pytest.mark.parametrize('offset_s, status, text', [
    (0.0, 'passed', 'agrees'), (10.0, 'warning', '10 s behind'), (-10.0, 'warning', 'ahead'),
    (600.0, 'failed', '600 s behind')])
def test_clock_is_compared_with_that_of_the_service(reflex, listen, config, offset_s, status,
                                                    text):
    # HTTP dates are whole seconds.
    backend = listen(lambda peer: peer.answer(
        json.dumps({'status': 'success', 'value': {'ok': True}}).encode(), '200 OK',
        f'Date: {formatdate(time.time() + offset_s + 0.5, usegmt=True)}'))
    row = by_name(reflex('doctor', '--local', '--config', config(), '--json',
                         url=backend.url))['clock']
    assert row['status'] == status and text in row['message'], row
    assert ('remedy' in row) is (status != 'passed')


def test_slow_and_uneven_way_is_a_warning(reflex, listen, config, monkeypatch):
    from reflex_ros.cli.checks import account

    monkeypatch.setattr(account, 'SLOW_MS', 5.0)
    monkeypatch.setattr(account, 'JITTER_MS', 10.0)
    count = []

    def serve(peer):
        count.append(1)
        time.sleep(0.06 if len(count) % 4 == 0 else 0.01)
        peer.answer(json.dumps({'status': 'success', 'value': {'ok': True}}).encode())

    outcome = reflex('doctor', '--local', '--config', config(), '--json', url=listen(serve).url)
    rows = by_name(outcome)
    assert outcome.code == 0, 'a warning is no failure'
    assert rows['latency']['status'] == rows['jitter']['status'] == 'warning'


def test_proxy_of_other_programs_is_named_because_it_is_not_used(ask, config, monkeypatch):
    monkeypatch.setenv('HTTPS_PROXY', 'http://user:secret@proxy.example:3128')
    outcome = ask('doctor', '--local', '--config', config())
    [line] = [line for line in outcome.out.splitlines() if ' proxy ' in line]
    assert line.startswith('warning') and 'HTTPS_PROXY' in line and 'secret' not in outcome.out


ROBOT_YAML = """
target: {kind: edge, url: "http://127.0.0.1:1/act"}
hardware: {kind: so101, config: {port: "PORT"}}
cameras:
  front: {kind: sim, fps: 30}
  wrist: {kind: shm, name: no_such_segment, max_attach_retries: 1, attach_retry_delay_s: 0.01}
"""


def test_robot_yaml_of_connect_names_the_port_and_the_devices(ask, config, tmp_path):
    outcome = ask('doctor', '--local', '--json', '--config',
                  config(ROBOT_YAML.replace('PORT', str(tmp_path / 'no'))))
    rows = by_name(outcome)
    assert rows['port']['status'] == 'failed' and 'cameras' not in rows
    assert rows['camera front']['status'] == 'passed'
    assert 15.0 < float(rows['camera front']['message'].split()[0]) < 35.0
    assert rows['camera wrist']['status'] == 'failed'
    assert outcome.code == 1


# ---- the arm


@pytest.fixture
def arm(instant_arm):
    instant_arm.reset()
    instant_arm.reset_eeprom()
    yield instant_arm
    instant_arm.reset()
    instant_arm.reset_eeprom()


def with_port(port):
    return f'{CONFIG}/**/so101:\n  ros__parameters:\n    port: "{port}"\n'


def test_arm_is_checked_on_the_port_of_the_file(ask, config, arm):
    rows = by_name(ask('doctor', '--local', '--config', config(with_port(arm.link)), '--json'))
    assert {rows[name]['status'] for name in (
        'port', 'servos', 'supply', 'calibration', 'serial latency')} == {'passed'}, rows
    assert str(arm.link) in rows['port']['message']
    assert rows['servos']['message'] == 'all 6 answer'


def test_configured_arm_that_is_not_there_is_a_failure(ask, config, tmp_path):
    outcome = ask('doctor', '--local', '--config', config(with_port(tmp_path / 'no')), '--json')
    row = by_name(outcome)['port']
    assert (outcome.code, row['status'], row['remedy']) == (1, 'failed', 'Run `reflex so101 find`')


def test_servo_that_is_silent_and_supply_that_is_low_are_named(ask, config, arm):
    arm.control.fault('silent', ids=[4])
    outcome = ask('doctor', '--local', '--config', config(with_port(arm.link)), '--json')
    row = by_name(outcome)['servos']
    assert row['status'] == 'failed' and '4 (wrist_flex)' in row['message']
    assert outcome.document['error'].startswith('This machine: servos: no answer')
    arm.reset()
    for volts, status in ((4.0, 'failed'), (5.0, 'warning')):
        arm.control.set(supply_v=volts)
        row = by_name(ask('doctor', '--local', '--config', config(with_port(arm.link)),
                          '--json'))['supply']
        assert row['status'] == status and ' V at the servo' in row['message'], row


# ---- ROS, the command, the disk


@pytest.mark.parametrize('text, outcome', [
    ('', Outcome.PASSED), ('7', Outcome.PASSED), ('150', Outcome.WARNING),
    ('233', Outcome.FAILED), ('one', Outcome.FAILED), ('-1', Outcome.FAILED)])
def test_domain_has_a_range(text, outcome):
    assert ros._domain(text).outcome is outcome


def test_middleware_that_is_unknown_or_not_installed_is_named(tmp_path):
    (tmp_path / 'lib').mkdir()
    found = ros._middleware({'RMW_IMPLEMENTATION': 'rmw_fast_cpp'})
    assert found.is_failed and 'rmw_fast_cpp' in found.message
    environment = {'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp', 'ROS_DISTRO': 'kilted',
                   'AMENT_PREFIX_PATH': str(tmp_path)}
    found = ros._middleware(environment)
    assert found.is_failed and 'ros-kilted-rmw-zenoh-cpp' in found.remedy
    (tmp_path / 'lib' / 'librmw_zenoh_cpp.so').touch()
    assert ros._middleware(environment).outcome is Outcome.PASSED


def test_without_ros_its_checks_are_skipped_and_a_sourced_one_is_a_failure(monkeypatch):
    monkeypatch.setattr(ros, 'find_spec', lambda name: None)
    rows = list(ros.checks([{'name': 'front', 'topic': ''}], is_configured=True))
    assert {row.outcome for row in rows} == {Outcome.SKIPPED} and len(rows) == 4
    assert "pip install 'reflex_ros[ros]'" in rows[0].remedy
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    [row, *_] = ros.checks([], is_configured=True)
    assert row.is_failed and 'has no rclpy' in row.message


@pytest.mark.parametrize('content, outcome, text', [
    ('#!/usr/bin/python\nfrom reflex_ros.cli.main import main\n', Outcome.PASSED, ''),
    ('#!/usr/bin/python\nfrom reflex.reflex import cli\n', Outcome.WARNING, 'another project')])
def test_reflex_of_another_project_is_told_apart(tmp_path, content, outcome, text):
    command = tmp_path / 'reflex'
    command.write_text(content)
    command.chmod(0o755)
    found = machine._command({'PATH': str(tmp_path)})
    assert found.outcome is outcome and text in found.message
    if text:
        assert '`reflex-ros`' in found.remedy


def test_full_disk_is_a_failure(monkeypatch, tmp_path):
    free = [50e6]
    monkeypatch.setattr('shutil.disk_usage', lambda folder: SimpleNamespace(free=free[0]))
    assert machine._disk('disk', tmp_path / 'not' / 'there').is_failed
    free[0] = 500e6
    assert machine._disk('disk', tmp_path).outcome is Outcome.WARNING
    free[0] = 5e9
    assert machine._disk('disk', tmp_path).outcome is Outcome.PASSED
