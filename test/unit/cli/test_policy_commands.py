# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``reflex stream`` and ``reflex infer`` against the simulated service, and against worse.

Among them rows 3, 4 and 13 of the vendor's error reference (protocol l.1), provoked for real.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading

import pytest

KEY = 'rfx_canary_7c1d9e'
JPEG, PNG = b'\xff\xd8\xff\xe0 a picture', b'\x89PNG\r\n\x1a\n a picture'
POSE = '0,-30,40,30,0,30'
ALOHA = ','.join(['0'] * 14)
STREAM = ('stream', '--robot', 'so101', '--state', POSE, '--prompt', 'wave')
INFER = ('infer', '--state', ALOHA, '--prompt', 'wave')
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def reflex(reflex):
    """Run the command; return exit code, stdout, stderr."""
    def call(*argv, **options):
        outcome = reflex(*argv, **options)
        return outcome.code, outcome.out, outcome.err

    return call


@pytest.fixture
def ask(reflex, service):
    """Run the command against the simulated service."""
    return lambda *argv, **options: reflex(*argv, **{'url': service.url} | options)


@pytest.fixture
def fails(reflex):
    """Expect a failure, in text and in JSON: one line, exit 1, and nothing beside it."""
    def check(text, *argv, **options):
        code, out, err = reflex(*argv, **options)
        title, blank, error = err.splitlines()
        assert (code, title, blank) == (1, 'Reflex command failed', '')
        # What was shown before the failure stays.
        assert out == '' or out.startswith('Action stream\n')
        assert re.search(text, error.removeprefix('Error: ')), error
        code, out, err = reflex(*argv, '--json', **options)
        document = json.loads(out)
        assert (code, err, set(document)) == (1, '', {'ok', 'error'})
        assert document['ok'] is False and re.search(text, document['error'])
        return document['error']

    return check


# ---- reflex stream


def test_stream_shows_what_a_policy_answers(ask, service, tmp_path):
    (tmp_path / 'front.jpg').write_bytes(JPEG)
    code, out, err = ask(*STREAM, '--image', f'front={tmp_path}/front.jpg', '--count', '2')
    assert (code, err) == (0, '')
    blocks = out.split('\n\n')
    assert blocks[0] == 'Action stream'
    assert re.fullmatch(r'Session: sess_\w+\nOpened in: [\d.]+ ms \(connection [\d.]+ ms, session '
                        r'[\d.]+ ms\)', blocks[1])
    for number, block in enumerate(blocks[2:4]):
        assert re.match(rf'Chunk {number}: 50 rows, inference [\d.]+ ms, round trip [\d.]+ ms\n',
                        block)
    assert blocks[4:] == ['Next:\n  reflex up --config robot.yaml\n']
    lines = blocks[2].splitlines()
    assert lines[1].split() == ['joint', 'state', 'first', 'last', 'lowest', 'highest']
    assert [line.split()[0] for line in lines[2:]] == [
        'shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper']
    for line in lines[2:]:
        first, last, lowest, highest = map(float, line.split()[2:])
        assert lowest <= min(first, last) and max(first, last) <= highest
    assert service.count('open_connections') == 0


def test_stream_in_json_is_one_document(ask):
    code, out, err = ask(*STREAM, '--count', '3', '--chunk-size', '4', '--json')
    assert (code, err) == (0, '')
    document = json.loads(out)
    assert out == json.dumps(document, indent=2, sort_keys=True) + '\n'
    assert set(document) == {'ok', 'chunks', 'stream', 'next'}
    assert set(document['stream']) == {'openTiming', 'sessionId'}
    assert document['stream']['openTiming']['open_ms'] > 0.0
    assert [row['seq'] for row in document['chunks']] == [0, 1, 2]
    for row in document['chunks']:
        assert set(row) == {'seq', 'actions', 'inferMs', 'rttMs', 'totalMs'}
        assert len(row['actions']) == 4 and len(row['actions'][0]) == 6
        assert row['rttMs'] > row['inferMs'] > 0.0


@pytest.mark.parametrize('text', [POSE, POSE.replace(',', ' '), '[0, -30, 40, 30, 0, 30]\n',
                                  '0\n-30\n40\n30\n0\n30\n'])
def test_state_may_be_a_file(ask, tmp_path, text):
    file = tmp_path / 'pose'
    file.write_text(text)
    code, out, _ = ask('stream', '--robot', 'so101', '--state', str(file))
    assert code == 0
    assert '\nshoulder_lift     -30.000' in out


def test_settings_reach_the_service(listen, reflex, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(JPEG)
    (tmp_path / 'b.png').write_bytes(PNG)
    frames = []

    def serve(peer):
        peer.upgrade()
        frames.append(peer.read_message())
        peer.send_frame(b'{"type":"session.ready"}')
        frames.append(peer.read_message())
        peer.send_frame(b'{"type":"action_chunk","seq":0,"actions_aloha":[[1,2]]}')
        peer.wait_for_end()

    code, out, _ = reflex(
        'stream', '--state', '1,2', '--prompt', 'p', '--adapter', 'aloha_joint', '--model', 'm',
        '--lora', 'l@1', '--hz', '25', '--chunk-size', '7', '--session', 'mine', '--image',
        f'a={tmp_path}/a.jpg', '--image', f'b={tmp_path}/b.png', '--url',
        listen(serve).actions_url)
    assert code == 0
    assert 'inference unknown' in out
    assert frames[0] == {
        'type': 'session.open', 'session_id': 'mine', 'prompt': 'p', 'model': 'm', 'lora': 'l@1',
        'action_adapter': 'aloha_joint', 'cameras': ['a', 'b'], 'hz': 25.0, 'chunk_size': 7}
    assert frames[1]['state'] == [1.0, 2.0]
    assert {name: image['encoding'] for name, image in frames[1]['images'].items()} == {
        'a': 'jpeg_base64', 'b': 'png_base64'}


def test_session_that_the_command_did_not_make_stays_open(ask, service):
    session_id = service.authorize()
    assert ask(*STREAM, '--session', session_id)[0] == 0
    assert service.session(session_id)['status'] == 'active'
    # As the `Next` of `sessions authorize` says.
    assert ask('sessions', 'promote', session_id)[0] == 0
    # A session of its own is over with the command.
    own = json.loads(ask(*STREAM, '--json')[1])['stream']['sessionId']
    assert service.session(own)['status'] == 'closed'


def test_what_was_passed_over_is_told(ask, service):
    service.fault('wrong_seq', 'future')
    code, _, err = ask(*STREAM, '--timeout', '0.4')
    assert code == 1
    assert re.search('Error: recv_action.. timed out after 0.4s .*Frames arrived and were '
                     r'skipped, the last because of chunk \d+ does not answer observation 0', err)


def test_session_that_steers_the_terminal_is_escaped(listen, reflex):
    def serve(peer):
        peer.upgrade()
        peer.socket.recv(65536)
        peer.send_frame(json.dumps({
            'type': 'session.ready', 'session_id': '\x1b[2J\nError: all is well'}).encode())
        peer.socket.recv(65536)
        peer.send_frame(b'{"type":"action_chunk","seq":0,"actions":[[1]]}')
        peer.wait_for_end()

    code, out, _ = reflex('stream', '--state', '1', '--url', listen(serve).actions_url)
    assert code == 0
    assert out.replace('\n', '').isprintable() and '\nError' not in out


# ---- rows of the vendor's error reference


@pytest.mark.parametrize('window, attempts', [('0', '1 attempt in'), ('0.2', r'\d+ attempts in')])
def test_row_3_refused_connection_tells_attempts_and_time(fails, closed_port, window, attempts):
    fails(rf'^ws://127\.0\.0\.1:{closed_port}/v1/actions: \[Errno 111\] Connection refused '
          rf'\({attempts} 0\.\d s\)\. Check the network, or unset REFLEX_CONVEX_URL$',
          *STREAM, '--retry-seconds', window, url=f'http://127.0.0.1:{closed_port}')


@pytest.mark.parametrize('status, text', [
    ('401', r'refuses the API key: .*HTTP/1.1 401.* \(1 attempt in .*Run `reflex login` again'),
    ('403', r'refuses the API key: .*HTTP/1.1 403.* \(\d+ attempts in .*Run `reflex login` again'),
    ('404', r'HTTP/1.1 404.* \(\d+ attempts in .*is probably wrong: unset REFLEX_CONVEX_URL'),
    ('429', r'HTTP/1.1 429.* \(\d+ attempts in .*Too many requests: wait'),
    ('503', r'HTTP/1.1 503.* \(\d+ attempts in .*overloaded or restarting: wait'),
    ('402', r'HTTP/1.1 402.* \(1 attempt in'),
])
def test_row_3_refused_stream_tells_attempts_and_the_next_step(fails, service, status, text):
    service.fault('handshake_status', status)
    fails(text, *STREAM, '--retry-seconds', '0.2', url=service.url)


def test_row_3_the_window_may_come_from_the_environment(fails, service, monkeypatch):
    service.fault('handshake_status', '503')
    monkeypatch.setenv('REFLEX_WS_CONNECT_RETRY_SECONDS', '0')
    fails(r'503.* \(1 attempt in 0\.\d s\)', *STREAM, url=service.url)


def test_row_3_on_a_terminal_one_sees_the_retries(service, no_settings):
    service.fault('handshake_status', '503x1')
    primary, secondary = pty.openpty()
    ended = subprocess.run(
        [sys.executable, '-m', 'reflex_ros.cli.main', *STREAM], stderr=secondary, timeout=20,
        stdout=subprocess.PIPE, env={**os.environ, 'REFLEX_API_KEY': KEY,
                                     'REFLEX_CONVEX_URL': service.url})
    os.close(secondary)
    said = os.read(primary, 4096).decode()
    os.close(primary)
    assert ended.returncode == 0
    assert re.search(r'HTTP/1.1 503.*; retrying in 0\.\d s \(attempt 2\)', said)


def test_row_4_silence_tells_the_timing_of_the_opening(fails, service):
    service.fault('silence')
    fails(r'^recv_action\(\) timed out after 0\.2s \(tcp_ms \d.*, tls_ms 0\.0, '
          r'websocket_upgrade_ms .*, connect_ms .*, session_ready_ms .*, open_ms .*\)\. The model '
          r'may be starting: raise the timeout for the first call, or check the network$',
          *STREAM, '--timeout', '0.2', url=service.url)


def test_row_12_session_in_dry_run_names_itself_and_the_command(fails, listen):
    def serve(peer):
        peer.greet()
        peer.send_frame(b'{"type":"error","code":"session_dry_run"}')
        peer.wait_for_end()

    fails(r'^the service reports: session_dry_run\. Session sess_x is still in dry_run\. Run '
          '`reflex sessions promote sess_x --to apply_actions`$', *STREAM,
          '--url', listen(serve).actions_url)


def test_row_13_expired_session_ends_the_stream_with_the_next_step(ask, service):
    for argv in ((), ('--json',)):
        service.fault('expire')
        code, out, err = ask(*STREAM, '--count', '3', '--timeout', '5', *argv)
        assert code == 1
        assert 'session_expired' in (out + err) and 'Start a fresh session' in (out + err)


@pytest.mark.parametrize('command', [STREAM, INFER])
def test_rows_1_and_2_key_that_is_missing_or_refused(fails, service, command):
    fails(r"^API key is required\. Run 'reflex login' or set REFLEX_API_KEY\.$", *command,
          url=service.url, key=None)
    fails('reflex login', *command, url=service.url, key='rfx_wrong')


def test_interrupted_stream_is_exit_130_and_closes_its_session(ask, service):
    service.fault('silence')

    def interrupt():
        while not service.count('observations_received'):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code, out, err = ask(*STREAM, '--json')
    thread.join(10.0)
    # The blank line is click's.
    assert (code, json.loads(out), err) == (130, {'ok': False, 'error': 'interrupted'}, '\n')
    [session] = service.state()['sessions']
    assert session['status'] == 'closed'


# ---- reflex infer


def test_infer_shows_the_answer(ask, service):
    code, out, err = ask(*INFER)
    assert (code, err) == (0, '')
    assert re.match(r'Inference\n\nModel: lerobot/pi05_base\n50 rows, inference [\d.]+ ms, round '
                    r'trip [\d.]+ ms\njoint ', out)
    assert len(out.splitlines()) == 5 + 32 + 3
    assert len(ask(*INFER, '--adapter', 'aloha_joint')[1].splitlines()) == 5 + 14 + 3


def test_infer_in_json_is_the_whole_answer(ask):
    code, out, err = ask(*INFER, '--adapter', 'aloha_joint', '--request-id', 'mine', '--json')
    document = json.loads(out)
    assert (code, err, set(document)) == (0, '', {'ok', 'inference', 'warnings', 'next'})
    answer = document['inference']
    assert answer['request_id'] == 'mine'
    assert answer['actions'] == answer['actions_aloha']
    assert {'all_zero', 'infer_ms', 'max_minus_min', 'model_id', 'session_id'} < set(answer)
    assert 'seq' not in answer


def test_infer_waits_for_a_model_that_starts(ask, service, monkeypatch):
    from reflex_ros.client.resources import inference
    monkeypatch.setattr(inference, 'COLD_WAIT_S', 0.01)
    service.fault('cold_start', 2)
    assert ask(*INFER)[0] == 0
    service.fault('cold_start', 9)
    code, out, _ = ask(*INFER, '--json')
    assert code == 1
    assert json.loads(out)['error'].startswith('The model is still starting after 3 attempts: ')


def test_infer_doubts_what_looks_wrong(ask, service, listen, reflex):
    service.fault('all_zero')
    code, out, err = ask(*INFER)
    assert code == 0
    assert err == ('Warning: every action is zero: check that the adapter of the model fits the '
                   'robot\n')
    assert json.loads(ask(*INFER, '--json')[1])['warnings'] == [err[9:-1]]
    peer = listen(lambda peer: peer.answer(
        b'{"ok":true,"actions_aloha":[[0.51,0.5],[0.53,0.52]],"infer_ms":31000}'))
    code, out, err = reflex(*INFER, url=peer.url)
    assert code == 0
    assert [line[:36] for line in err.splitlines()] == [
        'Warning: all actions differ by at mo', 'Warning: the inference took 31000 ms']


@pytest.mark.parametrize('body, text', [
    (b'{"ok":true}', '/v1/infer answered with no actions: chunk 0: no list of 1 to 1000 rows'),
    (b'{"ok":true,"actions":[[1e999]]}', 'answered with no actions: chunk 0: row 0 holds inf'),
    (b'{"ok":true,"actions":[[NaN]]}', 'answered with no actions: chunk 0: row 0 holds nan'),
    (b'{"ok":false,"error":"worker_lost\\u001b[2J"}', r'Unable to infer: worker_lost\\x1b\[2J$'),
    (b'{"error":"worker_lost"}', 'Unable to infer: worker_lost$'),
    (b'[]', 'Unexpected Reflex inference response'),
])
def test_infer_refuses_an_answer_that_is_none(fails, listen, body, text):
    fails(text, *INFER, url=listen(lambda peer: peer.answer(body)).url)


def test_infer_explains_refusals(fails, service):
    fails(r"HTTP 422: invalid_state: 'state' must hold [^{}]* for pi_native, got 2$", 'infer',
          '--state', '1,2', url=service.url)
    fails('for pi_native, got 6. A state of 6 numbers is that of an SO-101: add `--robot so101`$',
          'infer', '--state', '0,-30,40,30,0,30', url=service.url)
    service.fault('balance_too_low')
    fails(r'HTTP 402.*below_minimum_balance.*Top up the balance', *INFER, url=service.url)


def test_infer_url_may_be_given(ask, service):
    assert ask(*INFER, '--infer-url', service.url, url='https://example.invalid')[0] == 0


# ---- usage


@pytest.mark.parametrize('command', ['stream', 'infer'])
@pytest.mark.parametrize('argv, text', [
    ((), "Missing option '--state'"),
    (('--state', '1,x'), 'neither a list of numbers nor a readable file (No such file'),
    (('--state', '1,,2'), '1,,2 is not a list of numbers'),
    (('--state', ','), 'is not a list of numbers'),
    (('--state', '1e999'), 'not finite'),
    (('--state', '{tmp}/words'), 'words is not a list of numbers'),
    (('--state', '{tmp}/binary'), 'neither a list of numbers nor a readable file'),
    (('--state', '1', '--image', 'front'), "'front' is not CAMERA=FILE"),
    (('--state', '1', '--image', 'front={tmp}/none.jpg'), 'cannot be read: No such file'),
    (('--state', '1', '--image', 'front={tmp}/words'), 'is neither a JPEG nor a PNG'),
    (('--state', '1', '--image', 'a={tmp}/a.jpg', '--image', 'a={tmp}/a.jpg'),
     'camera a is named twice'),
    (('--state', '1', '--image', 'a={tmp}/huge.jpg'), 'larger than 4 MiB: make it smaller'),
    (('--state', '1', '--timeout', 'nan'), 'nan is not a finite number'),
    (('--state', '1', '--timeout', '0'), 'not in the range'),
])
def test_wrong_usage_is_told_with_exit_two(reflex, tmp_path, command, argv, text):
    (tmp_path / 'words').write_text('some words')
    (tmp_path / 'binary').write_bytes(b'\xff\xfe')
    (tmp_path / 'a.jpg').write_bytes(JPEG)
    (tmp_path / 'huge.jpg').write_bytes(JPEG + bytes(4 * 2**20))
    code, out, err = reflex(command, *(word.format(tmp=tmp_path) for word in argv),
                            url='http://127.0.0.1:9')
    assert (code, out) == (2, '')
    assert text in ' '.join(err.split())


@pytest.mark.parametrize('argv', [('--robot', 'so101'), ('--adapter', 'so101_joint')])
def test_infer_asks_a_policy_for_an_so101(ask, argv):
    code, out, _ = ask('infer', *argv, '--state', '0,-30,40,30,0,30', '--json')
    assert code == 0, out
    assert all(len(row) == 6 for row in json.loads(out)['inference']['actions'])


HOSTILE = {
    'redirect': (b'', '302 Found', f'Location: ws://other/{KEY}'),
    'redirect without a place': (b'', '302 Found', f'Location: http://[{KEY}'),
    'upgrade': (b'', '101 Switching Protocols', f'Upgrade: {KEY}', f'Connection: {KEY}'),
    'accept': (b'', '101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
               f'Sec-WebSocket-Accept: {KEY}'),
    'extension': (b'', '101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
                  f'Sec-WebSocket-Extensions: {KEY}'),
    'refusal': (KEY.encode(), f'400 {KEY}', f'Server: {KEY}'),
    'no status': (b'', KEY),
}


@pytest.mark.parametrize('name', HOSTILE)
@pytest.mark.parametrize('verbose', [(), ('-v',)])
def test_key_that_the_service_repeats_is_never_shown_also_not_in_a_traceback(
        reflex, listen, monkeypatch, name, verbose):
    listener = listen(lambda peer: peer.answer(*HOSTILE[name]))
    monkeypatch.setenv('REFLEX_WS_CONNECT_RETRY_SECONDS', '0')
    monkeypatch.setenv('REFLEX_ACTIONS_URL', listener.url.replace('http', 'ws'))
    code, out, err = reflex(*STREAM, *verbose)
    assert code == 1 and KEY not in out + err
    assert ('Traceback' in err) is bool(verbose)
