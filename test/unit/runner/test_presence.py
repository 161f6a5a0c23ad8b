# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robot as the simulated service sees it: heartbeats, and what bars actions."""

import asyncio
import contextlib
from dataclasses import replace

from made_up_arms import SEVEN
import pytest

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.client.credentials import Secret
from reflex_ros.domain.heartbeats import Readiness
from reflex_ros.errors import ConfigurationError, ServiceRefused
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.policy_fit import PolicyMisfit
from reflex_ros.runner.presence import Doing, Presence, PresenceSettings

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

KEY = 'rfx_canary_7c1d9e'
IDLE = Doing('', 'configured')
SCHEMA = '{"actions": {"action": {"safe_stop": [0], "shape": [6]}}, "robot_kind": "so101"}'


def registered(service, name='bench', schema_id='schema_sim', *, paired=True):
    """Make a robot at the service; return its id."""
    robot_id = service.call('registerRobot', name=name, robotSchemaId=schema_id)['robotId']
    if paired:
        token = service.call('createRobotPairingToken', robotId=robot_id)['token']
        service.call('claimRobotPairingToken', token=token)
    return robot_id


def own_deployment(service, name='pick'):
    """Make schema and deployment; return the ids of both."""
    schema_id = service.call(
        'registerRobotSchema', name='SO-101', schemaVersion='robot_schema.v1',
        schemaJson=SCHEMA, hasExplicitSafeStop=True, robotKind='so101',
        actionDim=6)['robotSchemaId']
    made = service.call('createDeployment', name=name, modelId='model_sim', mode='apply_actions',
                        robotSchemaId=schema_id)
    return schema_id, made['deploymentId']


def robot_row(service, robot_id):
    rows = service.call('listRobots')['robots']
    return next(row for row in rows if row['robotId'] == robot_id)


@pytest.fixture
def present(run, service):
    """Return a function that plays a scene with a presence that runs."""
    def play(scene, *, arm=SO101, doing=IDLE, **settings):
        async def main():
            presence = Presence(PresenceSettings(
                service.url, **{'beat_s': 0.1, 'look_s': 0.05} | settings), Secret(KEY), arm,
                lambda: doing)
            async with AsyncReflex(Secret(KEY), convex_url=service.url) as client:
                await presence.identify(client)
            running = asyncio.create_task(presence.run())
            try:
                await scene(presence)
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
            return presence.status

        return run(main())

    return play


def test_fresh_robot_makes_its_deployment_ready_by_its_heartbeats_alone(service, present, until):
    schema_id, deployment_id = own_deployment(service)
    robot_id = registered(service, schema_id=schema_id)
    checks = service.call('runReadinessCheck', deploymentId=deployment_id)['checks']
    assert [row['name'] for row in checks if row['status'] == 'failed'] == [
        'robot_heartbeat_recent']

    async def scene(presence):
        await until(lambda: presence.status.readiness is Readiness.READY, 'ready')
        await until(lambda: presence.status.beats >= 2, 'a second heartbeat')

    status = present(scene, deployment=deployment_id,
                     claimed=lambda: ClaimedRobot(robot_id, 'bench', schema_id),
                     doing=Doing('sess_1', 'dry_run'))
    assert (status.robot_id, status.deployment_id, status.unready) == (
        robot_id, deployment_id, {})
    row = robot_row(service, robot_id)
    assert (row['status'], row['sessionId'], row['deploymentId'], row['transport'],
            row['message']) == ('online', 'sess_1', deployment_id, 'websocket', 'dry_run')
    assert service.call('getDeployment', deploymentId=deployment_id)['deployment'][
        'status'] == 'ready'


def test_robot_and_deployment_are_found_by_name(service, present, until):
    schema_id, deployment_id = own_deployment(service, 'pick the cube')
    robot_id = registered(service, 'bench', schema_id)

    async def scene(presence):
        await until(lambda: presence.status.readiness is Readiness.READY)

    status = present(scene, deployment='pick the cube', robot='bench')
    assert (status.robot_id, status.deployment_id) == (robot_id, deployment_id)


def test_each_failed_check_is_named_with_its_remedy_and_repairs_are_seen(service, present, until):
    schema_id, deployment_id = own_deployment(service)
    robot_id = registered(service, schema_id=schema_id, paired=False)

    async def scene(presence):
        await until(lambda: 'robot_paired' in presence.status.unready)
        assert presence.status.readiness is Readiness.BLOCKED
        unready = presence.status.unready
        assert f'`reflex robots pair {robot_id}`' in unready['robot_paired']
        assert set(unready) == {'robot_paired', 'robot_heartbeat_recent'}
        token = service.call('createRobotPairingToken', robotId=robot_id)['token']
        service.call('claimRobotPairingToken', token=token)
        await until(lambda: presence.status.readiness is Readiness.READY)

    present(scene, deployment=deployment_id, robot=robot_id)


def test_machine_without_a_robot_says_how_to_make_one_and_finds_it_without_a_restart(
        service, present, until):
    schema_id, deployment_id = own_deployment(service)
    claimed = []

    async def scene(presence):
        await until(lambda: 'robot_heartbeat_recent' in presence.status.unready)
        assert f'reflex robots setup --schema-id {schema_id} --name' in presence.status.unready[
            'robot_heartbeat_recent']
        assert presence.status.beats == 0
        claimed.append(ClaimedRobot(registered(service, schema_id=schema_id)))
        await until(lambda: presence.status.readiness is Readiness.READY)
        assert presence.status.robot_id == claimed[0].robot_id

    present(scene, deployment=deployment_id, claimed=lambda: claimed[0] if claimed else None)


def test_robot_that_is_claimed_later_makes_nothing_ready_before_the_next_check(
        service, present, until):
    schema_id, deployment_id = own_deployment(service)
    service.fault('deployment_not_ready')
    claimed, seen = [], []

    async def scene(presence):
        def doing():
            # Called between the claim and the check that follows it.
            seen.append(presence.status.readiness)
            return IDLE
        presence._doing = doing
        await until(lambda: 'robot_heartbeat_recent' in presence.status.unready)
        claimed.append(ClaimedRobot(registered(service, schema_id=schema_id)))
        await until(lambda: len(seen) >= 2)

    present(scene, deployment=deployment_id, claimed=lambda: claimed[0] if claimed else None)
    assert Readiness.READY not in seen


def test_robot_with_another_schema_than_the_deployment_expects_bars_actions(
        service, present, until):
    schema_id, deployment_id = own_deployment(service)
    fitting = registered(service, 'fits', schema_id)
    other = registered(service, 'other')

    async def scene(presence):
        await until(lambda: presence.status.beats)
        text = presence.status.unready['robot_schema']
        assert 'robot other has the schema schema_sim, ' in text
        assert f'deployment pick expects {schema_id}' in text
        assert f'set service.robot to {fitting}' in text

    present(scene, deployment=deployment_id, robot=other)


def test_arm_that_the_schema_does_not_describe_bars_actions(service, present, until):
    async def scene(presence):
        await until(lambda: presence.status.beats)
        assert 'is for so101, this arm is' in presence.status.unready['robot_kind']
        assert presence.status.readiness is Readiness.BLOCKED

    other = replace(SO101, wire=replace(SO101.wire, robot='so102'))
    present(scene, deployment='deploy_sim', robot='robot_sim', arm=other)


def test_arm_of_another_size_is_refused_at_once(present):
    with pytest.raises(PolicyMisfit, match='a row of 6 numbers, here 14'):
        present(None, deployment='deploy_sim', robot='robot_sim', arm=SEVEN)


def test_no_deployment_bars_actions_and_says_so_unless_it_is_allowed(service, present, until):
    async def scene(presence):
        await until(lambda: presence.status.beats)

    status = present(scene, robot='robot_sim')
    assert status.readiness is Readiness.BLOCKED
    assert 'service.deployment' in status.unready['deployment']
    assert 'service.allow_unchecked' in status.unready['deployment']
    status = present(scene, robot='robot_sim', allow_unchecked=True)
    assert (status.readiness, status.unready) == (Readiness.UNCHECKED, {})


def test_unknown_robot_and_deployment_are_refused_by_name(present):
    async def scene(presence):
        raise AssertionError('identified')

    with pytest.raises(ConfigurationError, match='service.robot: there is no robot benhc'):
        present(scene, robot='benhc')
    with pytest.raises(ServiceRefused, match='reflex deployments list'):
        present(scene, deployment='deploy_none')


def test_name_of_two_robots_is_refused_with_the_setting_and_both_ids(service, present):
    ids = [registered(service, 'bench') for _ in range(2)]
    with pytest.raises(ConfigurationError, match='service.robot: 2 resources') as info:
        present(None, robot='bench')
    assert all(robot_id in str(info.value) for robot_id in ids)


def test_claimed_robot_that_is_gone_bars_no_dry_run(service, present, until):
    _, deployment_id = own_deployment(service)

    async def scene(presence):
        await until(lambda: 'robot_heartbeat_recent' in presence.status.unready)
        assert 'bench (robot_gone)' in presence.status.unready['robot_heartbeat_recent']

    status = present(scene, deployment=deployment_id,
                     claimed=lambda: ClaimedRobot('robot_gone', 'bench'))
    assert status.robot_id == ''


def test_heartbeats_that_do_not_arrive_are_named_and_come_back(
        service, present, until, monkeypatch, caplog):
    monkeypatch.setattr('reflex_ros.runner.presence.SILENT_S', 0.2)
    monkeypatch.setattr('reflex_ros.runner.presence.CALL_S', 0.05)

    async def scene(presence):
        await until(lambda: presence.status.readiness is Readiness.READY)
        service.fault('rpc_status', 503)
        await until(lambda: 'heartbeat' in presence.status.unready)
        assert presence.status.readiness is Readiness.BLOCKED
        service.clear()
        await until(lambda: presence.status.readiness is Readiness.READY)

    present(scene, deployment='deploy_sim', robot='robot_sim')
    warnings = [row for row in caplog.records if row.getMessage().startswith('no heartbeat')
                and row.levelname == 'WARNING']
    assert len(warnings) == 1, 'an outage is logged once'


def test_deployment_that_becomes_blocked_later_is_seen(service, present, until):
    async def scene(presence):
        await until(lambda: presence.status.readiness is Readiness.READY)
        service.fault('deployment_not_ready')
        await until(lambda: presence.status.readiness is Readiness.BLOCKED)
        assert 'robot_heartbeat_recent' in presence.status.unready
        service.clear()
        await until(lambda: presence.status.readiness is Readiness.READY)

    present(scene, deployment='deploy_sim', robot='robot_sim')
