# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From nothing to a deployment that may apply actions, check by check (protocol i.3)."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, run, serving  # noqa: E402

SCHEMA = {
    'name': 'mine', 'schemaVersion': 'robot_schema.v1', 'schemaJson': '{}', 'actionDim': 6,
    'hasExplicitSafeStop': True}
DEPLOYMENT = {'name': 'mine', 'modelId': 'model_sim', 'mode': 'apply_actions'}


async def register(server, **schema):
    """Register a schema, a robot and a deployment of it; return the ids of the last two."""
    made = await call(server, 'registerRobotSchema', **SCHEMA | schema)
    schema_id = made['robotSchemaId']
    robot = await call(server, 'registerRobot', name='arm', robotSchemaId=schema_id)
    deployment = await call(server, 'createDeployment', **DEPLOYMENT, robotSchemaId=schema_id)
    return robot['robotId'], deployment['deploymentId']


async def pair(server, robot_id):
    made = await call(server, 'createRobotPairingToken', robotId=robot_id)
    await call(server, 'claimRobotPairingToken', token=made['token'])


async def failed(server, deployment_id):
    """Run the doctor; return the names of the checks that failed."""
    value = await call(server, 'runReadinessCheck', deploymentId=deployment_id)
    assert value['ok'] is True
    names = [check['name'] for check in value['checks'] if check['status'] == 'failed']
    assert value['passed'] == (not names)
    read = await call(server, 'getDeployment', deploymentId=deployment_id)
    assert read['deployment']['status'] == value['status'] == (
        'blocked' if names else 'ready')
    return names


async def authorize(server, deployment_id):
    return await call(
        server, 'authorizeSession', baseModel='pi0.5', mode='apply_actions',
        deploymentId=deployment_id)


def test_each_remedy_turns_its_check_green():
    async def main():
        async with serving() as server:
            robot_id, deployment_id = await register(server)
            assert await failed(server, deployment_id) == [
                'robot_paired', 'robot_heartbeat_recent']
            assert (await authorize(server, deployment_id))['reason'] == 'deployment_not_ready'
            await pair(server, robot_id)
            assert await failed(server, deployment_id) == ['robot_heartbeat_recent']
            await call(server, 'robotHeartbeat', robotId=robot_id)
            assert await failed(server, deployment_id) == []
            assert (await authorize(server, deployment_id))['mode'] == 'apply_actions'

    run(main())


def test_robot_that_fell_silent_blocks_its_deployment_at_the_next_check():
    async def main():
        async with serving() as server:
            robot_id, deployment_id = await register(server)
            await pair(server, robot_id)
            await call(server, 'robotHeartbeat', robotId=robot_id)
            assert await failed(server, deployment_id) == []
            await admin(server, 'advance', seconds=31)
            assert await failed(server, deployment_id) == ['robot_heartbeat_recent']

    run(main())


def test_heartbeat_of_an_unpaired_robot_does_not_count():
    async def main():
        async with serving() as server:
            robot_id, deployment_id = await register(server)
            await call(server, 'robotHeartbeat', robotId=robot_id)
            assert await failed(server, deployment_id) == [
                'robot_paired', 'robot_heartbeat_recent']

    run(main())


@pytest.mark.parametrize('schema, check', [
    ({'hasExplicitSafeStop': False}, 'explicit_safe_stop'),
    ({'actionDim': 7}, 'action_dim_matches'), ({'actionDim': 0}, 'action_dim_matches'),
])
def test_schema_is_looked_at(schema, check):
    async def main():
        async with serving() as server:
            robot_id, deployment_id = await register(server, **schema)
            await pair(server, robot_id)
            await call(server, 'robotHeartbeat', robotId=robot_id)
            assert await failed(server, deployment_id) == [check]

    run(main())


def test_unknown_schema_is_refused():
    async def main():
        async with serving() as server:
            value = await call(server, 'createDeployment', **DEPLOYMENT, robotSchemaId='schema_x')
            assert value == {'ok': False, 'reason': 'schema_not_found'}

    run(main())
