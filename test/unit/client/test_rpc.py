# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calls of the simulated service, and of servers that misbehave."""

import asyncio
import gzip
import json
import logging
import re
import socket
import ssl
import threading
import time
import traceback

import httpx
import pytest

from reflex_ros.client import transport as module
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.resources import account, deployments, sessions
from reflex_ros.errors import (
    AuthenticationError,
    ConfigurationError,
    ReflexError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

KEY = 'rfx_canary_7c1d9e'
SUCCESS = json.dumps({'status': 'success', 'value': {'ok': True, 'keyName': 'k'}}).encode()


@pytest.fixture
def ask(run):
    """Call a backend with a known key, and return the answer."""
    def put(url, question, *, key=KEY, window_s=3.0, on_retry=None):
        async def main():
            async with AsyncReflex(Secret(key), convex_url=url, window_s=window_s,
                                   on_retry=on_retry) as client:
                return await question(client)

        return run(main())

    return put


@pytest.fixture
def fails(ask):
    """Make a call that must fail as expected; the error must not show the key."""
    def put(url, question, kind, text='.', **options):
        with pytest.raises(ReflexError, match=text) as caught:
            ask(url, question, **options)
        assert type(caught.value) is kind
        shown = ''.join(traceback.format_exception(caught.value))
        assert options.get('key', KEY) not in shown
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1500
        return caught.value

    return put


def promote_unknown(client):
    return sessions.promote(client, 'sess_none')


def test_account_is_read(service, ask):
    found = ask(service.url, account.whoami)
    assert found.key_name == 'simulated key'
    assert found.organization.slug == 'simulated-robotics'


def test_session_goes_through_its_life(service, ask):
    async def live(client):
        grant = await sessions.authorize(client, deployment_id='deploy_sim')
        rows = [await sessions.list_all(client)]
        await sessions.promote(client, grant.session_id)
        rows.append(await sessions.list_all(client, 'active'))
        await sessions.promote(client, grant.session_id, 'dry_run')
        await sessions.close(client, grant.session_id)
        return grant, [*rows, await sessions.list_all(client, 'active')]

    grant, (first, second, third) = ask(service.url, live)
    assert grant.expires_at / 1e3 == pytest.approx(time.time() + 1800, abs=60)
    assert [(row.session_id, row.mode) for row in first] == [(grant.session_id, 'dry_run')]
    assert [row.mode for row in second] == ['apply_actions']
    assert third == []
    assert service.session(grant.session_id)['closeReason'] == 'sdk_closed'


def test_arguments_that_are_none_are_left_out(service, ask):
    # The service refuses null, as the real one does.
    ask(service.url, lambda client: client.rpc.call(
        'mutation', 'publicApi:listInferenceSessions', 'x', status=None))


def test_mode_that_does_not_exist_is_refused_before_anything_is_sent(service, fails):
    fails(service.url, lambda client: sessions.promote(client, 's', 'fast'), ConfigurationError,
          '^--to must be dry_run or apply_actions.$')
    assert service.count('rpc_calls') == 0


def test_deployment_and_its_readiness(service, ask, fails):
    assert ask(service.url, lambda client: deployments.get(client, 'deploy_sim')).status == 'ready'
    assert ask(service.url, lambda client: deployments.check(client, 'deploy_sim')).passed
    ask(service.url, lambda client: deployments.require_ready(client, 'deploy_sim'))
    service.fault('deployment_not_ready')
    error = fails(
        service.url, lambda client: deployments.require_ready(client, 'deploy_sim'),
        ServiceRefused, r'^Deployment deploy_sim is not ready for apply_actions '
        r'\(robot_heartbeat_recent: .*\)\. Run `reflex doctor deploy_sim`')
    assert error.reason == 'deployment_not_ready'


def test_unknown_key_is_told_as_documented(service, fails):
    fails(service.url, account.whoami, AuthenticationError,
          r'^Reflex API key is not valid: unknown_key\. Run `reflex login`\.$', key='rfx_wrong_77')
    assert service.count('rpc_calls') == 1


def test_refusal_names_action_and_reason(service, fails):
    error = fails(service.url, promote_unknown, ServiceRefused,
                  r'^Unable to promote session: session_not_found\.')
    assert error.reason == 'session_not_found'
    assert service.count('rpc_calls') == 1


@pytest.mark.parametrize('fault, reason', [
    ('balance_too_low', 'balance_too_low'), ('no_inference_node', 'no_inference_node_available')])
def test_refused_session_names_the_reason(service, fails, fault, reason):
    service.fault(fault)
    fails(service.url, sessions.authorize, ServiceRefused,
          rf'^Unable to authorize session: {reason}\.')


def test_error_envelope_is_a_refusal_in_the_words_of_the_service(service, fails):
    fails(service.url, lambda client: client.rpc.call('query', 'publicApi:none', 'x'),
          ServiceRefused, "^Could not find public function for 'publicApi:none'")


@pytest.mark.parametrize('status', [400, 401, 402, 403, 404, 422, 560, 302])
@pytest.mark.parametrize('question', [account.whoami, promote_unknown])
def test_status_that_will_not_pass_is_told_at_once(service, fails, question, status):
    service.fault('rpc_status', str(status))
    kind = AuthenticationError if status == 401 else ServiceProtocolError
    fails(service.url, question, kind, f'HTTP {status}')
    assert service.count('rpc_calls') == 1


@pytest.mark.parametrize('status', [408, 425, 429, 500, 502, 503, 504])
def test_read_is_tried_again(service, ask, status):
    service.fault('rpc_status', f'{status}x1')
    assert ask(service.url, account.whoami).key_name == 'simulated key'
    assert service.count('rpc_calls') == 2


@pytest.mark.parametrize('status', [429, 503])
@pytest.mark.parametrize('question', [
    promote_unknown, sessions.authorize, lambda client: sessions.close(client, 's'),
    lambda client: deployments.check(client, 'deploy_sim')])
def test_change_is_never_sent_twice(service, fails, question, status):
    service.fault('rpc_status', f'{status}x1')
    fails(service.url, question, ServiceUnavailable, f'^Convex HTTP {status}: ')
    assert service.count('rpc_calls') == 1


def test_change_that_may_have_arrived_is_not_sent_again_after_a_refused_connection(fails):
    # At first the port is closed, so nothing was sent. Then a server reads and hangs up.
    requests = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                requests.append(connection.recv(65536))

    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        # A daemon, because after a failed check nothing ends it.
        thread = threading.Thread(target=serve, daemon=True)

        def listen_now(attempt):
            if not thread.is_alive():
                listener.listen()
                thread.start()

        url = f'http://127.0.0.1:{listener.getsockname()[1]}'
        fails(url, promote_unknown, ServiceUnavailable,
              'Cannot reach .* The change may have been made all the same: check that before',
              on_retry=listen_now)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)
    assert len(requests) == 1


@pytest.mark.parametrize('fault', ['rpc_close', 'rpc_slow'])
def test_change_whose_answer_is_lost_may_have_been_made(service, fails, monkeypatch, fault):
    monkeypatch.setattr(module, 'CALL_S', 0.3)
    session_id = service.authorize()
    service.fault(fault, {'rpc_close': 'after', 'rpc_slow': 1000}[fault])
    fails(service.url, lambda client: sessions.close(client, session_id), ServiceUnavailable,
          'The change may have been made all the same: check that before you run it again$')
    fails(service.url, account.whoami, ServiceUnavailable, 'fix convex_url$',
          window_s=0.0)


def test_redirect_is_told_with_what_to_fix(service, fails):
    service.fault('rpc_redirect')
    fails(service.url, promote_unknown, ServiceProtocolError,
          r'^Convex HTTP 302: not the Reflex service answered, but a redirect to 127\.0\.0\.1:9 '
          r'\(HTTP 302\), which is not followed\. The address is probably wrong: fix convex_url$')


def test_reading_ends_with_its_window(service, fails):
    service.fault('rpc_status', '503')
    began = time.monotonic()
    fails(service.url, account.whoami, ServiceUnavailable, '^Convex HTTP 503', window_s=0.3)
    assert time.monotonic() - began < 1.0
    assert service.count('rpc_calls') >= 3


@pytest.mark.parametrize('seconds, is_obeyed', [('0.01', True), ('30', False)])
def test_retry_after_is_obeyed_or_not_waited_for(listen, fails, seconds, is_obeyed):
    backend = listen(lambda peer: peer.answer(
        b'busy', '503 Service Unavailable', f'Retry-After: {seconds}'))
    began = time.monotonic()
    fails(backend.url, account.whoami, ServiceUnavailable, 'HTTP 503: busy', window_s=0.3)
    assert (len(backend.peers) > 1) is is_obeyed
    assert time.monotonic() - began < 1.5


def test_error_body_of_status_560_is_parsed(listen, fails):
    backend = listen(lambda peer: peer.answer(
        b'{"status":"error","errorMessage":"it broke"}', '560 Function Failed'))
    fails(backend.url, promote_unknown, ServiceRefused, '^it broke$')


def test_error_without_a_message_names_the_function(listen, fails):
    backend = listen(lambda peer: peer.answer(b'{"status":"error"}'))
    fails(backend.url, promote_unknown, ServiceRefused,
          '^Convex function publicApi:promoteSession failed$')


@pytest.mark.parametrize('body, text', [
    (b'', 'not the Reflex service answered, but an empty answer'),
    (b'<html>\x1b[2J\n' + b'x' * 5000,
     'not the Reflex service answered, but a web page'),
    (b'\xff\xfe\xfd', 'Invalid Convex response'),
    (b'[' * 100000, 'Invalid Convex response'),
    (b'{"status":"success","value":' + b'1' * 5000 + b'}', 'Invalid Convex response'),
    (gzip.compress(SUCCESS, mtime=0), 'Invalid Convex response'),
    (b'[]', 'response must be a JSON object'), (b'null', 'response must be a JSON object'),
    (b'"text"', 'response must be a JSON object'), (b'{}', 'invalid status: Field required'),
    (b'{"status":5}', 'invalid status'),
    (b'{"status":"success"}', 'response must be a JSON object'),
    (b'{"status":"success","value":[]}', 'response must be a JSON object'),
    (b'{"status":"success","value":"x"}', 'response must be a JSON object'),
    (b'{"status":"success","value":{"ok":"x"}}', 'invalid ok'),
    (b'{"status":"success","value":{"organization":7}}', 'invalid organization'),
])
def test_invalid_answer_is_a_protocol_error(listen, fails, body, text):
    backend = listen(lambda peer: peer.answer(body))
    fails(backend.url, account.whoami, ServiceProtocolError, text)


@pytest.mark.parametrize('header', [
    'Content-Encoding: gzip', 'Content-Encoding: br', 'Content-Type: text/html; charset=hex',
    'Content-Type: text/html; charset=none_such', 'Content-Type: text/html; charset=utf-32'])
def test_headers_that_lie_about_the_body_break_nothing(listen, fails, header):
    backend = listen(lambda peer: peer.answer(b'no gzip at all', '200 OK', header))
    fails(backend.url, account.whoami, ServiceProtocolError,
          'Invalid Convex response: no gzip|a compressed answer|a web page')


def test_compressed_bomb_is_not_inflated(listen, fails):
    bomb = gzip.compress(bytes(64 * 2**20))
    backend = listen(lambda peer: peer.answer(bomb, '200 OK', 'Content-Encoding: gzip'))
    fails(backend.url, account.whoami, ServiceProtocolError, 'a compressed answer')
    assert b'gzip' not in backend.peers[0].header(b'accept-encoding')


@pytest.mark.parametrize('head', ['Content-Length: 99999999999', 'Transfer-Encoding: chunked'])
def test_answer_without_end_is_cut_off(listen, fails, head):
    def pour(peer):
        peer.read_request()
        peer.send(f'HTTP/1.1 200 OK\r\n{head}\r\n\r\n'.encode())
        part = b'x' * 2**16
        while True:
            peer.send(b'10000\r\n' + part + b'\r\n' if 'chunked' in head else part)

    fails(listen(pour).url, account.whoami, ServiceProtocolError, 'more than 8388608 bytes')


@pytest.mark.parametrize('question', [account.whoami, promote_unknown])
def test_answer_that_trickles_in_is_given_up(listen, fails, monkeypatch, question):
    # Every byte restarts the timeout of a read, but not the limit of the call.
    monkeypatch.setattr(module, 'CALL_S', 0.3)

    def trickle(peer):
        peer.read_request()
        peer.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
        peer.socket.settimeout(0.02)
        while True:
            try:
                if not peer.socket.recv(1):
                    return
            except TimeoutError:
                peer.send(b'x')

    began = time.monotonic()
    fails(listen(trickle).url, question, ServiceUnavailable, 'no whole answer within 0.3 s',
          window_s=0.0)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize('answer', [
    b'', b'SSH-2.0-OpenSSH_9.6\r\n', b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort',
    b'HTTP/1.1 abc\r\n\r\n', b'HTTP/1.1 200 OK\r\nA: ' + b'x' * 200000,
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'])
def test_server_that_speaks_no_http_is_unavailable(listen, fails, answer):
    def garble(peer):
        peer.read_request()
        peer.send(answer)

    backend = listen(garble)
    fails(backend.url, promote_unknown, ServiceUnavailable,
          f'^Cannot reach the Reflex backend at {backend.url}: ')


def test_closed_port_is_told_with_address_and_remedy(fails, closed_port):
    url = f'http://127.0.0.1:{closed_port}'
    fails(url, promote_unknown, ServiceUnavailable,
          rf'^Cannot reach the Reflex backend at {url}: \[Errno 111\] Connection refused '
          r'\(\d attempts in 0\.[01] s\)\. Check the network, or fix convex_url$', window_s=0.1)


def test_host_that_cannot_prove_who_it_is_is_refused_at_once(listen, fails, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / 'cert.pem', certificate / 'key.pem')
    received = []

    def greet(peer):
        with context.wrap_socket(peer.socket, server_side=True) as secured:
            received.append(secured.recv(100))

    listener = listen(greet)
    fails(f'https://{listener.address}', account.whoami, ServiceProtocolError,
          'the certificate of the host is not trusted .*The API key is not sent to it')
    assert len(listener.peers) == 1
    assert not received


def test_sentence_of_a_library_ends_once(listen, fails):
    backend = listen(lambda peer: peer.read_request())
    fails(backend.url, account.whoami, ServiceUnavailable, r'[^.]\. Check the network',
          window_s=0.0)


@pytest.mark.parametrize('question', [account.whoami, promote_unknown])
def test_nothing_that_was_not_sent_is_tried_for_the_window(fails, closed_port, monkeypatch,
                                                           question):
    calls = []
    post = httpx.AsyncClient.send
    monkeypatch.setattr(httpx.AsyncClient, 'send', lambda *args, **options: (
        calls.append(1), post(*args, **options))[1])
    fails(f'http://127.0.0.1:{closed_port}', question, ServiceUnavailable, window_s=0.3)
    assert len(calls) >= 3


def test_change_that_may_have_arrived_is_not_sent_again(listen, fails):
    def swallow(peer):
        peer.read_request()
        peer.socket.close()

    backend = listen(swallow)
    fails(backend.url, promote_unknown, ServiceUnavailable)
    assert len(backend.peers) == 1


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_with_the_key(listen, fails, status):
    other = listen(lambda peer: peer.answer(SUCCESS))
    backend = listen(lambda peer: peer.answer(b'', f'{status} Go', f'Location: {other.url}/api'))
    fails(backend.url, account.whoami, ServiceProtocolError, f'HTTP {status}')
    assert not other.peers


def test_proxies_of_the_environment_are_not_used(service, ask, closed_port, monkeypatch):
    for name in ('http_proxy', 'HTTP_PROXY', 'ALL_PROXY', 'all_proxy'):
        monkeypatch.setenv(name, f'http://127.0.0.1:{closed_port}')
    monkeypatch.delenv('no_proxy', raising=False)
    assert ask(service.url, account.whoami).ok


def test_key_travels_in_the_body_and_nowhere_else(listen, ask):
    backend = listen(lambda peer: peer.answer(SUCCESS))
    ask(backend.url, account.whoami)
    [peer] = backend.peers
    assert KEY.encode() not in peer.head
    assert json.loads(peer.body) == {
        'path': 'publicApi:whoami', 'format': 'json', 'args': {'apiKey': KEY}}
    assert peer.head.startswith(b'POST /api/query HTTP/1.1\r\n')


ECHOES = [
    ('200 OK', {'status': 'error', 'errorMessage': f'ArgumentValidationError: Object: {KEY}'}),
    ('200 OK', {'status': 'success', 'value': {'ok': False, 'reason': f'bad key {KEY}'}}),
    ('200 OK', {'status': 'success', 'value': {'ok': False, 'message': f'bad key {KEY}'}}),
    ('200 OK', f'not json {KEY}'), ('403 Forbidden', f'{KEY} may not'),
    ('503 Busy', f'{KEY} must wait'), ('560 Failed', {'key': KEY})]


@pytest.mark.parametrize('status, body', ECHOES)
def test_key_that_the_service_repeats_is_not_shown(listen, fails, status, body):
    # The real backend repeats the arguments of a call that it finds invalid, key included.
    text = body if isinstance(body, str) else json.dumps(body)
    backend = listen(lambda peer: peer.answer(text.encode(), status))
    error = fails(backend.url, promote_unknown, *{
        'ServiceRefused': (ServiceRefused,), 'other': (ServiceProtocolError,),
        'busy': (ServiceUnavailable,)}[
            'busy' if '503' in status else 'ServiceRefused' if isinstance(body, dict)
            and '560' not in status else 'other'])
    assert '[hidden]' in str(error)


def test_key_is_in_no_log_at_debug(service, listen, ask, fails, caplog, closed_port):
    with caplog.at_level(logging.DEBUG):
        ask(service.url, sessions.authorize)
        fails(service.url, promote_unknown, ServiceRefused)
        fails(f'http://127.0.0.1:{closed_port}', promote_unknown, ServiceUnavailable,
              window_s=0.1)
        backend = listen(lambda peer: peer.answer(KEY.encode(), '403 Forbidden'))
        fails(backend.url, account.whoami, ServiceProtocolError)
    assert any(record.levelno == logging.DEBUG for record in caplog.records)
    assert KEY not in caplog.text


def test_text_of_a_hostile_service_is_cut_and_escaped(listen, fails):
    text = '\x1b]0;owned\x07\n' + 'x' * 100000
    backend = listen(lambda peer: peer.answer(
        json.dumps({'status': 'error', 'errorMessage': text}).encode()))
    fails(backend.url, promote_unknown, ServiceRefused, re.escape(r'\x1b]0;owned\x07\nxxx'))


@pytest.mark.parametrize('reason, next_step', [
    ('session_dry_run', 'Session sess_none is still in dry_run. Run `reflex sessions promote '
                        'sess_none --to apply_actions`'),
    ('deployment_not_ready', 'Run `reflex doctor <deployment-id>`, fix each failed check'),
    ('session_expired', 'Start a fresh session'), ('session_closed', 'Start a fresh session'),
    ('session_failed', 'Start a fresh session'),
])
def test_refusal_that_has_a_remedy_names_it(listen, fails, reason, next_step):
    body = json.dumps({'status': 'success', 'value': {'ok': False, 'reason': reason}}).encode()
    backend = listen(lambda peer: peer.answer(body))
    error = fails(backend.url, promote_unknown, ServiceRefused,
                  f'^Unable to promote session: {reason}. ')
    assert next_step in str(error)


def test_grant_without_a_session_is_no_grant(listen, fails):
    backend = listen(lambda peer: peer.answer(SUCCESS))
    fails(backend.url, sessions.authorize, ServiceProtocolError, 'without a session')


@pytest.mark.parametrize('url', ['http://[::1', 'gopher://127.0.0.1', 'nothing'])
def test_invalid_url_raises_an_error_of_the_package(fails, url):
    fails(url, promote_unknown, ConfigurationError, '^Convex URL must start with http')


def test_cancelled_call_ends_at_once_and_stays_cancelled(listen, run):
    silent = listen(lambda peer: peer.wait_for_end())

    async def main():
        async with AsyncReflex(KEY, convex_url=silent.url) as client:
            call = asyncio.create_task(account.whoami(client))
            while not silent.peers:
                await asyncio.sleep(0.005)
            call.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert time.monotonic() - began < 0.2

    run(main())


def test_client_may_be_closed_twice(service, run):
    async def main():
        client = AsyncReflex(KEY, convex_url=service.url)
        await account.whoami(client)
        await client.close()
        await client.close()

    run(main())
