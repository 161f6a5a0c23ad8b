# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets over RPC and REST, and what REST answers to the unwelcome (protocol c.4, c.5, i.5)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    admin_state,
    bare,
    call,
    KEY,
    refused,
    rest,
    run,
    send_file,
    serving,
)

BODY = b'PAR1 rows of joints PAR1' * 100


async def created(server, **fields):
    """Make room for an upload."""
    response = await rest(server, 'POST', '/v1/datasets', {'name': 'pick', 'request_id': ''}
                          | fields)
    assert response.status_code == 200, response.text
    return response.json()


async def read(server, dataset_id):
    return (await rest(server, 'GET', f'/v1/datasets/{dataset_id}')).json()


# -- from the hub


def test_hub_dataset_is_registered_validated_and_listed():
    async def main():
        async with serving() as server:
            source = 'hf://datasets/lerobot/so101@v2/data'
            made = await call(server, 'registerDataset', hfSourceUri=source)
            assert made['_id'] == made['id'] == made['datasetId']
            [row] = (await call(server, 'listDatasets'))['datasets']
            assert (row['hfRepo'], row['hfPath'], row['hfRevision']) == (
                'lerobot/so101', 'data', 'v2')
            assert (row['hfSourceUri'], row['deleted']) == (source, False)
            assert 'lastValidatedAt' not in row
            await admin(server, 'advance', seconds=60)
            value = await call(server, 'validateDataset', datasetId=made['id'])
            assert value['ok'] is True
            [row] = (await call(server, 'listDatasets'))['datasets']
            assert row['lastValidatedAt'] >= row['createdAt'] + 60_000
            assert row['updatedAt'] == row['lastValidatedAt']
            assert 'validationMessage' not in row

    run(main())


def test_same_place_on_the_hub_is_the_same_dataset():
    async def main():
        async with serving() as server:
            sources = 'o/r', 'hf://datasets/o/r', 'https://huggingface.co/datasets/o/r'
            ids = {(await call(server, 'registerDataset', hfSourceUri=source))['datasetId']
                   for source in sources}
            assert len(ids) == 1
            other = await call(server, 'registerDataset', hfSourceUri='o/r@v2')
            assert other['datasetId'] not in ids

    run(main())


def test_refusals_of_registration_and_validation():
    async def main():
        async with serving() as server:
            assert await refused(server, 'registerDataset', hfSourceUri='nonsense') == (
                'invalid_parameters')
            assert await refused(server, 'validateDataset', datasetId='x') == 'dataset_not_found'
            assert await refused(server, 'validateDataset', datasetId='x', apiKey='no') == (
                'unknown_key')

    run(main())


def test_invalid_dataset_says_why_and_can_become_valid():
    async def main():
        async with serving('dataset_invalid*1') as server:
            made = (await call(server, 'registerDataset', hfSourceUri='o/r'))['datasetId']
            assert await refused(server, 'validateDataset', datasetId=made) == 'dataset_invalid'
            [row] = (await call(server, 'listDatasets'))['datasets']
            assert row['validationMessage']
            assert 'lastValidatedAt' not in row
            await call(server, 'validateDataset', datasetId=made)
            [row] = (await call(server, 'listDatasets'))['datasets']
            assert row['lastValidatedAt']
            assert 'validationMessage' not in row
            bad = (await call(server, 'registerDataset', hfSourceUri='o/an_invalid_one'))['id']
            assert await refused(server, 'validateDataset', datasetId=bad) == 'dataset_invalid'

    run(main())


# -- uploaded


def test_uploaded_dataset_goes_all_the_way():
    async def main():
        async with serving() as server:
            made = await created(server, size_bytes=len(BODY))
            assert made['upload_method'] == 'PUT'
            assert made['upload_url'].startswith(server.url)
            dataset = made['dataset_id']
            assert (await read(server, dataset))['status'] == 'awaiting_upload'
            assert await refused(server, 'validateDataset', datasetId=dataset) == (
                'upload_incomplete')
            early = await rest(server, 'POST', f'/v1/datasets/{dataset}/complete', {})
            assert (early.status_code, early.json()['error']) == (409, 'upload_incomplete')
            sent = await send_file(made['upload_url'], BODY, **made['upload_headers'])
            digest = hashlib.sha256(BODY).hexdigest()
            assert (sent.status_code, sent.json()) == (
                200, {'size_bytes': len(BODY), 'sha256': digest})
            for body in ({'size_bytes': len(BODY)}, {}, None):
                done = await rest(server, 'POST', f'/v1/datasets/{dataset}/complete', body)
                assert done.status_code == 200
                assert done.json()['sha256'] == digest
            await call(server, 'validateDataset', datasetId=dataset)
            assert (await read(server, dataset))['status'] == 'validated'
            [row] = (await call(server, 'listDatasets'))['datasets']
            assert (row['id'], row['name'], row['sizeBytes']) == (dataset, 'pick', len(BODY))

    run(main())


def test_complete_with_another_size_is_refused():
    async def main():
        async with serving() as server:
            made = await created(server)
            await send_file(made['upload_url'], BODY)
            path = f'/v1/datasets/{made["dataset_id"]}/complete'
            response = await rest(server, 'POST', path, {'size_bytes': 5})
            assert (response.status_code, response.json()['error']) == (400, 'invalid_parameters')
            assert (await rest(server, 'POST', path, {})).status_code == 200

    run(main())


def test_empty_upload_is_no_valid_dataset():
    async def main():
        async with serving() as server:
            made = await created(server, size_bytes=0)
            assert (await send_file(made['upload_url'], b'')).status_code == 200
            await rest(server, 'POST', f'/v1/datasets/{made["dataset_id"]}/complete')
            assert await refused(server, 'validateDataset', datasetId=made['dataset_id']) == (
                'dataset_invalid')

    run(main())


def test_request_id_names_one_dataset_and_an_empty_one_none():
    async def main():
        async with serving() as server:
            first, again = [await created(server, request_id='r1') for _ in range(2)]
            assert first == again
            others = [await created(server, request_id='') for _ in range(2)]
            assert len({made['dataset_id'] for made in (first, *others)}) == 3

    run(main())


def test_list_is_filtered_by_status():
    async def main():
        async with serving() as server:
            made = await created(server)
            hub = await call(server, 'registerDataset', hfSourceUri='o/r')
            uploaded, registered = made['dataset_id'], hub['id']
            for query, ids in (
                ('', [uploaded, registered]), ('?status=', [uploaded, registered]),
                ('?status=awaiting_upload', [uploaded]), ('?status=registered', [registered]),
                ('?status=none', []),
            ):
                rows = (await rest(server, 'GET', f'/v1/datasets{query}')).json()['datasets']
                assert [row['dataset_id'] for row in rows] == ids

    run(main())


# -- the unwelcome


@pytest.mark.parametrize('method, path', [
    ('POST', '/v1/datasets'), ('GET', '/v1/datasets'), ('GET', '/v1/datasets/x'),
    ('POST', '/v1/datasets/x/complete'),
])
def test_without_the_key_it_is_a_401(method, path):
    async def main():
        async with serving() as server:
            for key in (None, 'rfx_wrong'):
                response = await rest(server, method, path, {'name': 'x'}, key=key)
                assert (response.status_code, response.json()) == (401, {'error': 'invalid_key'})

    run(main())


@pytest.mark.parametrize('method, path, body, status, error', [
    ('GET', '/v1/datasets/x', None, 404, 'dataset_not_found'),
    ('POST', '/v1/datasets/x/complete', {}, 404, 'dataset_not_found'),
    ('DELETE', '/v1/datasets', None, 405, 'method_not_allowed'),
    ('PUT', '/v1/datasets/x', {}, 405, 'method_not_allowed'),
    ('GET', '/v1/datasets/x/complete', None, 405, 'method_not_allowed'),
    ('POST', '/v1/datasets', {}, 400, 'invalid_request'),
    ('POST', '/v1/datasets', None, 400, 'invalid_request'),
    ('POST', '/v1/datasets', {'name': 5}, 400, 'invalid_request'),
    ('POST', '/v1/datasets', {'name': None}, 400, 'invalid_request'),
    ('POST', '/v1/datasets', {'name': 'x', 'size_bytes': 1.5}, 400, 'invalid_request'),
    ('POST', '/v1/datasets', {'name': 'x', 'size_bytes': True}, 400, 'invalid_request'),
    ('POST', '/v1/datasets', {'name': 'x', 'sizeBytes': 1}, 400, 'invalid_request'),
    ('POST', '/v1/datasets', {'name': ' '}, 400, 'invalid_parameters'),
    ('POST', '/v1/datasets', {'name': 'x', 'size_bytes': -1}, 400, 'invalid_parameters'),
    ('POST', '/v1/datasets', {'name': 'x', 'size_bytes': 10**15}, 400, 'invalid_parameters'),
    ('POST', '/v1/datasets', b'{', 400, 'invalid_request'),
    ('POST', '/v1/datasets', b'[]', 400, 'invalid_request'),
    ('POST', '/v1/datasets', b'[' * 100_000, 400, 'invalid_request'),
    ('POST', '/v1/datasets', b'\xff', 400, 'invalid_request'),
    ('POST', '/v1/datasets', b' ' * (33 << 20), 413, 'body_too_large'),
])
def test_mistake_is_a_status_and_a_json_body(method, path, body, status, error):
    async def main():
        async with serving() as server:
            response = await rest(server, method, path, body)
            assert (response.status_code, response.json()['error']) == (status, error)
            assert (await rest(server, 'GET', '/v1/datasets')).json() == {'datasets': []}

    run(main())


def test_rest_can_be_refused_on_order():
    async def main():
        async with serving('rest_status=429x1', 'retry_after=3') as server:
            response = await rest(server, 'GET', '/v1/datasets')
            assert (response.status_code, response.headers['Retry-After']) == (429, '3')
            assert (await rest(server, 'GET', '/v1/datasets')).status_code == 200
            assert (await admin_state(server))['counters']['rest_calls'] == 2

    run(main())


def test_dataset_of_a_client_that_knows_only_http():
    async def main():
        async with serving() as server, bare(server) as client:
            body = b'{"name": "raw", "request_id": "", "size_bytes": 3}'
            client.writer.write(
                b'POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer '
                + KEY.encode() + b'\r\nContent-Type: application/json\r\nContent-Length: '
                + str(len(body)).encode() + b'\r\n\r\n' + body)
            head = await client.reader.readuntil(b'\r\n\r\n')
            assert head.startswith(b'HTTP/1.1 200 ')
            length = int(head.lower().partition(b'content-length: ')[2].partition(b'\r')[0])
            made = json.loads(await client.reader.readexactly(length))
            path = made['upload_url'].removeprefix(server.url).encode()
            client.writer.write(
                b'PUT ' + path + b' HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc')
            assert (await client.reader.readuntil(b'\r\n\r\n')).startswith(b'HTTP/1.1 200 ')
            assert (await read(server, made['dataset_id']))['received_bytes'] == 3

    run(main())


def test_dataset_uploaded_with_curl(tmp_path):
    if shutil.which('curl') is None:
        pytest.skip('curl is not installed')

    def curl(*arguments):
        done = subprocess.run(['curl', '-sS', '--noproxy', '*', *arguments],
                              capture_output=True, timeout=10, check=True)
        return json.loads(done.stdout)

    async def main():
        file = tmp_path / 'data.bin'
        file.write_bytes(BODY)
        bearer = f'Authorization: Bearer {KEY}'
        async with serving() as server:
            made = await asyncio.to_thread(
                curl, '-H', bearer, '-d', '{"name": "c"}', f'{server.url}/v1/datasets')
            sent = await asyncio.to_thread(curl, '-T', str(file), made['upload_url'])
            assert sent['sha256'] == hashlib.sha256(BODY).hexdigest()
            done = await asyncio.to_thread(
                curl, '-H', bearer, '-X', 'POST',
                f'{server.url}/v1/datasets/{made["dataset_id"]}/complete')
            assert done['size_bytes'] == len(BODY)

    run(main())
