# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex datasets``: text, JSON, exit codes, interruption, against the simulated service."""

import hashlib
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import pytest

KEY = 'rfx_canary_7c1d9e'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'pick.tar'
    path.write_bytes(os.urandom(300000))
    return path


@pytest.fixture
def registered(service):
    return service.call('registerDataset', hfSourceUri='me/pick')['datasetId']


def test_way_from_the_hub_to_training(ask):
    outcome = ask('datasets', 'register', 'hf://datasets/me/pick')
    assert (outcome.code, outcome.err) == (0, '')
    assert outcome.out.startswith('Dataset registered\n\nID: dataset_')
    # The last line is the next command.
    outcome = ask(*outcome.out.splitlines()[-1].split()[1:])
    assert outcome.out.startswith('Dataset validation complete\n')
    assert outcome.out.splitlines()[-1].startswith('  reflex training start --dataset dataset_')
    assert 'Status: validated' in ask('datasets', 'list').out


def test_documents_have_the_fields_of_the_reference(ask):
    document = ask('datasets', 'register', 'me/pick', '--json').document
    assert set(document) == {'ok', 'dataset', 'next'} and document['dataset']['ok'] is True
    dataset_id = document['dataset']['datasetId']
    assert document['next'] == [f'reflex datasets validate {dataset_id}']
    document = ask('datasets', 'validate', dataset_id, '--json').document
    assert set(document) == {'ok', 'validation', 'next'}
    assert document['next'] == [f'reflex training start --dataset {dataset_id}']
    document = ask('datasets', 'list', '--json').document
    assert set(document) == {'ok', 'datasets', 'next'} and document['datasets']['ok'] is True
    assert document['next'] == [f'reflex training start --dataset {dataset_id}']
    assert [row['_id'] for row in document['datasets']['datasets']] == [dataset_id]
    document = ask('datasets', 'get', dataset_id, '--json').document
    assert document['dataset']['dataset_id'] == dataset_id


def test_list_is_numbered_and_derives_source_and_status(reflex, listen):
    rows = [
        {'_id': 'd1', 'hfRepo': 'me/a', 'hfPath': 'x', 'hfRevision': 'v1', 'updatedAt': 0,
         'name': 'one'},
        {'_id': 'd2', 'hfRepo': 'me/b', 'deleted': True}, {'id': 'd3', 'lastValidatedAt': 5},
        {'_id': 'd4', 'name': 'up', 'validationMessage': 'no \x1b[2Jinfo.json'}]
    backend = listen(lambda peer: peer.answer(json.dumps(
        {'status': 'success', 'value': {'ok': True, 'datasets': rows}}).encode()))
    outcome = reflex('datasets', 'list', url=backend.url)
    lines = outcome.out.splitlines()
    assert lines[:5] == ['Datasets', '', '1. one', '   ID: d1', '   Source: me/a/x@v1']
    assert lines[5] == '   Status: registered' and lines[6].startswith('   Updated: 19')
    assert [line for line in lines if 'Status' in line][1:] == [
        '   Status: deleted', '   Status: validated', '   Status: no \\x1b[2Jinfo.json']
    assert len(lines) == 2 + 4 * 5 + 3
    assert lines[-2:] == ['Next:', '  reflex datasets validate d4']


def test_empty_list_says_so(ask):
    assert ask('datasets', 'list').out == (
        'Datasets\n\nNo datasets found.\n\nNext:\n  reflex datasets upload <folder-or-file>\n')


def test_upload_shows_the_checksum_and_the_next_step(ask, file):
    outcome = ask('datasets', 'upload', str(file), '--name', 'pick-2')
    assert (outcome.code, outcome.err) == (0, '')
    assert outcome.out.startswith('Dataset uploaded\n\nID: dataset_')
    assert f'SHA 256: {hashlib.sha256(file.read_bytes()).hexdigest()}' in outcome.out
    assert 'Name: pick-2' in outcome.out and '/uploads/' not in outcome.out
    again = ask('datasets', 'upload', str(file), '--name', 'pick-2', '--json').document
    assert again['dataset']['dataset_id'] in outcome.out
    assert len(ask('datasets', 'list', '--json').document['datasets']['datasets']) == 1


def test_repeated_upload_of_validated_data_goes_on_with_the_training(ask, file):
    made = ask('datasets', 'upload', str(file), '--json').document
    dataset_id = made['dataset']['dataset_id']
    assert made['next'] == [f'reflex datasets validate {dataset_id}']
    assert ask('datasets', 'validate', dataset_id).code == 0
    again = ask('datasets', 'upload', str(file), '--json').document
    assert again['next'] == [f'reflex training start --dataset {dataset_id}']


def test_upload_by_hand(ask, file):
    created = ask('datasets', 'create', '--name', 'hand', '--size', '300000', '--request-id', 'r',
                  '--json').document
    assert created['dataset']['upload_url'].startswith('http://127.0.0.1')
    dataset_id = created['dataset']['dataset_id']
    ask('datasets', 'complete', dataset_id).failed('upload_incomplete')
    outcome = ask('datasets', 'create', '--name', 'hand', '--request-id', 'r')
    assert f'ID: {dataset_id}' in outcome.out
    assert outcome.out.splitlines()[-1] == f'  reflex datasets complete {dataset_id}'


@pytest.mark.parametrize('is_json', [False, True])
@pytest.mark.parametrize('argv, text', [
    (('register', 'nonsense'), "'nonsense' is not a dataset on the Hugging Face hub. Write it as"),
    (('validate', 'dataset_none'), 'Unable to validate dataset: dataset_not_found.'),
    (('get', 'dataset_none'), 'dataset_not_found'),
    (('get', '../admin'), 'is not a valid id of a dataset'),
    (('complete', 'dataset_none'), 'dataset_not_found'),
    (('upload', '/nowhere/x.tar'), 'Cannot read /nowhere/x.tar: No such file or directory'),
    (('upload', '/tmp'),
     '/tmp is not a whole LeRobot dataset: meta/info.json is missing')])
def test_failure_is_one_line_and_exit_one(ask, argv, text, is_json):
    ask('datasets', *argv, *(['--json'] if is_json else [])).failed(text)


@pytest.mark.parametrize('is_json', [False, True])
def test_invalid_dataset_says_what_is_wrong(ask, service, registered, is_json):
    service.fault('dataset_invalid')
    ask('datasets', 'validate', registered, *(['--json'] if is_json else [])).failed(
        'Unable to validate dataset: dataset_invalid. meta/info.json')


def environment(service):
    """Make what a user's shell has."""
    return {**os.environ, 'REFLEX_API_KEY': KEY, 'REFLEX_CONVEX_URL': service.url,
            'PYTHONPATH': str(Path(__file__).parents[3])}


@pytest.mark.slow
def test_interrupted_upload_says_how_to_go_on_and_goes_on(service, no_settings, tmp_path):
    # Large enough that nobody is done before the signal comes; holes cost no disk.
    file = tmp_path / 'large.tar'
    file.touch()
    os.truncate(file, 128 * 2 ** 20)
    argv = [sys.executable, '-m', 'reflex_ros.cli.main', 'datasets', 'upload', str(file)]
    job = subprocess.Popen(argv, env=environment(service), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20.0
    while True:
        rows = service.call('listDatasets')['datasets']
        if rows and rows[0]['status'] == 'awaiting_upload':
            break
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.01)
    job.send_signal(signal.SIGINT)
    out, err = job.communicate(timeout=20)
    assert (job.returncode, out) == (130, '')
    assert 'To continue it, run the same command again' in err and 'Traceback' not in err
    # A smaller one of the same name would be another dataset: this is the same one.
    done = subprocess.run([*argv, '--json'], env=environment(service), timeout=60, check=True,
                          capture_output=True, text=True)
    assert json.loads(done.stdout)['dataset']['dataset_id'] == rows[0]['datasetId']
    assert len(service.call('listDatasets')['datasets']) == 1


def test_terminal_gets_a_bar_and_a_pipe_does_not(service, no_settings, file):
    argv = [sys.executable, '-m', 'reflex_ros.cli.main', 'datasets', 'upload', str(file)]
    master, slave = os.openpty()
    shown = bytearray()

    def read():
        while True:
            try:
                shown.extend(os.read(master, 65536))
            except OSError:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    done = subprocess.run([*argv, '--name', 'a'], env={**environment(service), 'TERM': 'xterm'},
                          stdout=subprocess.PIPE, stderr=slave, timeout=30, text=True)
    os.close(slave)
    reader.join(10.0)
    os.close(master)
    assert done.returncode == 0, done.stdout
    assert 'pick.tar' in shown.decode() and '300.0/300.0 kB' in shown.decode()
    piped = subprocess.run([*argv, '--name', 'b'], env=environment(service), timeout=30,
                           capture_output=True, text=True)
    assert (piped.returncode, piped.stderr) == (0, '')
    assert '\x1b' not in done.stdout + piped.stdout
