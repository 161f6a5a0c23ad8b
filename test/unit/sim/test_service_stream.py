# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The action stream over a real WebSocket, when nothing is wrong or the client is (d.2 to d.6)."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
import struct
import sys
import time

import pytest
import websockets

pytestmark = pytest.mark.live

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    admin_state,
    bare,
    call,
    connected,
    HOME,
    KEY,
    observation,
    REST,
    run,
    serving,
    session_open,
    streaming,
)


def test_handshake_is_plain_and_the_service_is_silent_until_session_open():
    async def main():
        async with serving() as server, bare(server) as client:
            await client.upgrade('Sec-WebSocket-Extensions: permessage-deflate')
            status, *headers = client.head.split('\r\n')
            assert status == 'HTTP/1.1 101 Switching Protocols'
            assert not [line for line in headers if 'extensions' in line.lower()]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.15)
            await client.send(session_open())
            first, payload = await client.receive()
            # One text frame, final, no reserved bits.
            assert first == 0x81
            assert json.loads(payload)['type'] == 'session.ready'

    run(main())


@pytest.mark.parametrize('key, path', [
    (KEY, '/v1/actions'), (KEY, '/'), (KEY, '/some/other/path?x=1'),
    (None, f'/v1/actions?token={KEY}'),
])
def test_any_path_and_both_ways_to_give_the_key(key, path):
    async def main():
        async with serving() as server, connected(server, key=key, path=path) as robot:
            await robot.send(session_open())
            assert (await robot.receive())['type'] == 'session.ready'

    run(main())


@pytest.mark.parametrize('key, path', [
    (None, '/v1/actions'), ('rfx_wrong', '/v1/actions'), ('', '/v1/actions'),
    (None, '/v1/actions?token=rfx_wrong'), ('rfx_wrong', f'/v1/actions?token={KEY}'),
])
def test_bad_key_is_a_401(key, path):
    async def main():
        async with serving() as server:
            with pytest.raises(websockets.InvalidStatus) as caught:
                async with connected(server, key=key, path=path):
                    pass
            assert caught.value.response.status_code == 401
            counters = (await admin_state(server))['counters']
            assert (counters['handshakes_refused'], counters['connections']) == (1, 0)

    run(main())


def test_new_session_gets_an_id_and_is_listed():
    async def main():
        async with serving() as server, streaming(server) as robot:
            session_id = robot.ready['session_id']
            [row] = (await call(server, 'listInferenceSessions', status='active'))['sessions']
            assert row['sessionId'] == session_id
            assert row['mode'] == robot.ready['mode'] == 'dry_run'

    run(main())


def test_authorized_session_is_taken_up_by_its_id_and_its_token():
    async def main():
        async with serving() as server:
            grant = await call(server, 'authorizeSession', baseModel='pi0.5')
            async with connected(server, key=grant['token']) as robot:
                await robot.send(session_open(session_id=grant['sessionId']))
                assert (await robot.receive())['session_id'] == grant['sessionId']
            # A lost connection leaves the session as it is: it may be taken up again.
            async with streaming(server, session_id=grant['sessionId']) as robot:
                assert robot.ready['session_id'] == grant['sessionId']

    run(main())


def test_unknown_session_id_gives_a_new_session():
    async def main():
        async with serving() as server:
            async with streaming(server, session_id='sess_of_last_year') as robot:
                assert robot.ready['session_id'] not in ('', 'sess_of_last_year')

    run(main())


@pytest.mark.parametrize('how', ['closed', 'expired'])
def test_ended_session_is_refused_with_an_error_and_a_close(how):
    async def main():
        async with serving() as server:
            session_id = (await call(server, 'authorizeSession', baseModel='pi0.5'))['sessionId']
            if how == 'closed':
                await call(server, 'closeSession', sessionId=session_id, reason='cli_closed')
            else:
                await admin(server, 'advance', seconds=3600)
            async with connected(server) as robot:
                refused = await robot.refused(session_open(session_id=session_id))
                assert refused == (f'session_{how}', 1008)

    run(main())


def test_chunk_answers_its_observation():
    async def main():
        async with serving() as server, streaming(server, model='pi0.5', lora='mine@v1') as robot:
            chunk = await robot.ask(7, REST, request_id='req_1')
            assert chunk['type'] == 'action_chunk'
            assert chunk['seq'] == 7
            assert chunk['request_id'] == 'req_1'
            assert chunk['session_id'] == robot.ready['session_id']
            assert chunk['model_id'] == 'mine@v1'
            assert chunk['actions'] == chunk['actions_so101']
            assert chunk['action_shape'] == [50, 6]
            assert [len(row) for row in chunk['actions']] == [6] * 50
            assert chunk['actions'][0] == REST
            assert all(math.isfinite(value) for row in chunk['actions'] for value in row)
            assert 0.0 <= chunk['infer_ms'] <= chunk['total_ms']
            assert chunk['timing']['server_infer_ms'] == chunk['infer_ms']

    run(main())


def test_observation_without_seq_takes_the_next_free_one():
    async def main():
        async with serving() as server, streaming(server) as robot:
            sequence = []
            for seq in (None, 5, None):
                frame = observation(0)
                del frame['seq']
                await robot.send(frame | ({} if seq is None else {'seq': seq}))
                sequence.append((await robot.receive())['seq'])
            assert sequence == [0, 5, 6]

    run(main())


def test_answers_come_in_the_order_of_the_observations():
    async def main():
        async with serving(latency_ms=5.0, jitter_ms=10.0) as server:
            async with streaming(server, hz=30.0) as robot:
                for seq in range(10):
                    await robot.send(observation(seq))
                assert [(await robot.receive())['seq'] for _ in range(10)] == list(range(10))

    run(main())


def test_inference_takes_its_latency_and_waits_for_the_one_before():
    async def main():
        async with serving(latency_ms=60.0) as server, streaming(server) as robot:
            started = time.monotonic()
            await robot.send(observation(0))
            await robot.send(observation(1))
            first, second = await robot.receive(), await robot.receive()
            assert time.monotonic() - started >= 0.12
            for chunk in (first, second):
                assert chunk['infer_ms'] >= 60.0
            assert first['total_ms'] < second['total_ms']
            assert second['total_ms'] > second['infer_ms'] + 30.0

    run(main())


def test_rate_and_size_are_those_of_session_open():
    async def main():
        async with serving(hz=10.0, chunk_size=20) as server:
            async with streaming(server, prompt='wave', hz=50.0, chunk_size=8) as robot:
                chunk = await robot.ask(0, REST)
                assert chunk['action_shape'] == [8, 6]
                fast = chunk['actions'][1][1] - chunk['actions'][0][1]
            async with streaming(server, prompt='wave') as robot:
                chunk = await robot.ask(0, REST)
                assert chunk['action_shape'] == [20, 6]
                assert chunk['actions'][1][1] - chunk['actions'][0][1] > 3.0 * fast

    run(main())


def test_settings_change_while_it_runs():
    async def main():
        async with serving(hz=30.0) as server, streaming(server) as robot:
            await robot.ask(0)
            await admin(server, 'settings', chunk_size=5, latency_ms=40)
            chunk = await robot.ask(1)
            assert chunk['action_shape'] == [5, 6]
            assert chunk['infer_ms'] >= 40.0

    run(main())


def test_prompt_may_change_with_an_observation():
    async def main():
        async with serving() as server, streaming(server, prompt='hold') as robot:
            still = await robot.ask(0)
            assert still['actions'][-1] == pytest.approx(HOME)
            moving = await robot.ask(1, prompt='sweep')
            assert abs(moving['actions'][-1][0]) > 1.0
            # The new one stays, and shows in the state.
            await robot.ask(2)
            [session] = (await admin_state(server))['sessions']
            assert (session['prompt'], session['chunksSent']) == ('sweep', 3)

    run(main())


def test_motion_follows_the_capture_times_and_not_the_receipt():
    async def main():
        async with serving() as server:
            async with streaming(server, prompt='sweep') as robot:
                await robot.ask(0, capture_time_ns=10**18)
                later = await robot.ask(1, capture_time_ns=10**18 + 2_000_000_000)
            async with streaming(server, prompt='sweep') as robot:
                await robot.ask(0, capture_time_ns=5)
                same = await robot.ask(1, capture_time_ns=2_000_000_005)
            assert same['actions'] == later['actions']

    run(main())


def test_two_streams_do_not_disturb_each_other():
    async def main():
        async with serving(latency_ms=1.0) as server:
            async with streaming(server, prompt='sweep') as one:
                async with streaming(server, prompt='hold') as other:
                    moving, still = await asyncio.gather(one.ask(0), other.ask(0))
                    assert moving['session_id'] != still['session_id']
                    assert moving['actions'][-1] != still['actions'][-1]

    run(main())


def test_slow_client_stalls_nobody_else():
    async def main():
        async with serving(chunk_size=1000) as server, bare(server) as slow:
            await slow.upgrade()
            await slow.send(session_open())
            # A thousand chunks of 80 kB that nobody reads fill every buffer in between.
            for seq in range(400):
                await slow.send(observation(seq))
            async with streaming(server, chunk_size=10) as robot:
                for seq in range(5):
                    assert (await robot.ask(seq))['seq'] == seq

    run(main())


@pytest.mark.parametrize('adapter, state, twin, dim', [
    ('aloha_joint', 14, 'actions_aloha', 14), ('aloha', 14, 'actions_aloha', 14),
    ('pi_native', 14, 'actions_pi', 32), ('pi_native', 32, 'actions_pi', 32),
    ('so_101', 6, 'actions_so101', 6), (None, 14, 'actions_aloha', 14),
    (None, 6, 'actions_so101', 6),
])
def test_rows_come_in_the_layout_that_was_asked_for(adapter, state, twin, dim):
    async def main():
        async with serving() as server:
            async with streaming(server, robot=None, action_adapter=adapter) as robot:
                chunk = await robot.ask(0, [0.1] * state)
                assert chunk['action_shape'] == [50, dim]
                assert chunk[twin] == chunk['actions']
                assert chunk['actions'][0][:5] == pytest.approx([0.1] * 5)

    run(main())


@pytest.mark.parametrize('adapter, state, dim', [
    ('aloha_joint', 14, 14), ('pi_native', 14, 32), ('pi_native', 32, 32)])
def test_values_behind_the_moved_pose_stay_as_they_were_observed(adapter, state, dim):
    async def main():
        async with serving() as server:
            async with streaming(server, robot=None, action_adapter=adapter) as robot:
                observed = [0.1 + 0.01 * index for index in range(state)]
                held = [*observed[6:], *[0.0] * (dim - state)]
                rows = (await robot.ask(0, observed))['actions']
                assert all(row[6:] == pytest.approx(held) for row in rows)
                assert rows[-1][:6] != rows[0][:6]

    run(main())


@pytest.mark.parametrize('images', [
    {}, None, {'wrist': {'encoding': 'jpeg_base64', 'data': '/9j/4AAQ'}}, {'top': '/9j/4AAQ'},
    {'top': {'encoding': 'png_base64', 'data': 'iVBORw0K'}},
    {'top': {'encoding': 'raw', 'data': [[[0, 0, 0]]]}},
])
def test_images_of_every_documented_form_are_accepted(images):
    async def main():
        async with serving() as server, streaming(server, cameras=['top']) as robot:
            assert (await robot.ask(0, images=images))['type'] == 'action_chunk'

    run(main())


def test_large_observation_passes_and_one_over_8_mib_does_not():
    async def main():
        async with serving() as server, streaming(server) as robot:
            image = {'encoding': 'jpeg_base64', 'data': 'A' * (7 << 20)}
            assert (await robot.ask(0, images={'top': image}))['seq'] == 0
            # Only the frame's head: a service that refuses by the declared length resets a sender
            # that is still writing, and the reset may overtake the Close.
            head = struct.pack('>BBQ4s', 0x81, 0xFF, (8 << 20) + 1, b'mask')
            robot.socket.transport.write(head)
            assert await robot.closed() == 1009

    run(main())


@pytest.mark.parametrize('frame, code', [
    ('', 'invalid_json'), ('no json', 'invalid_json'),
    pytest.param('[' * 50_000, 'invalid_json', id='deep'),
    ('[]', 'invalid_message'), ('5', 'invalid_message'), ({}, 'unknown_type'),
    ({'type': 'ping'}, 'unknown_type'), ({'type': ['observation']}, 'unknown_type'),
    (observation(0) | {'state': None}, 'invalid_state'),
    (observation(0) | {'state': 'x'}, 'invalid_state'),
    (observation(0) | {'state': HOME[:5]}, 'invalid_state'),
    (observation(0) | {'state': [*HOME, 0.0]}, 'invalid_state'),
    (observation(0) | {'state': [*HOME[:5], None]}, 'invalid_state'),
    (observation(0) | {'state': [*HOME[:5], True]}, 'invalid_state'),
    (observation(0) | {'state': [*HOME[:5], '1']}, 'invalid_state'),
    (observation(0) | {'state': [*HOME[:5], math.nan]}, 'invalid_state'),
    (observation(0) | {'state': [*HOME[:5], 10**400]}, 'invalid_state'),
    ('{"type":"observation","seq":0,"state":[0,0,0,0,0,1e999]}', 'invalid_state'),
    (observation(0) | {'seq': -1}, 'invalid_observation'),
    (observation(0) | {'seq': 1.5}, 'invalid_message'),
    (observation(0) | {'capture_time_ns': 1e18}, 'invalid_message'),
    (observation(0) | {'prompt': 5}, 'invalid_message'),
    (observation(0) | {'images': []}, 'invalid_images'),
    (observation(0) | {'images': {'top': {'encoding': 'bmp', 'data': ''}}}, 'invalid_images'),
    (observation(0) | {'images': {'top': {'encoding': 'jpeg_base64'}}}, 'invalid_images'),
    (observation(0) | {'images': {'top': 5}}, 'invalid_images'),
    (session_open(), 'already_open'),
])
def test_bad_input_is_answered_with_an_error_and_a_close(frame, code):
    async def main():
        async with serving() as server, streaming(server) as robot:
            await robot.ask(0)
            assert await robot.refused(frame) == (code, 1008)

    run(main())


def test_binary_frame_is_refused():
    async def main():
        async with serving() as server, streaming(server) as robot:
            frame = json.dumps(observation(0)).encode()
            assert await robot.refused(frame) == ('unsupported_data', 1003)

    run(main())


@pytest.mark.parametrize('frame, code', [
    (observation(0), 'session_not_open'),
    (session_open(prompt=None), 'invalid_session_open'),
    (session_open(action_adapter='six_legs'), 'invalid_session_open'),
    (session_open(hz=0), 'invalid_session_open'),
    (session_open(hz=True), 'invalid_session_open'),
    (session_open(chunk_size=0), 'invalid_session_open'),
    (session_open(chunk_size=1001), 'invalid_session_open'),
    (session_open(cameras='wrist'), 'invalid_session_open'),
    (session_open(session_id=5), 'invalid_message'),
])
def test_bad_session_open_is_refused(frame, code):
    async def main():
        async with serving() as server, connected(server) as robot:
            assert await robot.refused(frame) == (code, 1008)

    run(main())


def test_error_comes_after_the_answers_that_are_due_before_it():
    async def main():
        async with serving(latency_ms=20.0) as server, streaming(server) as robot:
            await robot.send(observation(0))
            await robot.send('garbage')
            assert (await robot.receive())['seq'] == 0
            assert (await robot.receive())['code'] == 'invalid_json'
            assert await robot.closed() == 1008

    run(main())


def test_goodbye_ends_the_session():
    async def main():
        async with serving(latency_ms=5000.0) as server, streaming(server) as robot:
            await robot.send(observation(0))
            await robot.send({'type': 'session.close', 'session_id': robot.ready['session_id']})
            assert await robot.closed() == 1000
            [row] = (await call(server, 'listInferenceSessions'))['sessions']
            assert row['status'] == 'closed'

    run(main())


def test_bare_end_of_the_connection_is_accepted():
    async def main():
        async with serving() as server:
            async with bare(server) as client:
                await client.upgrade()
                await client.send(session_open())
                await client.receive()
            while (await admin_state(server))['counters']['open_connections']:
                await asyncio.sleep(0.005)
            [session] = (await admin_state(server))['sessions']
            assert session['status'] == 'active'

    run(main())


@pytest.mark.parametrize('how, code', [('close', 'session_closed'), ('expire', 'session_expired')])
def test_session_that_ends_elsewhere_ends_the_stream_in_the_middle_of_an_inference(how, code):
    async def main():
        async with serving(latency_ms=8000.0, expiry_s=100.0) as server:
            async with streaming(server) as robot:
                await robot.send(observation(0))
                session_id = robot.ready['session_id']
                if how == 'close':
                    await call(server, 'closeSession', sessionId=session_id, reason='cli_closed')
                else:
                    await admin(server, 'advance', seconds=100)
                error = await robot.receive()
                assert error['type'] == 'error'
                assert error['code'] == code
                assert error['message'] and error['detail']
                assert error['session_id'] == session_id
                assert await robot.closed() == 1008

    run(main())


def test_promotion_is_not_visible_on_the_stream_and_does_not_disturb_it():
    async def main():
        async with serving() as server, streaming(server) as robot:
            await call(
                server, 'promoteSession', sessionId=robot.ready['session_id'],
                mode='apply_actions')
            assert 'mode' not in await robot.ask(0)

    run(main())


def test_ping_is_answered_and_none_is_sent_by_default():
    async def main():
        async with serving() as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            client.writer.write(bytes([0x89, 0x82, 0, 0, 0, 0]) + b'hi')
            assert await client.receive() == (0x8A, b'hi')
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.25)

    run(main())


def test_pings_can_be_switched_on_and_need_no_pong():
    async def main():
        async with serving(ping_s=0.05) as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            for _ in range(2):
                assert (await client.receive())[0] == 0x89
            await client.send(observation(0))
            first, payload = await client.receive()
            while first == 0x89:
                first, payload = await client.receive()
            assert json.loads(payload)['seq'] == 0

    run(main())


def test_mistake_of_the_service_ends_the_connection_and_shows(monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise ZeroDivisionError('on order')

    monkeypatch.setattr('reflex_ros.sim.service.stream.inference.Inference.infer', broken)

    async def main():
        async with serving() as server, streaming(server) as robot:
            await robot.send(observation(0))
            with pytest.raises(websockets.ConnectionClosed):
                await robot.receive()

    run(main())
    assert 'ZeroDivisionError: on order' in caplog.text


def test_stop_closes_the_streams_at_once():
    async def main():
        async with serving(latency_ms=5000.0) as server, connected(server) as fresh:
            async with streaming(server) as robot:
                await robot.send(observation(0))
                await asyncio.wait_for(server.stop(), 1.0)
                assert await robot.closed() == 1001
                assert await fresh.closed() == 1001

    run(main())


# ---- committed prefix


def prefix(count: int, *, pan: float = 20.0) -> list[list[float]]:
    """Write rows that are far from what the policy wants."""
    return [[pan + k, *HOME[1:]] for k in range(count)]


def test_answer_begins_with_the_prefix_and_fades_over_to_the_policy():
    async def main():
        async with serving() as server, streaming(server, prompt='hold', hz=30.0) as robot:
            assert robot.ready['accepts'] == ['action_prefix']
            own = (await robot.ask(0))['actions']
            rows = (await robot.ask(1, action_prefix=prefix(20), prefix_rows=12))['actions']
            assert rows[:12] == prefix(12)
            weights = [(row[0] - mine[0]) / (20.0 + k - mine[0])
                       for k, (row, mine) in enumerate(zip(rows, own, strict=True))]
            assert weights[:20] == sorted(weights[:20], reverse=True) and weights[19] < 0.95
            assert rows[-1] == own[-1]
            steps = [abs(b[0] - a[0]) for a, b in zip(rows, rows[1:], strict=False)]
            # The fade of 30 degrees over 24 rows, and no leap where the prefix ends.
            assert max(steps) < 3.5
            assert (await admin_state(server))['counters']['prefixes_used'] == 1

    run(main())


def test_prefix_without_the_setting_is_ignored_and_not_offered():
    async def main():
        async with serving(inpaint=0) as server, streaming(server, prompt='hold') as robot:
            assert 'accepts' not in robot.ready
            own = (await robot.ask(0))['actions']
            assert (await robot.ask(1, action_prefix=prefix(20), prefix_rows=9))['actions'] == own
            await admin(server, 'settings', inpaint=1)
            rows = (await robot.ask(2, action_prefix=prefix(20), prefix_rows=9))['actions']
            assert rows[:9] == prefix(9)

    run(main())


@pytest.mark.parametrize('fields', [
    {'action_prefix': [[1.0] * 5]}, {'action_prefix': [[1.0] * 6, [1.0] * 7]},
    {'action_prefix': 'x'}, {'action_prefix': [[1.0] * 6], 'prefix_rows': -1},
    {'action_prefix': [[1.0] * 6], 'prefix_rows': 1.5},
])
def test_prefix_that_is_none_is_refused(fields):
    async def main():
        async with serving() as server, streaming(server) as robot:
            code, _ = await robot.refused(observation(0, **fields))
            assert code == 'invalid_action_prefix'

    run(main())


def test_chunks_may_disagree():
    async def main():
        async with serving(disagreement=5.0) as server, \
                streaming(server, prompt='hold', hz=30.0) as robot:
            chunks = [(await robot.ask(seq))['actions'] for seq in range(20)]
            assert all(rows[0] == HOME for rows in chunks)
            lasts = [rows[-1][0] for rows in chunks]
            spread = (sum(value ** 2 for value in lasts) / len(lasts)) ** 0.5
            assert 2.5 < spread < 8.0

    run(main())
