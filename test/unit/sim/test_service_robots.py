# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robots, schemas, pairing and heartbeats (protocol c.4, i.4)."""

from __future__ import annotations

import json
from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, reason_of, run, serving  # noqa: E402

from reflex_ros.sim.service.settings import Settings  # noqa: E402
from reflex_ros.sim.service.state import ServiceState  # noqa: E402

# The example of section i.4.
SCHEMA_FILE = {
    'schema_version': 'robot_schema.v1', 'robot_kind': 'so101',
    'observations': {'state': {'shape': [6]}},
    'actions': {'action': {
        'shape': [6], 'safe_stop': [0, 0, 0, 0, 0, 0], 'safe_stop_mode': 'hold'}}}
SCHEMA = {
    'name': 'mine', 'schemaVersion': 'robot_schema.v1', 'hasExplicitSafeStop': True,
    'schemaJson': json.dumps(SCHEMA_FILE, sort_keys=True)}


async def new_robot(server, **fields):
    """Register a schema and a robot of it; return the id of the robot."""
    schema = await call(server, 'registerRobotSchema', **SCHEMA)
    robot = await call(
        server, 'registerRobot', name='arm', robotSchemaId=schema['id'], **fields)
    return robot['robotId']


async def row_of(server, robot_id):
    rows = (await call(server, 'listRobots'))['robots']
    return next(row for row in rows if row['_id'] == robot_id)


def test_schema_is_kept_as_it_was_sent():
    async def main():
        async with serving() as server:
            created = await call(
                server, 'registerRobotSchema', **SCHEMA, robotKind='so101', actionDim=6,
                safeStopMode='hold')
            assert created['ok'] is True
            assert created['robotSchemaId'] == created['id'] == created['_id']
            rows = (await call(server, 'listRobotSchemas'))['robotSchemas']
            row = next(row for row in rows if row['_id'] == created['id'])
            assert {name: row[name] for name in SCHEMA} == SCHEMA
            assert (row['robotKind'], row['actionDim'], row['safeStopMode']) == (
                'so101', 6, 'hold')
            assert isinstance(row['createdAt'], int)

    run(main())


@pytest.mark.parametrize('schema, dim', [
    (SCHEMA_FILE, 6), ({'actions': {'action': {'shape': [14, 2]}}}, 14), ({}, None),
    ({'actions': {'action': {'shape': []}}}, None), ({'actions': []}, None),
    ({'actions': {'action': {'shape': [True]}}}, None),
    ({'actions': {'action': {'shape': [-3]}}}, None),
])
def test_action_dimension_that_was_not_sent_is_read_from_the_schema(schema, dim):
    async def main():
        async with serving() as server:
            return await call(
                server, 'registerRobotSchema', **SCHEMA | {'schemaJson': json.dumps(schema)})

    assert run(main()).get('actionDim') == dim


def test_robot_is_registered_with_its_schema():
    async def main():
        async with serving() as server:
            robot_id = await new_robot(server, calibrationId='cal_1')
            row = await row_of(server, robot_id)
            assert (row['name'], row['status'], row['calibrationId']) == (
                'arm', 'unpaired', 'cal_1')
            assert row['id'] == row['robotId'] == robot_id
            assert 'lastHeartbeatAt' not in row

    run(main())


def test_pairing_token_is_good_for_one_claim():
    async def main():
        async with serving() as server:
            robot_id = await new_robot(server)
            made = await call(server, 'createRobotPairingToken', robotId=robot_id)
            left_ms = made['expiresAt'] - server.state.clock.now_ms()
            assert left_ms == pytest.approx(3_600_000, abs=5_000)
            claimed = await call(server, 'claimRobotPairingToken', token=made['token'])
            assert (claimed['ok'], claimed['robotId']) == (True, robot_id)
            again = await call(server, 'claimRobotPairingToken', token=made['token'])
            assert again == {'ok': False, 'reason': 'pairing_token_claimed'}
            assert (await row_of(server, robot_id))['status'] == 'paired'

    run(main())


def test_pairing_token_expires_by_the_services_clock():
    async def main():
        async with serving() as server:
            robot_id = await new_robot(server)
            made = await call(
                server, 'createRobotPairingToken', robotId=robot_id, ttlSeconds=60)
            await admin(server, 'advance', seconds=60)
            refused = await call(server, 'claimRobotPairingToken', token=made['token'])
            assert refused == {'ok': False, 'reason': 'pairing_token_expired'}
            assert (await row_of(server, robot_id))['status'] == 'unpaired'

    run(main())


def test_claimed_token_stays_claimed_when_its_time_is_over():
    async def main():
        async with serving() as server:
            made = await call(
                server, 'createRobotPairingToken', robotId=await new_robot(server))
            await call(server, 'claimRobotPairingToken', token=made['token'])
            await admin(server, 'advance', seconds=5000)
            again = await call(server, 'claimRobotPairingToken', token=made['token'])
            assert again['reason'] == 'pairing_token_claimed'

    run(main())


def test_heartbeat_keeps_a_paired_robot_online_for_half_a_minute():
    said = {
        'sessionId': 'sess_1', 'deploymentId': 'deploy_sim', 'connectorVersion': '0.1.0',
        'transport': 'action_stream', 'message': 'all well'}

    async def main():
        async with serving() as server:
            robot_id = await new_robot(server)
            assert (await call(server, 'robotHeartbeat', robotId=robot_id, **said))['ok']
            assert (await row_of(server, robot_id))['status'] == 'unpaired'
            made = await call(server, 'createRobotPairingToken', robotId=robot_id)
            await call(server, 'claimRobotPairingToken', token=made['token'])
            row = await row_of(server, robot_id)
            assert row['status'] == 'online'
            assert {name: row[name] for name in said} == said
            await admin(server, 'advance', seconds=31)
            assert (await row_of(server, robot_id))['status'] == 'paired'
            await call(server, 'robotHeartbeat', robotId=robot_id)
            assert (await row_of(server, robot_id))['status'] == 'online'

    run(main())


@pytest.mark.parametrize('function, args, reason', [
    ('registerRobotSchema', SCHEMA | {'schemaJson': '[1]'}, 'invalid_parameters'),
    ('registerRobotSchema', SCHEMA | {'schemaJson': '{'}, 'invalid_parameters'),
    ('registerRobotSchema', SCHEMA | {'schemaJson': '[' * 100_000}, 'invalid_parameters'),
    ('registerRobotSchema', SCHEMA | {'name': ' '}, 'invalid_parameters'),
    ('registerRobotSchema', SCHEMA | {'actionDim': -1}, 'invalid_parameters'),
    ('registerRobot', {'name': 'arm', 'robotSchemaId': 'schema_x'}, 'schema_not_found'),
    ('registerRobot', {'name': '', 'robotSchemaId': 'schema_sim'}, 'invalid_parameters'),
    ('createRobotPairingToken', {'robotId': 'robot_x'}, 'robot_not_found'),
    ('createRobotPairingToken', {'robotId': 'robot_sim', 'ttlSeconds': 0}, 'invalid_parameters'),
    ('createRobotPairingToken', {'robotId': 'robot_sim', 'ttlSeconds': 10**9},
     'invalid_parameters'),
    ('claimRobotPairingToken', {'token': 'pair_x'}, 'invalid_parameters'),
    ('robotHeartbeat', {'robotId': 'robot_x'}, 'robot_not_found'),
])
def test_request_that_makes_no_sense_is_refused_with_a_reason(function, args, reason):
    assert reason_of(function, args) == reason


def test_presets_are_the_simulated_robot_and_one_that_was_never_paired():
    async def main():
        async with serving() as server:
            await admin(server, 'advance', seconds=86_400)
            rows = (await call(server, 'listRobots'))['robots']
            assert {row['_id']: row['status'] for row in rows} == {
                'robot_sim': 'online', 'robot_unpaired': 'unpaired'}

    run(main())


def test_pairing_survives_a_restart(tmp_path):
    def start():
        return ServiceState(Settings(), directory=tmp_path)

    state = start()
    schema = state.robots.register_schema(
        name='mine', schema_version='1', schema_json='{}', has_explicit_safe_stop=False)
    robot_id = state.robots.register(name='arm', robot_schema_id=schema['id'])['id']
    token = state.robots.create_token(robot_id=robot_id, ttl_seconds=60)['token']
    state.save()
    state.close()
    state = start()
    assert state.robots.claim(token=token)['id'] == robot_id
    state.save()
    state.close()
    state = start()
    assert state.robots.table.get(robot_id).paired_at is not None
    state.close()
