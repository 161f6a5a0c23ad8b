# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A policy that does not fit the arm is found before anything moves, against the simulated service.

By its robot schema at configure, by what the service says when a session opens, and by the looks
of its rows in dry run; and one that fits runs, in every layout of the service.
"""

import asyncio
import contextlib
import json
import time

from made_up_arms import FOURTEEN, SEVEN
import numpy as np
import pytest

from reflex_ros.client import readiness
from reflex_ros.client.adapters import rows_from_wire
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.arm_description import pair
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import Link
from reflex_ros.domain.observation import ObservationBounds, Observer
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.domain.wire_adapters import JointMapping, WireMapping, with_wire
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.permit_lease import PermitLease
from reflex_ros.runner.policy_fit import check_deployment, PolicyMisfit
from reflex_ros.runner.policy_session import PolicySession
from reflex_ros.runner.session_status import SessionSettings

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

HOME = rows_from_wire([[0.0, -30.0, 40.0, 30.0, 0.0, 30.0]], SO101)[0]
IN_ALOHA = with_wire(SO101, 'aloha_joint')
TWO = with_wire(pair(SO101, SO101, name='two', robot='two'), 'aloha_joint')
MAPPED = with_wire(SEVEN, mapping=WireMapping(
    [*SEVEN.joint_names, *['-'] * 7],
    {'jaw': JointMapping(closed=0.0, opened=1.0, name='hand'), 'base': JointMapping(sign=-1)}))


@contextlib.asynccontextmanager
async def session_of(place, arm, pose, prompt='hold'):
    """Run a session in dry run; yield it and the list of its chunks."""
    observer, chunks = Observer((), ObservationBounds()), []
    session = PolicySession(
        SessionSettings(place.url, place.actions_url, prompt, rules=RequestRules(0.01),
                        window_s=3.0, first_chunk_s=3.0),
        Secret(place.key), observer, ChunkBounds(arm), PermitLease(30.0), chunks.append,
        lambda cause: None)

    async def feed():
        while True:
            observer.put_joints(tuple(pose), time.monotonic(), time.time_ns())
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(session.run()), asyncio.create_task(feed())]
    try:
        yield session, chunks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize('arm', [
    IN_ALOHA, with_wire(SO101, 'pi_native'), SEVEN, with_wire(SEVEN, 'pi_native'), FOURTEEN, TWO,
    MAPPED], ids=lambda arm: f'{arm.name}-{arm.wire.adapter}')
def test_policy_holds_any_arm_in_any_layout(service, run, until, arm):
    pose = np.clip(arm.rest_pose + 0.1, arm.lower, arm.upper)
    pose[list(arm.grippers)] = (arm.lower + 0.4 * (arm.upper - arm.lower))[list(arm.grippers)]

    async def main():
        async with session_of(service, arm, pose) as (session, chunks):
            await until(lambda: len(chunks) >= 2, f'{session.status}')
            assert not session.status.counts.rejected
            assert chunks[-1].joint_names == arm.joint_names
            # The simulated service moves the first six numbers into the limits of its own arm.
            assert chunks[-1].rows[-1] == pytest.approx(pose, abs=0.2)
            assert chunks[-1].rows[0] == pytest.approx(pose, abs=0.01)

    run(main())


def test_gripper_in_an_aloha_opens_where_the_policy_opens_it(service, run, until):
    async def main():
        async with session_of(service, IN_ALOHA, HOME, 'pick') as (session, chunks):
            # It opens to 70 % before it grasps; the arm stays, so only the first rows matter.
            await until(lambda: len(chunks) >= 2, f'{session.status}')
            assert chunks[-1].rows[-1, 5] > HOME[5] + 0.05

    run(main())


@pytest.mark.parametrize(('fields', 'text'), [
    ({'names': list(SO101.joint_names), 'units': 'degrees_and_percent'}, ''),
    ({'shape': [14]}, 'a state of 14 numbers, here 6; a row of 14 numbers, here 6'),
    ({'names': [*SO101.joint_names[:5], 'hand']},
     'joints only there: hand; joints only here: gripper'),
    ({'units': 'radians'}, 'units radians, here degrees and percent'),
])
def test_deployment_whose_schema_is_of_another_arm_is_refused(service, run, fields, text):
    side = {'shape': [6], **fields}
    schema = {'observations': {'state': side}, 'actions': {'action': side}}
    schema_id = service.call(
        'registerRobotSchema', name='bench', schemaVersion='robot_schema.v1',
        schemaJson=json.dumps(schema), hasExplicitSafeStop=True)['robotSchemaId']
    deployment_id = service.call(
        'createDeployment', name='bench', modelId='model_sim', mode='dry_run',
        robotSchemaId=schema_id)['deploymentId']

    async def main():
        async with AsyncReflex(Secret(service.key), convex_url=service.url) as client:
            check_deployment(SO101, await readiness.facts(client, deployment_id))

    if not text:
        run(main())
        return
    with pytest.raises(PolicyMisfit) as found:
        run(main())
    assert str(found.value) == (
        f'the robot schema bench ({schema_id}) of deployment {deployment_id} does not fit the '
        f"adapter so101_joint of the arm so101: {text}. Set 'adapter' or 'mapping.joints', or use "
        'a deployment for this arm')


def test_deployment_without_a_schema_says_nothing(service, run):
    deployment_id = service.call(
        'createDeployment', name='bench', modelId='model_sim', mode='dry_run')['deploymentId']

    async def main():
        async with AsyncReflex(Secret(service.key), convex_url=service.url) as client:
            known = await readiness.facts(client, deployment_id)
        check_deployment(SO101, known)
        check_deployment(SEVEN, known)
        check_deployment(SEVEN, None)

    run(main())


def test_session_that_speaks_another_adapter_ends_with_the_difference(service, run, until):
    service.fault('other_adapter')

    async def main():
        async with session_of(service, SO101, HOME) as (session, chunks):
            await until(lambda: session.status.fault, f'{session.status}')
            status = session.status
            assert status.fault.code is FaultCode.BAD_SHAPE and status.link is Link.LOST
            assert ('session.ready does not fit the adapter so101_joint of the arm so101: adapter '
                    'aloha_joint, here so101_joint; a row of 14 numbers, here 6'
                    ) in status.fault.text
            assert not chunks and status.counts.sent == 0

    run(main())
    assert [row['status'] for row in service.state()['sessions']] == ['closed']


@pytest.mark.parametrize(('kind', 'text'), [
    ('fraction', 'the rows of gripper look like 0..1'), ('inverted', 'gripper look inverted')])
def test_gripper_in_other_units_is_remarked_on_and_stops_nothing(
        service, run, until, caplog, kind, text):
    service.fault('gripper_units', kind)

    async def main():
        async with session_of(service, SO101, HOME) as (session, chunks):
            await until(lambda: session.status.policy_remark, f'{session.status}')
            more = len(chunks) + 5
            await until(lambda: len(chunks) >= more, 'further chunks')
            said = [each.message for each in caplog.records if 'the policy: ' in each.message]
            assert len(said) == 1 and text in said[0], 'it is logged once'
            assert text in session.status.policy_remark and len(chunks) >= 20
            service.clear()
            await until(lambda: not session.status.policy_remark, 'the remark stays')
            assert session.status.link is Link.OPEN and session.status.fault is None
            assert not session.status.counts.rejected

    run(main())
