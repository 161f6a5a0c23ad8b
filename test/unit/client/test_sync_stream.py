# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stream for scripts, with the simulated service and with servers that misbehave."""

import asyncio
import os
import signal
import threading

import pytest

from reflex_ros.client import ActionStream, AsyncActionStream, infer_actions
from reflex_ros.client.stream_settings import StreamSettings
from reflex_ros.errors import (
    AuthenticationError,
    ConfigurationError,
    ServiceProtocolError,
    ServiceUnavailable,
    StreamClosed,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

HOME = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]
SO101 = {'robot': 'so101', 'action_adapter': 'so101_joint', 'hz': 30.0, 'chunk_size': 10}


@pytest.fixture
def stream_to(service, monkeypatch, no_settings):
    """Make a stream to the simulated service; the key comes from the environment."""
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    before = threading.active_count()
    yield lambda prompt='wave', **settings: ActionStream(
        prompt, **{'url': service.actions_url, 'connect_retry_seconds': 0.0} | SO101 | settings)
    assert threading.active_count() == before


def test_observations_are_answered(stream_to):
    with stream_to(cameras=['front']) as stream:
        assert stream.session_id.startswith('sess_')
        assert stream.ready['session_id'] == stream.session_id
        assert stream.open_timing['open_ms'] > 0.0
        for expected in range(3):
            assert stream.send_observation(HOME, {'front': b'jpeg'}) == expected
            frame = stream.recv_action()
            assert frame.seq == expected
            assert len(frame.rows) == 10 and len(frame.rows[0]) == 6
            assert frame['actions'] is frame.rows
            assert frame['model_id'] == 'pi0.5'


def test_every_documented_setting_reaches_the_service(listen):
    seen = []
    peer = listen(lambda peer: (peer.upgrade(), seen.append(peer.read_message()), peer.send_frame(
        b'{"type":"session.ready","session_id":"sess_x"}'), peer.wait_for_end()))
    with ActionStream(
            'p', url=peer.actions_url, api_key='rfx_k', model='pi0.5', lora='l@v1', robot='so101',
            action_adapter='so101_joint', cameras=['a', 'b'], hz=25.0, chunk_size=50,
            max_gpu_seconds=60.0, session_id='mine', timeout=5.0,
            connect_retry_seconds=0.0) as stream:
        assert stream.session_id == 'sess_x'
    assert seen == [{
        'type': 'session.open', 'session_id': 'mine', 'prompt': 'p', 'model': 'pi0.5',
        'lora': 'l@v1', 'robot': 'so101', 'action_adapter': 'so101_joint', 'cameras': ['a', 'b'],
        'hz': 25.0, 'chunk_size': 50, 'max_gpu_seconds': 60.0}]


def test_key_and_address_come_from_environment_and_file(service, monkeypatch, no_settings):
    with pytest.raises(AuthenticationError, match="'reflex login'"):
        ActionStream('wave')
    folder = no_settings / 'config' / 'reflex'
    folder.mkdir(parents=True)
    file = folder / 'credentials.json'
    file.touch(0o600)
    # The stream uses the backend in the file too: its key must not go to another host.
    file.write_text(f'{{"apiKey": "{service.key}", "convexUrl": "{service.url}"}}')
    with ActionStream('wave', connect_retry_seconds=0.0) as stream:
        assert stream.session_id
    monkeypatch.setenv('REFLEX_ACTIONS_URL', service.actions_url + '/other/path')
    monkeypatch.setenv('REFLEX_CONVEX_URL', 'https://example.invalid')
    with ActionStream('wave', connect_retry_seconds=0.0) as stream:
        assert stream.session_id


def test_url_with_a_token_needs_no_key_and_shows_no_secret(listen):
    def refuse(peer):
        peer.answer(b'', '400 no hunter2')

    peer = listen(refuse)
    stream = ActionStream('p', url=f'{peer.actions_url}?token=hunter2')
    with pytest.raises(ServiceProtocolError, match='400') as caught:
        stream.open()
    assert 'hunter2' not in str(caught.value)
    assert peer.peers[0].header(b'authorization') == b''
    assert b'token=hunter2' in peer.peers[0].head
    with pytest.raises(ServiceProtocolError):
        ActionStream('p', url=f'{peer.actions_url}?token=hunter2', api_key='rfx_k').open()
    assert peer.peers[1].header(b'authorization') == b'Bearer rfx_k'


@pytest.mark.parametrize('settings, kind, text', [
    ({'hz': 0.0}, ValueError, 'hz must be a positive number, got 0.0'),
    ({'hz': float('nan')}, ValueError, 'hz'), ({'chunk_size': -1}, ValueError, 'chunk_size'),
    ({'timeout': 0}, ValueError, 'timeout'), ({'timeout': float('inf')}, ValueError, 'timeout'),
    ({'connect_retry_seconds': -1.0}, ValueError, 'connect_retry_seconds'),
    ({'hz': 'fast'}, ValueError, "hz must be a positive number, got 'fast'"),
    ({'cameras': 'front'}, TypeError, "cameras must be a list of names, got the text 'front'"),
    ({'speed': 1}, TypeError, 'a stream has no setting speed; it has url, api_key, '),
    ({'url': 'ftp://h'}, ConfigurationError, 'Actions URL must start with'),
    ({'url': 'ws://10.0.0.1'}, ConfigurationError, 'unencrypted'),
])
def test_wrong_setting_is_told_before_anything_is_sent(stream_to, settings, kind, text):
    with pytest.raises(kind, match=text):
        stream_to(**settings)


def test_window_comes_from_argument_then_environment(stream_to, service, monkeypatch):
    service.fault('handshake_status', '503')
    monkeypatch.setenv('REFLEX_WS_CONNECT_RETRY_SECONDS', '0.3')
    refused = []
    for window in (None, 0.0):
        with pytest.raises(ServiceUnavailable, match=r'HTTP/1.1 503.*\(\d+ attempts? in'):
            stream_to(connect_retry_seconds=window).open()
        refused.append(service.count('handshakes_refused'))
    assert refused[0] >= 3
    assert refused[1] == refused[0] + 1


def test_receive_that_times_out_tells_the_timing(stream_to):
    with stream_to() as stream:
        with pytest.raises(ServiceUnavailable, match=(
                r'^recv_action\(\) timed out after 0.05s \(tcp_ms .*open_ms .*\)\. The model may '
                'be starting')):
            stream.recv_action(timeout=0.05)
    with stream_to(timeout=0.3) as stream, pytest.raises(
            ServiceUnavailable, match='timed out after 0.3s'):
        stream.recv_action()


def test_answer_to_another_observation_is_skipped(stream_to, service):
    with stream_to() as stream:
        stream.send_observation(HOME)
        number = stream.send_observation(HOME)
        assert stream.recv_action(seq=number).seq == number
    service.fault('wrong_seq', 'future')
    with stream_to() as stream, pytest.raises(ServiceUnavailable, match='timed out after 0.3s'):
        stream.recv_action(timeout=0.3, seq=stream.send_observation(HOME))


def test_stream_that_is_not_open_says_so(stream_to):
    stream = stream_to()
    assert (stream.open_timing, stream.ready, stream.session_id) == ({}, {}, '')
    for job in (lambda: stream.send_observation(HOME), stream.recv_action,
                lambda: stream.send_raw({})):
        with pytest.raises(StreamClosed, match=r'^ActionStream is not open\. Call open'):
            job()
    stream.close()
    stream.open()
    stream.open()
    stream.close()
    stream.close()
    with pytest.raises(StreamClosed, match='not open'):
        stream.recv_action()


def test_ctrl_c_ends_the_wait_and_leaves_the_stream_to_be_closed(stream_to, service):
    with stream_to() as stream:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            stream.recv_action(timeout=30.0)
        timer.join(5.0)
        session_id = stream.session_id
    assert service.session(session_id)['status'] == 'closed'


def test_inside_asyncio_the_other_stream_is_named(stream_to):
    async def main():
        with pytest.raises(RuntimeError, match='use AsyncActionStream there'):
            stream_to().open()

    asyncio.run(main())


def test_asyncio_stream_takes_the_same_settings(service, run):
    async def main():
        async with AsyncActionStream.for_task(
                'wave', url=service.url, api_key=service.key, **SO101) as stream:
            await stream.send_observation(HOME)
            return await stream.recv_action()

    assert len(run(main()).rows) == 10
    assert 'connect_retry_seconds' in StreamSettings.__annotations__


def test_one_shot_sends_the_whole_observation_and_closes(service):
    frame = infer_actions({'state': HOME, 'prompt': 'wave', 'chunk_size': 5, 'hz': 10.0},
                          service.url, service.key)
    assert len(frame['actions']) == 5
    [session] = service.state()['sessions']
    assert session['status'] == 'closed'


def test_one_shot_needs_no_answer_to_another_question(service):
    service.fault('wrong_seq', 'future')
    with pytest.raises(ServiceUnavailable, match='timed out after 0.2s'):
        infer_actions({'state': HOME}, service.url, service.key, timeout=0.2)
