# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``reflex whoami``, ``doctor`` and ``sessions`` against the simulated service.

Texts, JSON documents, exit codes, and the rows of the vendor's error reference (protocol l.1).
"""

import json
import os
import subprocess
import sys

import pytest

from reflex_ros.runner.running_graphs import NoteFile

KEY = 'rfx_canary_7c1d9e'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


# ---- the good case


def test_whoami_in_text(ask):
    outcome = ask('whoami')
    assert outcome.code == 0
    assert outcome.out == (
        'Logged in to Reflex\n\nOrganization: Simulated Robotics\n'
        'Organization slug: simulated-robotics\nOrganization ID: org_sim\n'
        'API key: simulated key\nDashboard: https://app.tryreflex.ai\n\n'
        'Next:\n  reflex datasets list\n')
    assert outcome.err == ''


@pytest.mark.parametrize('argv', [('whoami', '--json'), ('--json', 'whoami')])
def test_whoami_in_json(ask, argv):
    outcome = ask(*argv)
    assert outcome.code == 0
    assert outcome.document == {'ok': True, 'next': ['reflex datasets list'], 'account': {
        'ok': True, 'email': 'owner@example.com', 'keyId': 'key_sim', 'keyName': 'simulated key',
        'userId': 'user_sim', 'orgId': 'org_sim', 'organization': {
            'id': 'org_sim', 'name': 'Simulated Robotics', 'slug': 'simulated-robotics'}}}


def test_doctor_is_content(ask):
    outcome = ask('doctor', 'deploy_sim')
    assert outcome.code == 0
    assert outcome.out.startswith('Readiness check\n\npassed   model_ready')
    assert outcome.out.endswith(
        '\nStatus: ready\n\nNext:\n  service.deployment: "deploy_sim"     (put this line into '
        'robot.yaml, below action_stream)\n  reflex up --config robot.yaml\n')
    document = ask('doctor', 'deploy_sim', '--json').document
    assert document['ok'] is True
    assert document['readiness']['passed'] is True
    assert len(document['readiness']['checks']) == 8


def test_doctor_lists_what_failed_and_exits_with_one(ask, service):
    service.fault('deployment_not_ready')
    service.fault('balance_too_low')
    outcome = ask('doctor', 'deploy_sim')
    assert outcome.code == 1
    lines = [line for line in outcome.out.splitlines() if line.startswith('failed')]
    assert [line.split()[1] for line in lines] == ['robot_heartbeat_recent', 'balance_sufficient']
    assert 'top it up' in lines[1]
    assert outcome.out.endswith('\nStatus: blocked\n\nNext:\n  reflex doctor deploy_sim\n')
    assert outcome.err == ''


def test_doctor_that_found_something_is_a_document_and_exits_with_one(ask, service):
    service.fault('deployment_not_ready')
    outcome = ask('doctor', 'deploy_sim', '--json')
    assert outcome.code == 1
    readiness = outcome.document['readiness']
    assert (readiness['passed'], readiness['status']) == (False, 'blocked')
    assert [row['name'] for row in readiness['checks'] if row['status'] == 'failed'] == [
        'robot_heartbeat_recent']


def test_sessions_are_listed(ask, service):
    assert ask('sessions', 'list').out == (
        'Inference sessions\n\nNo inference sessions found.\n\nNext:\n'
        '  reflex sessions authorize --deployment @last\n')
    first, second = service.authorize(), service.authorize(deploymentId='deploy_sim')
    service.call('closeSession', sessionId=first, reason='x')
    outcome = ask('sessions', 'list')
    assert outcome.code == 0
    title, _, head, *rows = outcome.out.splitlines()
    assert rows[2:] == ['', 'Next:', f'  reflex sessions close {second}']
    assert title == 'Inference sessions'
    assert head.split('  ')[0] == 'Session ID'
    assert [row.split()[:4] for row in rows[:2]] == [
        [first, 'closed', 'dry_run', '-'], [second, 'active', 'dry_run', 'deploy_sim']]
    assert first not in ask('sessions', 'list', '--status', 'active').out


def test_sessions_are_listed_in_json_with_the_names_of_the_wire(ask, service):
    session_id = service.authorize(deploymentId='deploy_sim')
    document = ask('sessions', 'list', '--json').document
    [row] = document['inferenceSessions']['sessions']
    assert document['ok'] is document['inferenceSessions']['ok'] is True
    assert set(row) >= {'sessionId', 'status', 'mode', 'deploymentId', 'expiresAt'}
    assert (row['sessionId'], row['mode']) == (session_id, 'dry_run')


def test_session_is_promoted_and_back(ask, service):
    session_id = service.authorize()
    outcome = ask('sessions', 'promote', session_id)
    assert (outcome.code, outcome.out) == (0, (
        f'Session promoted\n\nID: {session_id}\nStatus: active\nMode: apply_actions\n\n'
        f'Next:\n  reflex sessions close {session_id}\n'))
    assert service.session(session_id)['mode'] == 'apply_actions'
    outcome = ask('sessions', 'promote', session_id, '--to', 'dry_run', '--json')
    assert outcome.document['session']['sessionId'] == session_id
    assert outcome.document['session']['mode'] == 'dry_run'
    assert service.session(session_id)['mode'] == 'dry_run'


def test_session_is_closed(ask, service):
    session_id = service.authorize()
    outcome = ask('sessions', 'close', session_id, '--reason', 'done')
    assert (outcome.code, outcome.out) == (
        0, f'Inference session closed\n\nID: {session_id}\nStatus: closed\nMode: dry_run\n\n'
        'Next:\n  reflex receipts list\n')
    assert service.session(session_id)['closeReason'] == 'done'
    session_id = service.authorize()
    outcome = ask('sessions', 'close', session_id, '--json')
    assert outcome.document['inferenceSession']['sessionId'] == session_id
    assert service.session(session_id)['closeReason'] == 'cli_closed'


# ---- where key and address come from


def test_key_and_address_may_be_options(reflex, service):
    assert reflex('whoami', '--api-key', KEY, '--convex-url', service.url, key=None).code == 0


def test_key_and_address_may_be_in_the_file(reflex, service, no_settings):
    folder = no_settings / 'config' / 'reflex'
    folder.mkdir(parents=True)
    file = folder / 'credentials.json'
    file.write_text(json.dumps({'apiKey': KEY, 'convexUrl': service.url}))
    file.chmod(0o600)
    assert reflex('whoami', key=None).code == 0
    file.chmod(0o644)
    reflex('whoami', key=None).failed(f'can be read by others. Run chmod 600 {file}')


# ---- rows of the vendor's error reference


def closed(service):
    session_id = service.authorize()
    service.call('closeSession', sessionId=session_id, reason='x')
    return session_id


def expired(service):
    session_id = service.authorize()
    service.fault('expire')
    return session_id


def blocked(service):
    service.fault('deployment_not_ready')
    return service.authorize()


WHOAMI = ('whoami',)
ROWS = {
    '1 no key': (
        lambda service: WHOAMI, {'key': None},
        "API key is required. Run 'reflex login' or set REFLEX_API_KEY."),
    '2 unknown key': (
        lambda service: WHOAMI, {'key': 'rfx_wrong'},
        'Reflex API key is not valid: unknown_key. Run `reflex login`.'),
    '2 HTTP 401': (
        lambda service: service.fault('rpc_status', '401') or WHOAMI, {},
        'Reflex API key is not valid: HTTP 401. Run `reflex login`.'),
    '5 unreachable': (
        lambda service: ('doctor', 'deploy_sim'), {'url': 'http://127.0.0.1:{port}'},
        'Cannot reach the Reflex backend at http://127.0.0.1:{port}: '),
    '6 deployment not ready': (
        lambda service: ('sessions', 'promote', blocked(service)), {},
        'Unable to promote session: deployment_not_ready. Run `reflex doctor <deployment-id>`'),
    '13 promote a closed session': (
        lambda service: ('sessions', 'promote', closed(service)), {},
        'Unable to promote session: session_closed. Start a fresh session'),
    '13 promote an expired session': (
        lambda service: ('sessions', 'promote', expired(service)), {},
        'Unable to promote session: session_expired. Start a fresh session'),
    '13 close a closed session': (
        lambda service: ('sessions', 'close', closed(service)), {},
        'Unable to close inference session: session_closed. Start a fresh session'),
    'no such session': (
        lambda service: ('sessions', 'promote', 'sess_none'), {},
        'Unable to promote session: session_not_found.'),
    'no such deployment': (
        lambda service: ('doctor', 'deploy_none'), {},
        'Unable to run readiness check: deployment_not_found.'),
    'no such mode': (
        lambda service: ('sessions', 'promote', 's', '--to', 'fast'), {},
        '--to must be dry_run or apply_actions.'),
    'overloaded': (
        lambda service: service.fault('rpc_status', '503') or ('doctor', 'deploy_sim'), {},
        'Convex HTTP 503: '),
    'forbidden': (
        lambda service: service.fault('rpc_status', '403') or WHOAMI, {}, 'Convex HTTP 403: '),
    'unencrypted': (
        lambda service: WHOAMI, {'url': 'http://example.com'},
        'would send the API key unencrypted'),
    'no address': (
        lambda service: WHOAMI, {'url': 'https://h:99999'},
        'Convex URL must start with http:// or https://.'),
}


@pytest.mark.parametrize('row', ROWS)
@pytest.mark.parametrize('is_json', [False, True])
def test_failure_is_one_line_with_a_remedy_and_exit_one(
        ask, service, closed_port, row, is_json):
    prepare, options, text = ROWS[row]
    options = {name: value and value.format(port=closed_port) for name, value in options.items()}
    argv = prepare(service)
    if is_json:
        ask(*argv, '--json', **options).failed(text.format(port=closed_port))
    else:
        ask(*argv, **options).failed(text.format(port=closed_port))


def test_row_12_session_still_in_dry_run_names_the_command(ask, service):
    session_id = service.authorize()
    service.fault('session_dry_run')
    ask('sessions', 'promote', session_id).failed(
        f'Unable to promote session: session_dry_run. Session {session_id} is still in dry_run: '
        'the service refuses its promotion. Run `reflex doctor <deployment-id>`, fix what it '
        f'names, then run `reflex sessions promote {session_id} --to apply_actions` again')


@pytest.mark.parametrize('verb', ['promote', 'close'])
def test_fresh_session_is_named_with_the_deployment_and_robot_of_the_old_one(
        ask, service, verb):
    session_id = service.authorize(deploymentId='deploy_sim', robotId='robot_sim')
    service.call('closeSession', sessionId=session_id, reason='x')
    ask('sessions', verb, session_id).failed(
        'session_closed. Start a fresh session: `reflex sessions authorize --deployment '
        'deploy_sim --robot robot_sim`')


def test_row_12_dry_run_is_seen_and_left_with_the_documented_command(ask, service):
    session_id = service.authorize()
    assert 'dry_run' in ask('sessions', 'list').out
    assert ask('sessions', 'promote', session_id, '--to', 'apply_actions').code == 0
    assert 'apply_actions' in ask('sessions', 'list').out


def test_file_with_credentials_that_are_none_is_named(reflex, no_settings, monkeypatch):
    file = no_settings / 'broken.json'
    file.write_text('{')
    file.chmod(0o600)
    monkeypatch.setenv('REFLEX_CONFIG_FILE', str(file))
    reflex('whoami', key=None).failed(f'Failed to read Reflex credentials at {file}')


# ---- usage


USAGE = [
    (('whoamy',), 'No such command'), (('whoami', '--nonsense'), 'No such option'),
    (('doctor',), "Missing argument 'DEPLOYMENT_ID'"),
    (('sessions', 'list', '--status', 'odd'), "Invalid value for '--status'"),
    (('sessions', 'promote'), "Missing argument 'SESSION_ID'"),
    (('sessions', 'promote', 'a', 'b'), 'unexpected extra argument'),
    (('sessions', 'nothing'), 'No such command'),
]


@pytest.mark.parametrize('argv, nearest', [
    (('statu',), 'status'), (('so101', 'jogg'), 'jog'), (('sim', 'cam'), 'camera'),
    (('sessions', 'lst'), 'list')])
def test_mistyped_command_gets_the_nearest_name(reflex, argv, nearest):
    outcome = reflex(*argv)
    assert outcome.code == 2
    assert f"No such command '{argv[-1]}'. Did you mean '{nearest}'?" in outcome.err
    assert f"Did you mean '{nearest}'?" in reflex(*argv, '--json').document['error']
    assert 'Did you mean' not in reflex('xyzzy').err


@pytest.mark.parametrize('argv, text', USAGE)
def test_wrong_usage_is_told_on_stderr_with_exit_two(reflex, argv, text):
    outcome = reflex(*argv)
    assert (outcome.code, outcome.out) == (2, '')
    assert outcome.err.startswith('Usage: ')
    assert text in outcome.err


@pytest.mark.parametrize('argv, text', USAGE)
@pytest.mark.parametrize('is_first', [True, False])
def test_wrong_usage_is_json_when_json_was_asked_for(reflex, argv, text, is_first):
    outcome = reflex('--json', *argv) if is_first else reflex(*argv, '--json')
    assert (outcome.code, outcome.err) == (2, '')
    assert outcome.document['ok'] is False
    assert text in outcome.document['error']


@pytest.mark.parametrize('argv', [
    ('--help',), ('-h',), ('whoami', '-h'), ('sessions', '--help'), ('sessions', 'promote', '-h')])
def test_help_is_on_stdout_with_exit_zero(reflex, argv):
    outcome = reflex(*argv)
    assert outcome.code == 0
    assert outcome.out.startswith('Usage: ')
    assert outcome.err == ''


# ---- hostile services, and what -v adds


def test_what_the_service_says_cannot_steer_the_terminal(reflex, listen):
    # A title change, a cleared screen and a faked line.
    evil = '\x1b]0;owned\x07\x1b[2J\rError: all is well\n'
    values = {
        'whoami': {'organization': {'name': evil}, 'keyName': evil},
        'doctor': {'status': evil, 'passed': True, 'checks': [
            {'name': evil, 'status': evil, 'message': evil}]},
        'sessions': {'sessions': [{'id': evil, 'status': evil, 'mode': evil}]}}
    for argv in (('whoami',), ('doctor', 'd'), ('sessions', 'list')):
        body = {'status': 'success', 'value': {'ok': True} | values[argv[0]]}
        backend = listen(lambda peer, body=body: peer.answer(json.dumps(body).encode()))
        outcome = reflex(*argv, url=backend.url)
        assert outcome.code == 0
        assert outcome.out.replace('\n', '').isprintable()
        assert '\nError' not in outcome.out


def test_account_without_names_is_shown_as_such(reflex, listen):
    backend = listen(lambda peer: peer.answer(
        b'{"status":"success","value":{"ok":true,"organization":{}}}'))
    assert reflex('whoami', url=backend.url).out == (
        'Logged in to Reflex\n\nOrganization: not available\n'
        'Organization slug: not available\nOrganization ID: not available\n'
        'API key: not available\nDashboard: https://app.tryreflex.ai\n\n'
        'Next:\n  reflex datasets list\n')


@pytest.mark.parametrize('argv', [('-v', 'whoami'), ('whoami', '-v'), ('whoami', '--verbose')])
def test_verbose_adds_the_traceback_and_keeps_the_rest(ask, argv):
    outcome = ask(*argv, key='rfx_wrong')
    assert outcome.code == 1
    assert '\nTraceback (most recent call last):' in outcome.err
    assert outcome.err.endswith('Error: Reflex API key is not valid: unknown_key. Run '
                                '`reflex login`. The refused key is that of REFLEX_API_KEY: '
                                'remove or replace it there\n')
    assert 'rfx_wrong' not in outcome.err


def test_verbose_json_is_still_one_document(ask):
    outcome = ask('whoami', '--json', '-v', key='rfx_wrong')
    assert outcome.code == 1
    assert outcome.document['ok'] is False
    assert 'Traceback' in outcome.err


def test_interruption_is_exit_130(ask, monkeypatch):
    from reflex_ros.client.resources import account

    async def interrupted(client):
        raise KeyboardInterrupt

    monkeypatch.setattr(account, 'whoami', interrupted)
    assert ask('whoami').code == 130
    assert ask('whoami', '--json').document == {'ok': False, 'error': 'interrupted'}


@pytest.mark.parametrize('argv, code, text', [
    (('whoami', '--json'), 0, '"keyName": "simulated key"'),
    (('sessions', 'promote', 'sess_none', '--json'), 1, 'session_not_found'),
    (('doctor',), 2, 'DEPLOYMENT_ID')])
def test_installed_command_behaves_the_same(service, no_settings, argv, code, text):
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    environment |= {'REFLEX_API_KEY': KEY, 'REFLEX_CONVEX_URL': service.url}
    ended = subprocess.run(
        [sys.executable, '-W', 'error', '-m', 'reflex_ros.cli.main', *argv], env=environment,
        capture_output=True, text=True, timeout=20)
    assert ended.returncode == code, ended.stderr
    assert text in ended.stdout + ended.stderr
    assert KEY not in ended.stdout + ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.fixture
def held(tmp_path, monkeypatch):
    """Return a function that lets a graph on this machine hold a session."""
    for name in ('XDG_RUNTIME_DIR', 'XDG_STATE_HOME'):
        folder = tmp_path / name
        folder.mkdir(0o700)
        monkeypatch.setenv(name, str(folder))
    note = NoteFile('action_stream', 73, '/left')
    return note.hold_session


@pytest.mark.parametrize(('words', 'note', 'following'), [
    (('promote',), 'The arm does not move by this: it waits for `reflex promote`',
     'reflex promote'),
    (('promote', '--to', 'dry_run'), 'If its arm moves, it comes to rest as planned',
     'reflex status'),
    (('close',), 'It opens another one in dry_run', 'reflex status')])
def test_session_of_a_graph_on_this_machine_is_said_to_be_one(
        ask, service, held, words, note, following):
    verb, *options = words
    session_id, other = service.authorize(), service.authorize()
    held(session_id)
    found = ask('sessions', verb, session_id, *options)
    assert found.code == 0
    assert 'The graph in ROS domain 73, namespace left ' in found.out and note in found.out
    assert found.out.endswith(f'Next:\n  {following}\n')
    # Another session is none of its business.
    assert 'The graph in' not in ask('sessions', verb, other, *options).out
