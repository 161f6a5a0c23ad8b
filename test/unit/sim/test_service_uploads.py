# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The addresses that files are sent to: whole, in pieces, interrupted, broken."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
from pathlib import Path
import sys
from urllib.parse import urlsplit

import httpx
from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

pytestmark = pytest.mark.live

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    bare,
    call,
    rest,
    run,
    send_file,
    serving,
)

BODY = bytes(range(256)) * 10
SHA256 = hashlib.sha256(BODY).hexdigest()
DIGEST = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
TOTAL = len(BODY)
WHOLE = {'size_bytes': TOTAL, 'sha256': SHA256}


@contextlib.asynccontextmanager
async def target(*faults, **fields):
    """Make room for an upload; yield the server and the create response."""
    async with serving(*faults) as server:
        body = {'name': 'pick', 'size_bytes': TOTAL} | fields
        response = await rest(server, 'POST', '/v1/datasets', body)
        yield server, response.json()


async def received(server, made):
    row = (await rest(server, 'GET', f'/v1/datasets/{made["dataset_id"]}')).json()
    return row['received_bytes']


async def ask_how_far(made, total=TOTAL):
    """Return the status and the Range of the answer to the question."""
    response = await send_file(made['upload_url'], b'', content_range=f'bytes */{total}')
    return response.status_code, response.headers.get('Range')


def test_create_says_that_it_can_be_resumed_in_a_field_of_its_own():
    async def main():
        async with target() as (_, made):
            assert made['upload_resumable'] is True
            assert made['upload_method'] == 'PUT'
            assert set(made['upload_headers']) == {'Content-Type'}

    run(main())


@examples(15)
@given(st.lists(st.integers(1, TOTAL - 1), unique=True, max_size=4).map(sorted))
def test_pieces_make_the_whole(cuts):
    async def main():
        async with target() as (server, made):
            edges = [0, *cuts, TOTAL]
            for start, end in itertools.pairwise(edges):
                response = await send_file(
                    made['upload_url'], BODY[start:end],
                    content_range=f'bytes {start}-{end - 1}/{TOTAL}')
                if end < TOTAL:
                    assert (response.status_code, response.content) == (308, b'')
                    assert response.headers['Range'] == f'bytes=0-{end - 1}'
                    assert await ask_how_far(made) == (308, f'bytes=0-{end - 1}')
            assert (response.status_code, response.json()) == (200, WHOLE)
            assert await ask_how_far(made) == (200, None)
            assert await received(server, made) == TOTAL

    run(main())


def test_question_before_any_byte_has_no_range():
    async def main():
        async with target() as (_, made):
            assert await ask_how_far(made) == (308, None)

    run(main())


def test_piece_behind_a_gap_is_not_stored_and_one_that_overlaps_is():
    async def main():
        async with target() as (server, made):
            url = made['upload_url']
            gap = await send_file(url, BODY[50:], content_range=f'bytes 50-{TOTAL - 1}/{TOTAL}')
            assert (gap.status_code, gap.headers.get('Range')) == (308, None)
            await send_file(url, b'x' * 100, content_range=f'bytes 0-99/{TOTAL}')
            again = await send_file(url, BODY[:60], content_range=f'bytes 0-59/{TOTAL}')
            assert again.headers['Range'] == 'bytes=0-59'
            last = await send_file(url, BODY[60:], content_range=f'bytes 60-{TOTAL - 1}/{TOTAL}')
            assert last.json() == WHOLE
            repeated = await send_file(
                url, BODY[60:], content_range=f'bytes 60-{TOTAL - 1}/{TOTAL}')
            assert (repeated.status_code, repeated.json()) == (200, WHOLE)

    run(main())


@pytest.mark.parametrize('content_range, status', [
    ('bytes 0-9', 400), ('bytes 5-4/2560', 400), ('bytes 0-2560/2560', 400),
    ('bytes 0-9/2561', 400), ('bytes */1', 400), ('bytes 0-9/*', 400), ('items 0-9/2560', 400),
    ('bytes 0-8/2560', 400), ('bytes -1-8/2560', 400), (f'bytes 0-9/{10**17}', 413),
    ('bytes 0-9/' + '9' * 40, 400), ('bytes */0', 400),
])
def test_range_that_is_none_is_refused(content_range, status):
    async def main():
        async with target() as (server, made):
            response = await send_file(made['upload_url'], b'0123456789',
                                       content_range=content_range)
            assert response.status_code == status
            assert response.json()['message']
            assert await received(server, made) == 0

    run(main())


def test_total_of_the_first_piece_binds_the_others():
    async def main():
        async with serving() as server:
            made = (await rest(server, 'POST', '/v1/datasets', {'name': 'x'})).json()
            await send_file(made['upload_url'], b'ab', content_range='bytes 0-1/4')
            assert await ask_how_far(made, total=5) == (400, None)
            assert await ask_how_far(made, total=4) == (308, 'bytes=0-1')

    run(main())


async def lose(server, made, head, content):
    """Send the beginning of a request, and be gone when its bytes have come."""
    before = await received(server, made)
    async with bare(server) as client:
        path = made['upload_url'].removeprefix(server.url)
        client.writer.write(f'PUT {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n'.encode() + content)
        while await received(server, made) == before:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize('head', [
    f'Content-Length: {TOTAL}',
    f'Content-Length: {TOTAL}\r\nContent-Range: bytes 0-{TOTAL - 1}/{TOTAL}',
])
def test_what_came_before_the_connection_was_lost_counts(head, capfd):
    async def main():
        async with target() as (server, made):
            await lose(server, made, head, BODY[:1000])
            assert await ask_how_far(made) == (308, 'bytes=0-999')
            response = await send_file(
                made['upload_url'], BODY[1000:],
                content_range=f'bytes 1000-{TOTAL - 1}/{TOTAL}')
            assert (response.status_code, response.json()) == (200, WHOLE)

    run(main())
    assert capfd.readouterr().err == ''


def test_file_that_came_whole_is_there_though_its_request_never_ended():
    async def main():
        async with target() as (server, made):
            chunk = f'{TOTAL:x}\r\n'.encode() + BODY
            await lose(server, made, 'Transfer-Encoding: chunked', chunk)
            response = await send_file(made['upload_url'], b'', content_range=f'bytes */{TOTAL}')
            assert (response.status_code, response.json()) == (200, WHOLE)

    run(main())


def test_whole_file_again_starts_from_the_first_byte():
    async def main():
        async with target() as (server, made):
            await send_file(made['upload_url'], b'x' * 10,
                            content_range=f'bytes 0-9/{TOTAL}')
            assert (await send_file(made['upload_url'], BODY)).json() == WHOLE
            assert (await send_file(made['upload_url'], BODY)).json() == WHOLE

    run(main())


def test_later_request_takes_over_from_one_that_hangs():
    async def main():
        async with target() as (server, made), bare(server) as client:
            path = made['upload_url'].removeprefix(server.url)
            client.writer.write(f'PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {TOTAL}'
                                '\r\n\r\n'.encode() + b'x' * 10)
            while await received(server, made) != 10:
                await asyncio.sleep(0.01)
            assert (await send_file(made['upload_url'], BODY)).json() == WHOLE
            client.writer.write(b'x' * (TOTAL - 10))
            head = await client.reader.readuntil(b'\r\n\r\n')
            assert head.startswith(b'HTTP/1.1 409 ')
            assert await ask_how_far(made) == (200, None)

    run(main())


@pytest.mark.parametrize('content', [BODY[:-1], BODY + b'x', b''])
def test_other_size_than_promised_is_refused_and_not_kept(content):
    async def chunks():
        yield content

    async def main():
        async with target() as (server, made):
            response = await send_file(made['upload_url'], content)
            assert (response.status_code, response.json()['error']) == (400, 'size_mismatch')
            # Without a Content-Length it is only seen afterwards.
            response = await send_file(made['upload_url'], chunks())
            assert response.json()['error'] == 'size_mismatch'
            assert await received(server, made) == 0

    run(main())


@pytest.mark.parametrize('header', ['content_digest', 'repr_digest', 'digest'])
def test_checksum_in_a_header_is_compared(header):
    right = f'SHA-256={DIGEST}' if header == 'digest' else f'sha-256=:{DIGEST}:'

    async def main():
        async with target() as (server, made):
            wrong = await send_file(made['upload_url'], BODY[::-1], **{header: right})
            assert (wrong.status_code, wrong.json()['error']) == (400, 'checksum_mismatch')
            assert await received(server, made) == 0
            for value in (right, 'md5=:AAAA:', 'nonsense'):
                sent = await send_file(made['upload_url'], BODY, **{header: value})
                assert sent.status_code == 200

    run(main())


def test_digest_of_a_piece_and_of_the_whole():
    first = base64.b64encode(hashlib.sha256(BODY[:100]).digest()).decode()

    async def main():
        async with target() as (_, made):
            url = made['upload_url']
            await send_file(url, BODY[:50], content_range=f'bytes 0-49/{TOTAL}')
            wrong = await send_file(url, BODY[50:150], content_range=f'bytes 50-149/{TOTAL}',
                                    content_digest=f'sha-256=:{first}:')
            assert wrong.json()['error'] == 'checksum_mismatch'
            assert await ask_how_far(made) == (308, 'bytes=0-49')
            right = await send_file(url, BODY[:100], content_range=f'bytes 0-99/{TOTAL}',
                                    content_digest=f'sha-256=:{first}:')
            assert right.status_code == 308
            last = await send_file(url, BODY[100:], repr_digest=f'sha-256=:{DIGEST}:',
                                   content_range=f'bytes 100-{TOTAL - 1}/{TOTAL}')
            assert last.json() == WHOLE

    run(main())


def test_address_is_a_secret_and_takes_one_method():
    async def main():
        async with target() as (server, made):
            unknown = await send_file(f'{server.url}/uploads/guess', BODY)
            assert (unknown.status_code, unknown.json()['error']) == (404, 'upload_not_found')
            for method in ('POST', 'GET', 'DELETE'):
                response = await send_file(made['upload_url'], BODY, method)
                assert (response.status_code, response.headers['Allow']) == (405, 'PUT')
            state = str((await rest(server, 'GET', '/admin/state')).json())
            assert made['upload_url'].rpartition('/')[2] not in state

    run(main())


def test_completed_dataset_takes_no_more_bytes():
    async def main():
        async with target() as (server, made):
            await send_file(made['upload_url'], BODY)
            await rest(server, 'POST', f'/v1/datasets/{made["dataset_id"]}/complete')
            late = await send_file(made['upload_url'], b'x')
            assert (late.status_code, late.json()['error']) == (409, 'upload_closed')

    run(main())


# -- faults


def test_upload_can_be_refused_on_order():
    async def main():
        async with target('upload_status=503x1,403x1', 'retry_after=2*1') as (_, made):
            first = await send_file(made['upload_url'], BODY)
            assert (first.status_code, first.headers['Retry-After']) == (503, '2')
            assert (await send_file(made['upload_url'], BODY)).status_code == 403
            assert (await send_file(made['upload_url'], BODY)).json() == WHOLE

    run(main())


@pytest.mark.parametrize('path', ['uploads', 'api/query'])
def test_client_that_leaves_in_the_middle_is_nothing_to_log(path, caplog):
    async def main():
        async with target() as (server, made):
            url = made['upload_url'] if path == 'uploads' else f'{server.url}/{path}'
            method = 'PUT' if path == 'uploads' else 'POST'
            reader, writer = await asyncio.open_connection('127.0.0.1', urlsplit(url).port)
            writer.write(f'{method} {urlsplit(url).path} HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                         f'Content-Length: {TOTAL}\r\nExpect: 100-continue\r\n\r\n'.encode())
            # It is being read now.
            assert b' 100 ' in await reader.readline()
            writer.write(b'half')
            await writer.drain()
            writer.transport.abort()
            while server._serving:
                await asyncio.sleep(0.005)
            assert (await rest(server, 'GET', '/v1/datasets')).status_code == 200

    run(main())
    assert [record.getMessage() for record in caplog.records
            if record.levelname == 'ERROR'] == []


def test_connection_is_cut_once_after_some_bytes():
    async def main():
        async with target('upload_cut=700') as (server, made):
            with pytest.raises(httpx.TransportError):
                await send_file(made['upload_url'], BODY)
            assert await ask_how_far(made) == (308, 'bytes=0-699')
            assert (await send_file(
                made['upload_url'], BODY[700:],
                content_range=f'bytes 700-{TOTAL - 1}/{TOTAL}')).json() == WHOLE

    run(main())


def test_corrupted_file_has_another_checksum_and_the_same_size():
    async def main():
        async with target('upload_corrupt*1') as (_, made):
            sent = (await send_file(made['upload_url'], BODY)).json()
            assert sent['size_bytes'] == TOTAL
            assert sent['sha256'] == hashlib.sha256(b'\xff' + BODY[1:]).hexdigest()
            assert (await send_file(made['upload_url'], BODY)).json() == WHOLE

    run(main())


def test_corruption_is_noticed_where_a_checksum_came():
    async def main():
        async with target('upload_corrupt*1') as (server, made):
            sent = await send_file(made['upload_url'], BODY, repr_digest=f'sha-256=:{DIGEST}:')
            assert (sent.status_code, sent.json()['error']) == (400, 'checksum_mismatch')
            assert await received(server, made) == 0

    run(main())


def test_files_are_gone_when_the_service_ends():
    async def main():
        async with target() as (server, made):
            await send_file(made['upload_url'], BODY)
            [file] = [path for path in Path('/tmp').glob('reflex_sim_*/*')
                      if path.name.startswith('file_') and path.stat().st_size == TOTAL
                      and server.state.uploads.table.find(path.name)]
            await call(server, 'whoami')
            await admin(server, 'clear')
        assert not file.parent.exists()

    run(main())
