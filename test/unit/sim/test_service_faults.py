# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every fault, as a client sees it on the wire (safety design, 6.1 and 6.2)."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
import re
import struct
import sys
import time
import zlib

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
    observation,
    REST,
    ROOT,
    run,
    serving,
    session_open,
    streaming,
)

from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.sim.service.faults.kinds import KINDS, ROWS  # noqa: E402
from reflex_ros.sim.service.faults.switches import Faults  # noqa: E402

JOINT = {'shoulder_pan': 0, 'wrist_roll': 4, 'gripper': 5}


async def handshake(server):
    """Return the status of a handshake."""
    try:
        async with connected(server):
            return 101
    except websockets.InvalidStatus as exc:
        return exc.response.status_code


def first_chunk(fault, **fields):
    """Return the first chunk of a service with a fault."""
    async def main():
        async with serving(fault) as server, streaming(server, **fields) as robot:
            return await robot.ask(0)

    return run(main())


# -- the switches


@pytest.mark.parametrize('option, number, text, times', [
    ('slow', 1500.0, '', None), ('slow=250', 250.0, '', None), ('slow=250*3', 250.0, '', 3),
    ('garbage', 0.0, 'not_json', None), ('garbage=binary*2', 0.0, 'binary', 2),
    ('silence*1', 0.0, '', 1), ('close', 0.0, '1011', None), ('close=5', 5.0, '1011', None),
    ('close=5:1001', 5.0, '1001', None), ('error_frame=2:boom', 2.0, 'boom', None),
    ('error_frame=Traceback (most', 0.0, 'Traceback (most', None),
    ('jump=170:wrist_roll', 170.0, 'wrist_roll', None),
    ('jump=wrist_roll', 30.0, 'wrist_roll', None),
    ('expire', 0.0, '', 1), ('redirect=http://127.0.0.1:1/x', 0.0, 'http://127.0.0.1:1/x', None),
    ('handshake_status=503x3,403x1', 0.0, '503x3,403x1', None),
])
def test_fault_is_switched_on_by_a_text(option, number, text, times):
    fault = Faults().switch_on_text(option)
    assert (fault.number, fault.text, fault.times_left) == (number, text, times)


@pytest.mark.parametrize('option', [
    'nothing', 'slow=fast', 'slow=-1', 'slow=nan', 'garbage=soup', 'silence=1', 'close=1:99',
    'close=1:abc', 'handshake_status=abc', 'handshake_status=200', 'handshake_status=503x',
    'rpc_status=99', 'slow*0', 'jump=5:nose', 'wrong_seq=3',
])
def test_nonsense_is_refused_and_nothing_is_on(option):
    faults = Faults()
    with pytest.raises(ValueError, match='.'):
        faults.switch_on_text(option)
    assert faults.to_json() == []


@pytest.mark.parametrize('value', [5, 5.0, '5', None, True])
def test_fault_is_switched_on_by_json(value):
    fault = Faults().switch_on('skip_one_in', value)
    assert fault.number == 5.0


@pytest.mark.parametrize('value', [False, {}, 'x', -1, float('inf')])
def test_json_of_the_wrong_type_is_refused(value):
    with pytest.raises(ValueError, match='skip_one_in'):
        Faults().switch_on('skip_one_in', value)


def test_statuses_may_be_a_list():
    faults = Faults()
    faults.switch_on('handshake_status', [503, 403])
    assert [faults.next_status('handshake_status') for _ in range(3)] == [503, 403, 403]


def test_fault_switches_itself_off_after_its_times():
    faults = Faults()
    faults.switch_on('slow', 10, 2)
    assert [faults.consume('slow') is not None for _ in range(3)] == [True, True, False]


def test_every_fault_says_what_it_does_shows_and_takes():
    for kind in KINDS.values():
        assert kind.what and kind.shows
        assert kind.usage().startswith(kind.name)
        for code in re.findall(r'\b(?!TCP|HTTP|JSON)[A-Z_]{4,}\b', kind.shows):
            assert code in FaultCode.__members__, kind.name
        for choice in kind.choices:
            assert kind.parse(choice)[1] == choice


@pytest.mark.parametrize('name', [kind.name for kind in ROWS])
def test_every_fault_is_asked_for_somewhere(name):
    source = ROOT / 'reflex_ros' / 'sim' / 'service'
    assert any(f"'{name}'" in path.read_text() for path in source.rglob('*.py')
               if path.name != 'kinds.py')


# -- before the stream


def test_first_handshakes_are_refused_in_the_given_order():
    async def main():
        async with serving('handshake_status=503x3,403x1') as server:
            assert [await handshake(server) for _ in range(6)] == [503, 503, 503, 403, 101, 101]
            assert (await admin_state(server))['counters']['handshakes_refused'] == 4

    run(main())


@pytest.mark.parametrize('status', [401, 403, 404, 408, 425, 429, 500, 502, 503, 504])
def test_handshakes_are_refused_for_ever_until_cleared(status):
    async def main():
        async with serving(f'handshake_status={status}') as server:
            assert [await handshake(server) for _ in range(3)] == [status] * 3
            await admin(server, 'clear', name='handshake_status')
            assert await handshake(server) == 101

    run(main())


def test_refused_handshake_says_when_to_come_back():
    async def main():
        async with serving('handshake_status=429', 'retry_after=7') as server:
            async with bare(server) as client:
                await client.upgrade()
                assert client.head.startswith('HTTP/1.1 429 ')
                assert 'Retry-After: 7\r\n' in client.head

    run(main())


def test_handshake_is_redirected():
    async def main():
        async with serving('redirect=http://127.0.0.1:9/elsewhere') as server:
            async with bare(server) as client:
                await client.upgrade()
                assert client.head.startswith('HTTP/1.1 302 ')
                assert 'Location: http://127.0.0.1:9/elsewhere\r\n' in client.head

    run(main())


@pytest.mark.parametrize('kind, end', [('close', 1013), ('error', 1011), ('wrong', None)])
def test_first_frame_is_not_session_ready(kind, end):
    async def main():
        async with serving(f'first_frame={kind}') as server, connected(server) as robot:
            await robot.send(session_open())
            if kind != 'close':
                assert (await robot.receive())['type'] != 'session.ready'
            if end is not None:
                assert await robot.closed() == end

    run(main())


def test_session_ready_never_comes_or_late():
    async def main():
        async with serving('first_frame=silent*1', 'ready_delay=80') as server:
            async with connected(server) as robot:
                await robot.send(session_open())
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(robot.receive(), 0.2)
            async with connected(server) as robot:
                started = time.monotonic()
                await robot.send(session_open())
                assert (await robot.receive())['type'] == 'session.ready'
                assert time.monotonic() - started >= 0.08

    run(main())


# -- the end of a session, of a key, of a connection


def test_key_is_revoked_after_some_chunks():
    async def main():
        async with serving('revoke_key_after=2') as server, streaming(server) as robot:
            await robot.ask(0)
            await robot.ask(1)
            assert (await robot.receive())['code'] == 'unknown_key'
            assert await robot.closed() == 1008
            assert await handshake(server) == 401
            assert (await call(server, 'whoami'))['reason'] == 'unknown_key'
            await admin(server, 'clear')
            assert await handshake(server) == 101
            assert (await call(server, 'whoami'))['ok'] is True

    run(main())


def test_key_is_revoked_now_for_every_stream():
    async def main():
        async with serving() as server, streaming(server) as one, streaming(server) as other:
            last_words = asyncio.gather(one.receive(), other.receive())
            assert (await admin(server, 'fault', name='revoke_key_after'))['hit'] == 1
            assert [error['code'] for error in await last_words] == ['unknown_key'] * 2
            assert [await one.closed(), await other.closed()] == [1008, 1008]

    run(main())


def test_session_expires_after_some_chunks():
    async def main():
        async with serving('expire=1') as server, streaming(server) as robot:
            await robot.ask(0)
            assert (await robot.receive())['code'] == 'session_expired'
            assert await robot.closed() == 1008
            value = await call(
                server, 'promoteSession', sessionId=robot.ready['session_id'], mode='dry_run')
            assert value['reason'] == 'session_expired'
            # It happened once; the next session lives.
            async with streaming(server) as robot:
                assert [(await robot.ask(seq))['seq'] for seq in range(3)] == [0, 1, 2]

    run(main())


def test_session_expires_now_with_or_without_a_stream():
    async def main():
        async with serving() as server, streaming(server) as robot:
            await call(server, 'authorizeSession', baseModel='pi0.5')
            assert (await admin(server, 'fault', name='expire'))['hit'] == 2
            assert (await robot.receive())['code'] == 'session_expired'
            assert (await admin_state(server))['faults'] == []

    run(main())


def test_session_is_demoted_and_nobody_is_told():
    async def main():
        async with serving('demote=2') as server, streaming(server) as robot:
            session_id = robot.ready['session_id']
            await call(server, 'promoteSession', sessionId=session_id, mode='apply_actions')
            modes = []
            for seq in range(3):
                assert (await robot.ask(seq))['seq'] == seq
                [row] = (await call(server, 'listInferenceSessions'))['sessions']
                modes.append(row['mode'])
            assert modes == ['apply_actions', 'dry_run', 'dry_run']

    run(main())


def test_session_is_demoted_now():
    async def main():
        async with serving() as server, streaming(server) as robot:
            session_id = robot.ready['session_id']
            await call(server, 'promoteSession', sessionId=session_id, mode='apply_actions')
            assert (await admin(server, 'fault', name='demote'))['hit'] == 1
            [row] = (await call(server, 'listInferenceSessions'))['sessions']
            assert row['mode'] == 'dry_run'
            assert (await robot.ask(0))['seq'] == 0

    run(main())


def test_deployment_flips_to_not_ready_mid_run():
    async def main():
        async with serving() as server:
            grant = await call(
                server, 'authorizeSession', baseModel='pi0.5', mode='apply_actions',
                deploymentId='deploy_sim')
            async with streaming(server, session_id=grant['sessionId']) as robot:
                await robot.ask(0)
                await admin(server, 'fault', name='deployment_not_ready')
                value = await call(server, 'getDeployment', deploymentId='deploy_sim')
                assert value['deployment']['status'] == 'blocked'
                value = await call(
                    server, 'promoteSession', sessionId=grant['sessionId'], mode='apply_actions')
                assert value['reason'] == 'deployment_not_ready'

    run(main())


def test_connection_is_closed_after_some_chunks_with_the_given_code():
    async def main():
        async with serving('close=2:1001') as server:
            # It stays on: the next stream has as many chunks.
            for _ in range(2):
                async with streaming(server) as robot:
                    await robot.ask(0)
                    await robot.ask(1)
                    assert await robot.closed() == 1001

    run(main())


def test_connection_is_closed_now_while_an_inference_runs():
    async def main():
        async with serving(latency_ms=8000.0) as server, streaming(server) as robot:
            await robot.send(observation(0))
            await admin(server, 'fault', name='close', value='0:1011', times=1)
            assert await robot.closed() == 1011

    run(main())


def test_chunks_are_counted_from_the_moment_the_fault_is_switched_on():
    async def main():
        async with serving() as server, streaming(server) as robot:
            for seq in range(5):
                await robot.ask(seq)
            await admin(server, 'fault', name='close', value=2)
            for seq in (5, 6):
                assert (await robot.ask(seq))['seq'] == seq
            assert await robot.closed() == 1011

    run(main())


def test_connection_is_reset():
    async def main():
        async with serving('reset=1') as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            await client.send(observation(0))
            assert json.loads((await client.receive())[1])['seq'] == 0
            with pytest.raises(ConnectionResetError):
                await client.reader.read(1)

    run(main())


def test_error_frame_carries_the_given_text():
    text = 'Traceback (most recent call last):\n  File "\x1b[31mworker.py"'

    async def main():
        async with serving() as server, streaming(server) as robot:
            await admin(server, 'fault', name='error_frame', value=f'1:{text}')
            await robot.ask(0)
            error = await robot.receive()
            assert (error['type'], error['message']) == ('error', text)
            assert await robot.closed() == 1011

    run(main())


# -- answers that do not come, or come badly


def test_silence_accepts_observations_and_answers_none():
    async def main():
        async with serving('silence*3') as server, streaming(server) as robot:
            for seq in range(4):
                await robot.send(observation(seq))
            assert (await robot.receive())['seq'] == 3
            counters = (await admin_state(server))['counters']
            assert counters['observations_received'] == 4
            assert (counters['observations_dropped'], counters['chunks_sent']) == (3, 1)

    run(main())


def test_every_nth_answer_is_skipped():
    async def main():
        async with serving('skip_one_in=3') as server, streaming(server) as robot:
            for seq in range(8):
                await robot.send(observation(seq))
            assert [(await robot.receive())['seq'] for _ in range(6)] == [0, 1, 3, 4, 6, 7]

    run(main())


def test_slow_answers_take_longer():
    async def main():
        async with serving('slow=200*1') as server, streaming(server) as robot:
            assert (await robot.ask(0))['infer_ms'] >= 200.0
            assert (await robot.ask(1))['infer_ms'] < 200.0

    run(main())


def test_trickle_sends_a_frame_byte_by_byte():
    async def main():
        async with serving('trickle=2*1', chunk_size=1) as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            await client.send(observation(0))
            pieces = bytearray(await client.reader.read(1 << 16))
            assert len(pieces) < 100
            # A ping in the middle must not get its pong into the middle of the frame.
            client.writer.write(bytes([0x89, 0x80, 0, 0, 0, 0]))
            started = time.monotonic()
            pieces += await client.reader.readexactly(max(0, 4 - len(pieces)))
            [length] = struct.unpack_from('>H', pieces, 2)
            pieces += await client.reader.readexactly(4 + length - len(pieces))
            assert time.monotonic() - started > 0.2
            assert json.loads(pieces[4:])['seq'] == 0
            assert await client.receive() == (0x8A, b'')
            await client.send(observation(1))
            assert json.loads((await client.receive())[1])['seq'] == 1

    run(main())


@pytest.mark.parametrize('kind, opcode', [
    ('not_json', 0x81), ('truncated', 0x81), ('binary', 0x82), ('invalid_utf8', 0x81),
    ('deep', 0x81), ('duplicate_keys', 0x81), ('array', 0x81), ('unknown_type', 0x81),
])
def test_garbage_is_no_proper_message(kind, opcode):
    async def main():
        async with serving(f'garbage={kind}*1') as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            await client.send(observation(0))
            first, payload = await client.receive()
            assert first == opcode
            await client.send(observation(1))
            assert json.loads((await client.receive())[1])['seq'] == 1
            return payload

    payload = run(main())
    if kind == 'invalid_utf8':
        with pytest.raises(UnicodeDecodeError):
            payload.decode()
        return
    text = payload.decode()
    if kind in ('not_json', 'truncated'):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
    elif kind == 'deep':
        assert '[' * 5000 in text
    elif kind == 'duplicate_keys':
        pairs = json.loads(text, object_pairs_hook=list)
        names = [name for name, _ in pairs]
        assert names.count('actions') == names.count('seq') == 2
    elif kind == 'array':
        assert isinstance(json.loads(text), list)
    elif kind == 'unknown_type':
        assert json.loads(text)['type'] not in ('action_chunk', 'session.ready', 'error')
    else:
        assert json.loads(text)['type'] == 'action_chunk'


def test_oversize_frame_is_valid_json_of_the_given_size():
    async def main():
        async with serving('oversize=3*1') as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            await client.send(observation(0))
            first, payload = await client.receive()
            assert first == 0x81
            assert 3 << 20 < len(payload) < (3 << 20) + 100_000
            assert json.loads(payload)['type'] == 'action_chunk'

    run(main())


def test_bomb_is_a_small_compressed_frame_that_inflates_to_mebibytes():
    async def main():
        async with serving('bomb=16*1') as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            await client.send(observation(0))
            return await client.receive()

    first, payload = run(main())
    # FIN, RSV1, text.
    assert first == 0xC1
    assert len(payload) < 100_000
    assert zlib.decompressobj(-15).decompress(payload + b'\x00\x00\xff\xff') == bytes(16 << 20)


def test_fragments_do_not_end():
    async def main():
        async with serving('fragments=1000') as server, bare(server) as client:
            await client.upgrade()
            await client.send(session_open())
            await client.receive()
            await client.send(observation(0))
            assert (await client.receive())[0] == 0x01
            for _ in range(3000):
                first, payload = await client.receive()
                assert (first, len(payload)) == (0x00, 1000)
        # Nor do they keep the service from stopping.

    run(main())


@pytest.mark.parametrize('fault', ['oversize=2', 'bomb=64', 'fragments'])
def test_library_client_survives_what_it_must_refuse(fault):
    async def main():
        async with serving(fault) as server, streaming(server) as robot:
            await robot.send(observation(0))
            assert await robot.closed() in (1002, 1009)
            # The service has outlived it as well.
            await admin(server, 'clear')
            async with streaming(server) as robot:
                assert (await robot.ask(0))['seq'] == 0

    run(main())


# -- wrong content


@pytest.mark.parametrize('kind, literal', [
    ('nan', 'NaN'), ('inf', 'Infinity'), ('1e999', '1e999'), ('null', 'null'), ('bool', 'true'),
    ('string', '"12.5"'), ('huge', '1' + '0' * 400),
])
def test_one_value_is_no_finite_number(kind, literal):
    async def main():
        async with serving(f'nan={kind}*1') as server, streaming(server) as robot:
            await robot.send(observation(0))
            text = await robot.socket.recv()
            clean = await robot.ask(1)
            return text, clean

    text, clean = run(main())
    assert f',{literal},' in text
    chunk = json.loads(text)
    values = [value for row in chunk['actions_so101'] for value in row]
    bad = [
        value for value in values
        if not isinstance(value, float) or not math.isfinite(value)]
    assert len(bad) == 1
    # Not in the first row: whoever looks at that alone does not see it.
    assert all(isinstance(value, float) for value in chunk['actions'][0])
    assert all(isinstance(value, float) for row in clean['actions'] for value in row)


@pytest.mark.parametrize('kind, check', [
    ('ragged', lambda rows: len(rows) == 50 and {len(row) for row in rows} == {5, 6}),
    ('wrong_dim', lambda rows: {len(row) for row in rows} == {5}),
    ('empty', lambda rows: rows == []),
    ('empty_rows', lambda rows: rows == [[]] * 50),
    ('flat', lambda rows: len(rows) == 300 and isinstance(rows[0], float)),
    ('too_many', lambda rows: len(rows) == 1001 and {len(row) for row in rows} == {6}),
])
def test_rows_have_the_wrong_shape(kind, check):
    chunk = first_chunk(f'wrong_shape={kind}')
    assert check(chunk['actions'])
    assert chunk['actions_so101'] == chunk['actions']


def test_rows_are_under_a_wrong_key_or_missing():
    chunk = first_chunk('wrong_shape=wrong_key')
    assert {name for name in chunk if name.startswith('actions')} == {'actions_aloha'}
    assert {len(row) for row in chunk['actions_aloha']} == {14}
    chunk = first_chunk('wrong_shape=missing')
    assert not [name for name in chunk if name.startswith('actions')]


@pytest.mark.parametrize('kind, expected', [
    ('duplicate', [0, 0, 1, 1]), ('old', [0, 0, 1, 2]), ('future', [1000, 1001, 1002, 1003]),
    ('reorder', [1, 0, 3, 2]), ('missing', [None] * 4), ('text', ['0', '1', '2', '3']),
])
def test_answers_name_the_wrong_observation(kind, expected):
    async def main():
        async with serving(f'wrong_seq={kind}') as server, streaming(server) as robot:
            for seq in range(4):
                await robot.send(observation(seq))
            return [(await robot.receive()).get('seq') for _ in range(4)]

    assert run(main()) == expected


def test_answer_names_another_session():
    async def main():
        async with serving('wrong_session*1') as server, streaming(server) as robot:
            assert (await robot.ask(0))['session_id'] != robot.ready['session_id']
            assert (await robot.ask(1))['session_id'] == robot.ready['session_id']

    run(main())


@pytest.mark.parametrize('joint, limit, speed', [
    ('gripper', 98.0, 115.0), ('wrist_roll', 150.0, 150.0),
])
def test_rows_run_out_of_range_without_a_jump(joint, limit, speed):
    chunk = first_chunk(f'out_of_range=20:{joint}', prompt='hold')
    values = [row[JOINT[joint]] for row in chunk['actions']]
    assert values[0] == HOME[JOINT[joint]]
    assert values[-1] == pytest.approx(limit + 20.0)
    assert max(abs(b - a) for a, b in zip(values, values[1:], strict=False)) * 30.0 < speed


@pytest.mark.parametrize('degrees', [5, 30, 170])
def test_rows_jump(degrees):
    chunk = first_chunk(f'jump={degrees}:wrist_roll', prompt='hold')
    offset = [row[4] - HOME[4] for row in chunk['actions']]
    assert {abs(value) for value in offset} == {float(degrees)}
    assert chunk['actions'][0][:4] == HOME[:4]


def test_jump_stays_in_range_where_it_can():
    async def main():
        async with serving('jump=30:wrist_roll') as server:
            async with streaming(server, prompt='hold') as robot:
                state = [*HOME[:4], 140.0, HOME[5]]
                assert (await robot.ask(0, state))['actions'][0][4] == 110.0

    run(main())


def test_rows_in_radians():
    chunk = first_chunk('radians', prompt='hold')
    expected = [*(math.radians(value) for value in HOME[:5]), HOME[5] / 100.0]
    assert chunk['actions_so101'][0] == pytest.approx(expected)


def test_rows_are_constant_over_chunks():
    async def main():
        async with serving('constant') as server, streaming(server) as robot:
            await robot.ask(0, REST)
            chunk = await robot.ask(1, HOME)
            assert chunk['actions'] == [REST] * 50

    run(main())


def test_rows_are_all_zero():
    assert first_chunk('all_zero')['actions'] == [[0.0] * 6] * 50


def test_rows_oscillate():
    chunk = first_chunk('oscillate', prompt='hold')
    roll = [row[4] for row in chunk['actions']]
    steps = [b - a for a, b in zip(roll, roll[1:], strict=False)]
    flips = sum(a * b < 0 for a, b in zip(steps, steps[1:], strict=False))
    # Per second: far above 8 Hz; each step is above a fifth of the cap of 2 rad/s, and below it.
    assert flips / (50 / 30.0) > 16
    assert all(0.4 < abs(math.radians(step)) * 30.0 < 2.0 for step in steps)


def test_faults_add_up():
    async def main():
        async with serving('jump=10:wrist_roll', 'wrong_seq=future', 'nan=null') as server:
            async with streaming(server, prompt='hold') as robot:
                chunk = await robot.ask(0)
                assert chunk['seq'] == 1000
                assert chunk['actions'][0][4] == 10.0
                assert any(None in row for row in chunk['actions'])

    run(main())


# -- the link in one direction


def test_handshake_can_be_slow_or_lost():
    async def main():
        async with serving('handshake_slow=100*1') as server:
            began = time.monotonic()
            assert await handshake(server) == 101
            assert time.monotonic() - began >= 0.1
            await admin(server, 'fault', name='handshake_close', times=1)
            with pytest.raises((websockets.InvalidMessage, ConnectionError, EOFError)):
                await handshake(server)
            assert await handshake(server) == 101

    run(main())


def test_deaf_service_reads_nothing_until_it_is_cleared():
    async def main():
        async with serving() as server, streaming(server) as robot:
            await admin(server, 'fault', name='deaf')
            # One message is on its way into the service already.
            await robot.ask(0)
            await robot.send(observation(1))
            # Time enough for a service that listens.
            for _ in range(20):
                state = await admin_state(server)
                assert state['counters']['observations_received'] == 1
            await admin(server, 'clear')
            assert (await robot.receive())['seq'] == 1

    run(main())


def test_deaf_service_can_be_stopped():
    async def main():
        async with serving('deaf') as server, connected(server) as robot:
            await robot.send(session_open())
        assert await robot.closed() in (1000, 1001, 1006)

    run(main())
