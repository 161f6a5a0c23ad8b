# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The table of ``doc/errors.md``: each entry of the vendor's error reference (l.1), provoked.

Each row is run as text and with --json, and compared with the page. To write the page from what
was seen: ``WRITE_ERRORS=1 make test ARGS=test/unit/cli/test_error_table.py``.
"""

import os
from pathlib import Path
import re

import pytest
import yaml

from reflex_ros.domain.fault_code import FaultCode

PAGE = Path(__file__).parents[3] / 'doc' / 'errors.md'
BEGIN, END = '<!-- Begin of the rows. -->\n', '<!-- End of the rows. -->\n'
STREAM = ('stream', '--robot', 'so101', '--state', '0,-30,40,30,0,30')
OBSERVE = ['printf', '{"state":[0,-30,40,30,0,30]}']
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

ENTRIES = {
    1: 'API key required', 2: 'The key is refused', 3: 'Stream refused or connection refused',
    4: '`recv_action()` times out', 5: 'Cannot reach the backend',
    6: 'Deployment not ready for apply_actions', 7: 'Safe stop mid-run',
    8: 'The observe command timed out', 9: 'No SO-101 bus found', 10: 'Dataset not validated',
    11: 'Run stuck in queued', 12: 'Session still in dry_run', 13: 'Session expired or closed',
    14: 'What `--verbose` adds'}
SAYS = {
    1: 'API key is required', 2: 'API key is not valid', 3: 'handshake failed',
    4: 'timed out after', 5: 'Cannot reach the Reflex backend',
    6: 'is not ready for apply_actions', 7: 'Safe stop fired',
    8: 'The observe command timed out', 9: '/dev/ttyUSB77 does not exist', 10: 'datasets validate',
    11: 'the queue is backed up', 12: 'session_dry_run', 13: 'session_',
    14: 'publicApi:whoami: HTTP 200'}
"""Entry -> words that show that it, and nothing else, was provoked."""
GRAPH = {2: 'AUTH_REVOKED', 3: 'NET_CLOSED', 4: 'NET_SILENT', 6: 'NOT_READY', 7: 'SERVER_ERROR',
         12: 'MODE_MISMATCH', 13: 'SESSION_EXPIRED'}
"""Entry -> the code with which the running graph shows it; doc/safety.md has all codes."""


def plain(text):
    """Remove what differs from run to run."""
    for pattern, name in (
            (r'127\.0\.0\.1:\d+', '127.0.0.1:PORT'), (r'/tmp/[^\s:,)]*/', '/.../'),
            (r'\b(sess|dataset|run|deploy)_[0-9a-f]{12,}', r'\1_...'),
            (r'\d+ attempts? in [\d.]+ s', 'N attempts in T s'),
            (r'(\w+_ms) [\d.]+', r'\1 T'), (r'^\d{4}-\S+ \S+', 'TIME'),
            (r'\d+ bytes, \d+ ms', 'N bytes, T ms'), (r'Checked .*?(?=\. )', 'Checked ...')):
        text = re.sub(pattern, name, text)
    return text.replace('|', '\\|')


class Case:
    """
    One way to provoke an entry.

    :param patch: name of a limit that no test can wait for, and a shorter one.
    :param on_stderr: the text is what is on stderr without --json.
    """

    def __init__(self, entry, where, argv, prepare=None, code=1, patch=None, on_stderr=False,
                 **options):
        self.entry, self.where, self.argv, self.prepare = entry, where, argv, prepare
        self.code, self.patch, self.on_stderr, self.options = code, patch, on_stderr, options

    def __repr__(self):
        return f'{self.entry}-{self.where}'


def promoted(service):
    """Close a session, and name it."""
    session = service.authorize()
    service.call('closeSession', sessionId=session, reason='x')
    return ('sessions', 'promote', session)


def dry(service):
    session = service.authorize()
    service.fault('session_dry_run')
    return ('sessions', 'promote', session)


def unvalidated(service):
    dataset = service.call('registerDataset', hfSourceUri='me/pick')['datasetId']
    return ('training', 'start', '--dataset', dataset)


def stuck(service):
    """Start a run that stays in the queue, and name it."""
    service.fault('training_stuck')
    run = service.call(
        'createAndProvisionTrainingRunFromHuggingFace', hfSourceUri='me/pick', baseModel='pi0.5',
        fineTuningType='lora', epochs=1, modelName='pick', modelVersion='v1')
    return ('training', 'status', run['trainingRunId'])


CASES = [
    Case(1, 'CLI', ('whoami',), key=None),
    Case(1, 'connect', {}, key=None),
    Case(2, 'CLI', ('whoami',), key='rfx_rotated'),
    Case(2, 'connect', {}, key='rfx_rotated'),
    Case(3, 'CLI', (*STREAM, '--retry-seconds', '0'),
         lambda service: service.fault('handshake_status', '404')),
    Case(3, 'connect', {'target': {'kind': 'stream', 'robot': 'so101', 'open_window_s': 0.0}},
         lambda service: service.fault('handshake_status', '400')),
    Case(4, 'CLI', (*STREAM, '--timeout', '0.3'), lambda service: service.fault('silence')),
    Case(4, 'connect', {}, lambda service: service.fault('silence'),
         patch=('reflex_ros.client.action_stream.DEFAULT_TIMEOUT_S', 0.3)),
    Case(5, 'CLI', ('whoami',), is_closed=True),
    Case(5, 'connect', {}, is_closed=True),
    Case(6, 'CLI', ('sessions', 'authorize', '--deployment', 'deploy_blocked', '--mode',
                    'apply_actions')),
    Case(6, 'connect', {'mode': 'apply_actions', 'deployment': {'id': 'deploy_blocked'},
                        'hardware': {'kind': 'subprocess', 'config': {
                            'observe_command': OBSERVE, 'action_command': ['true']}}}),
    Case(7, 'connect', {'max_steps': 5}, lambda service: service.fault('close', '1:1011')),
    Case(8, 'connect', {'hardware': {'kind': 'subprocess', 'config': {
        'observe_command': ['sleep', '9'], 'command_timeout_s': 0.2}}}),
    Case(9, 'CLI', ('so101', 'find', '--port', '/dev/ttyUSB77')),
    Case(9, 'connect', {'target': {'kind': 'stream'}, 'hardware': {
        'kind': 'so101', 'config': {'port': '/dev/ttyUSB77'}}}),
    Case(10, 'CLI', unvalidated),
    Case(11, 'CLI', stuck, code=0, on_stderr=True,
         patch=('reflex_ros.client.resources.training.STUCK_S', 0.0)),
    Case(12, 'CLI', dry),
    Case(12, 'connect', {'mode': 'apply_actions', 'deployment': {'id': 'deploy_sim'}, 'hardware': {
        'kind': 'subprocess', 'config': {'observe_command': OBSERVE, 'action_command': ['true']}}},
         lambda service: service.fault('session_dry_run')),
    Case(13, 'CLI', promoted),
    Case(13, 'connect', {'max_steps': 5}, lambda service: service.fault('expire', 1)),
    Case(14, 'CLI', ('whoami', '-v'), code=0, on_stderr=True),
]


@pytest.fixture(scope='module')
def seen():
    """Collect the rows of this run; write the page when that is wanted and all were seen."""
    rows = {}
    yield rows
    if os.environ.get('WRITE_ERRORS') and len(rows) == len(CASES):
        head, _, rest = PAGE.read_text(encoding='utf-8').partition(BEGIN)
        tail = rest.partition(END)[2]
        body = ''.join(rows[repr(case)] for case in CASES)
        PAGE.write_text(head + BEGIN + HEAD + body + graph_rows() + END + tail, encoding='utf-8')


HEAD = ('| entry | what | where | text, with the remedy | exit | fields of `--json` |\n'
        '| --- | --- | --- | --- | --- | --- |\n')


def graph_rows():
    return ''.join(
        f'| {entry} | {ENTRIES[entry]} | graph | `{name}`: {FaultCode[name].row.next_step} | | '
        '`/safety/state` |\n' for entry, name in GRAPH.items())


@pytest.mark.parametrize('case', CASES, ids=repr)
def test_row_of_the_page_is_what_is_seen(
        ask, service, closed_port, tmp_path, monkeypatch, seen, case):
    options = dict(case.options)
    if case.patch:
        monkeypatch.setattr(*case.patch)
    if options.pop('is_closed', False):
        options['url'] = f'http://127.0.0.1:{closed_port}'
    made = case.prepare(service) if case.prepare else None
    argv = case.argv(service) if callable(case.argv) else case.argv
    assert made is None
    if case.where == 'connect':
        path = tmp_path / 'robot.yaml'
        path.write_text(yaml.safe_dump({
            'prompt': 'wave', 'max_steps': 2, 'target': {
                'kind': 'stream', 'robot': 'so101', 'open_window_s': 1.0},
            'hardware': {'kind': 'subprocess', 'config': {
                'observe_command': OBSERVE, 'command_timeout_s': 20.0}}, **argv}))
        argv = ('connect', '--config', str(path))
    outcome = ask(*argv, '--json', **options)
    document = outcome.document
    assert outcome.code == case.code and document['ok'] is (case.code == 0)
    assert outcome.err == '' or '-v' in argv
    error = ' '.join(ask(*argv, **options).err.split()) if case.on_stderr else document['error']
    assert SAYS[case.entry] in error
    row = (f'| {case.entry} | {ENTRIES[case.entry]} | {case.where} | {plain(error)} | '
           f'{outcome.code} | {", ".join(f"`{name}`" for name in sorted(document))} |\n')
    seen[repr(case)] = row
    if not os.environ.get('WRITE_ERRORS'):
        assert row in PAGE.read_text(encoding='utf-8'), 'doc/errors.md is older: see above'


def test_rows_of_the_graph_name_its_codes():
    if not os.environ.get('WRITE_ERRORS'):
        assert graph_rows() in PAGE.read_text(encoding='utf-8')
