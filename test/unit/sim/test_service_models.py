# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models and keys (protocol c.4, i.7), in the encoded format of the vendor's helpers."""

from __future__ import annotations

import json
from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, bare, KEY, post, run, send_file, serving  # noqa: E402

from reflex_ros.sim.service.resources.uploads import Purpose  # noqa: E402

CONFIG = '{"r": 16, "peft_type": "LORA"}'


async def ask(server, function, kind='action', **args):
    """Call a function in the encoded format and return the value of its success."""
    body = {'path': function, 'format': 'convex_encoded_json', 'args': [args]}
    answer = (await post(server, f'/api/{kind}', body)).json()
    assert answer['status'] == 'success', answer
    return answer['value']


async def with_key(server, function, **args):
    return await ask(server, function, apiKey=KEY, **args)


async def import_model(server, repo='o/policy', **args):
    return await with_key(
        server, 'publicApi:importModelFromHuggingFace', hfRepo=repo, name='mine', **args)


async def get(server, model_id):
    return await ask(server, 'models:getWithApiKey', 'query', apiKey=KEY, modelId=model_id)


async def upload(server, content=b'weights'):
    """Send an adapter; return its storage id and the address."""
    url = (await ask(server, 'models:beginDirectUpload', 'mutation'))['uploadUrl']
    sent = await send_file(url, content, 'POST', content_type='application/octet-stream')
    assert sent.status_code == 200
    assert set(sent.json()) == {'storageId'}
    return sent.json()['storageId'], url


async def make(server, storage_id, **args):
    return await with_key(server, 'publicApi:uploadModelDirect', **{
        'storageId': storage_id, 'name': 'mine', 'adapterConfigJson': CONFIG} | args)


def test_import_pulls_and_then_it_is_ready():
    async def main():
        async with serving(pull_s=100) as server:
            made = await import_model(server, hfRevision='v1', hfToken='hf_canary')
            assert (made['ok'], made['status']) == (True, 'pulling')
            assert made['kind'] and made['sizeBytes'] > 0
            await admin(server, 'advance', seconds=50)
            assert (await get(server, made['modelId']))['artifact']['status'] == 'pulling'
            await admin(server, 'advance', seconds=50)
            artifact = (await get(server, made['modelId']))['artifact']
            assert (artifact['status'], artifact['hfRevision']) == ('ready', 'v1')
            assert 'failureReason' not in artifact
            # The token is nowhere.
            assert 'hf_canary' not in str(server.state.models.table.all())

    run(main())


@pytest.mark.parametrize('repo, args, fault', [
    ('o/missing', {}, ''), ('o/gated', {}, ''), ('o/policy', {}, 'import_fails'),
])
def test_import_can_fail_and_says_why(repo, args, fault):
    async def main():
        async with serving(*filter(None, (fault,)), pull_s=1) as server:
            made = await import_model(server, repo, **args)
            assert made['status'] == 'pulling'
            await admin(server, 'advance', seconds=1)
            artifact = (await get(server, made['modelId']))['artifact']
            assert artifact['status'] == 'failed'
            assert repo in artifact['failureReason']

    run(main())


def test_gated_model_comes_with_a_token():
    async def main():
        async with serving(pull_s=0) as server:
            made = await import_model(server, 'o/gated', hfToken='hf_x')
            assert (await get(server, made['modelId']))['artifact']['status'] == 'ready'

    run(main())


def test_adapter_is_uploaded_and_becomes_a_model():
    async def main():
        async with serving() as server:
            storage_id, url = await upload(server)
            made = await make(server, storage_id)
            assert made['status'] == 'ready'
            artifact = (await get(server, made['modelId']))['artifact']
            assert (artifact['name'], artifact['sizeBytes']) == ('mine', 7)
            assert artifact['adapterConfigJson'] == CONFIG
            assert (await make(server, storage_id))['reason'] == 'invalid_parameters'
            assert (await send_file(url, b'x', 'POST')).status_code == 409

    run(main())


@pytest.mark.parametrize('args', [
    {'storageId': 'x'}, {'name': ' '}, {'adapterConfigJson': '{'}, {'adapterConfigJson': '[]'},
    {'adapterConfigJson': '[' * 100_000},
])
def test_adapter_that_is_none_is_refused_and_stays_free(args):
    async def main():
        async with serving() as server:
            storage_id, _ = await upload(server)
            value = await make(server, storage_id, **args)
            assert (value['ok'], value['reason']) == (False, 'invalid_parameters')
            assert (await make(server, storage_id))['ok'] is True

    run(main())


def test_adapter_must_be_there_and_not_be_a_recording():
    async def main():
        async with serving() as server:
            await ask(server, 'models:beginDirectUpload')
            [row] = server.state.uploads.table.all()
            assert (await make(server, row.id))['reason'] == 'upload_incomplete'

    run(main())


def test_adapter_over_500_mib_is_refused_before_it_is_sent():
    async def main():
        async with serving() as server, bare(server) as client:
            url = (await ask(server, 'models:beginDirectUpload'))['uploadUrl']
            path = url.removeprefix(server.url)
            head = f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {(500 << 20) + 1}\r\n\r\n'
            client.writer.write(head.encode())
            assert (await client.reader.readline()).startswith(b'HTTP/1.1 413 ')

    run(main())


def test_strangers_can_only_ask_for_so_many_places():
    async def main():
        async with serving() as server:
            used, _ = await upload(server)
            await make(server, used)
            free, url = await upload(server)
            for _ in range(99):
                assert server.state.uploads.table.find(free)
                server.state.uploads.begin(Purpose.MODEL)
            await ask(server, 'models:beginDirectUpload')
            assert len(server.state.uploads.table.all()) == 101
            assert server.state.uploads.table.find(used)
            assert server.state.uploads.blobs.size(free) == 0
            assert (await send_file(url, b'x', 'POST')).status_code == 404

    run(main())


def test_post_target_knows_no_pieces():
    async def main():
        async with serving() as server:
            url = (await ask(server, 'models:beginDirectUpload'))['uploadUrl']
            piece = await send_file(url, b'ab', 'POST', content_range='bytes 0-1/4')
            assert piece.status_code == 400
            assert (await send_file(url, b'ab', 'PUT')).status_code == 405

    run(main())


def test_list_has_every_model_and_unknown_is_null():
    async def main():
        async with serving() as server:
            made = await import_model(server)
            value = await ask(server, 'models:listWithApiKey', 'query', apiKey=KEY)
            assert [row['_id'] for row in value['models']] == ['model_sim', made['modelId']]
            assert await get(server, 'nobody') is None
            for function in ('models:listWithApiKey', 'models:getWithApiKey'):
                args = {'modelId': 'x'} if function.endswith('getWithApiKey') else {}
                assert (await ask(server, function, apiKey='no', **args))['reason'] == (
                    'unknown_key')

    run(main())


def test_deletion_takes_its_time():
    async def main():
        async with serving() as server:
            storage_id, _ = await upload(server)
            model = (await make(server, storage_id))['modelId']
            deleted = await with_key(server, 'publicApi:deleteModel', modelId=model)
            assert (deleted['ok'], deleted['status']) == (True, 'deleting')
            again = await with_key(server, 'publicApi:deleteModel', modelId=model)
            assert again == {'ok': False, 'reason': 'already_deleting'}
            assert (await get(server, model))['artifact']['status'] == 'deleting'
            await admin(server, 'advance', seconds=60)
            assert await get(server, model) is None
            gone = await with_key(server, 'publicApi:deleteModel', modelId=model)
            assert gone['reason'] == 'model_not_found'
            assert server.state.uploads.table.all() == []
            assert server.state.uploads.blobs.size(storage_id) == 0

    run(main())


def test_key_is_bound_and_unbound():
    async def bind(server, **args):
        return await with_key(server, 'publicApi:bindKeyToModel', **{
            'keyId': 'key_sim', 'modelId': 'model_sim'} | args)

    async def main():
        async with serving() as server:
            key = server.state.keys.table.get('key_sim')
            assert (await bind(server))['modelId'] == 'model_sim'
            assert key.model_id == 'model_sim'
            assert await bind(server, modelId=None) == {
                'ok': True, 'keyId': 'key_sim', 'modelId': None}
            assert key.model_id == ''
            assert (await bind(server, keyId='x'))['reason'] == 'key_not_found'
            assert (await bind(server, modelId='x'))['reason'] == 'model_not_found'
            pulling = (await import_model(server))['modelId']
            assert (await bind(server, modelId=pulling))['reason'] == 'model_not_ready'
            await bind(server)
            await with_key(server, 'publicApi:deleteModel', modelId='model_sim')
            await admin(server, 'advance', seconds=60)
            await get(server, 'model_sim')
            assert key.model_id == ''

    run(main())


def test_model_of_the_key_must_be_named_if_only_by_null():
    body = {'path': 'publicApi:bindKeyToModel', 'format': 'json',
            'args': {'apiKey': KEY, 'keyId': 'key_sim'}}

    async def main():
        async with serving() as server:
            for args in ({}, {'modelId': 5}):
                response = await post(
                    server, '/api/action', body | {'args': body['args'] | args})
                assert response.json()['status'] == 'error'
                assert '`modelId`' in json.dumps(response.json())

    run(main())
