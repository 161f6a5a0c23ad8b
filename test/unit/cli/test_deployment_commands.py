# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex deployments``, ``deploy``, ``doctor``, ``receipts`` on the simulated service (i.3)."""

import json

import pytest

from reflex_ros.client import readiness

FLAGS = ('--name', 'pick', '--artifact', 'model_sim', '--robot-schema', 'schema_sim',
         '--runtime', 'cloud')
SPEC = {'name': 'pick', 'artifact': 'model_sim', 'robot_schema_id': 'schema_sim',
        'mode': 'apply_actions', 'more': {'z': 1, 'a': [2]}}
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def spec(tmp_path):
    """Write a spec file and return its path."""
    def write(content=SPEC, name='spec.json'):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(file)

    return write


@pytest.mark.parametrize('command', [('deploy',), ('deployments', 'create')])
def test_deployment_is_created_from_flags(ask, command):
    made = ask(*command, *FLAGS, '--json').document
    row = made['deployment']
    assert (row['name'], row['modelId'], row['mode'], row['robotSchemaId'], row['runtime']) == (
        'pick', 'model_sim', 'dry_run', 'schema_sim', 'cloud')
    assert made['next'] == [f'reflex doctor {row["deploymentId"]}']
    outcome = ask(*command, '--name', 'two', '--artifact', 'model_sim')
    assert outcome.out.startswith('Deployment created\n\nID: deploy_')
    assert outcome.out.splitlines()[-2:] == [
        'Next:', f'  reflex doctor {outcome.out.splitlines()[2].split()[1]}']


@pytest.mark.parametrize('option', ['--file', '-f'])
def test_deployment_is_created_from_a_file_that_travels_along(ask, spec, option):
    row = ask('deploy', option, spec(), '--json').document['deployment']
    assert (row['name'], row['modelId'], row['mode'], row['robotSchemaId']) == (
        'pick', 'model_sim', 'apply_actions', 'schema_sim')
    assert row['specJson'] == json.dumps(SPEC, sort_keys=True)


def test_spec_may_be_yaml(ask, spec):
    file = spec('name: pick\nmodel_id: model_sim\n', 'spec.yaml')
    row = ask('deploy', '--file', file, '--json').document['deployment']
    assert (row['modelId'], row['mode']) == ('model_sim', 'dry_run')


def test_model_that_is_being_trained_is_waited_for(ask, service):
    dataset_id = service.call('registerDataset', hfSourceUri='me/pick')['datasetId']
    service.call('validateDataset', datasetId=dataset_id)
    run = ask('training', 'start', '--dataset', dataset_id, '--model-name', 'pick-cubes',
              '--json').document['trainingRun']['trainingRun']
    outcome = ask('deployments', 'create', '--name', 'pick', '--artifact', 'pick-cubes')
    assert "model_not_found. There is no model 'pick-cubes'. A training run for" in outcome.err
    assert '(queued' in outcome.err
    assert f'`reflex training status {run["_id"]} --watch`' in outcome.err
    outcome = ask('deployments', 'create', '--name', 'pick', '--artifact', 'pick-cube')
    assert "There is no model 'pick-cube'. Run `reflex models list`" in outcome.err


@pytest.mark.parametrize('argv, text', [
    ((), '--name is required when --file is not provided.'),
    (('--name', 'x'), '--artifact is required when --file is not provided.'),
    ((*FLAGS, '--mode', 'fast'), '--mode must be dry_run or apply_actions.')])
def test_missing_flag_is_named_and_nothing_is_sent(ask, service, argv, text):
    ask('deploy', *argv).failed(text)
    ask('deployments', 'create', *argv, '--json').failed(text)
    assert service.count('rpc_calls') == 0


@pytest.mark.parametrize('content, text', [
    ({}, 'Deployment spec requires string field: name.'),
    ({'name': 'x'}, 'Deployment spec requires string field: modelId.'),
    ('{', 'Deployment spec must be valid JSON.'),
    ('[1]', 'Deployment spec must be a JSON object.')])
def test_spec_that_is_none_is_refused_before_anything_is_sent(ask, service, spec, content, text):
    ask('deploy', '--file', spec(content)).failed(text)
    assert service.count('rpc_calls') == 0


def test_spec_that_is_not_there_is_named(ask, tmp_path):
    ask('deploy', '--file', str(tmp_path / 'no.json')).failed('Failed to read deployment spec: ')


def test_file_and_flags_together_are_wrong_usage(ask, spec):
    outcome = ask('deploy', '--file', spec(), '--name', 'x')
    assert outcome.code == 2
    assert 'pass either --file or the other options' in ' '.join(outcome.err.split())


def test_deployments_are_listed_and_shown(ask):
    lines = ask('deployments', 'list').out.splitlines()
    assert lines[0] == 'Deployments'
    assert [line.split()[0] for line in lines[2:5]] == ['Deployment', 'deploy_sim',
                                                        'deploy_blocked']
    assert lines[-2:] == ['Next:', '  reflex doctor deploy_blocked']
    document = ask('deployments', 'list', '--json').document
    assert [row['deploymentId'] for row in document['deployments']['deployments']] == [
        'deploy_sim', 'deploy_blocked']
    outcome = ask('deployments', 'get', 'deploy_sim')
    assert outcome.out.startswith('Deployment\n\nID: deploy_sim\nName: Simulated SO-101\n')
    row = ask('deployments', 'get', 'deploy_sim', '--json').document['deployment']
    assert (row['deploymentId'], row['status']) == ('deploy_sim', 'ready')


@pytest.mark.parametrize('argv, text', [
    (('deployments', 'get', 'no'), 'Unable to get deployment: deployment_not_found. There '
     "is no deployment 'no'. Run `reflex deployments list`"),
    (('deploy', *FLAGS[:4], '--robot-schema', 'no'), 'Unable to create deployment: '
     "schema_not_found. There is no robot schema 'no'. Run `reflex robots schemas`")])
def test_refusal_names_action_reason_and_next_step(ask, argv, text):
    ask(*argv).failed(text)


def test_doctor_says_what_to_do_about_each_failed_check(ask):
    outcome = ask('doctor', 'deploy_blocked')
    assert (outcome.code, outcome.err) == (1, '')
    lines = outcome.out.splitlines()
    failed = [index for index, line in enumerate(lines) if line.startswith('failed')]
    assert [lines[index].split()[1] for index in failed] == [
        'robot_paired', 'robot_heartbeat_recent']
    assert '-> Run `reflex robots pair robot_unpaired`' in lines[failed[0] + 1]
    assert '-> Start the robot: `reflex up`' in lines[failed[1] + 1]
    assert sum('->' in line for line in lines) == 2
    outcome = ask('doctor', 'deploy_blocked', '--json')
    assert outcome.code == 1
    assert outcome.document['ok'] is False
    assert outcome.document['error'].startswith(
        'Deployment deploy_blocked is not ready for apply_actions (robot_paired: ')
    checks = outcome.document['readiness']['checks']
    assert all(('remedy' in check) is (check['status'] == 'failed') for check in checks)


def test_every_check_of_the_reference_has_a_remedy(ask):
    checks = ask('doctor', 'deploy_sim', '--json').document['readiness']['checks']
    assert {check['name'] for check in checks} == set(readiness.REMEDIES)


def test_check_that_nobody_has_heard_of_is_shown_with_a_general_remedy(reflex, listen):
    backend = listen(lambda peer: peer.answer(json.dumps({'status': 'success', 'value': {
        'ok': True, 'passed': False, 'status': 'blocked', 'checks': [
            {'name': 'moon_phase', 'status': 'failed', 'message': 'wait'}]}}).encode()))
    outcome = reflex('doctor', 'd1', url=backend.url)
    assert outcome.code == 1
    assert '-> Follow the message, then run `reflex doctor d1` again' in outcome.out


def test_receipts_are_listed_whatever_their_fields(ask, service):
    assert ask('receipts', 'list').out == (
        'Deployment receipts\n\nNo deployment receipts found.\n\nNext:\n  reflex sessions list\n')
    session_id = service.authorize(deploymentId='deploy_sim')
    service.authorize(deploymentId='deploy_blocked')
    lines = ask('receipts', 'list', '--deployment', 'deploy_sim').out.splitlines()
    assert lines[4:] == ['', 'Next:', '  reflex sessions list']
    assert lines[2].startswith('Event ')
    assert lines[3].split()[:3] == ['authorized', 'deploy_sim', session_id]
    document = ask('receipts', 'list', '--json').document
    assert len(document['receipts']['receipts']) == 2


def test_session_is_authorized_and_its_token_hidden(ask):
    outcome = ask('sessions', 'authorize', '--deployment', 'deploy_sim',
                  '--client-session-id', 'mine')
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == 'Session authorized'
    assert 'Token: [hidden]' in lines
    session_id = lines[2].removeprefix('ID: ')
    assert lines[-2:] == [
        'Next:', f'  reflex sessions promote {session_id} --to apply_actions']
    document = ask('sessions', 'authorize', '--deployment', 'deploy_sim', '--mode',
                   'apply_actions', '--json').document
    assert document['session']['token']
    assert (document['session']['mode'], document['next']) == (
        'apply_actions', [f'reflex sessions close {document["session"]["sessionId"]}'])


@pytest.mark.parametrize('argv, text', [
    (('--mode', 'fast'), '--mode must be dry_run or apply_actions.'),
    (('--base-model', 'pi9'), 'Unable to authorize session: '),
    (('--deployment', 'deploy_blocked', '--mode', 'apply_actions'),
     'Deployment deploy_blocked is not ready for apply_actions (')])
def test_session_that_is_refused_names_the_reason(ask, argv, text):
    ask('sessions', 'authorize', *argv).failed(text)
