# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Models and keys with the simulated service, and the files of a model."""

import json
import os

import pytest

from reflex_ros.client.credentials import Secret
from reflex_ros.client.resources import keys, models
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def adapter(tmp_path):
    """Write an adapter and its configuration; return the adapter's path."""
    (tmp_path / 'adapter_config.json').write_text('{"r": 16,  "peft_type": "LORA"}\n')
    path = tmp_path / 'pick.safetensors'
    path.write_bytes(bytes(range(256)) * 500)
    return path


def test_adapter_becomes_a_model_that_is_listed(ask_service, adapter):
    seen = []
    made = ask_service(models.upload, adapter, 'pick',
                       on_progress=lambda sent, size: seen.append(sent)).model
    assert seen[-1] == 128000
    assert made.model_id in [row.model_id for row in ask_service(models.list_all).rows]
    found = ask_service(models.wait_ready, made.model_id, poll_s=0.01).model
    assert (found.model_id, found.name, found.status) == (made.model_id, 'pick', 'ready')


def test_configuration_is_sent_as_it_is_and_the_upload_without_a_key(ask_at, listen, adapter):
    asked = []

    def serve(peer):
        peer.read_request()
        if b'POST /put' in peer.head:
            asked.append((peer.head, peer.body))
            peer.reply(b'{"storageId": "s1"}')
            return
        call = json.loads(peer.body)
        asked.append(call)
        peer.reply(json.dumps({'status': 'success', 'value': {
            'ok': True, 'uploadUrl': f'{backend.url}/put?token=t', 'modelId': 'm1'}}).encode())

    backend = listen(serve)
    ask_at(backend.url, lambda client: models.upload(client, adapter, 'pick'))
    begin, (head, body), finish = asked
    assert (begin['path'], begin['args']) == ('models:beginDirectUpload', {})
    assert body == adapter.read_bytes()
    assert b'content-type: application/octet-stream' in head.lower()
    assert b'authorization' not in head.lower() and b'rfx_' not in head + body
    assert finish['args']['adapterConfigJson'] == '{"r": 16,  "peft_type": "LORA"}\n'
    assert (finish['args']['storageId'], finish['args']['name']) == ('s1', 'pick')


def test_storage_without_an_id_is_the_services_mistake(ask_at, listen, adapter):
    def serve(peer):
        peer.read_request()
        peer.reply(b'{}' if b'POST /put' in peer.head else json.dumps(
            {'status': 'success', 'value': {'uploadUrl': f'{backend.url}/put'}}).encode())

    backend = listen(serve)
    with pytest.raises(ServiceProtocolError, match='upload returned no storageId: {}'):
        ask_at(backend.url, lambda client: models.upload(client, adapter, 'pick'))


@pytest.mark.parametrize('spoil, text', [
    (lambda file: file.unlink(), 'adapter file not found: '),
    (lambda file: file.with_name('adapter_config.json').unlink(),
     'adapter_config.json not found: '),
    (lambda file: file.with_name('adapter_config.json').write_text('[]'),
     'adapter_config.json must be a JSON object'),
    (lambda file: file.with_name('adapter_config.json').write_text('{'),
     'adapter_config.json is not valid JSON: '),
    (lambda file: file.with_name('adapter_config.json').write_bytes(b'\xff'),
     'adapter_config.json is not valid JSON: '),
    (lambda file: file.with_name('adapter_config.json').write_text(' ' * 2 ** 21),
     'is larger than 1 MiB'),
    (lambda file: file.write_bytes(b''), 'is empty'),
    (lambda file: os.truncate(file, 500 * 2 ** 20 + 1), 'at most 500 MiB'),
], ids=['no file', 'no config', 'list', 'no JSON', 'no text', 'huge', 'empty', 'too large'])
def test_files_are_checked_before_anything_is_sent(ask_at, closed_port, adapter, spoil, text):
    spoil(adapter)
    with pytest.raises(ConfigurationError, match=text):
        ask_at(f'http://127.0.0.1:{closed_port}',
               lambda client: models.upload(client, adapter, 'pick'))


def test_other_file_than_safetensors_is_refused(ask_at, closed_port, adapter):
    other = adapter.rename(adapter.with_suffix('.bin'))
    with pytest.raises(ConfigurationError, match='is not a .safetensors file'):
        ask_at(f'http://127.0.0.1:{closed_port}',
               lambda client: models.upload(client, other, 'pick'))


def test_model_of_the_hub_is_imported_and_awaited(ask_service, service):
    started = ask_service(models.import_from_hub, 'me/pick-lora', 'pick', revision='main').model
    assert started.status == 'pulling'
    with pytest.raises(ServiceUnavailable, match='is still pulling after 0.02 s. Check it later'):
        ask_service(models.wait_ready, started.model_id, limit_s=0.02, poll_s=0.01)
    service.advance(3600)
    assert ask_service(models.wait_ready, started.model_id).model.status == 'ready'


def test_model_that_cannot_be_pulled_says_why(ask_service, service):
    started = ask_service(models.import_from_hub, 'me/missing', 'pick').model
    service.advance(3600)
    with pytest.raises(ServiceRefused, match='is failed: me/missing was not found') as refused:
        ask_service(models.wait_ready, started.model_id)
    assert refused.value.reason == 'model_failed'


def test_token_of_the_hub_is_sent_and_never_shown(ask_at, listen):
    token = 'hf_very_secret_token'
    asked = []

    def serve(peer):
        peer.read_request()
        asked.append(json.loads(peer.body)['args'])
        # The real backend repeats the arguments when it finds them invalid.
        peer.reply(json.dumps({'status': 'error', 'errorMessage':
                               f'bad {json.dumps(asked[-1])}'}).encode())

    with pytest.raises(ServiceRefused) as refused:
        ask_at(listen(serve).url, lambda client: models.import_from_hub(
            client, 'me/pick', 'pick', hf_token=Secret(token)))
    assert asked[0]['hfToken'] == token
    assert token not in str(refused.value) and '[hidden]' in str(refused.value)


@pytest.mark.parametrize('repo', ['', 'pick', 'a/b/c', 'me/', '/pick', 'me/pi ck', '../..',
                                  'a/b\n'])
def test_invalid_repository_is_refused_before_sending(ask_at, closed_port, repo):
    with pytest.raises(ConfigurationError, match='Write it as <owner>/<repo>'):
        ask_at(f'http://127.0.0.1:{closed_port}',
               lambda client: models.import_from_hub(client, repo, 'pick'))


def test_list_may_come_without_an_object_around_it(ask_at, listen):
    backend = listen(lambda peer: peer.answer(
        b'{"status":"success","value":[{"_id":"m1","status":"ready"}]}'))
    found = ask_at(backend.url, models.list_all)
    assert [row.model_id for row in found.rows] == ['m1']
    assert found.as_sent() == {'models': [{'_id': 'm1', 'status': 'ready'}]}


def test_unknown_model_is_null_and_says_what_to_do(ask_service):
    with pytest.raises(ServiceProtocolError, match=(
            'models:getWithApiKey response must be a JSON object. There is probably no model')):
        ask_service(models.get, 'model_none')


def test_model_is_deleted_once(ask_service, service, adapter):
    model_id = ask_service(models.upload, adapter, 'pick').model.model_id
    assert ask_service(models.delete, model_id).model.status == 'deleting'
    with pytest.raises(ServiceRefused, match='Unable to delete model: already_deleting.'):
        ask_service(models.delete, model_id)
    with pytest.raises(ServiceRefused, match='is deleting'):
        ask_service(models.wait_ready, model_id)


def test_key_is_bound_and_unbound(ask_service):
    assert ask_service(keys.bind, 'key_sim', 'model_sim').as_sent()['modelId'] == 'model_sim'
    # The one argument that must be null and not absent.
    assert ask_service(keys.unbind, 'key_sim').as_sent()['modelId'] is None
    with pytest.raises(ServiceRefused, match='Unable to bind key: key_not_found'):
        ask_service(keys.bind, 'key_none', 'model_sim')
    with pytest.raises(ServiceRefused, match='Unable to bind key: model_not_found'):
        ask_service(keys.bind, 'key_sim', 'model_none')
