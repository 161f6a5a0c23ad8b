# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Other keys than the service's own: what each says of itself, and how it ends (protocol b.4)."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest
import websockets

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import (  # noqa: E402
    admin,
    call,
    connected,
    KEY,
    observation,
    post,
    run,
    serving,
    session_open,
)

from reflex_ros.sim.service.settings import Settings  # noqa: E402
from reflex_ros.sim.service.state import ServiceState  # noqa: E402


async def whoami(server, key):
    return await call(server, 'whoami', apiKey=key)


async def is_admitted(server, key):
    """Say whether the action stream opens for a key."""
    try:
        async with connected(server, key=key):
            return True
    except websockets.InvalidStatus as exc:
        assert exc.response.status_code == 401
        return False


def test_each_key_has_a_name_of_its_own():
    async def main():
        async with serving() as server:
            made = await admin(server, 'key', name='lab robot')
            account, own = await whoami(server, made['key']), await whoami(server, KEY)
            assert (account['keyName'], account['keyId']) == ('lab robot', made['keyId'])
            assert account['organization'] == own['organization']
            assert own['keyId'] != account['keyId']
            assert await is_admitted(server, made['key'])

    run(main())


def test_revoked_key_says_so_and_opens_nothing():
    async def main():
        async with serving() as server:
            made = await admin(server, 'key')
            await admin(server, 'revoke', keyId=made['keyId'])
            assert await whoami(server, made['key']) == {'ok': False, 'reason': 'key_revoked'}
            assert not await is_admitted(server, made['key'])
            assert (await whoami(server, KEY))['ok'] is True

    run(main())


def test_revoked_key_ends_its_stream():
    async def main():
        async with serving() as server:
            made = await admin(server, 'key')
            async with connected(server, key=made['key']) as robot:
                await robot.send(session_open())
                await robot.receive()
                await admin(server, 'revoke', keyId=made['keyId'])
                assert (await robot.receive())['code'] == 'unknown_key'
                assert await robot.closed() == 1008

    run(main())


def test_key_expires_by_the_services_clock():
    async def main():
        async with serving() as server:
            made = await admin(server, 'key', life_s=60)
            account = await whoami(server, made['key'])
            left_ms = account['expiresAt'] - server.state.clock.now_ms()
            assert left_ms == pytest.approx(60_000, abs=5_000)
            await admin(server, 'advance', seconds=60)
            refused = await whoami(server, made['key'])
            assert (refused['reason'], 'expired' in refused['message']) == ('unknown_key', True)
            assert not await is_admitted(server, made['key'])

    run(main())


@pytest.mark.parametrize('action, body', [
    ('key', {'name': 5}), ('key', {'life_s': -1}), ('key', {'life_s': 'x'}), ('revoke', {}),
    ('revoke', {'keyId': 'key_x'}), ('revoke', {'keyId': 'key_sim'}), ('revoke', {'keyId': 5}),
])
def test_mistake_is_a_400(action, body):
    async def main():
        async with serving() as server:
            assert (await post(server, f'/admin/{action}', body)).status_code == 400
            assert (await whoami(server, KEY))['ok'] is True

    run(main())


def test_key_survives_a_restart_and_its_secret_is_nowhere(tmp_path):
    state = ServiceState(Settings(), directory=tmp_path)
    key, secret = state.keys.make('lab robot')
    state.save()
    state.close()
    assert secret.encode() not in (tmp_path / 'state.sqlite3').read_bytes()
    state = ServiceState(Settings(), directory=tmp_path)
    assert state.keys.find(secret).id == key.id
    state.close()


def test_streams_of_two_keys_do_not_disturb_each_other():
    async def main():
        async with serving() as server:
            made = await admin(server, 'key')
            async with connected(server, key=made['key']) as one, connected(server) as other:
                for robot in (one, other):
                    await robot.send(session_open())
                    await robot.receive()
                await admin(server, 'revoke', keyId=made['keyId'])
                assert await other.ask(0) != {}
                await other.send(observation(1))
                assert (await other.receive())['seq'] == 1

    run(main())
