# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex login``: approve, resume, give up, and what is kept meanwhile (section b.3)."""

import json
import signal
import stat
import threading
import time

import pytest

from reflex_ros.cli import browser

KEY = 'rfx_canary_7c1d9e'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def folder(no_settings, monkeypatch):
    """Say where the credentials are kept, on a machine without a display."""
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    return no_settings / 'config' / 'reflex'


@pytest.fixture
def login(reflex, service, folder, monkeypatch):
    """Run the command without a key, against the simulated service and its approval page."""
    monkeypatch.setenv('REFLEX_PLATFORM_URL', service.url)

    def call(*argv, url=service.url, command='login'):
        return reflex(command, *argv, key=None, url=url)

    return call


@pytest.fixture
def decide(service):
    """Approve or deny a request as the page does."""
    return lambda request_id, verb='approve': service._ask(
        'POST', f'/admin/{verb}', {'requestId': request_id})


@pytest.fixture
def meanwhile(folder):
    """Do something with the id of a request as soon as a login waits for it."""
    started = []

    def start(act):
        def wait():
            file = folder / 'credentials.pending.json'
            deadline = time.monotonic() + 10.0
            while not file.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            act(json.loads(file.read_text())['requestId'])

        started.append(threading.Thread(target=wait))
        started[-1].start()

    yield start
    for thread in started:
        thread.join(15.0)


def documents(outcome):
    """Read the sequence of JSON documents."""
    decoder, text, found = json.JSONDecoder(), outcome.out, []
    while text.strip():
        value, end = decoder.raw_decode(text)
        assert text[:end] == json.dumps(value, indent=2, sort_keys=True)
        found.append(value)
        text = text[end:].lstrip()
    return found


def begin(login):
    """Begin a login that does not wait; return its request id."""
    [pending] = documents(login('--timeout', '0', '--json'))
    return pending['requestId']


def test_link_is_printed_and_nothing_waits(login, service, folder):
    outcome = login('--timeout', '0')
    assert (outcome.code, outcome.err) == (0, '')
    lines = outcome.out.splitlines()
    assert lines[:2] == ['Reflex CLI login', '']
    pending = json.loads((folder / 'credentials.pending.json').read_text())
    assert lines[2] == f'{service.url}/cli/authorize?requestId={pending["requestId"]}'
    assert lines[4].startswith('Expires: in 10 minutes (20')
    assert lines[5:] == ['This command does not wait. Approve the link, then run', '',
                         '  reflex login']
    assert stat.S_IMODE((folder / 'credentials.pending.json').stat().st_mode) == 0o600
    assert not (folder / 'credentials.json').exists()


def test_later_login_collects_what_was_approved_and_makes_no_new_request(
        login, decide, service, folder):
    request_id = begin(login)
    decide(request_id)
    outcome = login('--json')
    assert outcome.code == 0
    file = folder / 'credentials.json'
    assert documents(outcome) == [{
        'ok': True, 'status': 'approved', 'requestId': request_id, 'configPath': str(file),
        'next': ['reflex whoami', 'reflex datasets list']}]
    assert json.loads(file.read_text()) == {
        'apiKey': service.key, 'convexUrl': service.url, 'siteUrl': service.url}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == [file]


def test_saved_key_and_addresses_are_used_afterwards(login, decide, reflex, monkeypatch):
    decide(begin(login))
    outcome = login()
    assert outcome.out.startswith('Reflex CLI login complete\n\nCredentials saved: ')
    monkeypatch.delenv('REFLEX_PLATFORM_URL')
    assert 'Simulated Robotics' in reflex('whoami', key=None).out


def test_login_that_goes_on_says_the_same_times(login):
    [first], [again] = (documents(login('--timeout', '0', '--json')) for _ in range(2))
    assert json.dumps(first) == json.dumps(again)


def test_login_waits_for_the_approval(login, decide, meanwhile):
    meanwhile(decide)
    outcome = login('--json', '--poll-interval', '0.25', '--timeout', '20')
    assert outcome.code == 0
    first, second = documents(outcome)
    assert set(first) == {
        'ok', 'status', 'requestId', 'approvalUrl', 'expiresAt', 'browserOpened'}
    assert (first['ok'], first['status'], first['browserOpened']) == (True, 'pending', False)
    assert first['expiresAt'] / 1e3 == pytest.approx(time.time() + 600, abs=60)
    assert (second['status'], second['requestId']) == ('approved', first['requestId'])


def test_time_out_is_exit_one_and_the_request_goes_on(login, decide, folder):
    outcome = login('--timeout', '0.05')
    assert outcome.code == 1
    assert 'Waiting for approval...' in outcome.out
    assert 'Still waiting for Reflex CLI approval' in outcome.out
    [first, last] = documents(login('--timeout', '0.05', '--json'))
    assert (last['ok'], last['status']) == (False, 'timeout')
    assert set(last) == {'ok', 'status', 'requestId', 'approvalUrl', 'expiresAt', 'error'}
    assert first['requestId'] == last['requestId']
    decide(first['requestId'])
    assert login().code == 0


@pytest.mark.parametrize('is_json', [False, True])
def test_denied_login_is_told_and_forgotten(login, decide, meanwhile, folder, is_json):
    meanwhile(lambda request_id: decide(request_id, 'deny'))
    outcome = login('--poll-interval', '0.25', *['--json'] * is_json)
    assert outcome.code == 1
    if is_json:
        _, last = documents(outcome)
        assert (last['ok'], last['status']) == (False, 'expired')
    else:
        assert 'Reflex CLI login was not completed\n\nStatus: expired\n' in outcome.out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize('end', ['deny', 'consumed', 'expired', 'expired here', 'other backend',
                                 'broken file'])
def test_request_that_is_over_or_not_for_us_is_replaced(login, decide, service, folder, end):
    first = begin(login)
    file = folder / 'credentials.pending.json'
    if end == 'deny':
        decide(first, 'deny')
    elif end == 'consumed':
        decide(first)
        service._ask('POST', '/api/mutation', {
            'path': 'cliAuth:poll', 'format': 'json', 'args': {'id': first}})
    elif end == 'expired':
        service._ask('POST', '/admin/advance', {'seconds': 601})
    elif end == 'expired here':
        file.write_text(json.dumps(json.loads(file.read_text()) | {'expiresAt': 1000}))
    elif end == 'other backend':
        file.write_text(json.dumps(json.loads(file.read_text()) | {'convexUrl': 'https://x'}))
    else:
        file.write_text('{')
    pending, last = documents(login('--timeout', '0.01', '--json'))
    assert pending['requestId'] == last['requestId'] != first
    assert last['status'] == 'timeout'


def test_link_is_the_same_while_the_request_lives(login):
    first = begin(login)
    assert begin(login) == first
    outcome = login('--timeout', '0')
    assert 'Resuming the login that is still pending. Its link:' in outcome.out


def test_interruption_leaves_the_request_for_the_next_login(login, decide, meanwhile, folder):
    asked = []

    def interrupt(request_id):
        asked.append(request_id)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    meanwhile(interrupt)
    outcome = login()
    assert outcome.code == 130
    assert outcome.err.lstrip() == 'Reflex command failed\n\nError: interrupted\n'
    decide(asked[0])
    assert login().code == 0


@pytest.mark.parametrize('values, text', [
    ([b'{}'], 'cliAuth:createRequest did not return requestId.'),
    ([b'{"requestId":"r"}', b'{"status":"approved","apiKey":""}'],
     'Approved login did not return an API key.'),
    ([b'{"requestId":"r"}', b'{"status":"approved","apiKey":"rfx bad"}'],
     'The API key contains spaces'),
    ([b'{"requestId":"r"}', b'{"status":"approved","apiKey":7}'],
     'cliAuth:poll answered with an invalid apiKey'),
    ([b'{"requestId":5}'], 'cliAuth:createRequest answered with an invalid requestId'),
])
def test_nonsense_of_the_service_is_one_clear_error(reflex, listen, folder, values, text):
    left = list(values)
    backend = listen(lambda peer: peer.answer(
        b'{"status":"success","value":%s}' % left.pop(0)))
    outcome = reflex('login', key=None, url=backend.url)
    assert outcome.code == 1
    assert outcome.err.startswith('Reflex command failed\n\nError: ')
    assert text in outcome.err
    assert not (folder / 'credentials.json').exists()


def test_id_in_the_link_is_escaped(reflex, listen, folder):
    backend = listen(lambda peer: peer.answer(
        b'{"status":"success","value":{"requestId":"a&b=\\u001b[2J /c"}}'))
    outcome = reflex('login', '--timeout', '0', key=None, url=backend.url)
    assert 'requestId=a%26b%3D%5Cx1b%5B2J%20%2Fc\n' in outcome.out
    assert 'Expires: not available' in outcome.out


@pytest.mark.parametrize('spoil, text', [
    (lambda folder: folder.chmod(0o777), 'others can write there. Run chmod go-w'),
    (lambda folder: (folder / 'credentials.json').symlink_to('/tmp/x'), 'are a link'),
])
def test_unsafe_place_is_refused_before_anything_is_asked_for(
        login, service, folder, spoil, text):
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    spoil(folder)
    login().failed(text)
    assert service.count('rpc_calls') == 0


def test_broken_credentials_do_not_stop_the_login_that_repairs_them(login, decide, folder):
    folder.mkdir(parents=True, mode=0o700)
    file = folder / 'credentials.json'
    file.write_text('{')
    file.chmod(0o600)
    decide(begin(login))
    assert login().code == 0
    assert json.loads(file.read_text())['apiKey'] == KEY


def test_verbose_adds_request_id_and_browser(login):
    outcome = login('--timeout', '0', '-v')
    assert 'Request ID: login_' in outcome.out
    assert 'Browser: not opened, open the link yourself' in outcome.out


def test_logout_forgets_key_and_request_and_says_that_the_key_stays_valid(
        login, decide, folder, monkeypatch):
    decide(begin(login))
    login()
    begin(login)
    monkeypatch.setenv('RFX_API_KEY', 'rfx_x')
    outcome = login(command='logout')
    assert outcome.code == 0
    assert 'The API key stays valid until you revoke it in the dashboard' in outcome.out
    assert 'RFX_API_KEY is still set, and commands still use it' in outcome.out
    assert list(folder.iterdir()) == []
    assert login('--json', command='logout').document == {
        'ok': True, 'deleted': False, 'addresses': [], 'kept': [],
        'configPath': str(folder / 'credentials.json')}


# ---- the browser


@pytest.mark.parametrize('platform, environment, command', [
    ('darwin', {}, ['open']), ('win32', {}, []), ('linux', {}, None),
    ('linux', {'DISPLAY': ':0'}, ['xdg-open']), ('linux', {'WAYLAND_DISPLAY': 'w'}, ['xdg-open']),
    ('linux', {'DISPLAY': ''}, None)])
def test_browser_is_opened_where_somebody_sees_it(platform, environment, command):
    assert browser.open_command(platform, environment) == command


@pytest.mark.parametrize('script, is_opened', [
    ('printf %s "$1" > "$0.url"', True), ('exit 3', False), (None, False)])
def test_link_is_handed_to_the_browser(login, no_settings, monkeypatch, script, is_opened):
    programs = no_settings / 'bin'
    programs.mkdir()
    program = programs / 'xdg-open'
    if script is not None:
        program.write_text(f'#!/bin/sh\n{script}\n')
        program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{programs}')
    monkeypatch.setenv('DISPLAY', ':0')
    [pending] = documents(login('--timeout', '0', '--json'))
    assert pending['browserOpened'] is is_opened
    if is_opened:
        assert (programs / 'xdg-open.url').read_text() == pending['approvalUrl']


@pytest.mark.parametrize('value', [
    b'{"ok":true,"status":"approved","apiKey":["rfx_fresh_1"]}',
    b'{"ok":true,"status":["approved"],"apiKey":"rfx_fresh_1"}',
    b'{"ok":true,"status":"approved","apiKey":"rfx_fresh_1'], ids=['key', 'status', 'cut'])
def test_key_in_an_answer_that_is_none_is_not_shown(reflex, listen, folder, value):
    def serve(peer):
        peer.read_request()
        is_poll = b'cliAuth:poll' in peer.body
        peer.reply(b'{"status":"success","value":%s}' % (
            value if is_poll else b'{"requestId":"r1"}'))

    url = listen(serve).url
    outcome = reflex('login', '-v', '--site-url', url, key=None, url=url)
    assert outcome.code == 1
    assert 'Traceback' in outcome.err and 'rfx_fresh' not in outcome.out + outcome.err


# ---- logins at several addresses


def test_trial_at_another_address_touches_no_real_login(login, reflex, service, decide, folder):
    folder.mkdir(parents=True, mode=0o700)
    file = folder / 'credentials.json'
    file.write_text('{"apiKey": "rfx_REAL"}')
    file.chmod(0o600)
    decide(begin(login))
    outcome = login()
    assert outcome.code == 0
    assert 'The login at https://api.tryreflex.ai is kept and stays the default' in outcome.out
    assert json.loads(file.read_text()) == {'apiKey': 'rfx_REAL'}
    # Here its own key is used, and elsewhere none is sent.
    assert login(command='whoami').code == 0
    other = reflex('whoami', key=None, url='http://127.0.0.1:9')
    assert other.code == 1 and 'a key is never sent to another address' in other.err
    outcome = login('--all', command='logout')
    assert outcome.code == 0 and not list(folder.iterdir())


def test_key_that_a_login_replaces_is_kept_and_comes_back(login, decide, folder, service):
    file = folder / 'credentials.json'

    def key():
        return json.loads(file.read_text())['apiKey']
    for old in ('rfx_first_key', 'rfx_second_key', ''):
        decide(begin(login))
        outcome = login()
        assert outcome.code == 0
        if old:
            # The simulated service has one key only.
            file.write_text(file.read_text().replace(key(), old))
    newest = key()
    assert 'That key is kept: `reflex login --previous` goes back to it' in outcome.out
    outcome = login('--previous')
    assert outcome.code == 0 and f'The earlier key for {service.url} is used again' in outcome.out
    assert key() == 'rfx_second_key'
    assert login('--previous').code == 0 and key() == newest
    assert login(command='whoami').code == 0
    # An address is named once, however many keys are kept for it.
    outcome = login('--json', command='logout')
    assert json.loads(outcome.out)['addresses'] == [service.url]
    assert not list(folder.iterdir())
    outcome = login('--previous')
    assert outcome.code == 1 and f'No earlier key is kept for {service.url}' in outcome.err


def test_default_login_can_be_moved_and_says_what_became_of_the_old_one(login, decide, folder,
                                                                        service):
    folder.mkdir(parents=True, mode=0o700)
    file = folder / 'credentials.json'
    file.write_text('{"apiKey": "rfx_REAL"}')
    file.chmod(0o600)
    decide(begin(login))
    outcome = login('--default')
    assert 'The login at https://api.tryreflex.ai is kept: it is used with --convex-url' in (
        outcome.out)
    assert json.loads(file.read_text())['convexUrl'] == service.url
    outcome = login(command='logout')
    assert 'Kept: the login at https://api.tryreflex.ai.' in outcome.out


def test_refused_key_is_named_by_where_it_is(reflex, service, tmp_path, monkeypatch):
    refusal = 'Reflex API key is not valid: unknown_key. Run `reflex login`. '
    reflex('whoami', key='rfx_old', url=service.url).failed(
        refusal + 'The refused key is that of REFLEX_API_KEY: remove or replace it there')
    reflex('whoami', '--api-key', 'rfx_old', key=None, url=service.url).failed(
        refusal + 'The refused key is that of --api-key')
    monkeypatch.chdir(tmp_path)
    (tmp_path / '.env').write_text('export REFLEX_API_KEY="rfx_old" # mine\n')
    reflex('whoami', key=None, url=service.url).failed(
        f'{refusal}The refused key is that of REFLEX_API_KEY in {tmp_path / ".env"}')
