# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: packed, uploaded, committed, and never deleted."""

import hashlib
import io
import json
import tarfile

import pytest

from reflex_ros.client.resources import recordings
from reflex_ros.errors import ConfigurationError, ServiceError, ServiceRefused, ServiceUnavailable

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
        assert sorted(tar.getnames()) == ['session_1', 'session_1/data',
                                          'session_1/data/episode_0.parquet',
                                          'session_1/meta.json']


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


def test_archive_is_removed_when_the_upload_fails(ask_at, closed_port, recording):
    with pytest.raises(ServiceError):
        ask_at(f'http://127.0.0.1:{closed_port}', lambda client: recordings.upload(
            client, recording, **SESSION), window_s=0.0)
    assert not recording.with_name('session_1.tar').exists()


def test_what_stands_in_the_archives_place_is_left_alone(ask_service, recording):
    theirs = recording.with_name('session_1.tar')
    theirs.write_text('precious')
    with pytest.raises(ConfigurationError, match='session_1.tar exists already'):
        ask_service(recordings.upload, recording, **SESSION)
    assert theirs.read_text() == 'precious'
    with pytest.raises(ConfigurationError, match='is not a directory. Pass the directory'):
        ask_service(recordings.upload, theirs, **SESSION)
