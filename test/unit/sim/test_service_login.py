# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Device login, its approval page, and signing up (protocol b.3, b.4)."""

from __future__ import annotations

import html
from pathlib import Path
import re
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, http_client, KEY, post, run, serving  # noqa: E402

from reflex_ros.sim.service.resources.logins import MOST_LOGINS  # noqa: E402
from reflex_ros.sim.service.settings import Settings  # noqa: E402
from reflex_ros.sim.service.state import ServiceState  # noqa: E402

PERSON = {'name': 'Ada', 'email': 'ada@example.com', 'password': 'correct horse'}


async def cli_auth(server, function, **args):
    """Call a function that needs no key."""
    body = {'path': f'cliAuth:{function}', 'args': args, 'format': 'json'}
    answer = (await post(server, '/api/mutation', body)).json()
    assert answer['status'] == 'success', answer
    return answer['value']


async def request_login(server, hostname='robot-1'):
    return (await cli_auth(server, 'createRequest', hostname=hostname))['requestId']


async def poll(server, request_id):
    return await cli_auth(server, 'poll', id=request_id)


async def page(server, request_id, **headers):
    async with http_client() as http:
        return await http.get(
            f'{server.url}/cli/authorize', params={'requestId': request_id}, headers=headers)


async def press(server, shown, button, headers=None, **changes):
    """Press a button of a page: send the fields of its form."""
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown.text))
    fields = {name: html.unescape(value) for name, value in fields.items()}
    form = fields | {'decision': button} | changes
    async with http_client() as http:
        return await http.post(f'{server.url}/cli/authorize', data=form, headers=headers)


def test_approved_login_gives_the_key_once():
    async def main():
        async with serving() as server:
            created = await cli_auth(server, 'createRequest', hostname='robot-1')
            left_ms = created['expiresAt'] - server.state.clock.now_ms()
            assert left_ms == pytest.approx(600_000, abs=5_000)
            request_id = created['requestId']
            assert (await poll(server, request_id))['status'] == 'pending'
            shown = await page(server, request_id)
            assert shown.status_code == 200
            assert 'robot-1' in shown.text and request_id[-4:].upper() in shown.text
            assert (await press(server, shown, 'approve')).status_code == 200
            value = await poll(server, request_id)
            assert (value['status'], value['apiKey']) == ('approved', KEY)
            value = await poll(server, request_id)
            assert value['status'] == 'consumed' and 'apiKey' not in value
            assert (await page(server, request_id)).status_code == 410

    run(main())


def test_denied_login_is_over():
    async def main():
        async with serving() as server:
            request_id = await request_login(server)
            shown = await page(server, request_id)
            assert (await press(server, shown, 'deny')).status_code == 200
            assert (await poll(server, request_id))['status'] == 'expired'
            assert (await press(server, shown, 'approve')).status_code == 410
            assert (await poll(server, request_id))['status'] == 'expired'

    run(main())


@pytest.mark.parametrize('approve_first', [False, True])
def test_login_expires_by_the_services_clock(approve_first):
    async def main():
        async with serving() as server:
            request_id = await request_login(server)
            if approve_first:
                await admin(server, 'approve', requestId=request_id)
            await admin(server, 'advance', seconds=600)
            assert (await poll(server, request_id))['status'] == 'expired'
            assert (await page(server, request_id)).status_code == 410
            response = await post(server, '/admin/approve', {'requestId': request_id})
            assert response.status_code == 400 and 'expired' in response.json()['error']

    run(main())


def test_admin_approves_and_denies_for_tests():
    async def main():
        async with serving() as server:
            first, second = [await request_login(server) for _ in range(2)]
            assert (await admin(server, 'approve', requestId=first))['status'] == 'approved'
            assert (await admin(server, 'deny', requestId=second))['status'] == 'expired'
            assert (await poll(server, first))['status'] == 'approved'
            for body in ({}, {'requestId': 5}, {'requestId': 'login_x'}, {'requestId': second}):
                assert (await post(server, '/admin/approve', body)).status_code == 400

    run(main())


def test_unknown_request_is_unknown():
    async def main():
        async with serving() as server:
            assert (await poll(server, 'login_x'))['status'] == 'unknown'
            assert (await page(server, 'login_x')).status_code == 404
            assert (await page(server, '')).status_code == 404

    run(main())


def test_oldest_requests_are_forgotten():
    state = ServiceState(Settings())
    first, second, *_ = [state.logins.create('robot-1') for _ in range(MOST_LOGINS + 1)]
    assert (state.logins.status(first.id), state.logins.status(second.id)) == (
        'unknown', 'pending')


def test_machine_without_a_name_is_said_to_have_none():
    async def main():
        async with serving() as server:
            shown = await page(server, await request_login(server, ''))
            assert 'a machine without a name' in shown.text
            shown = await page(server, await request_login(server, 'a\ud800b\u202ec\n'))
            assert '<strong>a?b?c?</strong>' in shown.text

    run(main())


def test_host_name_is_text_and_nothing_else():
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>' + 'x' * 5000

    async def main():
        async with serving() as server:
            return await page(server, await request_login(server, evil))

    shown = run(main())
    assert '<script' not in shown.text and '<img' not in shown.text
    assert '&quot;&gt;&lt;script&gt;' in shown.text
    assert len(shown.text) < 3000
    policy = shown.headers['Content-Security-Policy']
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert shown.headers['Cache-Control'] == 'no-store'
    # With "no-referrer" a browser would say "Origin: null" when it sends the form (Fetch, 3.2).
    assert shown.headers['Referrer-Policy'] == 'same-origin'
    assert shown.headers['Content-Type'].startswith('text/html')


@pytest.mark.parametrize('headers, changes, status', [
    ({'Origin': 'https://evil.example'}, {}, 403),
    ({'Origin': 'null'}, {}, 403),
    ({'Host': 'evil.example'}, {}, 403),
    ({'Host': '[::1'}, {}, 403),
    ({'Host': '127.0.0.1.evil.example:80'}, {}, 403),
    ({}, {'token': ''}, 403),
    ({}, {'token': 'guess'}, 403),
    ({}, {'token': 'é'}, 403),
    ({}, {'requestId': 'login_x'}, 403),
    ({}, {'decision': 'maybe'}, 400),
])
def test_foreign_page_cannot_approve(headers, changes, status):
    async def main():
        async with serving() as server:
            request_id = await request_login(server)
            shown = await page(server, request_id)
            response = await press(server, shown, 'approve', headers, **changes)
            assert response.status_code == status
            assert (await poll(server, request_id))['status'] == 'pending'

    run(main())


def test_token_of_one_request_does_not_approve_another():
    async def main():
        async with serving() as server:
            mine, yours = [await request_login(server) for _ in range(2)]
            shown = await page(server, mine)
            response = await press(server, shown, 'approve', requestId=yours)
            assert response.status_code == 403
            assert (await poll(server, yours))['status'] == 'pending'

    run(main())


@pytest.mark.parametrize('headers', [
    {'Origin': 'https://evil.example'}, {'Host': 'evil.example:80'}, {'Origin': 'null'}])
def test_foreign_page_cannot_throw_switches(headers):
    async def main():
        async with serving() as server, http_client() as http:
            request_id = await request_login(server)
            response = await http.post(
                f'{server.url}/admin/approve', headers=headers, json={'requestId': request_id})
            assert response.status_code == 403
            assert (await poll(server, request_id))['status'] == 'pending'
            assert (await http.get(f'{server.url}/admin/state', headers=headers)
                    ).status_code == 403

    run(main())


def test_own_page_may_name_its_origin():
    async def main():
        async with serving() as server:
            request_id = await request_login(server)
            shown = await page(server, request_id)
            response = await press(server, shown, 'approve', {'Origin': server.url})
            assert response.status_code == 200

    run(main())


def test_login_and_account_survive_a_restart(tmp_path):
    async def main():
        state = ServiceState(Settings(), directory=tmp_path)
        login = state.logins.create('robot-1')
        state.logins.decide(login.id, approve=True)
        state.accounts.sign_up('Ada', 'ada@example.com', 'correct horse')
        state.save()
        state.close()
        again = ServiceState(Settings(), directory=tmp_path)
        assert again.logins.status(login.id) == 'approved'
        assert [account.email for account in again.accounts.table.all()] == ['ada@example.com']
        again.close()
        assert b'correct horse' not in (tmp_path / 'state.sqlite3').read_bytes()

    run(main())


# -- signing up


async def sign_up(server, body):
    return await post(server, '/api/auth/sign-up/email', body)


def test_sign_up_makes_an_account():
    async def main():
        async with serving() as server:
            person = PERSON | {'name': ' Ada ', 'email': ' Ada@Example.com ', 'callbackURL': '/'}
            response = await sign_up(server, person)
            assert response.status_code == 200
            user = response.json()['user']
            assert (user['name'], user['email']) == ('Ada', 'ada@example.com')
            assert user['id'] and user['createdAt'].endswith('Z')
            assert 'correct horse' not in response.text

    run(main())


def test_address_is_taken_whatever_its_case():
    async def main():
        async with serving() as server:
            await sign_up(server, PERSON)
            response = await sign_up(server, PERSON | {'email': 'ADA@example.com'})
            assert response.status_code == 422
            assert response.json() == {
                'code': 'USER_ALREADY_EXISTS', 'message': 'User already exists'}

    run(main())


@pytest.mark.parametrize('body, message', [
    (PERSON | {'password': 'short'}, 'Password too short'),
    (PERSON | {'password': 'x' * 129}, 'Password too long'),
    (PERSON | {'email': 'ada'}, 'Invalid email'), (PERSON | {'email': 5}, 'email is required'),
    (PERSON | {'name': '  '}, 'name is required'), ({}, 'name is required'),
    ([], 'must be a JSON object'), (b'{', 'must be a JSON object'),
])
def test_bad_sign_up_says_why(body, message):
    async def main():
        async with serving() as server:
            response = await sign_up(server, body)
            assert response.status_code == 400
            assert message in response.json()['message']

    run(main())


def test_foreign_page_cannot_sign_up():
    async def main():
        async with serving() as server, http_client() as http:
            response = await http.post(
                f'{server.url}/api/auth/sign-up/email', json=PERSON,
                headers={'Origin': 'https://evil.example'})
            assert (response.status_code, response.json()['code']) == (403, 'INVALID_ORIGIN')

    run(main())


@pytest.mark.parametrize('kind, found', [
    ('object', lambda body: body['error']['message']), ('text', lambda body: body['error']),
    ('message', lambda body: body['message']), ('none', lambda body: str(body)),
])
def test_sign_up_error_can_be_in_any_place(kind, found):
    async def main():
        async with serving(f'signup_error={kind}*1') as server:
            refused = await sign_up(server, PERSON)
            assert refused.status_code == 400
            assert (await sign_up(server, PERSON)).status_code == 200
            return refused.json()

    assert found(run(main())) in ('Sign-up is closed', '{}')


def test_key_of_a_login_opens_the_service():
    async def main():
        async with serving(key='rfx_other') as server:
            request_id = await request_login(server)
            await admin(server, 'approve', requestId=request_id)
            key = (await poll(server, request_id))['apiKey']
            assert (await call(server, 'whoami', apiKey=key))['ok'] is True

    run(main())
