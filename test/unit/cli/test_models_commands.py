# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex models``, ``artifacts`` and ``keys``: text, JSON, exit codes."""

import pytest

from reflex_ros.client.resources import models as calls

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def adapter(tmp_path):
    (tmp_path / 'adapter_config.json').write_text('{"r": 16}')
    path = tmp_path / 'pick.safetensors'
    path.write_bytes(bytes(5000))
    return path


@pytest.mark.parametrize('group', ['models', 'artifacts'])
def test_models_are_listed_under_both_names(ask, group):
    outcome = ask(group, 'list')
    title, blank, head, row, *rest = outcome.out.splitlines()
    assert (title, blank) == ('Artifacts', '')
    assert head.split()[:3] == ['ID', 'Name', 'Status']
    assert row.startswith('model_sim ') and ' ready ' in row
    assert rest == ['', 'Next:', '  reflex robots setup --so101 --name bench']
    document = ask(group, 'list', '--json').document
    assert set(document) == {'ok', 'artifacts', 'next'}
    assert document['artifacts']['models'][0]['_id'] == 'model_sim'


@pytest.mark.parametrize('group', ['models', 'artifacts'])
def test_one_model_is_shown_under_both_names(ask, group):
    outcome = ask(group, 'get', 'model_sim')
    assert outcome.out.startswith('Artifact\n\nID: model_sim\n')
    assert outcome.out.count('model_sim') == 1
    document = ask(group, 'get', 'model_sim', '--json').document
    assert document['artifact']['artifact']['status'] == 'ready'


def test_adapter_is_uploaded_and_the_next_command_makes_a_robot_for_it(ask, adapter):
    outcome = ask('models', 'upload', str(adapter), '--wait')
    assert (outcome.code, outcome.err) == (0, '')
    assert outcome.out.startswith('Model uploaded\n\nID: model_')
    assert 'Name: bench' in ask(*outcome.out.splitlines()[-1].split()[1:]).out
    document = ask('models', 'upload', str(adapter), '--name', 'two', '--json').document
    assert set(document) == {'ok', 'model', 'next'} and document['model']['modelId']


def test_model_of_the_hub_is_pulled(ask, service, monkeypatch):
    outcome = ask('models', 'import', 'me/pick-lora')
    assert outcome.out.startswith('Model import started\n\nID: model_')
    assert 'Status: pulling' in outcome.out
    monkeypatch.setattr(calls.wait_ready, '__kwdefaults__', {'limit_s': 0.0, 'poll_s': 0.01})
    model_id = outcome.out.splitlines()[2].split()[1]
    ask('models', 'get', model_id, '--wait').failed(f'Model {model_id} is still pulling after')
    service.advance(3600)
    assert 'Status: ready' in ask('models', 'get', model_id, '--wait').out


def test_private_model_takes_the_token_from_the_environment(ask, service, monkeypatch):
    monkeypatch.delenv('HF_TOKEN', raising=False)
    ask('models', 'import', 'me/gated', '--with-hf-token').failed(
        '--with-hf-token needs HF_TOKEN: set it to your token')
    monkeypatch.setenv('HF_TOKEN', 'hf_canary_token')
    outcome = ask('models', 'import', 'me/gated', '--with-hf-token', '--json')
    assert 'hf_canary_token' not in outcome.out + outcome.err
    model_id = outcome.document['model']['modelId']
    open_one = ask('models', 'import', 'me/gated', '--json').document['model']['modelId']
    service.advance(3600)
    assert ask('models', 'get', model_id, '--wait').code == 0
    ask('models', 'get', open_one, '--wait').failed('is failed: me/gated is gated')


def test_deleting_wants_a_yes_and_asks_nobody_without_a_terminal(ask, adapter):
    model_id = ask('models', 'upload', str(adapter), '--json').document['model']['modelId']
    outcome = ask('models', 'delete', model_id)
    assert outcome.code == 2 and 'cannot be undone: pass --yes' in outcome.err
    outcome = ask('models', 'delete', model_id, '--json')
    assert outcome.code == 2 and outcome.document['ok'] is False
    outcome = ask('models', 'delete', model_id, '--yes')
    assert outcome.out.startswith('Model is being deleted\n')
    ask('models', 'delete', model_id, '--yes').failed(
        'Unable to delete model: already_deleting.')


def test_key_is_bound_and_unbound(ask):
    outcome = ask('keys', 'bind', 'key_sim', 'model_sim')
    assert outcome.out.startswith('Key bound\n') and 'model_sim' in outcome.out
    document = ask('keys', 'unbind', 'key_sim', '--json').document
    assert document == {'ok': True, 'key': {'ok': True, 'keyId': 'key_sim', 'modelId': None},
                        'next': ['reflex keys bind key_sim <model>']}


@pytest.mark.parametrize('is_json', [False, True])
@pytest.mark.parametrize('argv, text', [
    (('models', 'get', 'model_none'),
     'models:getWithApiKey response must be a JSON object. There is probably no model'),
    (('models', 'import', 'nonsense'), "'nonsense' is not a model on the Hugging Face hub"),
    (('models', 'upload', '/nowhere.safetensors'), 'adapter file not found: /nowhere'),
    (('models', 'delete', 'model_none', '--yes'), 'Unable to delete model: model_not_found'),
    (('keys', 'bind', 'key_none', 'model_sim'), 'Unable to bind key: key_not_found'),
    (('keys', 'bind', 'key_sim', 'model_none'), 'Unable to bind key: model_not_found. There is no '
     "model 'model_none'. Run `reflex models list`")])
def test_failure_is_one_line_and_exit_one(ask, argv, text, is_json):
    ask(*argv, *(['--json'] if is_json else [])).failed(text)
