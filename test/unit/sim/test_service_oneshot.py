# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference without a stream: /v1/infer, the edge's /act, and the worker's two probes."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

pytestmark = pytest.mark.live

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, HOME, http_client, KEY, run, serving  # noqa: E402

from reflex_ros.sim.service.oneshot import numpy_json  # noqa: E402

# The home pose in the layout of an ALOHA: radians, gripper 0..1, the second arm at zero.
ALOHA = [*(math.radians(value) for value in HOME[:5]), 0.3, *[0.0] * 8]
PNG = {'encoding': 'png_base64', 'data': 'AAAA'}
OBSERVATION = {'prompt': 'wave', 'state': ALOHA, 'images': {'cam_high': PNG}}


async def ask(server, path, body, key=KEY, **headers):
    """POST a body, with a bearer when there is one."""
    if key is not None:
        headers['Authorization'] = f'Bearer {key}'
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http_client() as http:
        return await http.post(server.url + path, content=content, headers=headers)


async def infer(server, observation=OBSERVATION, key=KEY, **fields):
    return await ask(server, '/v1/infer', {'observation': observation} | fields, key)


# -- /v1/infer


def test_answer_has_both_layouts_and_starts_at_the_observed_pose():
    async def main():
        async with serving() as server:
            response = await infer(server, request_id='req_7')
            assert response.status_code == 200
            return response.json()

    answer = run(main())
    pi, aloha = np.array(answer['actions_pi']), np.array(answer['actions_aloha'])
    assert (pi.shape, aloha.shape, answer['action_shape']) == ((50, 32), (50, 14), [50, 32])
    assert answer['actions'] == answer['actions_pi']
    assert (answer['ok'], answer['request_id'], answer['all_zero']) == (True, 'req_7', False)
    assert aloha[0] == pytest.approx(ALOHA, abs=1e-4)
    assert np.array_equal(pi[:, :6], aloha[:, :6])
    assert not pi[:, 6:].any()
    assert answer['max_minus_min'] == pytest.approx(np.ptp(pi), abs=1e-5) and np.ptp(pi) > 0.05
    assert (answer['num_steps'], answer['chunk_size']) == (50, 50)
    assert answer['model_id'] == 'lerobot/pi05_base'
    assert 0.0 <= answer['infer_ms'] <= answer['total_ms'] < 5000.0
    assert answer['session_id'].startswith('sess_')
    assert 'adapter_path' not in answer


def test_loop_is_closed_from_one_call_to_the_next():
    async def main():
        async with serving() as server:
            state, travelled = ALOHA, []
            for step in range(8):
                observation = OBSERVATION | {'state': state, 'capture_time_ns': step * 10**9}
                rows = (await infer(server, observation)).json()['actions_aloha']
                assert rows[0] == pytest.approx(state, abs=1e-4)
                state = rows[30]
                travelled.append(state[4])
            return travelled

    travelled = run(main())
    # It waves: the roll goes to both sides.
    assert min(travelled) < -0.2 and max(travelled) > 0.2


def test_so101_is_answered_in_kind():
    async def main():
        async with serving() as server:
            observation = {'prompt': 'hold', 'robot': 'so101', 'state': HOME, 'images': {}}
            return (await infer(server, observation)).json()

    answer = run(main())
    assert answer['action_shape'] == [50, 6]
    assert answer['actions_so101'] == answer['actions'] == [HOME] * 50
    assert 'actions_pi' not in answer


@pytest.mark.parametrize('key', [None, 'x', 'rfx_wrong', 'rfx_sim2'])
def test_wrong_key_is_a_401(key):
    async def main():
        async with serving() as server:
            response = await infer(server, key=key)
            assert response.status_code == 401
            assert response.json()['error'] == 'invalid_key'

    run(main())


def test_revoked_key_is_a_401_too():
    async def main():
        async with serving() as server:
            await admin(server, 'fault', name='revoke_key_after')
            assert (await infer(server)).status_code == 401

    run(main())


def test_low_balance_is_a_402():
    async def main():
        async with serving('balance_too_low') as server:
            response = await infer(server)
            assert (response.status_code, response.json()['error']) == (
                402, 'below_minimum_balance')

    run(main())


def test_cold_worker_refuses_as_often_as_told():
    async def main():
        async with serving('cold_start=2') as server:
            return [(await infer(server)).status_code for _ in range(4)]

    assert run(main()) == [408, 408, 200, 200]


def test_worker_grows_cold_in_ten_idle_minutes():
    async def main():
        async with serving() as server:
            codes = [(await infer(server)).status_code]
            for idle_s in (599, 601):
                await admin(server, 'advance', seconds=idle_s)
                codes += [(await infer(server)).status_code for _ in range(2)]
            return codes

    assert run(main()) == [200, 200, 200, 408, 200]


@pytest.mark.parametrize('change, slug', [
    ({'state': None}, 'invalid_state'), ({'state': ALOHA[:13]}, 'invalid_state'),
    ({'state': [*ALOHA, 0.0]}, 'invalid_state'), ({'state': HOME}, 'invalid_state'),
    ({'state': [*ALOHA[:13], 'x']}, 'invalid_state'), ({'state': 'x'}, 'invalid_state'),
    ({'state': [*ALOHA[:13], True]}, 'invalid_state'),
    ({'robot': 'so101'}, 'invalid_state'), ({'images': []}, 'invalid_images'),
    ({'images': {'cam_high': {'encoding': 'webp'}}}, 'invalid_images'),
    ({'prompt': 5}, 'invalid_message'),
])
def test_bad_observation_is_a_422(change, slug):
    async def main():
        async with serving() as server:
            response = await infer(server, OBSERVATION | change)
            assert (response.status_code, response.json()['error']) == (422, slug)
            assert response.json()['detail']

    run(main())


@pytest.mark.parametrize('body, status', [
    (b'', 400), (b'{', 400), (b'[' * 100_000, 400), ([], 422), ({}, 422),
    ({'observation': []}, 422), ({'observation': OBSERVATION, 'request_id': 7}, 422),
])
def test_what_is_no_request_is_refused(body, status):
    async def main():
        async with serving() as server:
            assert (await ask(server, '/v1/infer', body)).status_code == status

    run(main())


def test_observation_without_prompt_or_images_is_enough():
    async def main():
        async with serving() as server:
            response = await infer(server, {'state': ALOHA})
            assert response.status_code == 200
            assert response.json()['request_id'].startswith('req_')

    run(main())


@pytest.mark.parametrize('fault, sees', [
    ('all_zero', lambda answer: answer['all_zero'] and answer['max_minus_min'] == 0.0),
    ('wrong_shape=missing', lambda answer: 'actions_pi' not in answer
     and 'actions_aloha' not in answer and 'actions' not in answer),
    ('wrong_shape=ragged', lambda answer: {len(row) for row in answer['actions_pi']} == {31, 32}
     and {len(row) for row in answer['actions_aloha']} == {13, 14}),
    ('nan=null', lambda answer: any(None in row for row in answer['actions_pi'])
     and any(None in row for row in answer['actions_aloha'])),
    ('constant', lambda answer: answer['actions_pi'] == [answer['actions_pi'][0]] * 50),
])
def test_faults_of_the_content_reach_every_layout(fault, sees):
    async def main():
        async with serving(fault) as server:
            return (await infer(server)).json()

    assert sees(run(main()))


# -- /act


EDGE = {
    'state': HOME, 'instruction': 'wave', 'top_cam': 'base64...', 'timestamp': 1795352337.35}


def packed(array):
    """Write an array as json-numpy does."""
    return {
        '__numpy__': base64.b64encode(array.tobytes()).decode(), 'dtype': array.dtype.str,
        'shape': list(array.shape)}


def unpacked(value):
    """Read an array as json-numpy does."""
    raw = base64.b64decode(value['__numpy__'])
    return np.frombuffer(raw, np.dtype(value['dtype'])).reshape(value['shape'])


def test_edge_answers_plain_json_without_a_key():
    async def main():
        async with serving() as server:
            return (await ask(server, '/act', EDGE, key=None)).json()

    answer = run(main())
    assert np.array(answer['actions']).shape == (50, 6)
    assert answer['actions'][0] == HOME
    assert 0.0 <= answer['infer_ms'] <= answer['total_ms']


@pytest.mark.parametrize('dtype', ['<f4', '<f8', '>f4', '<f2'])
def test_edge_answers_arrays_with_arrays(dtype):
    body = {
        'state': packed(np.array(HOME, dtype)), 'instruction': 'hold',
        'top_cam': packed(np.zeros((4, 6, 3), np.uint8)), 'timestamp': packed(np.float64(5.0))}

    async def main():
        async with serving(chunk_size=30) as server:
            response = await ask(server, '/act', body, key=None)
            assert response.status_code == 200, response.text
            return response.json()

    actions = unpacked(run(main())['actions'])
    assert (actions.shape, actions.dtype) == ((30, 6), np.float32)
    assert np.allclose(actions, HOME)


def test_edge_speaks_the_fields_of_the_other_example_server():
    body = {'proprio': ALOHA, 'prompt': 'wave', 'image': 'base64...'}

    async def main():
        async with serving() as server:
            path = '/act?actions_path=prediction.actions'
            return (await ask(server, path, body, key=None)).json()

    answer = run(main())
    assert np.array(answer['prediction']['actions']).shape == (50, 14)
    assert 'actions' not in answer


@pytest.mark.parametrize('body, status', [
    (b'', 400), (b'nonsense', 400), ([], 400), ({}, 422), ({'state': HOME[:5]}, 422),
    ({'state': 'x'}, 422), ({'state': [math.nan] * 6}, 422),
    ({'state': HOME, 'instruction': 7}, 422),
    ({'state': {'__numpy__': 'AAAA', 'dtype': '<f4', 'shape': [1]}}, 400),
    ({'state': {'__numpy__': '!', 'dtype': '<f4', 'shape': [0]}}, 400),
    ({'state': {'__numpy__': 5, 'dtype': '<f4', 'shape': [0]}}, 400),
    ({'state': {'__numpy__': '', 'dtype': 'O', 'shape': [0]}}, 400),
    ({'state': {'__numpy__': '', 'dtype': '<f4'}}, 400),
    ({'state': {'__numpy__': '', 'dtype': '<f4', 'shape': [-1]}}, 400),
    ({'state': {'__numpy__': '', 'dtype': '<f4', 'shape': [0]}}, 422),
])
def test_edge_says_as_json_what_is_wrong(body, status):
    async def main():
        async with serving() as server:
            response = await ask(server, '/act', body, key=None)
            assert response.status_code == status
            assert response.json()['error'] and response.json()['detail']

    run(main())


@given(
    st.sampled_from(['<f4', '>f8', '|u1', '<i8', '|b1', '>u2']),
    st.lists(st.integers(0, 1), max_size=12))
def test_arrays_of_numpy_are_read_as_numpy_reads_them(dtype, values):
    array = np.array(values, dtype)
    decoded = numpy_json.decode({'a': [packed(array)]})
    assert decoded['a'][0].numbers() == values


ANYTHING = st.sampled_from([
    None, 0, -1, 10**30, 1.5, '', 'AAAA', 'AAAAAAAA', 'é', '<f4', '|O', '<f9', [], [2], [1, 0],
    [True], [10**30], {}, {'__numpy__': 'AAAA'}])


@given(st.fixed_dictionaries(
    {'__numpy__': ANYTHING}, optional={'dtype': ANYTHING, 'shape': ANYTHING, 'x': ANYTHING}))
def test_any_json_is_decoded_or_refused(value):
    try:
        numpy_json.decode(value)
    except ValueError as exc:
        assert str(exc)


# -- the worker


async def probe(server, path, **headers):
    async with http_client() as http:
        return await http.get(server.url + path, headers=headers)


@pytest.mark.parametrize('path', ['/health', '/ready', '/ready?max_wait_s=110'])
def test_worker_is_up_for_the_grant_and_for_a_probe_without_one(path):
    async def main():
        async with serving() as server:
            grant = await call(server, 'authorizeSession', baseModel='pi0.5')
            token = f'Bearer {grant["token"]}'
            assert grant['primeUrl'] == server.url
            assert (await probe(server, path, Authorization=token)).status_code == 200
            assert (await probe(server, path)).status_code == 200
            assert (await probe(server, path, Authorization='Bearer x')).status_code == 401

    run(main())


def test_worker_wakes_up_or_is_too_old_for_ready():
    async def main():
        async with serving('ready_status=503x2') as server:
            codes = [(await probe(server, '/ready')).status_code for _ in range(3)]
            assert codes == [503, 503, 200]
            await admin(server, 'fault', name='ready_status', value='404')
            assert (await probe(server, '/ready')).status_code == 404
            assert 'engine' in (await probe(server, '/health')).json()

    run(main())


# -- a customer's model


def test_bound_key_is_served_by_its_model():
    async def main():
        async with serving() as server:
            made = await admin(server, 'key')
            model = await call(
                server, 'importModelFromHuggingFace', hfRepo='ada/pi05-lora', name='mine')
            await admin(server, 'advance', seconds=590)
            bound = await call(
                server, 'bindKeyToModel', keyId=made['keyId'], modelId=model['modelId'])
            assert bound['ok'] is True
            answer = (await infer(server, key=made['key'])).json()
            assert f'customer_models/{model["modelId"]}/' in answer['adapter_path']
            assert 'adapter_path' not in (await infer(server)).json()
            await call(server, 'bindKeyToModel', keyId=made['keyId'], modelId=None)
            assert 'adapter_path' not in (await infer(server, key=made['key'])).json()

    run(main())


# -- whatever comes


SCALARS = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**400, '', 'wave', '\ud800', [], HOME, ALOHA, {}, [[]], [None] * 6])
FIELDS = st.sampled_from([
    'state', 'proprio', 'prompt', 'instruction', 'timestamp', 'images', 'robot', 'seq',
    'request_id', 'capture_time_ns'])


@settings(max_examples=8, deadline=None)
@given(st.lists(st.dictionaries(FIELDS, SCALARS, max_size=4), min_size=10, max_size=20))
def test_no_body_breaks_the_service(bodies):
    async def main():
        async with serving() as server, http_client() as http:
            for body in bodies:
                for path, content in (
                    ('/act', body), ('/v1/infer', {'observation': body}),
                    ('/v1/infer', {'observation': OBSERVATION | body, **body}),
                ):
                    response = await http.post(
                        server.url + path, content=json.dumps(content),
                        headers={'Authorization': f'Bearer {KEY}'})
                    assert response.status_code in (200, 400, 422), response.text
                    response.json()

    run(main())
