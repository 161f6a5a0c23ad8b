# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The real process, asked by hand with http.client and sockets: the bytes of protocol b, c, d, g, i.

Nothing here comes from our client or from the service; whatever answers these requests answers
any client that was written from the same page.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
from pathlib import Path
import signal
import socket
import struct
import subprocess
import sys

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[3]
REFLEX = (sys.executable, '-m', 'reflex_ros.cli.main')
KEY = 'rfx_raw'
TIMEOUT_S = 10.0

RUN = {
    'baseModel': 'pi0.5', 'fineTuningType': 'lora', 'epochs': 1, 'modelName': 'x',
    'modelVersion': 'v1'}

# Section c.4: every function with a key, and what must be in its arguments beside it.
FUNCTIONS = {
    'publicApi:whoami': {},
    'publicApi:registerDataset': {'hfSourceUri': 'x/y'},
    'publicApi:validateDataset': {'datasetId': 'x'},
    'publicApi:listDatasets': {},
    'publicApi:createAndProvisionTrainingRun': {'datasetId': 'x', **RUN},
    'publicApi:createAndProvisionTrainingRunFromHuggingFace': {'hfSourceUri': 'x/y', **RUN},
    'publicApi:getTrainingRun': {'trainingRunId': 'x'},
    'publicApi:listTrainingRuns': {},
    'publicApi:stopTrainingRun': {'trainingRunId': 'x'},
    'publicApi:authorizeSession': {'baseModel': 'pi0.5'},
    'publicApi:promoteSession': {'sessionId': 'x', 'mode': 'dry_run'},
    'publicApi:closeSession': {'sessionId': 'x', 'reason': 'cli_closed'},
    'publicApi:listInferenceSessions': {},
    'publicApi:createDeployment': {'name': 'x', 'modelId': 'x', 'mode': 'dry_run'},
    'publicApi:listDeployments': {},
    'publicApi:getDeployment': {'deploymentId': 'x'},
    'publicApi:runReadinessCheck': {'deploymentId': 'x'},
    'publicApi:listDeploymentReceipts': {},
    'publicApi:registerRobotSchema': {
        'name': 'x', 'schemaVersion': 'x', 'schemaJson': '{}', 'hasExplicitSafeStop': False},
    'publicApi:listRobotSchemas': {},
    'publicApi:registerRobot': {'name': 'x', 'robotSchemaId': 'x'},
    'publicApi:listRobots': {},
    'publicApi:createRobotPairingToken': {'robotId': 'x'},
    'publicApi:claimRobotPairingToken': {'token': 'x'},
    'publicApi:robotHeartbeat': {'robotId': 'x'},
    'publicApi:importModelFromHuggingFace': {'hfRepo': 'x/y', 'name': 'x'},
    'publicApi:uploadModelDirect': {'storageId': 'x', 'name': 'x', 'adapterConfigJson': '{}'},
    'models:listWithApiKey': {},
    'models:getWithApiKey': {'modelId': 'x'},
    'publicApi:deleteModel': {'modelId': 'x'},
    'publicApi:bindKeyToModel': {'modelId': None, 'keyId': 'x'},
    'publicApi:beginRecordingUpload': {
        'sessionId': 'x', 'userSlug': 'x', 'formats': [], 'sizeBytes': 1, 'sha256': '0' * 64},
    'publicApi:commitRecordingUpload': {
        'recordingId': 'x', 'storageId': 'x', 'sizeBytes': 1, 'sha256': '0' * 64, 'meta': {}},
    'connectSessionLogs:appendForApiKey': {'sessionId': 'x', 'lines': []},
    'inferenceStreamSamples:appendForApiKey': {'sessionId': 'x', 'seq': 1},
}

# Section c.5: every REST endpoint.
ENDPOINTS = (
    ('POST', '/v1/infer'), ('POST', '/v1/datasets'), ('GET', '/v1/datasets'),
    ('GET', '/v1/datasets/x'), ('POST', '/v1/datasets/x/complete'),
    ('POST', '/v1/training-runs/lora'), ('GET', '/v1/training-runs/x'),
    ('POST', '/v1/training-runs/x/forward-backward'), ('POST', '/v1/training-runs/x/optim-step'),
    ('POST', '/v1/training-runs/x/save-adapter'), ('POST', '/v1/training-runs/x/save-state'),
    ('POST', '/deployments/provision'), ('GET', '/deployments/status'),
    ('POST', '/deployments/teardown'),
)


@pytest.fixture(scope='module')
def ready():
    """Start the service once; return its ready line."""
    process = subprocess.Popen(
        [*REFLEX, 'sim', 'service', '--latency-ms', '0'], cwd=ROOT, text=True,
        env=os.environ | {'REFLEX_SIM_KEY': KEY}, stdout=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


@pytest.fixture(autouse=True)
def no_faults_left(ready):
    yield
    admin(ready, 'clear', {})


def port_of(ready):
    return int(ready['url'].rpartition(':')[2])


def ask(ready, method, path, body=b'', **headers):
    """Send a request; return status, headers, and the body as JSON."""
    connection = http.client.HTTPConnection('127.0.0.1', port_of(ready), timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read())


def admin(ready, action, body):
    status, _, answer = ask(ready, 'POST', f'/admin/{action}', json.dumps(body))
    assert status == 200, answer
    return answer


def call(ready, path, args, kind='mutation'):
    """Call a function as the vendor's CLI does; return the value."""
    body = json.dumps({'path': path, 'args': args, 'format': 'json'})
    status, headers, answer = ask(
        ready, 'POST', f'/api/{kind}', body, Accept='application/json',
        Content_Type='application/json', User_Agent='reflex-product-cli/0.6.6')
    assert (status, answer['status']) == (200, 'success'), answer
    assert headers['Content-Type'].startswith('application/json')
    return answer['value']


def public(ready, function, **args):
    return call(ready, f'publicApi:{function}', {'apiKey': KEY, **args})


@contextlib.contextmanager
def opened(ready):
    """Open a bare socket."""
    with socket.create_connection(('127.0.0.1', port_of(ready)), TIMEOUT_S) as sock:
        yield sock, sock.makefile('rb')


# -- c.1, c.2: the call


@pytest.mark.parametrize('kind', ['query', 'mutation', 'action'])
@pytest.mark.parametrize('body', [
    f'{{"path": "publicApi:whoami", "args": {{"apiKey": "{KEY}"}}, "format": "json"}}',
    f'{{"format":"json","args":{{"apiKey":"{KEY}"}},"path":"publicApi:whoami"}}',
    f'{{"args": [{{"apiKey": "{KEY}"}}], "format": "convex_encoded_json", '
    '"path": "publicApi:whoami"}',
])
def test_both_encodings_under_any_kind(ready, kind, body):
    status, _, answer = ask(
        ready, 'POST', f'/api/{kind}', body, Content_Type='application/json',
        Convex_Client='python-reflex-sdk-0.6.6')
    assert (status, answer['status']) == (200, 'success')
    account = answer['value']
    assert account['ok'] is True
    assert account['organization']['id'] == account['orgId']
    assert {'id', 'name', 'slug'} <= set(account['organization'])
    assert account['keyName'] and account['keyId'] and account['userId'] and account['email']


def test_call_needs_no_headers_at_all(ready):
    body = json.dumps({'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'json'})
    with opened(ready) as (sock, file):
        sock.sendall(f'POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n'
                     f'{body}'.encode())
        assert file.readline().startswith(b'HTTP/1.1 200')


@pytest.mark.parametrize('function', FUNCTIONS)
def test_every_function_wants_the_key(ready, function):
    assert call(ready, function, {'apiKey': 'rfx_no', **FUNCTIONS[function]}) == {
        'ok': False, 'reason': 'unknown_key'}


@pytest.mark.parametrize('function', FUNCTIONS)
def test_arguments_are_checked(ready, function):
    args = {'apiKey': KEY, **FUNCTIONS[function]}
    last = list(args)[-1]
    for change, wrong in {
        'no key': FUNCTIONS[function], 'null': args | {last: None}, 'extra': args | {'extra': 'x'},
        'mistyped': args | {last: 5 if isinstance(args[last], bool) else True},
    }.items():
        body = json.dumps({'path': function, 'args': wrong, 'format': 'json'})
        status, _, answer = ask(ready, 'POST', '/api/query', body)
        assert (status, answer['status']) == (200, 'error'), change
        assert 'ArgumentValidationError' in answer['errorMessage'], change


@pytest.mark.parametrize('function', [name for name, args in FUNCTIONS.items() if args])
def test_missing_arguments_are_an_error(ready, function):
    body = json.dumps({'path': function, 'args': {'apiKey': KEY}, 'format': 'json'})
    assert ask(ready, 'POST', '/api/query', body)[2]['status'] == 'error'


def test_function_failure_of_the_encoded_form_is_a_560_on_order(ready):
    body = '{"args": [{}], "format": "convex_encoded_json", "path": "publicApi:whoami"}'
    admin(ready, 'fault', {'name': 'http_560'})
    status, _, answer = ask(ready, 'POST', '/api/query', body)
    assert (status, answer['status']) == (560, 'error')
    assert answer['errorMessage']


@pytest.mark.parametrize('body', [
    '', '{', 'null', '[]', '{"path": "publicApi:whoami"}',
    '{"path": "publicApi:whoami", "args": null, "format": "json"}',
    '{"path": "publicApi:whoami", "format": "json"}',
    '{"path": "publicApi:whoami", "args": [], "format": "convex_encoded_json"}'])
def test_what_is_no_call_is_a_400(ready, body):
    status, _, answer = ask(ready, 'POST', '/api/mutation', body)
    assert status == 400
    assert answer['message']


@pytest.mark.parametrize('path', ['publicApi:nothing', 'whoami', '', 'publicApi:whoami '])
def test_unknown_function_is_an_error(ready, path):
    body = json.dumps({'path': path, 'args': {'apiKey': KEY}, 'format': 'json'})
    assert ask(ready, 'POST', '/api/query', body)[2]['status'] == 'error'


# -- HTTP itself


@pytest.mark.parametrize('method, path, status', [
    ('POST', '/api/call', 404), ('GET', '/', 404), ('GET', '/v2/infer', 404),
    ('DELETE', '/nothing', 404), ('GET', '/api/query', 405), ('PUT', '/api/query', 405),
    ('GET', '/v1/infer', 405), ('DELETE', '/v1/infer', 405), ('GET', '/act', 405),
    ('POST', '/health', 405), ('GET', '/api/auth/sign-up/email', 405),
    ('POST', '/admin/state', 404), ('POST', '/admin/nothing', 404),
])
def test_wrong_path_or_method_is_said_in_json(ready, method, path, status):
    answered, headers, body = ask(ready, method, path)
    assert answered == status
    assert body['error']
    assert ('Allow' in headers) == (status == 405)


@pytest.mark.parametrize('path', ['/api/query', '/v1/infer', '/act'])
def test_body_beyond_the_limit_is_a_413(ready, path):
    size = (32 << 20) + 1
    status, _, answer = ask(
        ready, 'POST', path, b' ' * size, Authorization=f'Bearer {KEY}')
    assert (status, bool(answer['error'])) == (413, True)


def test_curl_asks_first_before_it_sends_a_large_body(ready):
    body = json.dumps({'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'json'})
    with opened(ready) as (sock, file):
        sock.sendall(f'POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n'
                     'Expect: 100-continue\r\n\r\n'.encode())
        assert file.readline() == b'HTTP/1.1 100 Continue\r\n'
        file.readline()
        sock.sendall(body.encode())
        assert file.readline() == b'HTTP/1.1 200 OK\r\n'


def test_body_may_come_in_chunks_and_the_connection_may_be_used_again(ready):
    body = json.dumps({'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'json'})
    connection = http.client.HTTPConnection('127.0.0.1', port_of(ready), timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        for _ in range(2):
            pieces = iter([body[:9].encode(), body[9:].encode()])
            connection.request('POST', '/api/query', pieces, encode_chunked=True,
                               headers={'Transfer-Encoding': 'chunked'})
            assert json.loads(connection.getresponse().read())['value']['ok'] is True


# -- b.3, b.4: identity


def test_device_login_from_the_request_to_the_key(ready):
    made = call(ready, 'cliAuth:createRequest', {'hostname': 'lab'})
    poll = {'id': made['requestId']}
    assert call(ready, 'cliAuth:poll', poll)['status'] == 'pending'
    assert ready['site_url'] == ready['url']
    connection = http.client.HTTPConnection('127.0.0.1', port_of(ready), timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request('GET', f'/cli/authorize?requestId={made["requestId"]}')
        page = connection.getresponse().read().decode()
    assert '<strong>lab</strong>' in page
    admin(ready, 'approve', {'requestId': made['requestId']})
    approved = call(ready, 'cliAuth:poll', poll)
    assert (approved['status'], approved['apiKey']) == ('approved', KEY)
    assert call(ready, 'cliAuth:poll', poll)['status'] == 'consumed'


def test_sign_up_once(ready):
    person = json.dumps({'name': 'Eve', 'email': 'eve@example.com', 'password': '12345678'})
    first = ask(ready, 'POST', '/api/auth/sign-up/email', person)
    assert (first[0], first[2]['user']['email']) == (200, 'eve@example.com')
    second = ask(ready, 'POST', '/api/auth/sign-up/email', person)
    assert (second[0], second[2]['message']) == (422, 'User already exists')


# -- i: from a schema to a session that applies actions


def test_whole_way_of_a_robot(ready):
    schema = public(
        ready, 'registerRobotSchema', name='arm', schemaVersion='robot_schema.v1',
        schemaJson='{"actions": {"action": {"safe_stop": [0], "shape": [6]}}}',
        hasExplicitSafeStop=True, actionDim=6)
    robot = public(ready, 'registerRobot', name='arm', robotSchemaId=schema['id'])
    deployment = public(
        ready, 'createDeployment', name='arm', modelId='model_sim', mode='apply_actions',
        robotSchemaId=schema['id'], specJson='{"name": "arm"}')
    wanted = {
        'baseModel': 'pi0.5', 'mode': 'apply_actions', 'deploymentId': deployment['id']}
    assert public(ready, 'authorizeSession', **wanted)['reason'] == 'deployment_not_ready'
    token = public(ready, 'createRobotPairingToken', robotId=robot['id'], ttlSeconds=60)
    assert public(ready, 'claimRobotPairingToken', token=token['token'])['ok'] is True
    assert public(ready, 'robotHeartbeat', robotId=robot['id'])['ok'] is True
    report = public(ready, 'runReadinessCheck', deploymentId=deployment['id'])
    assert (report['passed'], report['status']) == (True, 'ready'), report['checks']
    grant = public(ready, 'authorizeSession', **wanted)
    assert {'sessionId', 'token', 'primeUrl', 'expiresAt', 'model'} <= set(grant)
    assert public(
        ready, 'promoteSession', sessionId=grant['sessionId'], mode='dry_run')['ok'] is True
    closed = public(ready, 'closeSession', sessionId=grant['sessionId'], reason='sdk_closed')
    assert closed['status'] == 'closed'
    rows = public(ready, 'listDeploymentReceipts', deploymentId=deployment['id'])['receipts']
    assert [row['event'] for row in rows] == ['authorized', 'demoted', 'closed']
    [listed] = public(ready, 'listInferenceSessions', status='closed')['sessions']
    assert listed['_id'] == grant['sessionId']


def test_worker_of_a_grant_is_ready_in_the_end(ready):
    grant = public(
        ready, 'authorizeSession', baseModel='molmoact2-bimanualyam', robotType='yam_bimanual',
        clientRegion='us-west')
    assert grant['primeUrl'] == ready['url']
    bearer = f'Bearer {grant["token"]}'
    admin(ready, 'fault', {'name': 'ready_status', 'value': '503x1'})
    statuses = [
        ask(ready, 'GET', '/ready?max_wait_s=5', Authorization=bearer)[0] for _ in range(2)]
    assert statuses == [503, 200]
    assert ask(ready, 'GET', '/health', Authorization=bearer)[2]['engine']


# -- d.8, g: single answers


def test_one_shot_inference(ready):
    image = {'encoding': 'jpeg_base64', 'data': '/9j/'}
    observation = {'prompt': 'pick up the cube', 'state': [0.1] * 14, 'images': {
        'cam_high': image, 'cam_left_wrist': image, 'cam_right_wrist': image}}
    status, _, answer = ask(
        ready, 'POST', '/v1/infer', json.dumps({'observation': observation, 'request_id': 'r1'}),
        Content_Type='application/json', Authorization=f'Bearer {KEY}')
    assert status == 200
    assert (answer['ok'], answer['request_id'], answer['all_zero']) == (True, 'r1', False)
    assert [len(row) for row in answer['actions_pi']] == [32] * 50
    assert [len(row) for row in answer['actions_aloha']] == [14] * 50
    assert answer['max_minus_min'] > 0.05
    refused = ask(ready, 'POST', '/v1/infer', '{"observation": {}}')
    assert (refused[0], refused[2]['error']) == (401, 'invalid_key')
    refused = ask(
        ready, 'POST', '/v1/infer', '{"observation": {}}', Authorization=f'Bearer {KEY}')
    assert refused[0] == 422


def test_edge_in_both_encodings(ready):
    pose = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]
    plain = {'state': pose, 'instruction': 'hold', 'top_cam': '', 'timestamp': 1795352337.35}
    assert ask(ready, 'POST', '/act', json.dumps(plain))[2]['actions'] == [pose] * 50
    raw = struct.pack('<6f', *pose)
    packed = plain | {'state': {
        '__numpy__': base64.b64encode(raw).decode(), 'dtype': '<f4', 'shape': [6]}}
    actions = ask(ready, 'POST', '/act', json.dumps(packed))[2]['actions']
    assert (actions['dtype'], actions['shape']) == ('<f4', [50, 6])
    assert base64.b64decode(actions['__numpy__']) == raw * 50


# -- c.5, i.5 to i.8, h.5: files and training


@pytest.mark.parametrize('bearer', [None, 'Bearer rfx_no', f'Basic {KEY}', KEY])
@pytest.mark.parametrize('method, path', ENDPOINTS)
def test_every_endpoint_wants_the_key(ready, method, path, bearer):
    headers = {} if bearer is None else {'Authorization': bearer}
    status, _, answer = ask(ready, method, path, b'{}', **headers)
    assert (status, answer['error']) == (401, 'invalid_key')


def rest(ready, method, path, body=None):
    status, _, answer = ask(
        ready, method, path, b'' if body is None else json.dumps(body),
        Authorization=f'Bearer {KEY}', Content_Type='application/json')
    assert 200 <= status < 300, answer
    return answer


def send_file(ready, method, url, body, headers):
    """Send bytes to an address that the service gave; return the answer as JSON, if any."""
    assert url.startswith(ready['url'])
    connection = http.client.HTTPConnection('127.0.0.1', port_of(ready), timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request(method, url.removeprefix(ready['url']), body, headers)
        response = connection.getresponse()
        assert 200 <= response.status < 300
        raw = response.read()
        return json.loads(raw) if raw else {}


def test_dataset_from_a_file(ready):
    body = os.urandom(5000)
    made = rest(ready, 'POST', '/v1/datasets', {
        'name': 'mine', 'request_id': '', 'size_bytes': len(body)})
    send_file(
        ready, made.get('upload_method', 'PUT'), made['upload_url'], body,
        made.get('upload_headers', {}))
    rest(ready, 'POST', f'/v1/datasets/{made["dataset_id"]}/complete', {'size_bytes': len(body)})
    assert rest(ready, 'GET', f'/v1/datasets/{made["dataset_id"]}')
    assert rest(ready, 'GET', '/v1/datasets')


def test_training_from_the_hub_to_a_bound_model(ready):
    dataset = public(ready, 'registerDataset', hfSourceUri='hf://datasets/lerobot/pusht')
    rows = public(ready, 'listDatasets')['datasets']
    dataset_id = dataset.get('datasetId') or rows[-1]['_id']
    plan = {'datasetId': dataset_id, **RUN, 'requestId': 'raw-1'}
    assert public(ready, 'createAndProvisionTrainingRun', **plan)['ok'] is False
    assert public(ready, 'validateDataset', datasetId=dataset_id)['ok'] is True
    run_id = public(ready, 'createAndProvisionTrainingRun', **plan)['trainingRunId']
    assert public(ready, 'createAndProvisionTrainingRun', **plan)['trainingRunId'] == run_id
    admin(ready, 'advance', {'seconds': 3600})
    run = public(ready, 'getTrainingRun', trainingRunId=run_id)['trainingRun']
    assert run['status'] == 'succeeded'
    assert call(ready, 'models:getWithApiKey', {'apiKey': KEY, 'modelId': run['modelId']})
    key_id = public(ready, 'whoami')['keyId']
    assert public(ready, 'bindKeyToModel', keyId=key_id, modelId=run['modelId'])['ok'] is True
    observation = json.dumps({'observation': {'prompt': 'wave', 'state': [0.1] * 14}})
    answers = [
        ask(ready, 'POST', '/v1/infer', observation, Authorization=f'Bearer {KEY}')
        for _ in range(2)]
    # The hour went by without a call, so the worker was cold.
    assert [status for status, _, _ in answers] == [408, 200]
    assert 'customer_models/' in answers[1][2]['adapter_path']
    public(ready, 'bindKeyToModel', keyId=key_id, modelId=None)


def test_model_from_a_file(ready):
    target = call(ready, 'models:beginDirectUpload', {})
    header = b'{}'
    body = struct.pack('<Q', len(header)) + header
    stored = send_file(ready, 'POST', target['uploadUrl'], body, {
        'Content-Type': 'application/octet-stream'})
    made = public(
        ready, 'uploadModelDirect', storageId=stored['storageId'], name='mine',
        adapterConfigJson='{"r": 16}')
    assert made['modelId'] and made['status']
    assert public(ready, 'deleteModel', modelId=made['modelId'])['ok'] is True
    assert public(ready, 'deleteModel', modelId=made['modelId'])['reason'] == 'already_deleting'


def test_recording_of_a_session(ready):
    session_id = public(ready, 'authorizeSession', baseModel='pi0.5')['sessionId']
    body = os.urandom(2048)
    facts = {'sizeBytes': len(body), 'sha256': hashlib.sha256(body).hexdigest()}
    begun = public(
        ready, 'beginRecordingUpload', sessionId=session_id, userSlug='ada', formats=['mcap'],
        **facts)
    stored = send_file(
        ready, 'POST', begun['uploadUrl'], body, {'Content-Type': 'application/x-tar'})
    committed = public(
        ready, 'commitRecordingUpload', recordingId=begun['recordingId'],
        storageId=stored['storageId'], meta={'summary': {}}, **facts)
    assert committed['ok'] is True


def test_step_wise_training_and_instances(ready):
    made = rest(ready, 'POST', '/v1/training-runs/lora', {
        'base_model': 'pi0.7-flash', 'rank': 32, 'config': {}})
    run = '/v1/training-runs/' + (
        made.get('training_run_id') or made.get('run_id') or made['id'])
    data = [{'observation': {'state': [0.0]}, 'actions': [[0.0]]}]
    assert 'loss' in rest(ready, 'POST', f'{run}/forward-backward', {
        'data': data, 'loss_fn': 'behavior_cloning'})
    assert 'step' in rest(ready, 'POST', f'{run}/optim-step', {
        'optimizer': 'adam', 'request_id': 'o1', 'params': {
            'learning_rate': 1e-4, 'beta1': 0.9, 'beta2': 0.95, 'eps': 1e-8,
            'weight_decay': 0}})
    assert rest(ready, 'POST', f'{run}/save-adapter', {})
    assert rest(ready, 'GET', run)
    assert rest(ready, 'POST', '/deployments/provision', {
        'region': 'auto', 'instance_type': 'auto', 'allowed_ssh_cidrs': [],
        'allowed_webrtc_cidrs': ['0.0.0.0/0'], 'hf_token': '', 'spot': False,
        'volume_size': 200, 'robot_id': '', 'billing_max_gpu_seconds': 3600})
    assert rest(ready, 'GET', '/deployments/status')
    assert rest(ready, 'POST', '/deployments/teardown')


# -- d.2, d.3: the stream


def test_stream_written_byte_by_byte(ready):
    def frame(message):
        payload = json.dumps(message).encode()
        mask = b'\x01\x02\x03\x04'
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        return struct.pack('>BBH', 0x81, 0xFE, len(payload)) + mask + masked

    def received(file):
        first, length = file.read(2)
        if length == 126:
            [length] = struct.unpack('>H', file.read(2))
        assert first == 0x81
        return json.loads(file.read(length))

    with opened(ready) as (sock, file):
        sock.sendall(
            b'GET /v1/actions HTTP/1.1\r\n'
            b'Host: 127.0.0.1\r\n'
            b'Upgrade: websocket\r\n'
            b'Connection: Upgrade\r\n'
            b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
            b'Sec-WebSocket-Version: 13\r\n'
            b'Authorization: Bearer ' + KEY.encode() + b'\r\n'
            b'User-Agent: by-hand/1\r\n\r\n')
        assert b' 101 ' in file.readline()
        head = b''.join(iter(file.readline, b'\r\n')).lower()
        # The answer that RFC 6455 works out for this key.
        assert b's3pplmbitxaq9kygzzhzrbk+xoo=' in head
        assert b'sec-websocket-extensions' not in head
        sock.sendall(frame({
            'type': 'session.open', 'session_id': '', 'prompt': 'hold', 'robot': 'so101',
            'action_adapter': 'so101_joint', 'cameras': ['wrist'], 'hz': 25.0,
            'chunk_size': 2}))
        assert received(file)['type'] == 'session.ready'
        pose = [0.1, -12.0, 33.0, 4.5, 0.0, 50.0]
        sock.sendall(frame({
            'type': 'observation', 'seq': 0, 'state': pose, 'images': {
                'wrist': {'encoding': 'jpeg_base64', 'data': '/9j/'}}}))
        chunk = received(file)
        assert (chunk['type'], chunk['seq'], chunk['actions']) == ('action_chunk', 0, [pose] * 2)
        sock.sendall(frame({'type': 'session.close', 'session_id': ''}))
        assert file.read(1) == b'\x88'
