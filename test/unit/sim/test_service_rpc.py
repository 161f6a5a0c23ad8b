# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every RPC function over real HTTP, in both encodings (protocol c.1, c.2, c.4, i.2, i.3)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
import struct
import sys

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    call,
    http_client,
    KEY,
    post,
    reason_of,
    run,
    serving,
)

from reflex_ros.sim.service.http import encoding  # noqa: E402
from reflex_ros.sim.service.http.rpc import Rpc  # noqa: E402
from reflex_ros.sim.service.settings import Settings  # noqa: E402
from reflex_ros.sim.service.state import ServiceState  # noqa: E402

CHECKS = [
    'model_ready', 'robot_schema_present', 'action_dim_matches', 'explicit_safe_stop',
    'robot_paired', 'robot_heartbeat_recent', 'inference_node_available', 'balance_sufficient',
]
DEPLOYMENT = {'name': 'mine', 'modelId': 'model_sim', 'mode': 'dry_run'}


def b64(data):
    return base64.b64encode(data).decode()


def test_whoami_in_format_json():
    async def main():
        async with serving() as server:
            value = await call(server, 'whoami')
            assert value['ok'] is True
            assert set(value['organization']) == {'id', 'name', 'slug'}
            assert value['orgId'] == value['organization']['id']
            assert value['keyName'] and value['keyId']

    run(main())


def test_whoami_in_the_encoded_format_under_any_kind():
    body = {
        'path': 'publicApi:whoami', 'format': 'convex_encoded_json', 'args': [{'apiKey': KEY}]}

    async def main():
        async with serving() as server:
            for kind in ('query', 'mutation', 'action'):
                response = await post(server, f'/api/{kind}', body)
                assert response.headers['content-type'].startswith('application/json')
                answer = response.json()
                assert answer['status'] == 'success'
                assert answer['value']['ok'] is True

    run(main())


@pytest.mark.parametrize('body', [
    b'', b'{', b'[]', b'"text"', b'\xff\xfe', pytest.param(b'[' * 100_000, id='deep'),
    {'args': {}, 'format': 'json'},
    {'path': 7, 'args': {}, 'format': 'json'},
    {'path': 'publicApi:whoami', 'args': {'apiKey': KEY}},
    {'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'xml'},
    {'path': 'publicApi:whoami', 'args': [{'apiKey': KEY}], 'format': 'json'},
    {'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'convex_encoded_json'},
    {'path': 'publicApi:whoami', 'args': [{}, {}], 'format': 'convex_encoded_json'},
    {'path': 'publicApi:whoami', 'args': [{'$bytes': 'AA=='}], 'format': 'convex_encoded_json'},
    {'path': 'publicApi:whoami', 'args': [{'a': {'$x': ''}}], 'format': 'convex_encoded_json'},
])
def test_what_is_no_call_is_a_bad_request(body):
    async def main():
        async with serving() as server:
            response = await post(server, '/api/query', body)
            assert response.status_code == 400
            assert isinstance(response.json()['message'], str)

    run(main())


@pytest.mark.parametrize('path, args, message', [
    ('publicApi:nothing', {'apiKey': KEY}, "'publicApi:nothing'"),
    ('whoami', {'apiKey': KEY}, 'public function'),
    ('publicApi:whoami', {}, '`apiKey`'),
    ('publicApi:whoami', {'apiKey': 5}, '`apiKey`'),
    ('publicApi:whoami', {'apiKey': None}, '`apiKey`'),
    ('publicApi:whoami', {'apiKey': KEY, 'extra': 1}, '`extra`'),
    ('publicApi:listInferenceSessions', {'apiKey': KEY, 'status': None}, '`status`'),
    ('publicApi:closeSession', {'apiKey': KEY, 'sessionId': 'x'}, '`reason`'),
])
def test_function_error_is_a_status_in_an_answer_of_200(path, args, message):
    async def main():
        async with serving() as server:
            answer = await post(
                server, '/api/query', {'path': path, 'args': args, 'format': 'json'})
            assert answer.status_code == 200
            assert answer.json()['status'] == 'error'
            assert message in answer.json()['errorMessage']

    run(main())


def test_function_error_of_the_encoded_format_can_be_http_560():
    encoded = {'path': 'publicApi:nothing', 'args': [{}], 'format': 'convex_encoded_json'}
    plain = {'path': 'publicApi:nothing', 'args': {}, 'format': 'json'}

    async def main():
        async with serving() as server:
            assert (await post(server, '/api/action', encoded)).status_code == 200
            await admin(server, 'fault', name='http_560')
            response = await post(server, '/api/action', encoded)
            assert response.status_code == 560
            assert response.json()['status'] == 'error'
            assert (await post(server, '/api/action', plain)).status_code == 200

    run(main())


def test_unknown_key_is_a_reason_and_not_a_401():
    async def main():
        async with serving() as server:
            assert (await call(server, 'whoami', apiKey='\ud800'))['reason'] == 'unknown_key'
            for function, args in (
                ('whoami', {}), ('authorizeSession', {'baseModel': 'pi0.5'}),
                ('listDeployments', {}),
            ):
                value = await call(server, function, **args, apiKey='rfx_wrong')
                assert value == {'ok': False, 'reason': 'unknown_key'}

    run(main())


def test_no_such_kind_or_method():
    async def main():
        async with serving() as server, http_client() as http:
            assert (await http.post(f'{server.url}/api/call', content='{}')).status_code >= 404
            assert (await http.get(f'{server.url}/api/query')).status_code >= 404
            assert (await http.get(f'{server.url}/nothing')).status_code == 404

    run(main())


def test_http_status_on_order_before_any_answer():
    body = {'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'json'}

    async def main():
        async with serving('rpc_status=503x2,429x1') as server:
            codes = [(await post(server, '/api/query', body)).status_code for _ in range(4)]
            assert codes == [503, 503, 429, 200]

    run(main())


def test_session_is_authorized_in_the_connect_form():
    async def main():
        async with serving(expiry_s=1800.0) as server:
            value = await call(
                server, 'authorizeSession', baseModel='molmoact2-bimanualyam',
                robotType='yam_bimanual', clientRegion='us-west')
            assert value['ok'] is True
            assert value['sessionId'] == value['id'] == value['_id']
            assert value['model'] == 'molmoact2-bimanualyam'
            assert value['primeUrl'] == value['workerUrl'] == server.url
            assert len(value['token']) >= 32
            assert value['expiresAt'] - server.state.clock.now_ms() == pytest.approx(18e5, abs=1e4)
            [row] = (await call(server, 'listInferenceSessions'))['sessions']
            assert (row['status'], row['mode']) == ('active', 'dry_run')
            assert row['robotType'] == 'yam_bimanual'
            assert 'token' not in row

    run(main())


def test_session_is_authorized_in_the_product_form():
    async def main():
        async with serving() as server:
            value = await call(
                server, 'authorizeSession', baseModel='pi0.5', mode='apply_actions',
                deploymentId='deploy_sim', modelId='m', robotId='r', runtime='cloud',
                clientSessionId='c')
            assert value['mode'] == 'apply_actions'
            [row] = (await call(server, 'listInferenceSessions', status='active'))['sessions']
            assert row['deploymentId'] == 'deploy_sim'
            assert (row['modelId'], row['robotId'], row['clientSessionId']) == ('m', 'r', 'c')

    run(main())


@pytest.mark.parametrize('fault, args, reason', [
    (None, {'baseModel': 'nobodys-model'}, 'no_inference_node_available'),
    (None, {'baseModel': 'pi0.7-flash', 'mode': 'dry_run'}, 'invalid_parameters'),
    (None, {'baseModel': 'pi0.5', 'mode': 'fast'}, 'invalid_parameters'),
    (None, {'baseModel': 'pi0.5', 'deploymentId': 'deploy_x'}, 'deployment_not_found'),
    (None, {'baseModel': 'pi0.5', 'mode': 'apply_actions', 'deploymentId': 'deploy_blocked'},
     'deployment_not_ready'),
    ('balance_too_low', {'baseModel': 'pi0.5'}, 'balance_too_low'),
    ('no_inference_node', {'baseModel': 'pi0.5'}, 'no_inference_node_available'),
    ('deployment_not_ready', {'baseModel': 'pi0.5', 'mode': 'apply_actions'},
     'deployment_not_ready'),
])
def test_authorize_is_refused_with_a_reason(fault, args, reason):
    async def main():
        async with serving(*([fault] if fault else [])) as server:
            value = await call(server, 'authorizeSession', **args)
            assert (value['ok'], value['reason']) == (False, reason)
            assert (await call(server, 'listInferenceSessions'))['sessions'] == []

    run(main())


def test_session_lives_through_promote_demote_and_close():
    async def main():
        async with serving() as server:
            session_id = (await call(server, 'authorizeSession', baseModel='pi0.5'))['sessionId']
            for mode in ('apply_actions', 'dry_run', 'apply_actions'):
                value = await call(server, 'promoteSession', sessionId=session_id, mode=mode)
                assert (value['ok'], value['mode']) == (True, mode)
            value = await call(server, 'closeSession', sessionId=session_id, reason='cli_closed')
            assert (value['ok'], value['status']) == (True, 'closed')
            for function, args in (
                ('promoteSession', {'mode': 'dry_run'}), ('closeSession', {'reason': 'x'}),
            ):
                value = await call(server, function, sessionId=session_id, **args)
                assert value == {'ok': False, 'reason': 'session_closed'}
            [row] = (await call(server, 'listInferenceSessions', status='closed'))['sessions']
            assert row['closeReason'] == 'cli_closed'

    run(main())


def test_session_expires_by_the_services_clock():
    async def main():
        async with serving(expiry_s=1800.0) as server:
            session_id = (await call(server, 'authorizeSession', baseModel='pi0.5'))['sessionId']
            await admin(server, 'advance', seconds=1800)
            value = await call(
                server, 'promoteSession', sessionId=session_id, mode='apply_actions')
            assert value == {'ok': False, 'reason': 'session_expired'}
            listed = await call(server, 'listInferenceSessions', status='expired')
            assert [row['id'] for row in listed['sessions']] == [session_id]

    run(main())


def test_session_of_a_blocked_deployment_is_not_promoted():
    async def main():
        async with serving() as server:
            grant = await call(
                server, 'authorizeSession', baseModel='pi0.5', mode='dry_run',
                deploymentId='deploy_blocked')
            value = await call(
                server, 'promoteSession', sessionId=grant['sessionId'], mode='apply_actions')
            assert value == {'ok': False, 'reason': 'deployment_not_ready'}

    run(main())


@pytest.mark.parametrize('function, args, reason', [
    ('promoteSession', {'sessionId': 'sess_x', 'mode': 'dry_run'}, 'session_not_found'),
    ('promoteSession', {'sessionId': 'sess_x', 'mode': 'full'}, 'invalid_parameters'),
    ('closeSession', {'sessionId': 'sess_x', 'reason': 'x'}, 'session_not_found'),
    ('listInferenceSessions', {'status': 'open'}, 'invalid_parameters'),
    ('getDeployment', {'deploymentId': 'deploy_x'}, 'deployment_not_found'),
    ('runReadinessCheck', {'deploymentId': 'deploy_x'}, 'deployment_not_found'),
    ('createDeployment', DEPLOYMENT | {'mode': 'live'}, 'invalid_parameters'),
    ('createDeployment', DEPLOYMENT | {'modelId': 'model_x'}, 'model_not_found'),
    ('createDeployment', DEPLOYMENT | {'name': ''}, 'invalid_parameters'),
    ('createDeployment', DEPLOYMENT | {'specJson': '[1]'}, 'invalid_parameters'),
])
def test_request_that_makes_no_sense_is_refused_with_a_reason(function, args, reason):
    assert reason_of(function, args) == reason


def test_presets_are_one_ready_and_one_blocked_deployment():
    async def main():
        async with serving() as server:
            listed = (await call(server, 'listDeployments'))['deployments']
            assert {row['_id']: row['status'] for row in listed} == {
                'deploy_sim': 'ready', 'deploy_blocked': 'blocked'}
            value = await call(server, 'getDeployment', deploymentId='deploy_sim')
            assert value['deployment']['status'] == 'ready'

    run(main())


def test_doctor_names_each_failed_check():
    async def main():
        async with serving() as server:
            ready = await call(server, 'runReadinessCheck', deploymentId='deploy_sim')
            assert (ready['ok'], ready['passed'], ready['status']) == (True, True, 'ready')
            assert [check['name'] for check in ready['checks']] == CHECKS
            blocked = await call(server, 'runReadinessCheck', deploymentId='deploy_blocked')
            assert (blocked['ok'], blocked['passed']) == (True, False)
            failed = [
                check['name'] for check in blocked['checks'] if check['status'] == 'failed']
            assert failed == ['robot_paired', 'robot_heartbeat_recent']
            assert all(check['message'] for check in blocked['checks'])

    run(main())


@pytest.mark.parametrize('fault, check', [
    ('balance_too_low', 'balance_sufficient'), ('no_inference_node', 'inference_node_available'),
    ('deployment_not_ready', 'robot_heartbeat_recent'),
])
def test_doctor_sees_the_faults_of_the_service(fault, check):
    async def main():
        async with serving(fault) as server:
            value = await call(server, 'runReadinessCheck', deploymentId='deploy_sim')
            assert [c['name'] for c in value['checks'] if c['status'] == 'failed'] == [check]
            deployment = await call(server, 'getDeployment', deploymentId='deploy_sim')
            assert deployment['deployment']['status'] == 'blocked'
            await admin(server, 'clear')
            value = await call(server, 'runReadinessCheck', deploymentId='deploy_sim')
            assert value['status'] == 'ready'

    run(main())


def test_new_deployment_becomes_ready_by_its_checks():
    async def main():
        async with serving() as server:
            created = await call(
                server, 'createDeployment', **DEPLOYMENT, robotSchemaId='schema_sim',
                runtime='cloud', specJson='{"name": "mine"}')
            deployment_id = created['deploymentId']
            assert created['id'] == created['_id'] == deployment_id
            assert created['status'] != 'ready'
            await call(server, 'runReadinessCheck', deploymentId=deployment_id)
            value = await call(server, 'getDeployment', deploymentId=deployment_id)
            assert value['deployment']['status'] == 'ready'

    run(main())


def test_new_deployment_without_a_schema_stays_blocked():
    async def main():
        async with serving() as server:
            created = await call(server, 'createDeployment', **DEPLOYMENT)
            value = await call(
                server, 'runReadinessCheck', deploymentId=created['deploymentId'])
            checks = {check['name']: check['status'] for check in value['checks']}
            assert checks['robot_schema_present'] == 'failed'
            assert checks['explicit_safe_stop'] == 'skipped'
            assert value['status'] == 'blocked'

    run(main())


@pytest.mark.parametrize('packed, value', [
    ({'$integer': b64(struct.pack('<q', -5))}, -5),
    ({'$integer': b64(struct.pack('<q', 2**62))}, 2**62),
    ({'$float': b64(struct.pack('<d', float('-inf')))}, float('-inf')),
    ({'$bytes': b64(b'\x00\xff')}, b'\x00\xff'),
    ({'a': [{'$bytes': ''}, 1, 'x', None, True]}, {'a': [b'', 1, 'x', None, True]}),
])
def test_special_values_survive_both_ways(packed, value):
    assert encoding.decode(packed) == value
    if value != -5:
        # A small integer travels back as a plain number.
        assert encoding.encode(value) == packed


def test_odd_floats_are_packed_and_ordinary_ones_are_not():
    assert encoding.encode([1.5, 0.0, 3]) == [1.5, 0.0, 3]
    for value in (float('nan'), -0.0):
        packed = encoding.encode(value)
        assert packed == {'$float': b64(struct.pack('<d', value))}
        assert json.loads(json.dumps(packed)) == packed


@pytest.mark.parametrize('packed', [
    {'$integer': b64(b'short')}, {'$integer': 5}, {'$float': 'no base64!'}, {'$set': []},
    {'$bytes': 'AA==', 'x': 1},
])
def test_malformed_special_value_is_refused(packed):
    with pytest.raises(ValueError, match=r'\$'):
        encoding.decode(packed)


def test_integer_beyond_64_bits_is_refused():
    with pytest.raises(ValueError, match='64 bits'):
        encoding.encode(2**63)


# -- whatever comes


IDS = ['deploy_sim', 'deploy_blocked', 'model_sim', 'schema_sim', 'robot_sim', 'key_sim', 'x']
VALUES = [
    *IDS, '', '\ud800', '{}', '{"r": 1}', '[', 'pi0.5', 'lora', 'dry_run', 'apply_actions',
    'queued', 'lerobot/pusht', 'x' * 3000, 0, 1, -1, 10**30, True, False, None, 1.5, [], ['mcap'],
    {}, {'a': [1]}]


FUNCTIONS = Rpc(ServiceState(Settings())).functions


def fits(field, value):
    """Tell whether a value is of the type of an argument."""
    try:
        TypeAdapter(field.annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@st.composite
def calls(draw):
    """Make a call of any function with arguments of any kind, most of the right type."""
    function = FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]
    args = {}
    for name, field in function.model.model_fields.items():
        if field.is_required() or draw(st.booleans()):
            fitting = [value for value in VALUES if fits(field, value)]
            is_fitting = draw(st.integers(0, 9)) > 0
            args[name] = draw(st.sampled_from(fitting if is_fitting else VALUES))
    if 'apiKey' in args:
        args['apiKey'] = KEY
    return {'path': function.path, 'args': args, 'format': 'json'}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(calls(), min_size=5, max_size=10))
def test_no_arguments_break_a_function(made):
    state = ServiceState(Settings())
    rpc = Rpc(state)
    try:
        for each in made:
            status, text = rpc.answer(json.dumps(each).encode())
            assert status == 200
            body = json.loads(text)
            assert body['status'] == 'error' or body['value'] is None or (
                isinstance(body['value']['ok'], bool))
            state.clock.advance(30.0)
            state.advance()
        json.dumps(state.to_json())
    finally:
        state.close()
