# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex training``: text, JSON, exit codes and the rows 10 and 11 of the error reference."""

import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest

KEY = 'rfx_canary_7c1d9e'
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def dataset(service):
    """Register and validate a dataset; return its id."""
    dataset_id = service.call('registerDataset', hfSourceUri='me/pick')['datasetId']
    service.call('validateDataset', datasetId=dataset_id)
    return dataset_id


@pytest.fixture
def run_id(ask, dataset):
    started = ask('training', 'start', '--dataset', dataset, '--model-name', 'pick', '--json')
    return started.document['trainingRun']['trainingRunId']


def run_of(ask, run_id):
    return ask('training', 'get', run_id, '--json').document['trainingRun']['trainingRun']


def test_run_is_started_and_the_next_command_follows_it(ask, service, dataset):
    outcome = ask('training', 'start', '--dataset', dataset)
    assert (outcome.code, outcome.err) == (0, '')
    assert outcome.out.startswith('Training run started\n\nID: run_')
    service.advance(3600)
    outcome = ask(*outcome.out.splitlines()[-1].split()[1:])
    assert outcome.code == 0
    assert outcome.out.startswith('Training run status\n\nID: run_')
    assert 'Status: succeeded' in outcome.out
    assert '  succeeded  100%  loss 0.' in outcome.err


def test_every_parameter_has_a_flag(ask, dataset):
    flags = {
        '--max-steps': ('maxSteps', '200', 200), '--batch-size': ('batchSize', '4', 4),
        '--learning-rate': ('learningRate', '5e-5', 5e-5),
        '--warmup-steps': ('warmupSteps', '100', 100), '--save-freq': ('saveFreq', '50', 50),
        '--max-minutes': ('maxMinutes', '30', 30), '--dtype': ('dtype', 'float32', 'float32'),
        '--rank': ('rank', '16', 16), '--alpha': ('alpha', '32', 32),
        '--dropout': ('dropout', '0.1', 0.1),
        '--target-modules': ('target_modules', 'q_proj,v_proj', ['q_proj', 'v_proj'])}
    argv = [word for flag, (_, text, _) in flags.items() for word in (flag, text)]
    started = ask('training', 'start', '--dataset', dataset, *argv, '--gradient-checkpointing',
                  '--no-freeze-vision-encoder', '--epochs', '2', '--json')
    run = run_of(ask, started.document['trainingRun']['trainingRunId'])
    sent = json.loads(run['parametersJson'])
    lora = sent.pop('lora')
    assert sent | lora == {key: value for key, _, value in flags.values()} | {
        'gradient_checkpointing': True, 'freeze_vision_encoder': False}
    assert set(lora) == {'rank', 'alpha', 'dropout', 'target_modules'}
    assert run['epochs'] == 2


@pytest.mark.parametrize('is_file', [False, True])
def test_parameters_may_be_json_inline_or_in_a_file(ask, dataset, tmp_path, is_file):
    text = '{"maxSteps": 60, "lora": {"rank": 8}}'
    (tmp_path / 'run.json').write_text(text)
    given = f'@{tmp_path / "run.json"}' if is_file else text
    started = ask('training', 'start', '--dataset', dataset, '--parameters-json', given,
                  '--dropout', '0.2', '--json')
    run = run_of(ask, started.document['trainingRun']['trainingRunId'])
    assert json.loads(run['parametersJson']) == {
        'maxSteps': 60, 'lora': {'rank': 8, 'dropout': 0.2}}


def test_request_id_makes_one_run(ask, dataset):
    ids = [ask('training', 'start', '--dataset', dataset, '--request-id', name, '--json')
           .document['trainingRun']['trainingRunId'] for name in ('r1', 'r1', 'r2')]
    assert ids[0] == ids[1] != ids[2]


def test_documents_have_the_fields_of_the_reference(ask, dataset):
    document = ask('training', 'start', '--hf', 'me/pick', '--json').document
    run_id = document['trainingRun']['trainingRunId']
    assert set(document) == {'ok', 'trainingRun', 'next'}
    assert document['next'] == [f'reflex training status {run_id} --watch']
    document = ask('training', 'status', run_id, '--json').document
    assert set(document) == {'ok', 'trainingRun', 'next'}
    assert document['next'] == [f'reflex training status {run_id} --watch']
    assert document['trainingRun']['trainingRun']['_id'] == run_id
    document = ask('training', 'list', '--json').document
    assert set(document) == {'ok', 'trainingRuns', 'note', 'next'}
    assert [row['_id'] for row in document['trainingRuns']] == [run_id]
    document = ask('training', 'stop', run_id, '--json').document
    assert set(document) == {'ok', 'trainingRun', 'next'} and document['trainingRun']['ok'] is True


def test_list_shows_what_is_active_and_what_failed_a_moment_ago(ask, service, run_id):
    lines = ask('training', 'list').out.splitlines()
    assert lines[:2] == ['Training runs', '']
    assert lines[2].startswith(
        'Note: Only active runs and runs that failed in the last 15 minutes')
    assert lines[3:6] == ['1. pick', f'   ID: {run_id}', '   Status: queued (0%)']
    assert '   Base model: pi0.5' in lines and '   Fine tuning: lora' in lines
    assert any(line.startswith('   Dataset: me/pick (dataset_') for line in lines)
    service.advance(3600)
    assert ask('training', 'list').out.splitlines()[-4:] == [
        'No training runs found.', '', 'Next:', '  reflex training start --dataset @last']
    # With --json always everything.
    assert ask('training', 'list', '--json').document['trainingRuns']
    assert '   Status: succeeded (100%)' in ask('training', 'list', '--all').out
    assert run_id in ask('training', 'list', '--status', 'succeeded').out
    assert run_id not in ask('training', 'list', '--status', 'failed').out


def test_failed_run_is_listed_with_its_error_and_watching_it_exits_with_one(ask, service, run_id):
    service.fault('training_fails')
    service.advance(400)
    assert '   Error: ' in ask('training', 'list').out
    outcome = ask('training', 'status', run_id, '--watch')
    assert outcome.code == 1 and 'Status: failed' in outcome.out
    assert ask('training', 'status', run_id).code == 0


def test_run_is_stopped_and_cancelled_is_the_same(ask, service, run_id):
    outcome = ask('training', 'cancel', run_id)
    assert outcome.out.startswith('Training run stop requested\n')
    service.advance(60)
    assert run_of(ask, run_id)['status'] == 'stopped'
    ask('training', 'stop', run_id).failed(
        'Unable to stop training run: training_run_finished.')


@pytest.mark.parametrize('is_json', [False, True])
def test_row_10_dataset_that_was_never_validated(ask, service, is_json):
    dataset_id = service.call('registerDataset', hfSourceUri='me/pick')['datasetId']
    outcome = ask('training', 'start', '--dataset', dataset_id, *(['--json'] if is_json else []))
    outcome.failed('Unable to start training run: dataset_not_validated. Run '
                   f'`reflex datasets validate {dataset_id}` first')
    # And that command helps.
    assert ask('datasets', 'validate', dataset_id).code == 0
    assert ask('training', 'start', '--dataset', dataset_id).code == 0


def test_row_11_run_that_stays_queued(ask, service, run_id, monkeypatch):
    from reflex_ros.client.resources import training

    service.fault('training_stuck')
    assert ask('training', 'status', run_id).err == ''
    monkeypatch.setattr(training, 'STUCK_S', 0.0)
    outcome = ask('training', 'status', run_id)
    assert outcome.code == 0
    assert 'Status: queued' in outcome.out
    assert 'the queue is backed up' in outcome.err and '--request-id' in outcome.err
    assert outcome.out.splitlines()[-3:-1] == [
        '  reflex training list --all', f'  reflex training stop {run_id}']
    assert re.fullmatch(r'  reflex training start --dataset dataset_\w+ --request-id <a new one>',
                        outcome.out.splitlines()[-1])
    document = ask('training', 'status', run_id, '--json').document
    assert document['next'][:2] == ['reflex training list --all',
                                    f'reflex training stop {run_id}']
    # The remedy helps.
    assert run_id in ask('training', 'list', '--all').out
    assert ask('training', 'stop', run_id).code == 0


def test_row_11_is_told_once_while_watching(ask, service, run_id, monkeypatch):
    from reflex_ros.client.resources import training

    service.fault('training_stuck')
    monkeypatch.setattr(training, 'STUCK_S', 0.0)
    real, looks = training.get, []

    async def get(client, wanted):
        looks.append(wanted)
        if len(looks) == 3:
            service.clear()
            service.advance(3600)
        return await real(client, wanted)

    monkeypatch.setattr(training, 'get', get)
    watch = training.watch
    monkeypatch.setattr(training, 'watch', lambda client, wanted, poll_s: watch(
        client, wanted, poll_s=0.01))
    outcome = ask('training', 'status', run_id, '--watch')
    assert outcome.code == 0 and len(looks) >= 3
    assert outcome.err.count('the queue is backed up') == 1


@pytest.mark.parametrize('is_json', [False, True])
@pytest.mark.parametrize('argv, text', [
    ((), 'Pass exactly one of --dataset and --hf.'),
    (('--dataset', 'a', '--hf', 'me/b'), 'Pass exactly one of --dataset and --hf.'),
    (('--dataset', 'a', '--base-model', 'gpt'),
     'Only base model pi0.5 is supported by the product API.'),
    (('--dataset', 'a', '--trainable', 'half'), '--trainable must be lora or full.'),
    (('--dataset', 'a', '--epochs', '0'), '--epochs must be 1 or more, got 0'),
    (('--dataset', 'a', '--rank', '5'), '--rank must be one of 4, 8, 16, 32, 64, got 5'),
    (('--dataset', 'a', '--trainable', 'full', '--rank', '8'), '--rank is for LoRA'),
    (('--dataset', 'a', '--learning-rate', 'nan'), '--learning-rate must be a number above 0'),
    (('--dataset', 'a', '--target-modules', 'q_proj,x'), '--target-modules must be some of'),
    (('--dataset', 'a', '--parameters-json', '{'), 'parameters-json must be valid JSON.'),
    (('--dataset', 'a', '--parameters-json', '@/nowhere'), 'Failed to read parameters-json: '),
    (('--dataset', 'a', '--parameters-json', '{"max_steps": 1}'), 'Did you mean maxSteps?'),
    (('--dataset', 'a', '--parameters-json', '{"lora": {"rank": 8}}', '--rank', '8'),
     'lora.rank is set twice'),
    (('--dataset', 'a', '--parameters-json', '{"maxSteps": 8}', '--max-steps', '8'),
     '--max-steps is also in --parameters-json (maxSteps)'),
    (('--hf', 'nonsense'), 'is not a dataset on the Hugging Face hub')])
def test_mistake_is_one_line_and_nothing_is_sent(reflex, closed_port, argv, text, is_json):
    # Nobody listens there: whatever were sent would fail otherwise.
    reflex('training', 'start', *argv, *(['--json'] if is_json else []),
           url=f'http://127.0.0.1:{closed_port}').failed(text)


@pytest.mark.parametrize('argv, text', [
    (('get', 'run_none'), 'Unable to get training run: training_run_not_found. There '
     "is no training run 'run_none'. Run `reflex training list --all`"),
    (('status', 'run_none', '--watch'), 'training_run_not_found'),
    (('stop', 'run_none'), 'Unable to stop training run: training_run_not_found.'),
    (('start', '--dataset', 'dataset_none'),
     "Unable to start training run: dataset_not_found. There is no data set 'dataset_none'. Run "
     '`reflex datasets list`')])
def test_refusal_is_one_line(ask, argv, text):
    ask('training', *argv).failed(text)


def test_balance_that_is_too_low_is_told(ask, service, dataset):
    service.fault('balance_too_low')
    ask('training', 'start', '--dataset', dataset).failed('balance_too_low')


def test_no_poll_is_faster_than_once_a_second(ask, run_id):
    outcome = ask('training', 'status', run_id, '--watch', '--poll-interval', '0.5')
    assert outcome.code == 2 and '--poll-interval' in outcome.err


def documents(text):
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found


@pytest.mark.slow
def test_watching_in_json_is_one_document_for_each_look(ask, service, run_id, monkeypatch):
    from reflex_ros.client.resources import training

    real = training.get

    async def moving(client, wanted):
        answer = await real(client, wanted)
        service.advance(130)
        return answer

    monkeypatch.setattr(training, 'get', moving)
    outcome = ask('training', 'status', run_id, '--watch', '--poll-interval', '1', '--json')
    found = documents(outcome.out)
    assert outcome.code == 0 and outcome.err == '' and len(found) > 1
    assert all(document['ok'] for document in found)
    assert found[0]['trainingRun']['trainingRun']['status'] == 'queued'
    assert found[-1]['trainingRun']['trainingRun']['status'] == 'succeeded'


def watching(service, run_id, stderr):
    environment = {**os.environ, 'REFLEX_API_KEY': KEY, 'REFLEX_CONVEX_URL': service.url,
                   'TERM': 'xterm', 'PYTHONPATH': str(Path(__file__).parents[3])}
    return subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'training', 'status', run_id, '--watch',
         '--poll-interval', '1'], env=environment, stdout=subprocess.PIPE, stderr=stderr)


def test_interrupted_watching_leaves_the_run_alone(service, no_settings, run_id):
    job = watching(service, run_id, subprocess.PIPE)
    # The first line is there: it watches.
    assert job.stderr.readline().decode().split() == [
        run_id, 'queued', 'position', '1', '0%']
    job.send_signal(signal.SIGINT)
    out, err = job.communicate(timeout=20)
    assert (job.returncode, out) == (130, b'')
    assert b'The run continues. Watch it with `reflex training status ' in err
    assert b'Traceback' not in err
    assert service.call('getTrainingRun', trainingRunId=run_id)['trainingRun']['status'] in (
        'queued', 'provisioning')


@pytest.mark.slow
def test_terminal_gets_a_bar_with_the_loss(service, no_settings, run_id):
    service.advance(70)
    master, slave = os.openpty()
    job = watching(service, run_id, slave)
    os.close(slave)
    shown = b''
    deadline = time.monotonic() + 20.0
    while b'loss' not in shown or b'%' not in shown:
        assert time.monotonic() < deadline
        shown += os.read(master, 65536)
    assert b'running' in shown
    service.advance(3600)
    while job.poll() is None and time.monotonic() < deadline:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    out, _ = job.communicate(timeout=20)
    os.close(master)
    assert job.returncode == 0 and b'100%' in shown
    assert b'Status: succeeded' in out and b'\x1b' not in out


# ---- the loss as a curve


def test_loss_of_a_finished_run_is_drawn(ask, service, run_id, tmp_path):
    from PIL import Image

    service.advance(3600)
    path = tmp_path / 'loss.png'
    outcome = ask('training', 'status', run_id, '--plot', str(path))
    assert outcome.code == 0 and f'Loss curve: {path}' in outcome.out
    [line] = [line for line in outcome.out.splitlines() if line.startswith('Loss: ')]
    assert re.fullmatch(r'Loss: [\d.]+ -> 0\.\d+  █▁', line)
    with Image.open(path) as picture:
        assert picture.format == 'PNG' and len(picture.convert('RGB').getcolors(10_000)) > 3


def test_plot_in_json_leaves_one_document_on_stdout(ask, service, run_id, tmp_path):
    service.advance(3600)
    path = tmp_path / 'loss.png'
    outcome = ask('training', 'status', run_id, '--plot', str(path), '--json')
    assert outcome.document['ok'] and path.exists() and f'Loss curve: {path}' in outcome.err


def test_run_without_a_loss_is_not_drawn(ask, run_id, tmp_path):
    path = tmp_path / 'loss.png'
    outcome = ask('training', 'status', run_id, '--plot', str(path))
    assert outcome.code == 1 and not path.exists()
    assert 'The service has sent no loss of this run yet: nothing was drawn' in outcome.err
    assert 'Loss: ' not in outcome.out


def test_place_that_cannot_be_written_is_said_before_the_run_is_watched(ask, run_id, tmp_path):
    ask('training', 'status', run_id, '--watch', '--plot', str(tmp_path / 'no' / 'loss.png')
        ).failed('loss.png cannot be written: there is no folder')


@pytest.mark.slow
def test_watched_run_has_a_whole_curve(ask, service, dataset, monkeypatch, tmp_path):
    from reflex_ros.client.resources import training

    real = training.get

    async def moving(client, wanted):
        answer = await real(client, wanted)
        service.advance(15)
        return answer

    started = ask('training', 'start', '--dataset', dataset, '--max-steps', '200', '--save-freq',
                  '50', '--json')
    run_id = started.document['trainingRun']['trainingRunId']
    monkeypatch.setattr(training, 'get', moving)
    path = tmp_path / 'loss.png'
    outcome = ask('training', 'status', run_id, '--watch', '--poll-interval', '1', '--plot',
                  str(path))
    assert outcome.code == 0 and path.exists()
    [line] = [line for line in outcome.out.splitlines() if line.startswith('Loss: ')]
    blocks = line.split()[-1]
    assert len(blocks) >= 3 and blocks[0] == '█' and blocks[-1] == '▁', line


def test_watching_that_is_interrupted_leaves_its_curve(service, no_settings, run_id, tmp_path):
    service.advance(70)
    path = tmp_path / 'loss.png'
    environment = {**os.environ, 'REFLEX_API_KEY': KEY, 'REFLEX_CONVEX_URL': service.url,
                   'PYTHONPATH': str(Path(__file__).parents[3])}
    with subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.cli.main', 'training', 'status', run_id, '--watch',
             '--plot', str(path)], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as job:
        assert b'loss' in job.stderr.readline()
        job.send_signal(signal.SIGINT)
        job.communicate(timeout=20)
    assert job.returncode == 130 and path.exists()


@pytest.mark.parametrize(('sent', 'losses'), [
    ({}, {}),
    ({'modalInitialLoss': 1.6}, {0: 1.6}),
    ({'modalInitialLoss': 1.6, 'latestCheckpointMetricsJson': '{"step": 50, "loss": 0.5}',
      'estimatedTotalSteps': 200, 'modalFinalLoss': 0.1}, {0: 1.6, 50: 0.5, 200: 0.1}),
    ({'loss': 0.7, 'stepsCompleted': 20}, {20: 0.7}), ({'loss': 0.7}, {}),
    ({'latestCheckpointMetricsJson': '{"step": null, "loss": "x"}'}, {}),
    ({'latestCheckpointMetricsJson': '[1'}, {})])
def test_loss_counts_where_its_step_is_known(sent, losses):
    from reflex_ros.client.messages.training import TrainingRun

    assert TrainingRun.model_validate(sent).losses == losses


def test_blocks_show_the_curve_along_the_steps():
    from reflex_ros.cli.loss_curve import LossCurve
    from reflex_ros.client.messages.training import TrainingRun

    curve = LossCurve()
    for step, loss in ((0, 8.0), (10, 7.0), (20, 6.0), (90, 1.0), (100, 1.0)):
        curve.add(TrainingRun.model_validate({'loss': loss, 'stepsCompleted': step}))
    # Between the steps 20 and 90 nothing came: the loss stays.
    assert curve.blocks == '█▆▆▆▁'
    assert curve.points[0] == (0.0, 8.0)
