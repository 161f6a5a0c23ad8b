# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loopback endpoint with the switches."""

from __future__ import annotations

from pathlib import Path
import sys
import time

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    admin_state,
    http_client,
    KEY,
    observation,
    post,
    run,
    serving,
    streaming,
)

from reflex_ros.sim.service.settings import Settings  # noqa: E402


def test_state_counts_and_lists():
    async def main():
        async with serving('silence*1', 'slow=1') as server, streaming(server):
            await post(server, '/api/query', {})
            state = await admin_state(server)
            assert state['counters'] == {
                'connections': 1, 'open_connections': 1, 'handshakes_refused': 0,
                'observations_received': 0, 'observations_dropped': 0, 'prefixes_used': 0,
                'chunks_sent': 0,
                'errors_sent': 0, 'rpc_refused': 0, 'log_lines': 0, 'telemetry_samples': 0,
                'rpc_calls': 1, 'rest_calls': 0, 'upload_calls': 0, 'site_calls': 0,
                'infer_calls': 0, 'act_calls': 0, 'ready_calls': 0, 'health_calls': 0,
            }
            assert [fault['name'] for fault in state['faults']] == ['silence', 'slow']
            assert state['faults'][0]['times_left'] == 1
            [session] = state['sessions']
            assert (session['status'], session['mode']) == ('active', 'dry_run')
            assert {row['id'] for row in state['deployments']} == {'deploy_sim', 'deploy_blocked'}
            assert KEY not in str(state)

    run(main())


def test_observations_are_kept_as_they_came():
    images = {'front': {'encoding': 'jpeg_base64', 'data': '/9j/'}, 'top': 'iVBORw0K'}

    async def main():
        async with serving() as server, streaming(server) as robot, http_client() as http:
            async def listed(after):
                url = f'{server.url}/admin/observations?after={after}'
                return (await http.get(url)).json().get('observations')

            before = time.monotonic()
            for seq in range(34):
                await robot.send(observation(seq, images=images, prompt='wave'))
                assert (await robot.receive())['seq'] == seq
            found = await listed(0)
            assert [each['number'] for each in found] == list(range(3, 35))
            assert found[-1]['seq'] == 33 and found[-1]['images'] == images
            assert found[-1]['prompt'] == 'wave' and len(found[-1]['state']) == 6
            times = [each['received_s'] for each in found]
            assert before <= times[0] and times == sorted(times) and times[-1] <= time.monotonic()
            assert [each['number'] for each in await listed(33)] == [34]
            assert await listed(34) == [] and await listed('x') is None

    run(main())


def test_clear_switches_one_off_or_all():
    async def main():
        async with serving('silence', 'slow=1', 'jump') as server:
            await admin(server, 'clear', name='slow')
            names = [fault['name'] for fault in (await admin_state(server))['faults']]
            assert names == ['silence', 'jump']
            assert (await admin(server, 'clear'))['faults'] == []

    run(main())


def test_key_can_be_changed():
    async def main():
        async with serving() as server, streaming(server) as robot:
            await admin(server, 'settings', key='rfx_other')
            assert (await robot.receive())['code'] == 'unknown_key'
            assert await robot.closed() == 1008

    run(main())


@pytest.mark.parametrize('action, body', [
    ('fault', {}), ('fault', {'name': 'x'}), ('fault', {'name': 5}), ('fault', []),
    ('fault', {'name': 'slow', 'value': 'fast'}), ('fault', {'name': 'slow', 'times': 0}),
    ('fault', {'name': 'slow', 'times': True}), ('fault', b'{'), ('clear', {'name': 'x'}),
    ('clear', {'name': 5}), ('settings', {'speed': 1}), ('settings', {'latency_ms': -1}),
    ('settings', {'latency_ms': 'x'}), ('settings', {'chunk_size': 1.5}),
    ('settings', {'key': ''}), ('settings', {'hz': True}), ('advance', {}),
    ('advance', {'seconds': -1}),
    ('advance', {'seconds': True}),
])
def test_mistake_is_a_400_that_says_what(action, body):
    async def main():
        async with serving() as server:
            before = await admin_state(server)
            response = await post(server, f'/admin/{action}', body)
            assert response.status_code == 400
            assert response.json()['error']
            assert await admin_state(server) == before

    run(main())


def test_unknown_action_is_a_404():
    async def main():
        async with serving() as server:
            response = await post(server, '/admin/explode', {})
            assert response.status_code == 404
            async with http_client() as http:
                assert (await http.get(f'{server.url}/admin/fault')).status_code == 405

    run(main())


@pytest.mark.parametrize('name, value', [
    ('latency_ms', float('nan')), ('chunk_size', 1001), ('chunk_size', 0), ('hz', 0.0),
    ('expiry_s', -1.0), ('key', ''), ('seed', 0.5),
])
def test_setting_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})
