# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stream over real sockets, with the simulated service and with servers that misbehave."""

import asyncio
import contextlib
import gc
import logging
import re
import resource
import socket
import ssl
import time
import traceback

import pytest
import websockets

from reflex_ros.client import stream_socket as module
from reflex_ros.client.action_stream import AsyncActionStream
from reflex_ros.client.credentials import Secret
from reflex_ros.client.stream_frames import OpenRequest
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import (
    AuthenticationError,
    ReflexError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
    StreamClosed,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

KEY = 'rfx_canary_7c1d9e'
HOME = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]
REQUEST = OpenRequest('wave', robot='so101', action_adapter='so101_joint', hz=30.0, chunk_size=10)


def stream_to(place, *, key=KEY, **options):
    """Make a stream to a service, a listener or a URL; by default it tries once."""
    url = place if isinstance(place, str) else place.actions_url
    options = {'timeout_s': 3.0, 'window_s': 0.0} | options
    return AsyncActionStream(url, Secret(key), REQUEST, **options)


@pytest.fixture
def opens(run):
    """Open a stream, run a job with it, close it; return the result."""
    def go(place, job=None, **options):
        async def main():
            async with stream_to(place, **options) as stream:
                return await job(stream) if job else stream

        return run(main())

    return go


@pytest.fixture
def fails(opens):
    """Expect an error of one class whose text is short, printable and without the key."""
    def go(place, kind, text='.', job=None, is_cause_clean=True, **options):
        with pytest.raises(ReflexError, match=text) as caught:
            opens(place, job, **options)
        assert type(caught.value) is kind
        assert str(caught.value).isprintable() and len(str(caught.value)) < 800
        assert KEY not in str(caught.value)
        if is_cause_clean:
            assert KEY not in ''.join(traceback.format_exception(caught.value))
        return caught.value

    return go


async def ask(stream):
    """Send an observation and return the next chunk."""
    await stream.send_observation(HOME, {'wrist': b'jpeg'})
    return await stream.recv_action()


async def send_and_wait(stream):
    """Send an observation and receive until the stream ends."""
    await stream.send_observation(HOME, {})
    while True:
        await stream.recv_action(timeout_s=5.0)


@pytest.fixture
def short_good_bye(monkeypatch):
    """Wait 20 ms instead of 200 for a server that does not close the connection."""
    monkeypatch.setattr(module, 'CLOSE_S', 0.02)


# ---- open


def test_open_stream_answers_observations_and_tells_its_timing(service, opens):
    async def job(stream):
        assert stream.session_id.startswith('sess_')
        first = await ask(stream)
        second = await ask(stream)
        assert isinstance(first, ChunkFrame)
        assert (first.seq, second.seq) == (0, 1)
        assert len(first.rows) == 10 and len(first.rows[0]) == 6
        assert first.infer_ms is not None

    opens(service, job)
    timing = opens(service).open_timing
    assert list(timing) == ['tcp_ms', 'tls_ms', 'websocket_upgrade_ms', 'connect_ms',
                            'session_ready_ms', 'open_ms']
    assert all(value >= 0.0 for value in timing.values())
    assert timing['tls_ms'] == 0.0
    assert timing['connect_ms'] == pytest.approx(
        timing['tcp_ms'] + timing['tls_ms'] + timing['websocket_upgrade_ms'])
    assert timing['open_ms'] == pytest.approx(timing['connect_ms'] + timing['session_ready_ms'])


def test_handshake_is_as_documented(listen, opens):
    peer = listen(lambda peer: (peer.greet(), peer.wait_for_end()))
    opens(peer)
    head = peer.peers[0].head.decode()
    assert head.startswith('GET /v1/actions HTTP/1.1\r\n')
    assert f'\r\nAuthorization: Bearer {KEY}' in head
    assert '\r\nUser-Agent: reflex-ros/' in head
    assert 'Sec-WebSocket-Extensions' not in head
    assert 'Sec-WebSocket-Protocol' not in head


def test_sequence_numbers_go_on_after_the_callers_own(service, opens):
    async def job(stream):
        numbers = [await stream.send_observation(HOME, {}, seq=seq)
                   for seq in (None, None, 7, None, 3, None)]
        assert numbers == [0, 1, 7, 8, 3, 9]

    opens(service, job)


def test_close_says_good_bye(service, opens):
    session_id = opens(service).session_id
    assert service.session(session_id)['status'] == 'closed'
    assert service.count('open_connections') == 0


@pytest.mark.parametrize('status', [403, 404, 408, 425, 429, 500, 502, 503, 504])
def test_transient_refusal_is_tried_again(service, opens, status):
    attempts = []
    service.fault('handshake_status', f'{status}x2')
    opens(service, window_s=3.0, on_retry=attempts.append)
    assert [attempt.number for attempt in attempts] == [1, 2]
    assert all(f'WebSocket handshake failed: HTTP/1.1 {status}' in attempt.reason
               for attempt in attempts)
    assert service.count('handshakes_refused') == 2


@pytest.mark.parametrize('status, kind', [
    (401, AuthenticationError), (400, ServiceProtocolError), (402, ServiceProtocolError),
    (422, ServiceProtocolError), (410, ServiceProtocolError)])
def test_other_refusal_is_final(service, fails, status, kind):
    service.fault('handshake_status', str(status))
    fails(service, kind, f'HTTP/1.1 {status}.*1 attempt', window_s=3.0)
    assert service.count('handshakes_refused') == 1


def test_wrong_key_is_final(service, fails):
    fails(service, AuthenticationError, 'refuses the API key.*401.*reflex login', window_s=3.0,
          key='rfx_wrong')


@pytest.mark.parametrize('status, kind, text', [
    (403, AuthenticationError, 'refuses the API key'),
    (404, ServiceUnavailable, 'Check the network$'),
    (429, ServiceUnavailable, 'Too many requests'), (503, ServiceUnavailable, 'overloaded or'),
])
def test_refusal_that_persists_is_explained_after_the_window(service, fails, status, kind, text):
    service.fault('handshake_status', str(status))
    began = time.monotonic()
    error = fails(service, kind, text, window_s=0.4)
    assert re.search(r'\(\d+ attempts in 0\.\d s\)', str(error))
    assert time.monotonic() - began < 1.0
    assert service.count('handshakes_refused') > 3


def test_window_of_zero_tries_once(service, fails):
    service.fault('handshake_status', '503')
    fails(service, ServiceUnavailable, '1 attempt in', window_s=0.0)
    assert service.count('handshakes_refused') == 1


def test_retry_after_is_obeyed(service, opens):
    service.fault('handshake_status', '503x1')
    service.fault('retry_after', 0.3)
    attempts = []
    began = time.monotonic()
    opens(service, window_s=3.0, on_retry=attempts.append)
    assert time.monotonic() - began >= 0.3
    assert attempts[0].wait_s == 0.3


def test_retry_after_beyond_the_window_is_not_waited_for(service, fails):
    service.fault('handshake_status', '503')
    service.fault('retry_after', 30)
    began = time.monotonic()
    fails(service, ServiceUnavailable, '1 attempt', window_s=3.0)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize('window_s, text', [(0.0, '1 attempt in'), (0.3, r'\d+ attempts in')])
def test_refused_connection_is_told_after_the_window(fails, closed_port, window_s, text):
    fails(f'ws://127.0.0.1:{closed_port}/v1/actions', ServiceUnavailable,
          rf'Connection refused \({text}', window_s=window_s)


@pytest.mark.parametrize('host', ['x' * 64 + '.invalid', 'a..b'])
def test_name_that_no_host_can_have_is_unavailable(fails, host):
    fails(f'ws://{host}:9/v1/actions', ServiceUnavailable, '1 attempt')


@pytest.mark.parametrize('value, kind, text', [
    ('error', ServiceProtocolError, r'^Expected session\.ready, received an error: worker_failed'),
    ('close', StreamClosed, r'^WebSocket closed by server \(1013\)'),
])
def test_wrong_first_frame_is_final(service, fails, value, kind, text):
    service.fault('first_frame', value)
    fails(service, kind, text, window_s=3.0)
    assert service.count('connections') == 1


@pytest.mark.parametrize('payload, first, kind, text', [
    (b'Internal Server Error', 0x81, ServiceProtocolError, 'Expected session.ready'),
    (b'\x00\x01', 0x82, ServiceProtocolError, 'Expected session.ready, received a binary frame'),
    (b'{"type":', 0x81, ServiceProtocolError, 'Expected session.ready'),
    (b'[]', 0x81, ServiceProtocolError, 'Expected session.ready'),
    (b'{"type":"action_chunk","seq":0,"actions":[[1]]}', 0x81, ServiceProtocolError,
     'Expected session.ready, received ChunkFrame'),
    (b'{"type":"error","code":"unknown_key"}', 0x81, AuthenticationError, 'unknown_key'),
    (b'{"type":"error","code":"session_expired"}', 0x81, ServiceRefused, 'session_expired'),
    (b'\xff\xfe', 0x81, StreamClosed, '1007'),
    (b'\x03\xf0busy', 0x88, StreamClosed, '1008 busy'),
])
@pytest.mark.usefixtures('short_good_bye')
def test_first_frame_that_is_no_greeting_is_final(listen, fails, payload, first, kind, text):
    def greet(peer):
        peer.upgrade()
        peer.send_frame(payload, first)
        peer.wait_for_end()

    listener = listen(greet)
    fails(listener, kind, text, window_s=3.0)
    assert len(listener.peers) == 1


def test_silent_service_is_tried_again_for_the_window(service, fails):
    service.fault('first_frame', 'silent')
    attempts = []
    fails(service, ServiceUnavailable, 'TimeoutError', timeout_s=0.1, window_s=0.4,
          on_retry=attempts.append)
    assert attempts
    assert service.count('connections') == len(attempts) + 1


def test_late_greeting_is_waited_for(service, opens):
    service.fault('ready_delay', 200)
    assert opens(service, timeout_s=2.0).open_timing['session_ready_ms'] >= 190


@pytest.mark.parametrize('answer', [
    b'', b'SSH-2.0-OpenSSH_9.6\r\n', b'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    b'Sec-WebSocket-Accept: bm90IHRoaXMgb25lIGF0IGFsbA==\r\n\r\n',
    b'HTTP/1.1 200 OK\r\n\r\n', b'HTTP/1.1 101 x\r\n' + b'A: b\r\n' * 2000 + b'\r\n',
    b'HTTP/1.1 101 ' + b'x' * 100000, b'\xff' * 100, b'HTTP/1.1 999 Odd\r\n\r\n'])
def test_server_without_websocket_raises_an_error_of_the_package(listen, opens, answer):
    def garble(peer):
        peer.read_request()
        peer.send(answer)

    listener = listen(garble)
    with pytest.raises(ReflexError) as caught:
        opens(listener, window_s=3.0)
    assert str(caught.value).isprintable()
    assert KEY not in str(caught.value)
    assert len(listener.peers) == 1


@pytest.mark.parametrize('fault, kind, text', [
    ('error_frame', StreamClosed, '^the service reports: '),
    ('revoke_key_after', AuthenticationError, 'Run `reflex login`'),
    ('expire', ServiceRefused, 'session_expired.*Start a fresh session')])
def test_reason_of_a_close_is_told_to_who_sends_after_it(service, fails, fault, kind, text):
    service.fault(fault, 1)

    async def job(stream):
        await ask(stream)
        # The frame with the reason has arrived, and the closing frame after it.
        await stream._socket.wait_closed()
        await stream.send_observation(HOME, {})

    fails(service, kind, text, job)


@pytest.mark.parametrize('status, location', [
    *((status, '{other}/v1/actions') for status in (300, 301, 302, 303, 307, 308)),
    *((302, location) for location in ('/elsewhere', 'http://[', 'gopher://x'))])
def test_redirect_is_refused_and_not_followed(listen, fails, status, location):
    other = listen(lambda peer: peer.wait_for_end())
    location = location.format(other=other.url)
    listener = listen(lambda peer: peer.answer(b'', f'{status} Go', f'Location: {location}'))
    fails(listener, ServiceProtocolError, 'redirect', window_s=3.0)
    assert len(listener.peers) == 1
    assert not other.peers


def test_redirect_of_the_service_is_refused(service, fails):
    service.fault('redirect')
    fails(service, ServiceProtocolError, 'redirect', window_s=3.0)


def test_proxies_of_the_environment_are_not_used(service, opens, closed_port, monkeypatch):
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'ws_proxy', 'wss_proxy', 'socks_proxy'):
        monkeypatch.setenv(name, f'http://127.0.0.1:{closed_port}')
    monkeypatch.delenv('no_proxy', raising=False)
    assert opens(service).open_timing


def test_untrusted_certificate_is_refused_at_once(listen, fails, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / 'cert.pem', certificate / 'key.pem')
    received = []

    def greet(peer):
        with context.wrap_socket(peer.socket, server_side=True) as secured:
            received.append(secured.recv(100))

    listener = listen(greet)
    fails(f'wss://{listener.address}/v1/actions', ServiceProtocolError,
          'the certificate of the host is not trusted', window_s=3.0)
    assert len(listener.peers) == 1
    assert not received


def test_peer_without_tls_is_tried_again_and_told(listen, fails):
    listener = listen(lambda peer: (peer.socket.recv(1), peer.send(b'HTTP/1.1 400 x\r\n\r\n')))
    fails(f'wss://{listener.address}/v1/actions', ServiceUnavailable, 'SSL.*attempts in',
          window_s=0.5)
    assert len(listener.peers) > 1


@pytest.fixture
def black_hole():
    """Return the URL of a port that neither accepts nor refuses connections."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        for _ in range(4):
            # Fills the backlog; later connections get no answer.
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f'ws://127.0.0.1:{listener.getsockname()[1]}/v1/actions'


def test_connection_that_hangs_is_given_up_in_time(fails, black_hole):
    began = time.monotonic()
    fails(black_hole, ServiceUnavailable, 'TimeoutError', timeout_s=0.3)
    assert time.monotonic() - began < 1.0


def test_opening_is_cancelled_at_once(run, black_hole):
    async def main():
        opening = asyncio.create_task(stream_to(black_hole, timeout_s=15.0).open())
        await asyncio.sleep(0.05)
        opening.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert time.monotonic() - began < 0.3

    began = time.monotonic()
    run(main())
    # No background task either: the loop ends at the same time.
    assert time.monotonic() - began < 1.0


# ---- receive


def test_timeout_tells_how_opening_went(service, opens, fails):
    service.fault('silence')
    began = time.monotonic()
    fails(service, ServiceUnavailable,
          r'^recv_action\(\) timed out after 0\.3s \(tcp_ms \d+\.\d, tls_ms 0\.0, '
          r'websocket_upgrade_ms .*, open_ms \d+\.\d\)\. The model may be starting: raise the '
          'timeout', ask, timeout_s=0.3)
    assert 0.3 <= time.monotonic() - began < 1.5


def test_deadline_is_of_the_message_and_not_of_its_bytes(service, fails):
    service.fault('trickle', 20)
    began = time.monotonic()
    fails(service, ServiceUnavailable, 'timed out after 0.3s', ask, timeout_s=0.3)
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize('code', [1000, 1001, 1008, 1011, 1012, 3000, 4999])
def test_close_code_of_the_service_is_told(service, fails, code):
    service.fault('close', f'1:{code}')
    error = fails(service, StreamClosed, rf'^WebSocket closed by server \({code}\)', send_and_wait)
    assert error.code == code


def test_reset_connection_is_told(service, fails):
    service.fault('reset', 1)
    error = fails(service, StreamClosed, '^WebSocket closed unexpectedly', send_and_wait)
    assert error.code == 1006


def test_end_without_a_close_frame_is_told(listen, fails):
    error = fails(listen(lambda peer: peer.greet()), StreamClosed, 'closed unexpectedly',
                  lambda stream: stream.recv_action())
    assert error.code == 1006


@pytest.mark.parametrize('payload, first, code', [
    (b'\x03\xf0go', 0x88, 1008), (b'\xff', 0x81, 1007), (b'x', 0xc1, 1002), (b'', 0x83, 1002),
    (b'y' * (2**20 + 1), 0x81, 1009)])
@pytest.mark.usefixtures('short_good_bye')
def test_end_is_told_at_once_by_a_peer_that_keeps_the_connection(
        listen, fails, payload, first, code):
    def greet(peer):
        peer.greet()
        peer.send_frame(payload, first)
        peer.is_over.wait(10.0)

    began = time.monotonic()
    error = fails(listen(greet), StreamClosed, str(code), lambda stream: stream.recv_action())
    assert error.code == code
    assert time.monotonic() - began < 1.0


def test_error_frame_ends_the_stream_in_the_words_of_the_service(service, fails):
    service.fault('error_frame', '1:gpu on fire')
    error = fails(service, StreamClosed, '^the service reports: internal_error: .*gpu on fire',
                  send_and_wait)
    assert error.code == 1011


@pytest.mark.parametrize('fault, kind, text', [
    ('revoke_key_after', AuthenticationError, 'unknown_key.*reflex login'),
    ('expire', ServiceRefused, 'session_expired.*fresh session')])
def test_error_frame_with_a_known_reason_is_that_error(service, fails, fault, kind, text):
    service.fault(fault, 1)
    error = fails(service, kind, text, send_and_wait)
    assert kind is not ServiceRefused or error.reason == 'session_expired'


GARBAGE = ('not_json', 'truncated', 'binary', 'deep', 'duplicate_keys', 'array')


@pytest.mark.parametrize('kind', GARBAGE)
def test_broken_frame_is_recorded_and_skipped(service, opens, kind):
    service.fault('garbage', kind, times=2)

    async def job(stream):
        for _ in range(3):
            await stream.send_observation(HOME, {})
        assert (await stream.recv_action()).seq == 2
        assert [exc.code for exc in stream.skipped] == [FaultCode.BAD_FRAME] * 2

    opens(service, job)


@pytest.mark.parametrize('name, value, code', [
    ('nan', 'null', FaultCode.BAD_NUMBER), ('nan', '1e999', FaultCode.BAD_NUMBER),
    ('nan', 'nan', FaultCode.BAD_FRAME), ('wrong_shape', 'ragged', FaultCode.BAD_SHAPE),
    ('wrong_shape', 'too_many', FaultCode.BAD_SHAPE),
    ('wrong_seq', 'missing', FaultCode.BAD_SHAPE), ('wrong_seq', 'text', FaultCode.BAD_SHAPE)])
def test_broken_chunk_is_recorded_and_skipped(service, opens, name, value, code):
    service.fault(name, value, times=1)

    async def job(stream):
        await stream.send_observation(HOME, {})
        assert (await ask(stream)).seq == 1
        assert [exc.code for exc in stream.skipped] == [code]

    opens(service, job)


def test_message_of_an_unknown_type_is_skipped(service, opens):
    service.fault('garbage', 'unknown_type', times=1)

    async def job(stream):
        await stream.send_observation(HOME, {})
        assert (await ask(stream)).seq == 1
        assert not stream.skipped

    opens(service, job)


def test_invalid_utf8_is_skipped_or_ends_the_stream(service, opens):
    service.fault('garbage', 'invalid_utf8', times=1)

    async def job(stream):
        await stream.send_observation(HOME, {})
        try:
            assert (await ask(stream)).seq == 1
        except StreamClosed as exc:
            assert exc.code == 1007

    opens(service, job)


@pytest.mark.parametrize('fault, code', [
    ('oversize', 1009), ('fragments', 1009), ('bomb', 1002)])
def test_frame_that_would_fill_the_memory_ends_the_stream(service, fails, fault, code):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    service.fault(fault)
    error = fails(service, StreamClosed, f'^WebSocket closed by this client \\({code}',
                  send_and_wait)
    assert error.code == code
    # [KiB]; the simulated service runs in this process too, and needs some MiB itself.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 * 2**10


@pytest.fixture
def without_gc():
    """Keep the collector from pausing the loop: this process holds thousands of tests."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize('payload', [b'', b'{', b'{"type":"progress"}', b'{"type":"x"}' * 50])
def test_flood_of_frames_leaves_the_loop_to_others(listen, run, without_gc, payload):
    def flood(peer):
        peer.greet()
        head = bytes((0x81, len(payload))) if len(payload) < 126 \
            else bytes((0x81, 126)) + len(payload).to_bytes(2, 'big')
        frames = (head + payload) * 2000
        while True:
            peer.send(frames)

    async def main():
        gaps = [0.0]

        async def tick():
            # Processor time of this thread: a busy machine makes no gap.
            last = time.thread_time()
            while True:
                await asyncio.sleep(0.005)
                now = time.thread_time()
                gaps.append(now - last)
                last = now

        async with stream_to(listen(flood)) as stream:
            ticker = asyncio.create_task(tick())
            with pytest.raises(ServiceUnavailable, match='timed out'):
                # Long enough for some turns of the loop, also when the flood gets most of a core.
                await stream.recv_action(timeout_s=1.0)
            ticker.cancel()
            # Without limits, a 20 ms loop of the node was seconds late.
            assert max(gaps) < 0.2
            assert len(gaps) > 2
            assert len(stream.skipped) <= 100

    run(main())


def test_pings_are_answered_while_waiting(service, opens):
    service.settings(ping_s=0.02)
    service.fault('slow', 300)
    assert opens(service, ask).seq == 0


# ---- send and close


@pytest.mark.parametrize('use', [
    lambda stream: stream.send_observation(HOME, {}), lambda stream: stream.recv_action()])
def test_stream_cannot_be_used_before_open_and_after_close(service, run, use):
    async def main():
        stream = stream_to(service)
        with pytest.raises(StreamClosed, match=r'^ActionStream is not open\. Call open'):
            await use(stream)
        await stream.open()
        await stream.close()
        with pytest.raises(StreamClosed, match=r'^ActionStream is not open\. Call open'):
            await use(stream)

    run(main())


def test_sending_on_a_dead_link_is_told(service, opens):
    async def job(stream):
        await asyncio.to_thread(service.fault, 'reset')
        with pytest.raises(StreamClosed):
            for _ in range(1000):
                await stream.send_observation(HOME, {})
                await asyncio.sleep(0.002)

    opens(service, job)


def end_of(peer):
    peer.greet()


def silence_of(peer):
    peer.greet()
    peer.wait_for_end()


def reset_of(peer):
    peer.greet()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')


@pytest.mark.parametrize('behaviour', [end_of, silence_of, reset_of])
def test_close_of_a_dead_link_is_quick_and_quiet(listen, run, behaviour):
    async def main():
        stream = stream_to(listen(behaviour))
        await stream.open()
        await asyncio.sleep(0.02)
        began = time.monotonic()
        await stream.close()
        await stream.close()
        assert time.monotonic() - began < 0.8

    run(main())


async def fill(stream):
    """Send until the buffers of the server are full; return the task that blocks."""
    async def pour():
        while True:
            await stream.send_observation(HOME, {'wrist': bytes(200000)})

    sent = 0
    stuck = asyncio.create_task(pour())
    while sent != stream._next_seq:
        sent = stream._next_seq
        await asyncio.sleep(0.1)
    return stuck


@pytest.mark.parametrize('is_still_sending', [False, True])
def test_close_is_quick_when_the_peer_has_stopped_reading(listen, run, is_still_sending):
    listener = listen(lambda peer: (peer.greet(), peer.is_over.wait(10.0)), receive_buffer=4096)

    async def main():
        stream = stream_to(listener)
        await stream.open()
        stuck = await fill(stream)
        if not is_still_sending:
            stuck.cancel()
            await asyncio.wait([stuck])
        began = time.monotonic()
        await stream.close()
        assert time.monotonic() - began < 1.0
        stuck.cancel()
        await asyncio.wait([stuck])

    run(main())


def test_close_that_is_cancelled_leaves_no_connection(listen, run):
    async def main():
        stream = stream_to(listen(silence_of))
        await stream.open()
        closing = asyncio.create_task(stream.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    run(main())


# ---- the key


def test_key_is_in_no_log_at_debug(service, opens, fails, caplog):
    logging.getLogger('websockets').setLevel(logging.NOTSET)
    with caplog.at_level(logging.DEBUG):
        opens(service, ask)
        service.fault('handshake_status', '401')
        fails(service, AuthenticationError)
    assert KEY not in caplog.text
    assert 'jpeg' not in caplog.text


@pytest.mark.parametrize('status, kind', [
    (400, ServiceProtocolError), (403, AuthenticationError), (503, ServiceUnavailable)])
def test_key_in_a_reason_phrase_is_not_shown(listen, fails, status, kind):
    listener = listen(lambda peer: peer.answer(b'', f'{status} bad {KEY}'))
    fails(listener, kind, rf'{status} bad \[hidden\]')


def test_key_that_an_error_frame_repeats_is_not_shown(listen, fails):
    def greet(peer):
        peer.greet()
        peer.send_frame(b'{"type":"error","detail":"bad key %s"}' % KEY.encode())
        peer.wait_for_end()

    fails(listen(greet), StreamClosed, r'bad key \[hidden\]', lambda stream: stream.recv_action())


def test_key_that_a_close_reason_repeats_is_not_shown(listen, fails):
    def greet(peer):
        peer.greet()
        peer.send_frame((1008).to_bytes(2, 'big') + b'bad key \x1b[2J' + KEY.encode(), 0x88)
        peer.wait_for_end()

    error = fails(listen(greet), StreamClosed, r'1008 bad key .*\[hidden\]',
                  lambda stream: stream.recv_action(), is_cause_clean=False)
    assert error.code == 1008


def test_token_in_the_address_is_not_shown(fails, closed_port):
    error = fails(f'ws://127.0.0.1:{closed_port}/p?token=hunter2', ServiceUnavailable)
    assert 'hunter2' not in str(error)


def test_every_exception_of_the_library_has_a_place_in_our_tree():
    # Every error class of websockets must be translated, also one of a later version.
    foreign = {
        kind for kind in vars(websockets.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {kind for kind in foreign if not issubclass(kind, websockets.WebSocketException)
            and kind.__module__.startswith('websockets')} == set()
    assert module.CLOSE_S <= 0.2
