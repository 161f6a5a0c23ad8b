# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From nothing to a deployment that may apply actions, check by check (protocol i.3)."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, observation, run, serving, streaming  # noqa: E402

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


# -- receipts


async def receipts(server, deployment_id=None):
    """List receipts as (event, mode, reason)."""
    args = {'deploymentId': deployment_id} if deployment_id else {}
    rows = (await call(server, 'listDeploymentReceipts', **args))['receipts']
    assert all(row['_id'] and row['sessionId'] and row['createdAt'] for row in rows)
    return [(row['event'], row['mode'], row.get('reason')) for row in rows]


async def session_of(server, deployment_id='deploy_sim'):
    """Authorize a session in dry_run; return its id."""
    grant = await call(
        server, 'authorizeSession', baseModel='pi0.5', mode='dry_run',
        deploymentId=deployment_id)
    return grant['sessionId']


async def promote(server, session_id, mode='apply_actions'):
    return await call(server, 'promoteSession', sessionId=session_id, mode=mode)


def test_every_step_of_a_session_leaves_a_receipt():
    async def main():
        async with serving() as server:
            session_id = await session_of(server)
            await promote(server, session_id)
            await promote(server, session_id)
            await promote(server, session_id, 'dry_run')
            await call(server, 'closeSession', sessionId=session_id, reason='cli_closed')
            await promote(server, session_id)
            assert await receipts(server, 'deploy_sim') == [
                ('authorized', 'dry_run', None), ('promoted', 'apply_actions', None),
                ('demoted', 'dry_run', None), ('closed', 'dry_run', 'cli_closed'),
                ('promotion_refused', 'dry_run', 'session_closed')]

    run(main())


def test_refused_promotion_and_expiry_leave_receipts():
    async def main():
        async with serving(expiry_s=60.0) as server:
            session_id = await session_of(server, 'deploy_blocked')
            assert (await promote(server, session_id))['reason'] == 'deployment_not_ready'
            await admin(server, 'advance', seconds=60)
            assert await receipts(server, 'deploy_blocked') == [
                ('authorized', 'dry_run', None),
                ('promotion_refused', 'dry_run', 'deployment_not_ready'),
                ('expired', 'dry_run', 'expired')]
            assert await receipts(server, 'deploy_sim') == []
            assert len(await receipts(server)) == 3

    run(main())


def test_session_without_a_deployment_leaves_no_receipt():
    async def main():
        async with serving() as server:
            await call(server, 'authorizeSession', baseModel='pi0.5')
            assert await receipts(server) == []
            value = await call(server, 'listDeploymentReceipts', deploymentId='deploy_x')
            assert value['reason'] == 'deployment_not_found'

    run(main())


def test_promotion_can_be_refused_as_still_in_dry_run():
    async def main():
        async with serving('session_dry_run*1') as server:
            session_id = await session_of(server)
            assert (await promote(server, session_id, 'dry_run'))['ok'] is True
            assert await promote(server, session_id) == {
                'ok': False, 'reason': 'session_dry_run'}
            assert (await promote(server, session_id))['mode'] == 'apply_actions'

    run(main())


def test_stream_in_dry_run_can_be_refused():
    async def main():
        async with serving() as server, streaming(server) as robot:
            await admin(server, 'fault', name='session_dry_run')
            assert await robot.refused(observation(0)) == ('session_dry_run', 1008)

    run(main())


@pytest.mark.parametrize('chunks', [0, 1])
def test_lost_worker_fails_the_session(chunks):
    async def main():
        async with serving() as server, streaming(server) as robot:
            await robot.ask(0)
            await admin(server, 'fault', name='fail', value=chunks)
            if chunks:
                await robot.ask(1)
            assert (await robot.receive())['code'] == 'session_failed'
            assert await robot.closed() == 1008
            [row] = (await call(server, 'listInferenceSessions'))['sessions']
            assert row['status'] == 'failed'
            assert (await promote(server, row['id']))['reason'] == 'session_failed'

    run(main())


# -- the model


def test_model_that_is_still_being_pulled_blocks():
    async def main():
        async with serving() as server:
            model = await call(
                server, 'importModelFromHuggingFace', hfRepo='lerobot/pi05_base', name='mine')
            created = await call(
                server, 'createDeployment', **DEPLOYMENT | {'modelId': model['modelId']},
                robotSchemaId='schema_sim')
            assert await failed(server, created['deploymentId']) == ['model_ready']
            await admin(server, 'advance', seconds=600)
            assert await failed(server, created['deploymentId']) == []
            await call(server, 'deleteModel', modelId=model['modelId'])
            assert await failed(server, created['deploymentId']) == ['model_ready']
            await admin(server, 'advance', seconds=600)
            assert await failed(server, created['deploymentId']) == ['model_ready']

    run(main())


# -- money and workers


def test_low_balance_blocks_until_it_is_topped_up():
    async def main():
        async with serving(balance_usd=4.99) as server:
            assert await failed(server, 'deploy_sim') == ['balance_sufficient']
            refused = await call(server, 'authorizeSession', baseModel='pi0.5')
            assert refused['reason'] == 'balance_too_low'
            await admin(server, 'settings', balance_usd=5.0)
            assert await failed(server, 'deploy_sim') == []
            assert (await call(server, 'authorizeSession', baseModel='pi0.5'))['ok'] is True

    run(main())


def test_model_of_a_base_that_nobody_serves_blocks():
    async def main():
        async with serving() as server:
            model = server.state.models.add(name='old', kind='fine_tune', base_model='pi0.1')
            created = await call(
                server, 'createDeployment', **DEPLOYMENT | {'modelId': model.id},
                robotSchemaId='schema_sim')
            assert await failed(server, created['deploymentId']) == ['inference_node_available']

    run(main())
