# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every entry of the vendor's error reference (protocol l.1), provoked for real.

Each test looks at the text, its remedy, the exit code and the JSON shape.

=====  ============================================  =============================================
entry  what                                          where
=====  ============================================  =============================================
1, 2   the key is missing, or refused                here; of a stream: test_policy_commands.py
3, 4   a stream is refused, ``recv_action()``        test_policy_commands.py (``reflex stream``)
       times out
5, 6   the backend does not answer, the deployment   here
       is not ready
7      safe stop in mid run                          test/ros/test_safe_stop_exit.py, which needs
                                                     the nodes; the JSON: test_up_command.py
8      the observe command timed out                 test_connect_command.py, which also provokes
                                                     6, 7, 9, 12 and 13 in runs of connect
9      no SO-101 bus found                           here and test_so101_commands.py
10-13  training, sessions                            here, test_training_commands.py,
                                                     test_policy_commands.py
14     more detail                                   here; ``-v`` on every command:
                                                     test_main.py
=====  ============================================  =============================================

The second half holds the rows of l.2 that concern identity and sessions.
"""

import contextlib
import threading

import pytest

KEY = 'rfx_canary_7c1d9e'
OF_VARIABLE = 'The refused key is that of REFLEX_API_KEY: remove or replace it there'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def provoke(ask, service):
    """Run a command in text and with --json; both must fail with one and the same line."""
    def call(*argv, text, prepare=lambda: None, **options):
        for extra in ((), ('--json',)):
            prepare()
            outcome = ask(*argv, *extra, **options)
            assert outcome.code == 1
            assert bool(outcome.out) is bool(extra)
            outcome.failed(text)
        return outcome.document['error']

    return call


def blocked_session(service):
    """Have a session of a deployment that was never ready."""
    return service.authorize(deploymentId='deploy_blocked')


# ---- 1, 2: the key


@pytest.mark.parametrize('argv', [
    ('whoami',), ('robots', 'list'), ('deployments', 'list'), ('doctor', 'deploy_sim'),
    ('sessions', 'list'), ('receipts', 'list'), ('datasets', 'list'), ('training', 'list'),
    ('models', 'list')], ids=' '.join)
def test_entry_1_no_key(provoke, argv):
    error = provoke(*argv, key=None, text='API key is required.')
    assert error == "API key is required. Run 'reflex login' or set REFLEX_API_KEY."


@pytest.mark.parametrize('argv', [('whoami',), ('robots', 'list'), ('doctor', 'deploy_sim')],
                         ids=' '.join)
def test_entry_2_key_that_nobody_knows(provoke, argv):
    error = provoke(*argv, key='rfx_rotated', text='Reflex API key is not valid')
    assert error == (
        'Reflex API key is not valid: unknown_key. Run `reflex login`. ' + OF_VARIABLE)


def test_entry_2_key_that_was_revoked(provoke, service):
    service.fault('revoke_key_after', 0)
    error = provoke('whoami', text='Reflex API key is not valid')
    assert error == (
        'Reflex API key is not valid: unknown_key. Run `reflex login`. ' + OF_VARIABLE)


def test_entry_2_http_401(provoke, service):
    service.fault('rpc_status', '401')
    error = provoke('whoami', text='Reflex API key is not valid')
    assert error == (
        'Reflex API key is not valid: HTTP 401. Run `reflex login`. ' + OF_VARIABLE)


# ---- 5: the backend


@pytest.mark.parametrize('argv', [('whoami',), ('doctor', 'deploy_sim'), ('robots', 'list')],
                         ids=' '.join)
def test_entry_5_backend_that_does_not_answer(provoke, closed_port, argv):
    url = f'http://127.0.0.1:{closed_port}'
    error = provoke(*argv, url=url, text=f'Cannot reach the Reflex backend at {url}: ')
    assert error.endswith('. Check the network, or unset REFLEX_CONVEX_URL')


# ---- 6: the deployment


def test_entry_6_deployment_not_ready_at_promotion(provoke, service):
    session_id = blocked_session(service)
    error = provoke('sessions', 'promote', session_id,
                    text='Deployment deploy_blocked is not ready for apply_actions (')
    assert 'robot_paired: ' in error and 'robot_heartbeat_recent: ' in error
    assert error.endswith('Run `reflex doctor deploy_blocked`, fix each failed check, then try '
                          'again')


def test_entry_6_deployment_not_ready_at_authorization(provoke):
    provoke('sessions', 'authorize', '--deployment', 'deploy_blocked', '--mode', 'apply_actions',
            text='Deployment deploy_blocked is not ready for apply_actions (robot_paired: ')


def test_entry_6_remedy_leads_to_the_failed_checks(ask):
    outcome = ask('doctor', 'deploy_blocked')
    assert outcome.code == 1
    assert outcome.out.count('\nfailed ') == outcome.out.count('\n         -> ') == 2


# ---- 9: the arm


@pytest.mark.parametrize('from_environment', [False, True])
def test_entry_9_no_arm_where_it_should_be(reflex, monkeypatch, tmp_path, from_environment):
    port = str(tmp_path / 'ttyUSB9')
    if from_environment:
        monkeypatch.setenv('REFLEX_SO101_PORT', port)
    argv = ('so101', 'find', *(() if from_environment else ('--port', port)))
    written = reflex(*argv)
    found = reflex(*argv, '--json')
    assert written.code == found.code == 1
    assert set(found.document) == {'ok', 'error', 'ports'} and found.err == ''
    assert found.document['ok'] is False
    error = found.document['error']
    assert written.err.endswith(f'Reflex command failed\n\nError: {error}\n')
    # The port was named: the words about a search belong to a search.
    assert error.startswith(f'port {port} does not exist') and 'REFLEX_SO101_PORT' in error
    assert error.endswith('REFLEX_SO101_PORT names this port') == from_environment


# ---- 10, 11: training


def test_entry_10_dataset_that_was_never_validated(provoke, service):
    dataset_id = service.call('registerDataset', hfSourceUri='me/pick')['datasetId']
    error = provoke('training', 'start', '--dataset', dataset_id,
                    text='Unable to start training run: ')
    assert error.endswith(f'Run `reflex datasets validate {dataset_id}` first')


def test_entry_11_run_in_the_queue_is_listed_cancelled_and_started_again(ask, service):
    dataset_id = service.call('registerDataset', hfSourceUri='me/pick')['datasetId']
    service.call('validateDataset', datasetId=dataset_id)

    def start(request_id):
        return ask('training', 'start', '--dataset', dataset_id, '--request-id', request_id,
                   '--json').document['trainingRun']['trainingRunId']

    first = start('one')
    assert start('one') == first
    listed = ask('training', 'list', '--all').out
    assert 'Status: queued' in listed and 'Queue: position 1, waiting for ' in listed
    assert ask('training', 'cancel', first).code == 0
    again = ask('training', 'start', '--dataset', dataset_id, '--request-id', 'one').out
    assert again.startswith('Training run of an earlier request\n')
    assert (f'No new run was started: {first} (stopping) was started before with --request-id '
            'one. For a new run, pass a new --request-id') in again
    assert start('two') != first


# ---- 12, 13: the session


def test_entry_12_session_still_in_dry_run(provoke, service):
    session_id = service.authorize()
    error = provoke('sessions', 'promote', session_id, prepare=lambda: service.fault(
        'session_dry_run'), text=f'Session {session_id} is still in dry_run')
    # The service refused this very command: something else must change first.
    assert error.endswith('Run `reflex doctor <deployment-id>`, fix what it names, then run '
                          f'`reflex sessions promote {session_id} --to apply_actions` again')
    service.clear()
    assert ask_ok(service, session_id) == 'apply_actions'


def ask_ok(service, session_id):
    """Do what the remedy says; return the mode that the session is in then."""
    service.call('promoteSession', sessionId=session_id, mode='apply_actions')
    return service.session(session_id)['mode']


@pytest.mark.parametrize('verb, action', [
    ('promote', 'Unable to promote session'), ('close', 'Unable to close inference session')])
@pytest.mark.parametrize('end', ['closed', 'expired', 'failed'])
def test_entry_13_session_that_is_over(provoke, service, verb, action, end):
    session_id = service.authorize()
    if end == 'closed':
        service.call('closeSession', sessionId=session_id, reason='x')
    else:
        service.fault({'expired': 'expire', 'failed': 'fail'}[end])
    provoke('sessions', verb, session_id,
            text=f'{action}: session_{end}. Start a fresh session: `reflex sessions authorize`')


# ---- 14: more detail


def test_entry_14_verbose_shows_the_exchange_and_json_the_error(ask):
    outcome = ask('sessions', 'promote', 'sess_none', '-v')
    assert outcome.code == 1
    assert 'reflex_ros.client.transport: POST ' in outcome.err
    assert 'publicApi:promoteSession: HTTP 200, ' in outcome.err
    assert 'Traceback (most recent call last):' in outcome.err
    quiet = ask('sessions', 'promote', 'sess_none')
    assert len(quiet.err.splitlines()) == 3
    assert list(ask('sessions', 'promote', 'sess_none', '--json').document) == ['error', 'ok']


# ---- l.2


def test_login_that_nobody_approves(reflex, service, monkeypatch):
    monkeypatch.setenv('REFLEX_PLATFORM_URL', service.url)
    outcome = reflex('login', '--timeout', '0.01', key=None, url=service.url)
    assert outcome.code == 1
    assert 'Still waiting for Reflex CLI approval' in outcome.out


@pytest.mark.parametrize('fault, text', [
    ('balance_too_low', 'Unable to authorize session: balance_too_low. Top up the balance'),
    ('no_inference_node', 'Unable to authorize session: no_inference_node_available. No worker '
     'runs this model now')])
def test_session_that_nobody_can_run(provoke, service, fault, text):
    provoke('sessions', 'authorize', prepare=lambda: service.fault(fault), text=text)


@pytest.mark.parametrize('body, status, text', [
    (b'busy', '503 Service Unavailable', 'Convex HTTP 503: busy'),
    (b'{}', '404 Not Found', 'Convex HTTP 404: {}'), (b'hello', '200 OK',
                                                      'Invalid Convex response: hello'),
    (b'[1]', '200 OK', 'response must be a JSON object.'),
    (b'{"status":"error","errorMessage":"it broke"}', '560 Function Failed', 'it broke'),
    (b'{"status":"success","value":7}', '200 OK', 'response must be a JSON object.'),
    (b'{"status":"success","value":{"ok":false}}', '200 OK', 'Unable to list robots: unknown.'),
    (b'{"status":"success","value":{"ok":false,"message":"closed today"}}', '200 OK',
     'Unable to list robots: closed today.')])
def test_answer_of_a_broken_backend_is_one_line(reflex, listen, body, status, text):
    backend = listen(lambda peer: peer.answer(body, status))
    reflex('robots', 'list', url=backend.url).failed(text)
    reflex('robots', 'list', '--json', url=backend.url).failed(text)


def test_backend_that_falls_silent_is_given_up(reflex, listen, monkeypatch):
    from reflex_ros.client import transport

    monkeypatch.setattr(transport, 'CALL_S', 0.2)
    over = threading.Event()

    def hang(peer):
        peer.read_request()
        with contextlib.suppress(OSError):
            over.wait(20.0)

    backend = listen(hang)
    try:
        reflex('sessions', 'close', f'sess_{"0a" * 12}', url=backend.url).failed(
            'no whole answer within 0.2 s')
    finally:
        over.set()
    assert len(backend.peers) == 1
