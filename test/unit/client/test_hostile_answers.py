# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Any answer, over real sockets: the client returns or raises only errors of this package.

The parsers have property tests of their own (``test_stream_protocol``, ``test_messages``). Here
the bytes also pass the libraries for HTTP and WebSocket.
"""

import contextlib
import gzip
import json
import socket
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.client import account, ActionStream, inference, Reflex, sessions
from reflex_ros.errors import ServiceError, ServiceProtocolError, StreamClosed

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

KEY = 'rfx_canary_7c1d9e'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(('status', 'value', 'ok', 'reason', 'message', 'errorMessage', 'error',
                         'sessions', 'organization', 'name', 'actions', 'type', 'seq', 'code')),
        inner, max_size=4),
    max_leaves=20)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
STATUSES = st.sampled_from(('200 OK', '200', '204 No Content', '301 Moved', '400 Bad', '401 No',
                            '403 No', '404 Not Found', '418 Teapot', '560 Convex', '599 x'))
HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello'
UPGRADE = b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'


def enveloped(value):
    """Put a value into the envelope of an RPC answer."""
    return json.dumps({'status': 'success', 'value': value}).encode()


class Script:
    """A server whose ``job`` handles the next connection."""

    def __init__(self):
        self.job = None

    def __call__(self, peer):
        self.job(peer)


def damaged(data, text, size=8):
    """Draw a damaged version of some bytes."""
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + size)))
    return text[:begin] + data.draw(st.binary(max_size=size)) + text[end:]


def only_ours(job):
    """Run a call; it must return, or raise a printable error of this package."""
    try:
        job()
    except ServiceError as exc:
        assert str(exc).isprintable() and len(str(exc)) < 1500
        assert KEY not in str(exc)


@pytest.fixture
def ask(listen):
    """Return a function that calls a scripted service, and the script."""
    script = Script()
    url = listen(script).url
    with Reflex(KEY, convex_url=url, window_s=0.0) as reflex:
        yield (lambda *question: only_ours(lambda: reflex.call(*question))), script


@pytest.mark.parametrize('question', [
    (account.whoami,), (sessions.list_all,), (sessions.authorize,), (inference.infer, [0.0])],
    ids=['whoami', 'sessions', 'authorize', 'infer'])
def test_any_body_with_any_status(ask, question):
    call, script = ask

    @examples(150)
    @given(BODIES | JSON.map(enveloped), STATUSES)
    def check(body, status):
        script.job = lambda peer: peer.answer(body, status)
        call(*question)

    check()


def test_any_bytes_instead_of_http(ask):
    call, script = ask

    @examples(200)
    @given(st.data())
    def check(data):
        answer = data.draw(st.binary(max_size=100) | st.just(damaged(data, HEAD)))
        script.job = lambda peer: (peer.read_request(), peer.send(answer))
        call(account.whoami)

    check()


@pytest.fixture
def stream(listen):
    """Return a function that receives one chunk from a scripted service, and the script."""
    script = Script()
    url = listen(script).actions_url

    def receive():
        with ActionStream('p', url=url, api_key=KEY, timeout=5.0,
                          connect_retry_seconds=0.0) as link:
            return link.recv_action()

    return receive, script


GOOD = b'{"type":"action_chunk","seq":7,"actions":[[1.0,2.0]]}'


def test_any_bytes_instead_of_a_handshake(stream):
    receive, script = stream

    @examples(200)
    @given(st.data())
    def check(data):
        answer = data.draw(st.binary(max_size=100) | st.just(damaged(data, UPGRADE + b'\r\n')))
        script.job = lambda peer: (peer.read_request(), peer.send(answer))
        only_ours(receive)

    check()


def test_any_bytes_instead_of_frames(stream):
    receive, script = stream

    @examples(200)
    @given(st.binary(max_size=100), st.booleans())
    def check(answer, is_greeted):
        def serve(peer):
            peer.greet() if is_greeted else peer.upgrade()
            peer.send(answer)

        script.job = serve
        only_ours(receive)

    check()


def test_any_message_before_a_good_chunk_is_skipped_or_ends_the_stream(stream):
    receive, script = stream

    @examples(200)
    @given(st.binary(max_size=100) | st.text(max_size=50).map(str.encode)
           | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from((0x81, 0x82)))
    def check(payload, first):
        def serve(peer):
            # Two small packets in a row would cost 40 ms each time.
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.greet()
            peer.send_frame(payload, first)
            peer.send_frame(GOOD)
            # Once: the client also waits for the server to close.
            peer.socket.recv(65536)

        script.job = serve
        with contextlib.suppress(ServiceError):
            assert receive().rows == ((1.0, 2.0),)

    check()


# ---- what is too much


BOMB = gzip.compress(bytes(64 * 2**20))


@pytest.mark.parametrize('question', [(account.whoami,), (inference.infer, [0.0])])
def test_compressed_bomb_is_not_inflated(listen, question, peak):
    backend = listen(lambda peer: peer.answer(BOMB, '200 OK', 'Content-Encoding: gzip'))
    with Reflex(KEY, convex_url=backend.url) as reflex:
        with peak(16), pytest.raises(ServiceProtocolError, match='a compressed answer'):
            reflex.call(*question)


def flood(peer):
    """Send a body of 64 MiB in pieces, because the memory of this process is measured."""
    peer.read_request()
    peer.send(b'HTTP/1.1 400 Bad\r\nContent-Length: 67108864\r\n\r\n')
    for _ in range(1024):
        peer.send(bytes(65536))


@pytest.mark.parametrize('handle', [
    lambda peer: peer.answer(BOMB, '400 Bad', 'Content-Encoding: gzip'), flood])
def test_body_of_a_refused_handshake_is_neither_inflated_nor_kept(listen, handle, peak):
    backend = listen(handle)
    stream = ActionStream('p', url=backend.actions_url, api_key=KEY, connect_retry_seconds=0.0)
    with peak(16), pytest.raises((ServiceProtocolError, StreamClosed)):
        stream.open()


@pytest.mark.parametrize('question', [(account.whoami,), (inference.infer, [0.0])])
@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_with_the_key(listen, question, status):
    thief = listen(lambda peer: peer.answer(b'{}'))
    backend = listen(lambda peer: peer.answer(b'', f'{status} x', f'Location: {thief.url}/'))
    with Reflex(KEY, convex_url=backend.url) as reflex, pytest.raises(ServiceProtocolError):
        reflex.call(*question)
    assert not thief.peers


@pytest.fixture
def peak():
    """Fail if a block of code allocates more than this much Python memory [MiB]."""
    @contextlib.contextmanager
    def watch(limit):
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            yield
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most - before < limit * 2**20

    return watch
