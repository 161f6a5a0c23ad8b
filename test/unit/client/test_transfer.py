# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Uploads to storages that lose connections, keep a part, refuse, hang or lie."""

import asyncio
import hashlib
import logging
import socket
import threading

import pytest

from reflex_ros.client import transfer
from reflex_ros.client.file_source import FileSource, PART
from reflex_ros.client.transfer import Target, upload
from reflex_ros.client.transport import Transport
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'short_waits')


HANG_S = 15.0
"""Ends a test that would hang; shorter than the limit of ``run``."""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'data.bin'
    path.write_bytes(bytes(index % 251 for index in range(3 * PART + 11)))
    return path


@pytest.fixture
def send(run, file):
    """Upload the file; ``send.attempts`` records the failed attempts."""
    attempts = []

    def call(url, on_progress=None, **options):
        async def job():
            async with Transport(on_retry=attempts.append) as transport:
                with FileSource(file) as source:
                    return await upload(transport, Target(url, **options), source, on_progress)

        return run(job())

    call.attempts = attempts
    return call


def received(peer):
    data = peer.socket.recv(65536)
    if not data:
        raise ConnectionError('the client left')
    return data


class Storage:
    """
    A storage that keeps what it receives, and loses connections as the test wants.

    :param cuts: for each request with a body, the number of bytes after which the connection ends.
    :param hold_at: number of bytes of the first body that are kept; the request gets no answer.
    """

    def __init__(self, listen, cuts=(), is_resumable=True, final=b'{}', hold_at=0):
        self.kept = b''
        self.requests = []
        self.holds = threading.Event()
        """Set when ``hold_at`` bytes are kept."""
        self.was_left = threading.Event()
        """Set when the client has closed the connection that gets no further."""
        self._cuts = list(cuts)
        self._hold_at = hold_at
        self._is_resumable = is_resumable
        self._final = final
        self._lock = threading.Lock()
        self.url = f'{listen(self._serve).url}/put?token=abc'

    def _serve(self, peer):
        data = b''
        while b'\r\n\r\n' not in data:
            data += received(peer)
        peer.head, _, body = data.partition(b'\r\n\r\n')
        length = int(peer.header(b'content-length'))
        with self._lock:
            self.requests.append(peer.head)
            cut = self._cuts.pop(0) if length and self._cuts else None
            hold_at, self._hold_at = (self._hold_at, 0) if length else (0, self._hold_at)
        if hold_at:
            self._hold(peer, body, hold_at)
            return
        spoken = peer.header(b'content-range').decode()
        start = int(spoken.removeprefix('bytes ').partition('-')[0]) if '-' in spoken else 0
        try:
            while len(body) < length and (cut is None or len(body) < cut):
                body += received(peer)
        finally:
            if length and self._is_resumable:
                self.kept = self.kept[:start] + body[:cut]
        if cut is not None:
            # Reset the connection, as a machine that crashes does.
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            return
        if length and not self._is_resumable:
            self.kept = body
        total = int(spoken.rpartition('/')[2]) if spoken else length
        if len(self.kept) == total:
            peer.reply(self._final)
        else:
            peer.reply(b'', '308 Resume Incomplete', *(
                [f'Range: bytes=0-{len(self.kept) - 1}'] if self.kept else []))

    def _hold(self, peer, body, count):
        while len(body) < count:
            body += received(peer)
        self.kept = body[:count]
        self.holds.set()
        peer.wait_for_end()
        self.was_left.set()

    def ranges(self):
        """Return the Content-Range of each request."""
        return [line.partition(b': ')[2].decode() for head in self.requests
                for line in head.split(b'\r\n') if line.lower().startswith(b'content-range')]


def test_file_arrives_whole_with_the_headers_of_the_ticket_only(listen, send, file):
    storage = Storage(listen, is_resumable=False, final=b'{"storageId": "s1"}')
    seen = []
    done = send(storage.url, lambda sent, size: seen.append((sent, size)),
                headers={'Content-Type': 'application/x-tar', 'x-signed': 'yes',
                         'Content-Length': '1', 'Host': 'elsewhere'})
    content = file.read_bytes()
    assert storage.kept == content
    assert (done.size, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert done.answer == {'storageId': 's1'}
    [head] = storage.requests
    fields = dict(line.lower().split(b': ', 1) for line in head.split(b'\r\n')[1:])
    assert fields[b'content-type'] == b'application/x-tar'
    assert fields[b'x-signed'] == b'yes'
    assert fields[b'content-length'] == str(len(content)).encode()
    assert fields[b'host'].startswith(b'127.0.0.1')
    assert not {b'authorization', b'cookie', b'transfer-encoding', b'content-range'} & set(fields)
    assert seen[0] == (0, len(content)) and seen[-1] == (len(content), len(content))
    assert [sent for sent, _ in seen] == sorted(sent for sent, _ in seen)


def test_resumable_upload_goes_on_where_the_connection_was_lost(
        listen, send, file, monkeypatch):
    monkeypatch.setattr(transfer, 'PIECE', 2 * PART)
    storage = Storage(listen, cuts=[5, 17])
    done = send(storage.url, is_resumable=True)
    size = file.stat().st_size
    assert storage.kept == file.read_bytes()
    assert done.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    first, second = 5, 5 + 17
    assert storage.ranges() == [
        f'bytes */{size}', f'bytes 0-{2 * PART - 1}/{size}',
        f'bytes */{size}', f'bytes {first}-{first + 2 * PART - 1}/{size}',
        f'bytes */{size}', f'bytes {second}-{second + 2 * PART - 1}/{size}',
        f'bytes {second + 2 * PART}-{size - 1}/{size}']
    assert len(send.attempts) == 2


def test_second_call_asks_how_far_the_first_got(listen, send, file):
    storage = Storage(listen)
    storage.kept = file.read_bytes()[:PART]
    done = send(storage.url, is_resumable=True)
    size = file.stat().st_size
    assert storage.ranges() == [f'bytes */{size}', f'bytes {PART}-{size - 1}/{size}']
    assert storage.kept == file.read_bytes()
    assert done.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_file_that_has_arrived_is_not_sent_again(listen, send, file):
    storage = Storage(listen)
    storage.kept = file.read_bytes()
    assert send(storage.url, is_resumable=True).sha256 == hashlib.sha256(
        storage.kept).hexdigest()
    assert storage.ranges() == [f'bytes */{len(storage.kept)}']


def test_other_uploads_begin_again(listen, send, file):
    storage = Storage(listen, cuts=[PART, 0], is_resumable=False)
    send(storage.url)
    assert storage.kept == file.read_bytes()
    assert len(storage.requests) == 3


@pytest.mark.parametrize('path', ['put/ticket-abc', 'put?token=ticket-abc'])
def test_address_that_lets_anybody_write_is_not_shown(listen, send, caplog, path):
    caplog.set_level(logging.DEBUG, 'reflex_ros')
    storage = listen(lambda peer: peer.read_request())
    with pytest.raises(ServiceUnavailable) as failed:
        send(f'{storage.url}/{path}', method='POST')
    with pytest.raises(ServiceProtocolError) as refused:
        send(f'http://storage.example/{path}')
    said = f'{failed.value} {refused.value} {caplog.text}'
    assert storage.url in said and 'http://storage.example' in said
    assert 'ticket-abc' not in said


def test_post_is_never_sent_twice(listen, send):
    storage = Storage(listen, cuts=[PART], is_resumable=False)
    with pytest.raises(ServiceUnavailable):
        send(storage.url, method='POST')
    assert len(storage.requests) == 1


def test_storage_without_progress_is_given_up(listen, send):
    storage = Storage(listen, cuts=[0] * 50)
    with pytest.raises(ServiceUnavailable):
        send(storage.url, is_resumable=True)
    assert len(send.attempts) == transfer.TRIES - 1


def test_storage_that_keeps_nothing_is_given_up(listen, send):
    def forget(peer):
        peer.read_request()
        peer.reply(b'', '308 Resume Incomplete')

    with pytest.raises(ServiceUnavailable, match='did not keep a part'):
        send(listen(forget).url, is_resumable=True)
    assert len(send.attempts) == transfer.TRIES - 1


def test_storage_that_makes_progress_is_never_given_up(listen, send, file, monkeypatch):
    # More losses than attempts in a row are allowed, but each time a few more bytes arrive.
    storage = Storage(listen, cuts=[PART // 4] * (transfer.TRIES + 3))
    send(storage.url, is_resumable=True)
    assert storage.kept == file.read_bytes()
    assert len(send.attempts) == transfer.TRIES + 3
    assert {attempt.number for attempt in send.attempts} == {1}


def test_overloaded_storage_is_tried_again(listen, send):
    answers = ['503 Busy', '429 Slow', '200 OK']

    def serve(peer):
        peer.read_request()
        peer.reply(b'{}', answers.pop(0))

    send(listen(serve).url)
    assert [attempt.reason for attempt in send.attempts] == [
        'Upload failed: 503 {}. The service is overloaded or restarting: wait a minute, then try '
        'again', 'Upload failed: 429 {}. Too many requests: wait a minute, then try again']


@pytest.mark.parametrize('status, error, text', [
    ('403 Forbidden', ServiceRefused, 'Dataset upload failed: 403 <Expired>'),
    ('413 Too Large', ServiceRefused, 'Dataset upload failed: 413'),
    ('302 Found', ServiceProtocolError, 'a redirect to .* which is not followed'),
    ('308 Permanent Redirect', ServiceProtocolError, 'a redirect to .* which is not followed')])
def test_refusal_is_final_and_says_why(listen, send, status, error, text):
    def serve(peer):
        peer.read_request()
        peer.reply(b'<Expired>', status, 'Location: http://127.0.0.1:9/')

    server = listen(serve)
    with pytest.raises(error, match=text):
        send(server.url, what='Dataset upload')
    assert len(server.peers) == 1


@pytest.mark.parametrize('given', ['bytes=5-9', 'bytes=0-99999999', 'bytes=0-', 'garbage'])
def test_range_that_cannot_be_is_the_storages_mistake(listen, send, given):
    def serve(peer):
        peer.read_request()
        peer.reply(b'', '308 Resume Incomplete', f'Range: {given}')

    with pytest.raises(ServiceProtocolError, match='says that it has'):
        send(listen(serve).url, is_resumable=True)


def test_storage_that_takes_nothing_any_more_is_noticed(listen, send, monkeypatch, file):
    file.write_bytes(bytes(8 * 2 ** 20))
    monkeypatch.setattr(transfer, 'STALL_S', 0.2)
    monkeypatch.setattr(transfer, 'LOOK_S', 0.05)
    monkeypatch.setattr(transfer, 'TRIES', 2)

    def hang(peer):
        peer.is_over.wait(20.0)

    server = listen(hang, receive_buffer=4096)
    with pytest.raises(ServiceUnavailable, match='accepted no byte for 0.2 s'):
        send(server.url)
    assert len(server.peers) == 2


def test_storage_that_never_answers_is_noticed(listen, send, monkeypatch):
    monkeypatch.setattr(transfer, 'ANSWER_S', 0.2)
    monkeypatch.setattr(transfer, 'LOOK_S', 0.05)

    def hang(peer):
        peer.read_request()
        peer.is_over.wait(20.0)

    with pytest.raises(ServiceUnavailable):
        send(listen(hang).url, method='POST')


def test_file_that_changes_meanwhile_never_arrives_whole(listen, send, file):
    storage = Storage(listen, is_resumable=False)
    touched = []

    def change(sent, size):
        if sent and not touched:
            touched.append(sent)
            file.write_bytes(b'something else')

    with pytest.raises(ConfigurationError, match='changed while it was read'):
        send(storage.url, change)
    assert storage.kept == b''


def test_cancelled_upload_leaves_no_connection_and_goes_on_later(listen, send, file, run):
    # The storage keeps a third of the file and does not answer: the upload cannot complete.
    storage = Storage(listen, hold_at=PART)

    async def interrupted():
        async with Transport() as transport:
            with FileSource(file) as source:
                job = asyncio.ensure_future(upload(
                    transport, Target(storage.url, is_resumable=True), source))
                assert await asyncio.to_thread(storage.holds.wait, HANG_S)
                job.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await job
                # The cancellation closes the connection, before the transport is closed.
                assert await asyncio.to_thread(storage.was_left.wait, HANG_S)

    run(interrupted())
    send(storage.url, is_resumable=True)
    size = file.stat().st_size
    assert storage.ranges()[-1] == f'bytes {PART}-{size - 1}/{size}'
    assert storage.kept == file.read_bytes()


@pytest.mark.parametrize('url, text', [
    ('http://example.com/put?sig=secret', 'would be sent to http://example.com unencrypted'),
    ('ftp://127.0.0.1/', 'not a valid http or https URL'), ('', 'not a valid http or https URL'),
    ('http://user:secret@127.0.0.1/', 'not a valid http or https URL'),
    ('http://127.0.0.1:0/', 'not a valid http or https URL'),
    ('http://[::1', 'not a valid http or https URL'),
    ('http://127.0.0.1/\n', 'not a valid http or https URL')])
def test_address_is_checked_and_its_secrets_stay_out_of_the_error(url, text):
    with pytest.raises(ServiceProtocolError, match=text) as refused:
        Target(url)
    assert 'secret' not in str(refused.value)


@pytest.mark.parametrize('options', [
    {'method': 'DELETE'}, {'headers': {'a b': 'c'}}, {'headers': {'a': 'b\r\nc: d'}},
    {'headers': {'a': 'ü'}}])
def test_method_and_headers_are_checked(options):
    with pytest.raises(ServiceProtocolError):
        Target('https://example.com/', **options)


def test_unreachable_storage_is_named_and_the_token_hidden(run, file, closed_port, monkeypatch):
    monkeypatch.setattr(transfer, 'TRIES', 1)

    async def job():
        async with Transport(window_s=0.0) as transport:
            with FileSource(file) as source:
                target = Target(f'http://127.0.0.1:{closed_port}/put?token=abc',
                                what='Dataset upload')
                await upload(transport, target, source)

    with pytest.raises(ServiceUnavailable) as refused:
        run(job())
    assert f'Dataset upload failed: http://127.0.0.1:{closed_port}: ' in str(refused.value)
    assert 'abc' not in str(refused.value)
