# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Networks as they are: own authorities, proxies, addresses that lead nowhere, strangers that answer.

Each is tried with a call, and with the handshake of a stream: both must say and do the same.
"""

import asyncio
import selectors
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from reflex_ros.client import proxy, tcp, trust
from reflex_ros.client.action_stream import AsyncActionStream
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.resources import account
from reflex_ros.errors import (
    AuthenticationError,
    ConfigurationError,
    ServiceError,
    ServiceProtocolError,
    ServiceUnavailable,
    StreamClosed,
)

KEY = 'rfx_canary_7c1d9e'
ANSWER = b'{"status":"success","value":{"ok":true,"organization":{"name":"Lab"}}}'
pytestmark = [pytest.mark.live,
              pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')]


@pytest.fixture(autouse=True)
def no_network_settings(monkeypatch):
    """Hide the proxies and certificates of this machine."""
    for name in (*proxy.OTHERS, trust.FILE, trust.FOLDER):
        monkeypatch.delenv(name, raising=False)


async def call(url):
    async with AsyncReflex(KEY, convex_url=url, environment=None, window_s=0.2) as service:
        return (await account.whoami(service)).organization.name


async def handshake(url):
    stream = AsyncActionStream.for_task(
        'wave', url=url.replace('http', 'ws', 1) + '/v1/actions', api_key=KEY, timeout=3.0,
        connect_retry_seconds=0.2)
    async with stream:
        return stream.session_id


@pytest.fixture(params=[call, handshake], ids=['call', 'stream'])
def ask(request, run):
    """Ask a host something, over HTTP or over WebSocket."""
    return lambda url: run(request.param(url))


@pytest.fixture
def secure(listen, certificate):
    """Serve calls and streams over TLS, with a certificate that only a file knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / 'cert.pem', certificate / 'key.pem')

    def serve(peer):
        with context.wrap_socket(peer.socket, server_side=True) as peer.socket:
            peer.read_request()
            if b'GET /v1/actions' in peer.head:
                peer.greet()
                peer.wait_for_end()
            else:
                peer.reply(ANSWER)

    return listen(serve)


# ---- trust


def test_authority_in_a_file_is_trusted_by_calls_and_streams(ask, secure, certificate,
                                                             monkeypatch):
    url = f'https://{secure.address}'
    monkeypatch.setenv(trust.FILE, str(certificate / 'cert.pem'))
    assert ask(url) in ('Lab', 'sess_x')


def test_authority_in_a_folder_is_trusted_by_calls_and_streams(ask, secure, certificate,
                                                               monkeypatch, tmp_path):
    folder = tmp_path / 'authorities'
    folder.mkdir()
    name = subprocess.run(
        [shutil.which('openssl'), 'x509', '-hash', '-noout', '-in', certificate / 'cert.pem'],
        check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(certificate / 'cert.pem', folder / f'{name}.0')
    monkeypatch.setenv(trust.FOLDER, str(folder))
    assert ask(f'https://{secure.address}') in ('Lab', 'sess_x')


def test_unknown_authority_is_refused_in_the_same_words(ask, secure):
    with pytest.raises(ServiceProtocolError, match='the certificate of the host is not trusted .*'
                       'The API key is not sent to it.*name its file in SSL_CERT_FILE'):
        ask(f'https://{secure.address}')


def test_bundled_authorities_stay_trusted_beside_an_own_one(certificate, monkeypatch):
    before = len(trust.context().get_ca_certs())
    monkeypatch.setenv(trust.FILE, str(certificate / 'cert.pem'))
    names = [str(each['subject']) for each in trust.context().get_ca_certs()]
    assert before > 50 and len(names) > 50 and any('localhost' in name for name in names)


@pytest.mark.parametrize('name, value', [
    (trust.FILE, '/nowhere/ca.pem'), (trust.FOLDER, '/nowhere'), (trust.FILE, __file__)])
def test_list_of_authorities_that_cannot_be_used_is_named(ask, secure, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f'{name} names {value}.*Fix or unset {name}'):
        ask(f'https://{secure.address}')


# ---- proxy


@pytest.fixture
def tunnel(listen, secure):
    """Run a proxy that makes tunnels to the host of ``secure``, whatever their name is."""
    def serve(peer):
        peer.read_request()
        if b'CONNECT reflex.test:8443' not in peer.head:
            peer.reply(b'', '407 Proxy Authentication Required')
            return
        host, port = secure.address.split(':')
        with socket.create_connection((host, int(port))) as far, selectors.DefaultSelector() as s:
            peer.send(b'HTTP/1.1 200 Connection established\r\n\r\n')
            s.register(far, selectors.EVENT_READ, peer.socket)
            s.register(peer.socket, selectors.EVENT_READ, far)
            while True:
                for key, _ in s.select(10.0):
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)

    return listen(serve)


def test_proxy_gets_a_tunnel_and_never_the_key(ask, secure, tunnel, certificate, monkeypatch):
    monkeypatch.setenv(trust.FILE, str(certificate / 'cert.pem'))
    monkeypatch.setenv(proxy.NAME, f'http://me:secret@{tunnel.address}')
    assert ask('https://reflex.test:8443') in ('Lab', 'sess_x')
    [peer] = tunnel.peers
    assert peer.head.startswith(b'CONNECT reflex.test:8443 HTTP/1.1\r\n')
    assert peer.header(b'proxy-authorization') == b'Basic bWU6c2VjcmV0'
    assert KEY.encode() not in peer.head + peer.body


def test_proxy_is_not_used_for_this_machine(ask, listen, tunnel, monkeypatch):
    def serve(peer):
        peer.read_request()
        if b'GET /v1/actions' in peer.head:
            peer.greet()
            peer.wait_for_end()
        else:
            peer.reply(ANSWER)

    monkeypatch.setenv(proxy.NAME, tunnel.url)
    assert ask(listen(serve).url) in ('Lab', 'sess_x')
    assert not tunnel.peers


def test_proxy_that_wants_a_login_is_named_without_its_password(ask, tunnel, monkeypatch):
    monkeypatch.setenv(proxy.NAME, f'http://me:secret@{tunnel.address}')
    with pytest.raises(ServiceUnavailable) as caught:
        ask('https://other.test')
    text = str(caught.value)
    assert f'the proxy {tunnel.address} refuses a tunnel: ' in text and '407' in text
    assert 'REFLEX_PROXY: http://user:password@' in text and 'secret' not in text


def test_proxy_that_is_gone_is_named(ask, closed_port, monkeypatch):
    monkeypatch.setenv(proxy.NAME, f'http://127.0.0.1:{closed_port}')
    with pytest.raises(ServiceUnavailable, match=rf'the proxy 127.0.0.1:{closed_port} '
                       r'\(REFLEX_PROXY\): \[Errno 111\]'):
        ask('https://reflex.test')


@pytest.mark.parametrize('name', proxy.OTHERS)
def test_variable_that_is_not_used_is_named_when_a_host_is_not_reached(ask, monkeypatch, name):
    monkeypatch.setenv(name, 'http://127.0.0.1:1')
    with pytest.raises(ServiceUnavailable, match=f'{name} is set and is not used: to go through '
                       'a proxy, set REFLEX_PROXY'):
        ask('https://reflex.invalid')


@pytest.mark.parametrize('value', ['socks5://h:1', 'h:1', 'http://', 'http://h:0', 'https://h:1',
                                   'http://h:1/path', 'http://me:secret@h:x'])
def test_proxy_that_is_no_proxy_is_refused_without_its_password(value):
    with pytest.raises(ConfigurationError, match='REFLEX_PROXY must be') as caught:
        proxy.read({proxy.NAME: value})
    assert 'secret' not in str(caught.value)


# ---- addresses


def test_addresses_are_tried_side_by_side(run, listen, monkeypatch):
    backend = listen(lambda peer: peer.wait_for_end())
    port = int(backend.address.partition(':')[2])
    # A full queue of a listener drops what comes: as an address that leads nowhere.
    with socket.socket() as full, contextless(full) as blocked:
        async def main():
            loop = asyncio.get_running_loop()

            async def found(host, port, **options):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', blocked),
                        (socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.0.1', port))]

            monkeypatch.setattr(loop, 'getaddrinfo', found)
            began = time.monotonic()
            (await tcp.connect('reflex.test', port)).close()
            return time.monotonic() - began

        assert tcp.START_S <= run(main()) < 2.0


class contextless:
    """Listen without accepting, with a queue that is full."""

    def __init__(self, listener):
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        self.address = listener.getsockname()
        self.waiting = []

    def __enter__(self):
        for _ in range(4):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(self.address)
            self.waiting.append(each)
        return self.address

    def __exit__(self, *exc):
        for each in self.waiting:
            each.close()


def test_families_take_turns():
    rows = [(family, 1, 6, '', name) for family, name in (
        (10, 'a'), (10, 'b'), (2, 'c'), (2, 'd'), (2, 'e'))]
    assert [row[4] for row in tcp._interleaved(rows)] == ['a', 'c', 'b', 'd', 'e']


def test_host_that_cannot_be_reached_is_told_within_five_seconds(run, closed_port, monkeypatch):
    from reflex_ros.client import retry, transport

    monkeypatch.setattr(retry, 'FIRST_S', 0.5)
    monkeypatch.setattr(retry, 'CAP_S', 5.0)
    monkeypatch.setattr(transport, 'READ_WINDOW_S', 20.0)
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=r'\(\d attempts in \d\.\d s\)'):
        run(ask_default(f'http://127.0.0.1:{closed_port}'))
    assert time.monotonic() - began < 5.0


async def ask_default(url):
    async with AsyncReflex(KEY, convex_url=url) as service:
        await account.whoami(service)


# ---- strangers


@pytest.mark.parametrize('body, status, header, what', [
    (b'<!DOCTYPE html><title>Hotel  Guest</title>', '200 OK', 'Content-Type: text/html',
     r"a web page \('Hotel Guest'\) \(HTTP 200\)"),
    (b'<HTML>', '403 Forbidden', 'Content-Type: text/html', r'a web page \(HTTP 403\)'),
    (b'<html>', '401 Unauthorized', 'X: y', r'a web page \(HTTP 401\)'),
    (b'', '302 Found', 'Location: https://login.hotel/x?y', r'a redirect to login\.hotel '),
    (b'', '407 Proxy', 'X: y', 'a proxy that wants a login'),
    (b'', '511 Network', 'X: y', 'a network that wants a login'),
    (b'\x1f\x8b', '200 OK', 'Content-Encoding: gzip', r'a compressed answer .* \(gzip\)'),
    (b'', '200 OK', 'X: y', r'an empty answer \(HTTP 200\)')])
def test_stranger_is_told_by_what_it_is(ask, listen, body, status, header, what):
    backend = listen(lambda peer: peer.answer(body, status, header))
    with pytest.raises(ServiceError, match='Reflex service answered, but ' + what) as found:
        ask(backend.url)
    # Not a wrong key: nobody checked one.
    assert not isinstance(found.value, AuthenticationError)


# ---- the end of a stream


def closing(listen, code, reason=b''):
    def serve(peer):
        peer.greet()
        peer.send_frame(code.to_bytes(2, 'big') + reason, first=0x88)
        peer.wait_for_end()

    return listen(serve)


async def receive(url):
    async with AsyncActionStream.for_task('wave', url=url, api_key=KEY, timeout=3.0) as stream:
        await stream.recv_action()


@pytest.mark.parametrize('code, reason', [
    (4401, b''), (4403, b'no'), (1008, b'invalid token'), (1008, b'bad API key')])
def test_close_code_that_means_the_key_is_a_refused_key(run, listen, code, reason):
    backend = closing(listen, code, reason)
    with pytest.raises(AuthenticationError, match=f'{code}.*Run `reflex login`'):
        run(receive(backend.actions_url))


@pytest.mark.parametrize('code, text', [
    (1012, 'restarts: try again'), (1013, 'overloaded: try again'), (4429, 'Too many requests'),
    (1008, '1008'), (4000, '4000')])
def test_other_close_code_is_no_refused_key(run, listen, code, text):
    backend = closing(listen, code)
    with pytest.raises(StreamClosed, match=text) as caught:
        run(receive(backend.actions_url))
    assert caught.value.code == code


def test_ready_is_waited_for_behind_messages_of_an_unknown_type(run, listen):
    def serve(peer):
        peer.upgrade()
        peer._read()
        peer.send_frame(b'{"type":"session.queued"}')
        peer.send_frame(b'{"type":"session.ready","session_id":"sess_late"}')
        peer.wait_for_end()

    assert run(handshake(listen(serve).url)) == 'sess_late'


def test_messages_of_unknown_types_only_are_named(run, listen):
    def serve(peer):
        peer.greet()
        for _ in range(2):
            peer.send_frame(b'{"type":"plan","rows":[]}')
        peer.wait_for_end()

    async def main(url):
        async with AsyncActionStream.for_task('wave', url=url, api_key=KEY) as stream:
            await stream.recv_action(0.3)

    with pytest.raises(ServiceUnavailable, match='2 messages of the unknown type plan'):
        run(main(listen(serve).actions_url))


@pytest.mark.parametrize('rows, text', [
    ('[{"shoulder_pan":1,"gripper":2}]', 'row 0 is an object with the keys shoulder_pan, gripper'),
    ('{"a":[1]}', 'but an object with the keys a'), ('"none"', "but 'none'")])
def test_rows_of_another_kind_are_described(rows, text):
    from reflex_ros.client.stream_protocol import parse_frame
    from reflex_ros.domain.cause import ChunkRejected

    with pytest.raises(ChunkRejected, match=text):
        parse_frame(f'{{"type":"action_chunk","seq":0,"actions":{rows}}}')
