# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings, log lines and telemetry samples (protocol h.5 to h.7)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    admin_state,
    call,
    KEY,
    post,
    refused,
    run,
    send_file,
    serving,
)

TAR = b'a tar archive' * 1000
SHA256 = hashlib.sha256(TAR).hexdigest()
PROMISE = {'sessionId': 'session_20260101T000000Z', 'userSlug': 'user',
           'formats': ['lerobot'], 'sizeBytes': len(TAR), 'sha256': SHA256}
JPEG = base64.b64encode(b'\xff\xd8 picture').decode()
LINE = {'ts': 1.5, 'seq': 1, 'level': 'INFO', 'logger': 'reflex', 'message': 'hello'}
SAMPLE = {
    'sessionId': 'sess_x', 'seq': 0, 'deploymentId': 'd', 'robotId': 'r', 'robotName': 'n',
    'cameras': [{'name': 'top', 'jpegBase64': JPEG}], 'actions': [0.0, 1], 'actionShape': [50, 6],
    'serverDtMs': 1.5, 'netDtMs': 2, 'applyDtMs': 0, 'totalRttMs': 9.0, 'prompt': 'wave',
    'motorStates': [{'id': 1, 'pos': 0.5, 'vel': 0, 'eff': 0, 'tempMos': 30, 'tempRotor': 31,
                     'voltage': 7.4, 'errorCode': 0}],
    'stateVec': [0.0] * 6, 'cacheHit': False, 'modelVersion': 'v1', 'workerRegion': 'eu',
}


async def sent(server, content=TAR):
    """Begin and send a recording; return the arguments of its commit."""
    made = await call(server, 'beginRecordingUpload', **PROMISE)
    response = await send_file(made['uploadUrl'], content, 'POST',
                               content_type='application/x-tar')
    assert response.status_code == 200, response.text
    return {'recordingId': made['recordingId'], 'storageId': response.json()['storageId'],
            'sizeBytes': len(TAR), 'sha256': SHA256, 'meta': {'summary': {'steps': 5}}}


async def append(server, function, **args):
    """Call a function of telemetry; return its value, or the message of its error."""
    body = {'path': f'{function}:appendForApiKey', 'format': 'json',
            'args': {'apiKey': KEY} | args}
    answer = (await post(server, '/api/mutation', body)).json()
    return answer.get('value') or answer['errorMessage']


def test_recording_is_begun_sent_and_committed():
    async def main():
        async with serving() as server:
            commit = await sent(server)
            # The client tries four times, whatever became of the first.
            for _ in range(4):
                value = await call(server, 'commitRecordingUpload', **commit)
                assert value['recordingId'] == commit['recordingId']
            [row] = (await admin_state(server))['recordings']
            assert (row['committed'], row['sizeBytes'], row['sha256']) == (True, len(TAR), SHA256)
            assert row['meta'] == {'summary': {'steps': 5}}

    run(main())


@pytest.mark.parametrize('change, reason', [
    ({'recordingId': 'x'}, 'recording_not_found'), ({'storageId': 'x'}, 'invalid_parameters'),
    ({'sizeBytes': 5}, 'invalid_parameters'), ({'sha256': '0' * 64}, 'invalid_parameters'),
    ({'sha256': 'short'}, 'invalid_parameters'),
])
def test_commit_that_does_not_fit_is_refused(change, reason):
    async def main():
        async with serving() as server:
            commit = await sent(server)
            assert await refused(server, 'commitRecordingUpload', **commit | change) == reason
            assert (await call(server, 'commitRecordingUpload', **commit))['ok']

    run(main())


def test_upper_case_digest_is_the_same_digest():
    async def main():
        async with serving() as server:
            commit = await sent(server)
            assert (await call(
                server, 'commitRecordingUpload', **commit | {'sha256': SHA256.upper()}))['ok']

    run(main())


def test_recording_of_another_size_is_refused_at_its_address():
    async def main():
        async with serving() as server:
            made = await call(server, 'beginRecordingUpload', **PROMISE)
            response = await send_file(made['uploadUrl'], TAR[:-1], 'POST')
            assert (response.status_code, response.json()['error']) == (400, 'size_mismatch')
            commit = {'recordingId': made['recordingId'], 'storageId': 'x',
                      'sizeBytes': len(TAR), 'sha256': SHA256, 'meta': {}}
            assert await refused(server, 'commitRecordingUpload', **commit) == 'invalid_parameters'
            [upload] = server.state.uploads.table.all()
            assert await refused(
                server, 'commitRecordingUpload', **commit | {'storageId': upload.id}) == (
                    'upload_incomplete')

    run(main())


def test_corrupted_recording_cannot_be_committed_before_it_is_sent_again():
    async def main():
        async with serving('upload_corrupt*1') as server:
            commit = await sent(server)
            assert await refused(server, 'commitRecordingUpload', **commit) == 'invalid_parameters'
            commit = await sent(server)
            assert (await call(server, 'commitRecordingUpload', **commit))['ok']

    run(main())


@pytest.mark.parametrize('change', [
    {'sha256': 'x'}, {'sha256': SHA256 + '0'}, {'sizeBytes': -1}, {'formats': []},
    {'formats': [5]}, {'formats': ['']}, {'formats': ['x'] * 17}, {'sessionId': ''},
])
def test_promise_that_cannot_be_kept_is_refused(change):
    async def main():
        async with serving() as server:
            assert await refused(server, 'beginRecordingUpload', **PROMISE | change) == (
                'invalid_parameters')
            assert (await admin_state(server))['recordings'] == []

    run(main())


def test_uncommitted_recording_is_swept_after_a_day_and_a_committed_one_stays():
    async def main():
        async with serving() as server:
            commit = await sent(server)
            await call(server, 'commitRecordingUpload', **commit)
            late = await sent(server)
            await admin(server, 'advance', seconds=24 * 3600 - 60)
            assert len((await admin_state(server))['recordings']) == 2
            await admin(server, 'advance', seconds=120)
            [row] = (await admin_state(server))['recordings']
            assert row['id'] == commit['recordingId']
            assert await refused(server, 'commitRecordingUpload', **late) == 'recording_not_found'
            assert server.state.uploads.blobs.size(late['storageId']) == 0
            assert server.state.uploads.blobs.size(commit['storageId']) == len(TAR)

    run(main())


@pytest.mark.parametrize('meta', [b'{"a":NaN}', b'{"a":1e999}', b'5', b'[]'])
def test_meta_must_be_plain_json(meta):
    async def main():
        async with serving() as server:
            commit = await sent(server)
            text = ('{"path":"publicApi:commitRecordingUpload","format":"json","args":{"apiKey":'
                    f'"{KEY}","recordingId":"{commit["recordingId"]}","storageId":'
                    f'"{commit["storageId"]}","sizeBytes":{len(TAR)},"sha256":"{SHA256}","meta":')
            answer = (await post(server, '/api/mutation', text.encode() + meta + b'}}')).json()
            assert answer['status'] == 'error'
            assert '`meta`' in answer['errorMessage']

    run(main())


# -- log lines and samples


def test_lines_and_samples_are_counted():
    async def main():
        async with serving() as server:
            lines = [LINE | {'seq': seq} for seq in range(1, 51)]
            value = await append(server, 'connectSessionLogs', sessionId='s', lines=lines)
            assert value['ok'] is True
            assert (await append(server, 'inferenceStreamSamples', **SAMPLE))['ok'] is True
            value = await append(server, 'inferenceStreamSamples', sessionId='s', seq=1)
            assert value['ok'] is True
            counters = (await admin_state(server))['counters']
            assert (counters['log_lines'], counters['telemetry_samples']) == (50, 2)
            wrong = {'sessionId': 's', 'seq': 1, 'apiKey': 'no'}
            assert await append(server, 'inferenceStreamSamples', **wrong) == {
                'ok': False, 'reason': 'unknown_key'}

    run(main())


@pytest.mark.parametrize('lines', [
    [LINE] * 51, [5], [{}], [LINE | {'seq': 0}], [LINE | {'ts': 'now'}], [LINE | {'extra': 1}],
    [LINE | {'message': 'x' * 2001}], [LINE | {'level': None}],
])
def test_batch_out_of_bounds_is_not_counted(lines):
    async def main():
        async with serving() as server:
            value = await append(server, 'connectSessionLogs', sessionId='s', lines=lines)
            assert value['reason'] == 'invalid_parameters'
            assert (await admin_state(server))['counters']['log_lines'] == 0

    run(main())


@pytest.mark.parametrize('change', [
    {'seq': -1}, {'cameras': [{'name': 'top'}]}, {'cameras': [5]},
    {'cameras': [{'name': 'top', 'jpegBase64': 'no base64!'}]},
    {'cameras': [{'name': 'top', 'jpegBase64': base64.b64encode(b'PNG').decode()}]},
    {'cameras': SAMPLE['cameras'] * 9}, {'actions': ['x']}, {'actions': [True]},
    {'actions': [[0.0]]}, {'stateVec': [0.0] * 257}, {'motorStates': [{'pos': 1}]},
    {'motorStates': SAMPLE['motorStates'] * 65},
    {'motorStates': [{'id': 1, 'pos': 'x'}]},
])
def test_sample_out_of_bounds_is_not_counted(change):
    async def main():
        async with serving() as server:
            value = await append(server, 'inferenceStreamSamples', **SAMPLE | change)
            assert value['reason'] == 'invalid_parameters'
            assert (await admin_state(server))['counters']['telemetry_samples'] == 0

    run(main())
