# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can happen to one HTTP exchange, for each family of paths."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
import sys
import time

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    admin_state,
    call,
    http_client,
    KEY,
    post,
    run,
    serving,
)

from reflex_ros.sim.service.faults.kinds import HTTP_FAMILIES, KINDS  # noqa: E402

WHOAMI = {'path': 'publicApi:whoami', 'args': {'apiKey': KEY}, 'format': 'json'}
AUTHORIZE = {
    'path': 'publicApi:authorizeSession', 'args': {'apiKey': KEY, 'baseModel': 'pi0.5'},
    'format': 'json'}
ENDPOINTS = {
    'rpc': ('POST', '/api/query'), 'rest': ('GET', '/v1/datasets'),
    'upload': ('PUT', '/uploads/x'),
    'site': ('GET', '/cli/authorize'), 'infer': ('POST', '/v1/infer'), 'act': ('POST', '/act'),
    'ready': ('GET', '/ready'), 'health': ('GET', '/health'),
}


async def ask(server, family):
    """Send a request of a family, without a body."""
    method, path = ENDPOINTS[family]
    async with http_client() as http:
        return await http.request(method, server.url + path)


@pytest.mark.parametrize('family', HTTP_FAMILIES)
def test_family_is_refused_by_its_own_switch_alone(family):
    async def main():
        async with serving(f'{family}_status=429x1,425x1', 'retry_after=2*1') as server:
            other = next(name for name in HTTP_FAMILIES if name != family)
            assert (await ask(server, other)).status_code not in (425, 429)
            first, second, third = [await ask(server, family) for _ in range(3)]
            assert (first.status_code, first.headers['Retry-After']) == (429, '2')
            assert (second.status_code, 'Retry-After' in second.headers) == (425, False)
            assert third.status_code not in (425, 429)
            assert (await admin_state(server))['counters'][f'{family}_calls'] == 3

    run(main())


def test_redirect_leads_to_another_address():
    async def main():
        async with serving('rpc_redirect=http://127.0.0.1:9/elsewhere') as server:
            response = await post(server, '/api/query', WHOAMI)
            assert response.status_code == 302
            assert response.headers['Location'] == 'http://127.0.0.1:9/elsewhere'

    run(main())


def test_slow_answer_is_as_late_as_told():
    async def main():
        async with serving('rpc_slow=150*1') as server:
            began = time.monotonic()
            assert (await post(server, '/api/query', WHOAMI)).status_code == 200
            assert time.monotonic() - began >= 0.15

    run(main())


def test_slow_answer_does_not_hold_up_the_end_of_the_service():
    async def main():
        async with serving('rpc_slow=600000') as server:
            asking = asyncio.create_task(post(server, '/api/query', WHOAMI))
            while (await admin_state(server))['counters']['rpc_calls'] == 0:
                await asyncio.sleep(0.01)
        with pytest.raises(httpx.TransportError):
            await asking

    run(main())


@pytest.mark.parametrize('when, sessions, sent', [
    ('before', 0, 'without sending a response'), ('after', 1, 'without sending a response'),
    ('half', 1, 'complete message body'),
])
def test_connection_ends_before_or_after_the_call_has_run(when, sessions, sent):
    async def main():
        async with serving(f'rpc_close={when}*1') as server:
            with pytest.raises(httpx.RemoteProtocolError, match=sent):
                await post(server, '/api/mutation', AUTHORIZE)
            listed = await call(server, 'listInferenceSessions')
            assert len(listed['sessions']) == sessions

    run(main())


@pytest.mark.parametrize('kind', KINDS['rpc_garbage'].choices)
def test_garbage_is_no_answer(kind):
    async def main():
        async with serving(f'rpc_garbage={kind}') as server:
            return await post(server, '/api/query', WHOAMI)

    response = run(main())
    assert response.status_code == 200
    try:
        # A text of 100,000 brackets is JSON in principle; no parser of ours takes it.
        is_answer = isinstance(json.loads(response.content.decode()), dict)
    except (ValueError, RecursionError):
        is_answer = False
    assert not is_answer


def test_oversize_answer_is_still_an_answer():
    async def main():
        async with serving('rpc_oversize=2') as server:
            response = await post(server, '/api/query', WHOAMI)
            assert len(response.content) > 2 << 20
            assert response.json()['value']['ok'] is True

    run(main())


def test_trickled_answer_comes_byte_by_byte():
    async def main():
        async with serving('health_trickle=1') as server:
            port = int(server.url.rpartition(':')[2])
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(b'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            await reader.readuntil(b'\r\n\r\n')
            sizes = []
            while piece := await reader.read(1000):
                sizes.append(len(piece))
            writer.close()
            await writer.wait_closed()
            return sizes

    sizes = run(main())
    assert sum(sizes) > 5
    # The network may join a few.
    assert len(sizes) > sum(sizes) / 3


def test_every_fault_is_listed_with_its_usage():
    async def main():
        async with serving() as server, http_client() as http:
            return (await http.get(f'{server.url}/admin/faults')).json()['faults']

    rows = {row['name']: row for row in run(main())}
    assert set(rows) == set(KINDS)
    assert rows['infer_slow']['usage'] == 'infer_slow takes a number (default 1500)'
    assert rows['revoke_key_after']['times'] == 1
    assert all(row['what'] for row in rows.values())


def test_switch_thrown_while_it_runs_works_at_once():
    async def main():
        async with serving() as server:
            await admin(server, 'fault', name='rpc_status', value='401', times=1)
            assert (await post(server, '/api/query', WHOAMI)).status_code == 401
            assert (await post(server, '/api/query', WHOAMI)).status_code == 200

    run(main())


# -- calls


async def ask_whoami(server):
    """Return the body of an answer, whatever it is."""
    response = await post(server, '/api/query', WHOAMI)
    assert response.status_code == 200
    return response.json()


def test_any_reason_can_be_ordered_for_all_calls_or_for_one():
    async def main():
        async with serving('rpc_refuse=closeSession:robot_on_fire') as server:
            assert (await call(server, 'whoami'))['ok'] is True
            refused = await call(server, 'closeSession', sessionId='x', reason='x')
            assert refused == {'ok': False, 'reason': 'robot_on_fire'}
            await admin(server, 'fault', name='rpc_refuse', value='dataset_invalid', times=1)
            assert (await call(server, 'whoami'))['reason'] == 'dataset_invalid'
            assert (await call(server, 'whoami'))['ok'] is True

    run(main())


def test_function_can_fail_on_order():
    async def main():
        async with serving('rpc_error=Uncaught Error: out of coffee*1') as server:
            failed = await ask_whoami(server)
            assert (failed['status'], failed['errorMessage']) == (
                'error', 'Uncaught Error: out of coffee')
            assert (await ask_whoami(server))['status'] == 'success'

    run(main())


@pytest.mark.parametrize('kind, body', [
    ('null', {'status': 'success', 'value': None}), ('missing', {'status': 'success'}),
    ('array', {'status': 'success', 'value': [{'ok': True}]}), ('no_message', {'status': 'error'}),
    ('text', {'status': 'success', 'value': 'ok'}), ('no_status', {'value': {'ok': True}}),
])
def test_answer_can_have_another_value_or_none(kind, body):
    async def main():
        async with serving(f'rpc_value={kind}') as server:
            assert await ask_whoami(server) == body

    run(main())
