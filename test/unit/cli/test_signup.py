# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex signup``: what is checked before it is sent, and whose words an error has (b.4)."""

import io
import json

import pytest

PASSWORD = 'correct-horse-77'
WHO = ('--name', ' Ada ', '--email', ' Ada@Example.COM ')
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def signup(reflex, service, monkeypatch):
    """Run the command against the simulated service; the password never shows."""
    monkeypatch.setattr('sys.stdin', io.StringIO())

    def call(*argv, site=service.url):
        outcome = reflex('signup', *argv, '--site-url', site, key=None)
        assert PASSWORD not in outcome.out + outcome.err
        return outcome

    return call


def test_account_is_made_with_a_trimmed_name_and_a_lower_case_address(listen, signup):
    site = listen(lambda peer: peer.answer(b'{"user":{}}'))
    outcome = signup(*WHO, '--password', PASSWORD, '--callback-url', 'https://me', site=site.url)
    assert outcome.code == 0
    assert outcome.out == ('Reflex account created\n\nEmail: ada@example.com\n\nNext:\n'
                           '  reflex login\n  reflex whoami\n')
    [peer] = site.peers
    assert peer.head.startswith(b'POST /api/auth/sign-up/email HTTP/1.1\r\n')
    assert json.loads(peer.body) == {'name': 'Ada', 'email': 'ada@example.com',
                                     'password': PASSWORD, 'callbackURL': 'https://me'}
    assert peer.header(b'authorization') == b''


def test_account_in_json(signup):
    assert signup(*WHO, '--password', PASSWORD, '--json').document == {
        'ok': True, 'status': 'created', 'email': 'ada@example.com',
        'next': ['reflex login', 'reflex whoami']}
    signup(*WHO, '--password', PASSWORD).failed('User already exists')


@pytest.mark.parametrize('argv, text', [
    (('--email', 'a@b.c', '--password', PASSWORD), '--name is required.'),
    (('--name', ' ', '--email', 'a@b.c', '--password', PASSWORD), '--name is required.'),
    (('--name', 'A', '--password', PASSWORD), '--email is required.'),
    (WHO, '--password is required.'), ((*WHO, '--password', ''), '--password is required.'),
    ((*WHO, '--password', '1234567'), '--password must be at least 8 characters.')])
@pytest.mark.parametrize('is_json', [True, False])
def test_missing_value_is_told_and_nothing_is_sent(listen, signup, argv, text, is_json):
    site = listen(lambda peer: peer.answer(b'{}'))
    outcome = signup(*argv, *['--json'] * is_json, site=site.url)
    outcome.failed(text)
    assert site.peers == []


@pytest.mark.parametrize('kind, text', [
    ('object', 'Sign-up is closed'), ('text', 'Sign-up is closed'),
    ('message', 'Sign-up is closed'), ('none', 'Better Auth HTTP 400')])
def test_error_has_the_words_of_the_site(signup, service, kind, text):
    service.fault('signup_error', kind)
    signup(*WHO, '--password', PASSWORD).failed(text)


@pytest.mark.parametrize('body, status, text', [
    (b'<html>', '502 Bad Gateway', 'Better Auth HTTP 502'),
    (b'[1]', '400 Bad Request', 'Better Auth HTTP 400'),
    (b'{"error":7,"message":""}', '422 Unprocessable', 'Better Auth HTTP 422'),
    (b'{"message":"bad \\u001b[2J correct-horse-77"}', '422 Unprocessable',
     'bad \\x1b[2J [hidden]'),
    (b'', '302 Found',
     'a redirect to 127.0.0.1:1 (HTTP 302), which is not followed')])
def test_answer_that_is_no_error_message_is_told_by_its_status(listen, signup, body, status, text):
    site = listen(lambda peer: peer.answer(body, status, 'Location: http://127.0.0.1:1/'))
    signup(*WHO, '--password', PASSWORD, site=site.url).failed(text)
    assert len(site.peers) == 1


def test_site_that_does_not_answer_is_named_with_the_remedy(signup, closed_port):
    signup(*WHO, '--password', PASSWORD, site=f'http://127.0.0.1:{closed_port}').failed(
        'Failed to reach Reflex Platform auth: ')


def test_password_is_not_sent_unencrypted(signup):
    signup(*WHO, '--password', PASSWORD, site='http://example.com').failed('unencrypted')


@pytest.mark.parametrize('argv', [(), ('--password', '-')])
@pytest.mark.parametrize('is_json', [True, False])
def test_script_pipes_the_password(listen, signup, monkeypatch, argv, is_json):
    site = listen(lambda peer: peer.answer(b'{"user":{}}'))
    monkeypatch.setattr('sys.stdin', io.StringIO(f'{PASSWORD}\nmore\n'))
    assert signup(*WHO, *argv, *['--json'] * is_json, site=site.url).code == 0
    assert json.loads(site.peers[0].body)['password'] == PASSWORD
