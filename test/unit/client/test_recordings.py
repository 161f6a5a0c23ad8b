# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: packed, uploaded, committed, and never deleted."""

import asyncio
import hashlib
import io
import json
import tarfile

import pytest

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.resources import recordings
from reflex_ros.client.transfer import PIECE
from reflex_ros.errors import ConfigurationError, ServiceRefused, ServiceUnavailable

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

SESSION = {'session_id': 'sess_1', 'user_slug': 'me'}


@pytest.fixture
def recording(tmp_path):
    directory = tmp_path / 'session_1'
    (directory / 'data').mkdir(parents=True)
    (directory / 'data' / 'episode_0.parquet').write_bytes(bytes(1000))
    (directory / 'meta.json').write_text('{}')
    return directory


@pytest.fixture
def short_commit_waits(monkeypatch):
    assert recordings.COMMIT_WAITS_S == (0.5, 1.0, 2.0)
    monkeypatch.setattr(recordings, 'COMMIT_WAITS_S', (0.01, 0.01, 0.01))


def test_recording_arrives_and_stays_on_this_machine(ask_service, service, recording):
    kept = ask_service(recordings.upload, recording, summary={'steps': 3}, **SESSION)
    assert kept.as_sent()['recordingId']
    assert (recording / 'data' / 'episode_0.parquet').exists()
    assert [path.name for path in recording.parent.iterdir() if 'session' in path.name] == [
        'session_1']


def test_wire_is_that_of_the_reference(ask_at, listen, recording):
    asked = []

    def serve(peer):
        peer.read_request()
        if b'POST /put' in peer.head:
            asked.append((peer.head.lower(), peer.body))
            peer.reply(b'{"storageId": "s1"}')
            return
        asked.append(json.loads(peer.body))
        peer.reply(json.dumps({'status': 'success', 'value': {
            'ok': True, 'recordingId': 'rec1', 'uploadUrl': f'{backend.url}/put'}}).encode())

    backend = listen(serve)
    ask_at(backend.url, lambda client: recordings.upload(
        client, recording, formats=('lerobot', 'mcap'), summary={'steps': 3}, **SESSION))
    begin, (head, body), commit = asked
    digest = hashlib.sha256(body).hexdigest()
    del begin['args']['apiKey'], commit['args']['apiKey']
    assert begin['path'] == 'publicApi:beginRecordingUpload'
    assert begin['args'] == {'sessionId': 'sess_1', 'userSlug': 'me', 'sha256': digest,
                             'formats': ['lerobot', 'mcap'], 'sizeBytes': len(body)}
    assert b'content-type: application/x-tar' in head and b'authorization' not in head
    assert commit['path'] == 'publicApi:commitRecordingUpload'
    assert commit['args'] == {'recordingId': 'rec1', 'storageId': 's1', 'sizeBytes': len(body),
                              'sha256': digest, 'meta': {'summary': {'steps': 3}}}
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ['session_1/data/episode_0.parquet', 'session_1/meta.json']


@pytest.mark.parametrize('failures', [0, 1, 3])
def test_commit_has_four_tries(ask_service, service, recording, short_commit_waits, failures):
    def failing(sent, size):
        if failures and sent == size:
            service.fault('rpc_status', '503', times=failures)

    assert ask_service(recordings.upload, recording, on_progress=failing, **SESSION)


def test_fifth_try_is_not_made(ask_service, service, recording, short_commit_waits):
    def failing(sent, size):
        if sent == size:
            service.fault('rpc_status', '503', times=4)

    with pytest.raises(ServiceUnavailable, match='HTTP 503'):
        ask_service(recordings.upload, recording, on_progress=failing, **SESSION)
    assert ask_service(recordings.upload, recording, **SESSION)


def test_refused_commit_is_final(ask_service, service):
    with pytest.raises(ServiceRefused, match='Unable to commit recording: recording_not_found'):
        ask_service(recordings.commit, 'rec_none', 's', 1, 'a' * 64, {})


def test_what_is_no_directory_is_refused(ask_service, recording):
    with pytest.raises(ConfigurationError, match='Cannot read .*meta.json: Not a directory'):
        ask_service(recordings.upload, recording / 'meta.json', **SESSION)


def uploaded(service):
    """Return the rows of the service, and how many of them are committed."""
    rows = service.state()['recordings']
    return len(rows), sum(row['committed'] for row in rows)


def test_interrupted_upload_goes_on_where_it_ended(run, ask_service, service, recording, tmp_path):
    (recording / 'big.bin').write_bytes(bytes(3 * PIECE))
    memory = tmp_path / '.session_1.upload'

    async def interrupted():
        async with AsyncReflex(Secret(service.key), convex_url=service.url) as client:
            second = asyncio.Event()
            job = asyncio.ensure_future(recordings.upload(
                client, recording, memory=memory, **SESSION,
                on_progress=lambda sent, size: sent > PIECE and second.set()))
            await second.wait()
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job

    run(interrupted())
    assert uploaded(service) == (1, 0)
    # It holds an address that gives write access.
    assert memory.stat().st_mode & 0o777 == 0o600
    seen = []
    ask_service(recordings.upload, recording, memory=memory, **SESSION,
                on_progress=lambda sent, size: seen.append(sent))
    assert uploaded(service) == (1, 1)
    # A question has no bytes.
    assert min(filter(None, seen)) > PIECE
    assert not memory.exists()


def test_connection_that_is_cut_is_made_again(ask_service, service, recording):
    service.fault('upload_cut', 1000)
    assert ask_service(recordings.upload, recording, **SESSION)
    assert uploaded(service) == (1, 1)


def test_upload_that_was_only_not_committed_is_only_committed(
        ask_service, service, recording, short_commit_waits, tmp_path):
    memory = tmp_path / '.session_1.upload'

    def failing(sent, size):
        if sent == size:
            service.fault('rpc_status', '503', times=4)

    with pytest.raises(ServiceUnavailable):
        ask_service(recordings.upload, recording, memory=memory, on_progress=failing, **SESSION)
    sent = []
    ask_service(recordings.upload, recording, memory=memory, **SESSION,
                on_progress=lambda *at: sent.append(at))
    assert sent == [] and uploaded(service) == (1, 1)


@pytest.mark.parametrize('changed', ['file', 'session', 'memory', 'service'])
def test_what_is_remembered_of_another_upload_does_not_count(
        ask_service, service, recording, short_commit_waits, tmp_path, changed):
    memory = tmp_path / '.session_1.upload'
    session = dict(SESSION)

    def failing(sent, size):
        if sent == size:
            service.fault('rpc_status', '503', times=4)

    with pytest.raises(ServiceUnavailable):
        ask_service(recordings.upload, recording, memory=memory, on_progress=failing, **session)
    if changed == 'file':
        (recording / 'meta.json').write_text('[]')
    elif changed == 'session':
        session['session_id'] = 'sess_2'
    elif changed == 'memory':
        memory.write_text('half a docu')
    else:
        service.advance(25 * 3600)
    ask_service(recordings.upload, recording, memory=memory, **session)
    assert uploaded(service) == ((1, 1) if changed == 'service' else (2, 1))
    assert not memory.exists()


def test_place_that_cannot_remember_does_not_prevent_the_upload(ask_service, service, recording,
                                                               tmp_path):
    tmp_path.chmod(0o777)
    assert ask_service(recordings.upload, recording, memory=tmp_path / '.x.upload', **SESSION)
    assert uploaded(service) == (1, 1)
