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
    assert made['next'] == [f'reflex robots register <name> --schema-id {schema_id}']
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
    assert [line.split()[0] for line in lines[2:]] == ['ID', 'robot_sim', 'robot_unpaired']
    lines = ask('robots', 'schemas').out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ['ID', 'schema_sim', 'schema_unpaired']
    assert set(ask('robots', 'schemas', '--json').document) == {'ok', 'robotSchemas'}


def test_token_is_printed_in_text_too(ask):
    outcome = ask('robots', 'pair', 'robot_unpaired')
    assert outcome.code == 0
    title, _, token, expiry, *_ = outcome.out.splitlines()
    assert title == 'Robot pairing token'
    assert token.startswith('Token: pair_')
    assert expiry.startswith('Expires at: 20')
    assert ask('robots', 'claim', token.removeprefix('Token: ')).code == 0


@pytest.mark.parametrize('content, expected', [
    ({}, ('robot_schema.v1', False, None)),
    ({'schemaVersion': 'v9', 'actions': {'action': {'safe_stop': []}}}, ('v9', False, None)),
    ({'actions': {'action': {'shape': [7, 1], 'safe_stop': [1]}}}, ('robot_schema.v1', True, 7))])
def test_schema_fields_are_read_as_documented(ask, schema, content, expected):
    row = ask('robots', 'register-schema', 'x', '--schema', schema(content),
              '--json').document['robotSchema']
    assert (row['schemaVersion'], row['hasExplicitSafeStop'], row.get('actionDim')) == expected
    assert 'robotKind' not in row


def test_schema_may_be_yaml_and_the_flag_goes_before_the_file(ask, schema):
    file = schema('robot_kind: so101\nactions: {action: {shape: [6]}}\n', 'schema.yaml')
    row = ask('robots', 'register-schema', 'x', '--schema', file, '--robot-kind', 'mine',
              '--json').document['robotSchema']
    assert (row['robotKind'], row['actionDim']) == ('mine', 6)


@pytest.mark.parametrize('content, text', [
    ('{', 'Robot schema must be valid JSON.'), ('[]', 'Robot schema must be a JSON object.'),
    ({'actions': 5}, 'Robot schema requires a mapping: actions'),
    ({'actions': {'action': [1]}}, 'Robot schema requires a mapping: actions.action'),
    ({'actions': {'action': {'shape': 'six'}}}, 'actions.action.shape'),
    ({'actions': {'action': {'shape': [True]}}}, 'actions.action.shape'),
    ({'robot_kind': 5}, 'Robot schema requires a text: robot_kind')])
def test_schema_that_is_none_is_refused_before_anything_is_sent(
        ask, service, schema, content, text):
    before = service.count('rpc_calls')
    ask('robots', 'register-schema', 'x', '--schema', schema(content)).failed(text)
    assert service.count('rpc_calls') == before


def test_schema_file_that_is_not_there_is_named(ask, tmp_path):
    ask('robots', 'register-schema', 'x', '--schema', str(tmp_path / 'no.json')).failed(
        'Failed to read robot schema: ')


def claimed(ask):
    token = ask('robots', 'pair', 'robot_unpaired', '--json').document['pairing']['token']
    ask('robots', 'claim', token)
    return token


@pytest.mark.parametrize('argv, text', [
    (('robots', 'register', 'x', '--schema-id', 'no'),
     'Unable to register robot: schema_not_found. Run `reflex robots schemas`'),
    (('robots', 'pair', 'no'),
     'Unable to create robot pairing token: robot_not_found. Run `reflex robots list`'),
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
    ask('robots', 'claim', *argv).failed('TOKEN is required.')


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
