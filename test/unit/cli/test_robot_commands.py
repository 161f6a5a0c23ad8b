# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex robots``: from a schema file to heartbeats, against the simulated service (i.4)."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from reflex_ros.client import claimed_robot
from reflex_ros.hardware.so101 import SO101

SCHEMA = {
    'schema_version': 'robot_schema.v1', 'robot_kind': 'so101',
    'observations': {'state': {'shape': [6]}},
    'actions': {'action': {'shape': [6], 'safe_stop': [0] * 6, 'safe_stop_mode': 'hold'}}}
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def schema(tmp_path):
    """Write a schema file and return its path."""
    def write(content=SCHEMA, name='schema.json'):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(file)

    return write


def robot(ask, robot_id):
    """Find a robot in the list."""
    rows = ask('robots', 'list', '--json').document['robots']['robots']
    return next(row for row in rows if row['robotId'] == robot_id)


def test_robot_goes_from_schema_to_heartbeat(ask, schema, monkeypatch):
    made = ask('robots', 'register-schema', 'Arm', '--schema', schema(), '--json').document
    assert made['robotSchema']['robotKind'] == 'so101'
    assert (made['robotSchema']['actionDim'], made['robotSchema']['safeStopMode']) == (6, 'hold')
    assert made['robotSchema']['hasExplicitSafeStop'] is True
    assert json.loads(made['robotSchema']['schemaJson']) == SCHEMA
    schema_id = made['robotSchema']['robotSchemaId']
    assert made['next'] == [f'reflex robots setup --name bench --schema-id {schema_id}']
    made = ask('robots', 'register', 'bench', '--schema-id', schema_id, '--calibration-id', 'c1',
               '--json').document
    robot_id = made['robot']['robotId']
    assert made['next'] == [f'reflex robots pair {robot_id}']
    assert (made['robot']['status'], made['robot']['calibrationId']) == ('unpaired', 'c1')
    pairing = ask('robots', 'pair', robot_id, '--ttl-seconds', '60', '--json').document['pairing']
    assert pairing['expiresAt'] / 1e3 == pytest.approx(time.time() + 60, abs=30)
    monkeypatch.setattr(sys, 'stdin', io.StringIO(f'{pairing["token"]}\n'))
    outcome = ask('robots', 'claim', '-')
    assert outcome.out.startswith(f'Robot paired\n\nID: {robot_id}\n')
    assert robot(ask, robot_id)['status'] == 'paired'
    outcome = ask('robots', 'heartbeat', robot_id, '--message', 'idle', '--session', 's1',
                  '--deployment', 'd1', '--transport', 'webrtc')
    assert outcome.out.startswith(f'Robot heartbeat sent\n\nID: {robot_id}\nLast heartbeat at: ')
    row = robot(ask, robot_id)
    assert (row['status'], row['message'], row['sessionId'], row['deploymentId'],
            row['transport']) == ('online', 'idle', 's1', 'd1', 'webrtc')
    assert row['connectorVersion'].startswith('reflex-ros/')


def test_lists_are_tables(ask):
    lines = ask('robots', 'list').out.splitlines()
    assert lines[:2] == ['Robots', '']
    assert [line.split()[0] for line in lines[2:5]] == ['ID', 'robot_sim', 'robot_unpaired']
    assert lines[-2:] == ['Next:', '  reflex robots setup --so101 --name bench']
    lines = ask('robots', 'schemas').out.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ['ID', 'schema_sim', 'schema_unpaired']
    assert set(ask('robots', 'schemas', '--json').document) == {'ok', 'robotSchemas', 'next'}


def test_token_is_printed_in_text_too(ask):
    outcome = ask('robots', 'pair', 'robot_unpaired')
    assert outcome.code == 0
    title, _, token, expiry, *_ = outcome.out.splitlines()
    assert title == 'Robot pairing token'
    assert token.startswith('Token: pair_')
    assert expiry.startswith('Expires at: 20')
    assert ask('robots', 'claim', token.removeprefix('Token: ')).code == 0


def changed(*path, to=None):
    """Return the schema with one field changed, or without it."""
    content = json.loads(json.dumps(SCHEMA))
    *way, last = path
    inner = content
    for name in way:
        inner = inner[name]
    inner.pop(last, None)
    if to is not None:
        inner[last] = to
    return content


def test_schema_fields_are_read_as_documented(ask, schema):
    content = changed('schema_version') | {'schemaVersion': 'v9'}
    content['actions']['action'] = {'shape': [7, 1], 'safe_stop': [1] * 7}
    row = ask('robots', 'register-schema', 'x', '--schema', schema(content),
              '--json').document['robotSchema']
    assert (row['schemaVersion'], row['hasExplicitSafeStop'], row['actionDim']) == ('v9', True, 7)
    assert 'safeStopMode' not in row
    row = ask('robots', 'register-schema', 'x', '--schema', schema(changed('schema_version')),
              '--json').document['robotSchema']
    assert row['schemaVersion'] == 'robot_schema.v1'


def test_schema_may_be_yaml_and_the_flag_goes_before_the_file(ask, schema):
    file = schema('robot_kind: so101\nobservations: {state: {shape: [6]}}\nactions: {action: '
                  '{shape: [2], safe_stop: [0, 0.5]}}\n', 'schema.yaml')
    row = ask('robots', 'register-schema', '--schema', file, '--robot-kind', 'mine',
              '--json').document['robotSchema']
    assert (row['robotKind'], row['actionDim'], row['name']) == ('mine', 2, 'schema')


@pytest.mark.parametrize('content, text', [
    ('{', 'Robot schema must be valid JSON.'), ('[]', '.json holds a list'),
    ({'robot_kind': 'so101'}, 'Robot schema requires observations, actions.action.shape, '
     'actions.action.safe_stop. Compare it with config/so101.schema.json'),
    ({}, 'Robot schema requires robot_kind, observations, actions.action.shape'),
    (changed('actions', to=5), 'Robot schema requires a mapping: actions'),
    (changed('actions', 'action', to=[1]), 'Robot schema requires a mapping: actions.action'),
    (changed('actions', 'action', 'shape', to='six'), 'actions.action.shape'),
    (changed('actions', 'action', 'shape', to=[True]), 'actions.action.shape'),
    (changed('actions', 'action', 'safe_stop', to=[]), 'requires actions.action.safe_stop'),
    (changed('actions', 'action', 'safe_stop', to=[0] * 5), 'requires a list of 6 numbers'),
    (changed('actions', 'action', 'safe_stop', to=['0'] * 6), 'requires a list of 6 numbers'),
    (changed('actions', 'action', 'safe_stop_mode', to=1), 'actions.action.safe_stop_mode'),
    (changed('robot_kind', to=5), 'Robot schema requires a text: robot_kind')])
def test_schema_that_is_none_is_refused_before_anything_is_sent(
        ask, service, schema, content, text):
    before = service.count('rpc_calls')
    ask('robots', 'register-schema', 'x', '--schema', schema(content)).failed(text)
    assert service.count('rpc_calls') == before


def test_schema_of_the_so101_is_included(ask):
    row = ask('robots', 'register-schema', '--so101', '--json').document['robotSchema']
    assert (row['name'], row['robotKind'], row['actionDim'], row['safeStopMode']) == (
        'SO-101', 'so101', 6, 'hold')
    sent = json.loads(row['schemaJson'])
    wire = SO101.wire
    assert sent['actions']['action']['names'] == [value.joint for value in wire.values]
    assert sent['robot_kind'] == wire.robot
    for argv in ((), ('--so101', '--schema', 'x.json')):
        outcome = ask('robots', 'register-schema', *argv)
        assert outcome.code == 2 and 'Pass either --schema FILE or --so101.' in outcome.err


# ---- setup and claim


def claimed_here(service):
    """Return the robot that this machine is at the service."""
    return claimed_robot.load(claimed_robot.path(os.environ), service.url)


def counts(service):
    """Count robots and schemas at the service."""
    return [len(service.call(function)[rows]) for function, rows in (
        ('listRobots', 'robots'), ('listRobotSchemas', 'robotSchemas'))]


def test_setup_does_it_all_and_again_without_harm(ask, service):
    outcome = ask('robots', 'setup', '--so101', '--name', 'bench')
    assert (outcome.code, outcome.err) == (0, '')
    lines = outcome.out.splitlines()
    assert lines[0] == 'Robot is set up' and lines[-5:-3] == ['Robot: new', 'Pairing: new']
    own = claimed_here(service)
    assert own.name == 'bench' and robot(ask, own.robot_id)['status'] == 'paired'
    assert lines[-1] == ("  reflex deployments create --name 'Simulated policy' "
                         f'--artifact model_sim --robot-schema {own.schema_id}')
    before = counts(service)
    document = ask('robots', 'setup', '--so101', '--name', 'bench', '--json').document
    assert document['robot'] == {
        'id': own.robot_id, 'name': 'bench', 'robotSchemaId': own.schema_id,
        'schema': 'already there', 'robot': 'already there', 'pairing': 'already there'}
    assert counts(service) == before and claimed_here(service) == own


def test_setup_goes_on_where_it_was_interrupted(ask, service):
    service.fault('rpc_status', 500)
    assert ask('robots', 'setup', '--so101', '--name', 'bench').code == 1
    service.clear()
    schema_id = ask('robots', 'register-schema', '--so101', '--json').document['robotSchema'][
        'robotSchemaId']
    robot_id = service.call('registerRobot', name='bench', robotSchemaId=schema_id)['robotId']
    document = ask('robots', 'setup', '--so101', '--name', 'bench', '--json').document['robot']
    assert (document['id'], document['robotSchemaId']) == (robot_id, schema_id)
    assert (document['schema'], document['robot'], document['pairing']) == (
        'already there', 'already there', 'new')
    assert robot(ask, robot_id)['status'] == 'paired'


def test_setup_refuses_a_name_that_belongs_to_another_kind_of_robot(ask, service):
    robot_id = service.call('registerRobot', name='bench', robotSchemaId='schema_sim')['robotId']
    ask('robots', 'setup', '--so101', '--name', 'bench').failed(
        f"robot 'bench' ({robot_id}) exists already, with the schema schema_sim. Choose another")
    assert claimed_here(service) is None


def test_setup_with_a_schema_by_name_continues_a_deployment(ask, service):
    document = ask('robots', 'setup', '--schema-id', 'SO-101', '--name', 'b', '--json').document
    assert document['robot']['robotSchemaId'] == 'schema_sim'
    assert document['next'] == ['reflex doctor deploy_sim']


def test_claim_remembers_the_robot_on_this_machine(ask, service):
    token = ask('robots', 'pair', 'Never paired', '--json').document['pairing']['token']
    outcome = ask('robots', 'claim', token)
    own = claimed_here(service)
    assert (own.robot_id, own.name, own.schema_id) == (
        'robot_unpaired', 'Never paired', 'schema_unpaired')
    assert outcome.out.splitlines()[-1] == '  reflex doctor deploy_blocked'


def test_claim_without_a_robot_in_the_answer_says_how_to_name_it(reflex, listen, service):
    backend = listen(lambda peer: peer.answer(json.dumps(
        {'status': 'success', 'value': {'ok': True}}).encode()))
    outcome = reflex('robots', 'claim', 'pair_1', url=backend.url)
    assert outcome.code == 0 and 'Set service.robot' in outcome.err
    outcome = reflex('robots', 'claim', 'pair_1', '--robot', 'robot_7', url=backend.url)
    assert (outcome.code, outcome.err) == (0, '')
    assert claimed_robot.load(claimed_robot.path(os.environ), backend.url).robot_id == 'robot_7'


# ---- names


def test_names_and_last_work_where_ids_do(ask, service):
    assert ask('robots', 'heartbeat', 'Simulated SO-101').code == 0
    newest = service.call('registerRobot', name='left', robotSchemaId='schema_sim')['robotId']
    assert newest in ask('robots', 'pair', '--last').out
    service.call('registerRobot', name='left', robotSchemaId='schema_sim')
    ask('robots', 'pair', 'left').failed("2 resources of the kind robot have the name 'left'")
    for argv, text in (((), "Missing argument 'ROBOT_ID': an id, a name, or --last."),
                       (('x', '--last'), 'Pass either ROBOT_ID or --last.')):
        outcome = ask('robots', 'pair', *argv)
        assert outcome.code == 2 and text in outcome.err


def test_schema_file_that_is_not_there_is_named(ask, tmp_path):
    ask('robots', 'register-schema', 'x', '--schema', str(tmp_path / 'no.json')).failed(
        'Failed to read robot schema: ')


def claimed(ask):
    token = ask('robots', 'pair', 'robot_unpaired', '--json').document['pairing']['token']
    ask('robots', 'claim', token)
    return token


@pytest.mark.parametrize('argv, text', [
    (('robots', 'register', 'x', '--schema-id', 'no'),
     "Unable to register robot: schema_not_found. There is no robot schema 'no'. Run `reflex "
     'robots schemas`'),
    (('robots', 'pair', 'no'),
     "Unable to create robot pairing token: robot_not_found. There is no robot 'no'. Run `reflex "
     'robots list`'),
    (('robots', 'claim', 'pair_no'), 'Unable to claim robot pairing token: invalid_parameters.'),
    (('robots', 'heartbeat', 'no'), 'Unable to send robot heartbeat: robot_not_found.')])
def test_refusal_names_action_reason_and_next_step(ask, argv, text):
    ask(*argv).failed(text)
    ask(*argv, '--json').failed(text)


def test_token_works_once_and_not_for_ever(ask, service):
    token = claimed(ask)
    outcome = ask('robots', 'claim', token)
    outcome.failed('pairing_token_claimed. Make a new token with `reflex robots pair <robot-id>`')
    assert token not in outcome.err
    token = ask('robots', 'pair', 'robot_unpaired', '--json').document['pairing']['token']
    service._ask('POST', '/admin/advance', {'seconds': 3601})
    ask('robots', 'claim', token).failed('pairing_token_expired. Make a new token')


@pytest.mark.parametrize('argv', [(), ('-',), ('',), ('--json',)])
def test_claim_without_a_token_is_refused(ask, monkeypatch, argv):
    monkeypatch.setattr(sys, 'stdin', io.StringIO(''))
    ask('robots', 'claim', *argv).failed('TOKEN is required. Make one with `reflex robots pair')


@pytest.mark.slow
def test_heartbeats_go_on_until_interrupted(service, no_settings):
    environment = os.environ | {'REFLEX_API_KEY': service.key, 'REFLEX_CONVEX_URL': service.url}
    running = subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'robots', 'heartbeat', 'robot_sim',
         '--every', '1', '--json'], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout.readline() == '{\n'
        before = service.count('rpc_calls')
        deadline = time.monotonic() + 20.0
        while service.count('rpc_calls') < before + 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20.0)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130
