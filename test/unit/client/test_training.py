# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training runs with the simulated service: started, watched, stopped, refused."""

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import parse
from reflex_ros.client.messages.training import TrainingRun, TrainingRunAnswer, TrainingRunList
from reflex_ros.client.resources import datasets, training
from reflex_ros.errors import (
    ConfigurationError,
    ReflexError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def dataset(ask_service):
    """Register and validate a dataset; return its id."""
    dataset_id = ask_service(datasets.register, 'me/pick').dataset_id
    ask_service(datasets.validate, dataset_id)
    return dataset_id


@pytest.fixture
def run_id(ask_service, dataset):
    return ask_service(training.start, dataset_id=dataset).run_id


def test_run_is_started_with_what_was_asked_for(ask_service, dataset):
    started = ask_service(
        training.start, dataset_id=dataset, epochs=2, model_name='pick', model_version='v7',
        parameters={'maxSteps': 60, 'lora.rank': 8}, fine_tuning='lora', base_model='pi05')
    run = ask_service(training.get, started.run_id).run
    fields = run.as_sent()
    assert run.status == 'queued' and run.is_active and not run.is_over
    assert fields['parametersJson'] == '{"lora":{"rank":8},"maxSteps":60}'
    assert [fields[name] for name in (
        'modelName', 'modelVersion', 'epochs', 'fineTuningType', 'baseModel', 'datasetId')] == [
        'pick', 'v7', 2, 'lora', 'pi0.5', dataset]


def test_run_on_a_dataset_of_the_hub_and_with_defaults(ask_service):
    started = ask_service(training.start, hf_source_uri='me/pick', fine_tuning='full')
    fields = ask_service(training.get, started.run_id).run.as_sent()
    assert fields['modelName'].startswith('reflex-cli-20') and len(fields['modelName']) == 25
    assert fields['modelVersion'].startswith('v20') and 'parametersJson' not in fields
    assert (fields['epochs'], fields['fineTuningType']) == (3, 'full')


def test_same_request_id_is_the_same_run_and_may_be_sent_again(ask_service, service, dataset):
    first = ask_service(training.start, dataset_id=dataset, request_id='r1')
    service.fault('rpc_close', 'after', times=1)
    again = ask_service(training.start, dataset_id=dataset, request_id='r1')
    other = ask_service(training.start, dataset_id=dataset, request_id='r2')
    assert first.run_id == again.run_id != other.run_id
    assert len(ask_service(training.list_all).runs) == 2


def test_without_a_request_id_it_is_sent_once(ask_service, service, dataset):
    service.fault('rpc_close', 'after', times=1)
    with pytest.raises(ServiceUnavailable):
        ask_service(training.start, dataset_id=dataset)
    assert len(ask_service(training.list_all).runs) == 1


def test_row_10_dataset_that_was_never_validated_names_the_command(ask_service):
    dataset_id = ask_service(datasets.register, 'me/pick').dataset_id
    with pytest.raises(ServiceRefused) as refused:
        ask_service(training.start, dataset_id=dataset_id)
    assert str(refused.value) == (
        'Unable to start training run: dataset_not_validated. Run '
        f'`reflex datasets validate {dataset_id}` first')
    assert refused.value.reason == 'dataset_not_validated'


@pytest.mark.parametrize('options, text', [
    ({}, 'Pass exactly one of dataset_id or hf_source_uri.'),
    ({'dataset_id': 'a', 'hf_source_uri': 'me/b'}, 'Pass exactly one of'),
    ({'dataset_id': 'a', 'base_model': 'gpt'}, 'Only base model pi0.5 is supported'),
    ({'dataset_id': 'a', 'epochs': 0}, '--epochs must be 1 or more, got 0'),
    ({'dataset_id': 'a', 'fine_tuning': 'half'}, '--trainable must be lora or full.'),
    ({'dataset_id': 'a', 'parameters': {'lora.rank': 5}}, '--rank must be one of 4, 8'),
    ({'hf_source_uri': 'nonsense'}, 'is not a dataset on the Hugging Face hub')])
def test_mistake_is_found_before_anything_is_sent(ask_at, closed_port, options, text):
    with pytest.raises(ConfigurationError, match=text):
        ask_at(f'http://127.0.0.1:{closed_port}', lambda client: training.start(client, **options))


def test_run_is_watched_to_its_end(run, service, run_id):
    async def watch():
        seen = []
        async with AsyncReflex(Secret(service.key), convex_url=service.url) as client:
            async for answer in training.watch(client, run_id, poll_s=0.01):
                seen.append(answer.run)
                await asyncio.to_thread(service.advance, 12)
        return seen

    seen = run(watch())
    order = list(dict.fromkeys(each.status for each in seen))
    assert order == ['queued', 'provisioning', 'running', 'succeeded']
    fractions = [each.fraction for each in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert seen[-1].loss < 0.2 < next(each.loss for each in seen if each.status == 'running')


def watched(service, run_id, times, outage_s):
    """Watch a run while the service fails for this many calls; return the waits."""
    async def watch():
        waits = []
        async with AsyncReflex(Secret(service.key), convex_url=service.url, window_s=0.0,
                               on_retry=waits.append) as client:
            async for _ in training.watch(client, run_id, poll_s=0.02, outage_s=outage_s):
                if waits:
                    await asyncio.to_thread(service.advance, 3600)
                else:
                    await asyncio.to_thread(service.fault, 'rpc_status', '503', times)
        return waits

    return watch()


def test_watching_survives_an_outage(run, service, run_id):
    assert [wait.number for wait in run(watched(service, run_id, 3, 60.0))] == [1, 2, 3]


def test_watching_ends_when_the_outage_lasts_too_long(run, service, run_id):
    with pytest.raises(ServiceUnavailable, match='HTTP 503'):
        run(watched(service, run_id, 1000, 0.2))


def test_outage_at_the_first_look_is_an_error(run, closed_port):
    async def watch():
        async with AsyncReflex(Secret('k'), convex_url=f'http://127.0.0.1:{closed_port}',
                               window_s=0.0) as client:
            async for _ in training.watch(client, 'run_1', poll_s=0.01):
                pytest.fail('there is nobody')

    with pytest.raises(ServiceUnavailable, match='Cannot reach the Reflex backend'):
        run(watch())


def test_failed_run_says_so_and_is_listed_for_a_while(ask_service, service, run_id):
    service.fault('training_fails')
    service.advance(400)
    [failed] = ask_service(training.list_all).runs
    assert failed.status == 'failed' and failed.first_text('errorMessage')
    ended_s = failed.ended_ms() / 1000
    assert training.recent([failed], ended_s + 14 * 60) == [failed]
    assert training.recent([failed], ended_s + 16 * 60) == []


def test_what_is_over_and_went_well_is_not_listed_by_default(ask_service, service, run_id):
    assert len(training.recent(ask_service(training.list_all).runs)) == 1
    service.advance(3600)
    [done] = ask_service(training.list_all).runs
    assert done.status == 'succeeded' and training.recent([done], 0.0) == []
    assert [run.run_id for run in ask_service(training.list_all, 'succeeded').runs] == [run_id]
    assert not ask_service(training.list_all, 'failed').runs


def test_run_is_stopped_once(ask_service, service, run_id):
    assert ask_service(training.stop, run_id).run_id == run_id
    service.advance(60)
    assert ask_service(training.get, run_id).run.status == 'stopped'
    with pytest.raises(ServiceRefused, match='Unable to stop training run: training_run_finished'):
        ask_service(training.stop, run_id)


def test_run_that_does_not_leave_the_queue_is_noticed(ask_service, service, run_id):
    service.fault('training_stuck')
    run = ask_service(training.get, run_id).run
    began_s = run.first_number('createdAt') / 1000
    assert not training.is_stuck(run, began_s + 9 * 60)
    assert training.is_stuck(run, began_s + 11 * 60)
    running = parse(TrainingRun, {**run.as_sent(), 'status': 'running'}, 'x')
    assert not training.is_stuck(running, began_s + 11 * 60)


@pytest.mark.parametrize('question', [
    lambda client: training.get(client, 'run_none'),
    lambda client: training.stop(client, 'run_none')])
def test_unknown_run_is_refused(ask_at, service, question):
    with pytest.raises(ServiceRefused, match='training_run_not_found'):
        ask_at(service.url, question)


def test_answer_without_a_run_is_the_services_mistake(ask_at, listen):
    backend = listen(lambda peer: peer.answer(b'{"status":"success","value":{"ok":true}}'))
    with pytest.raises(ServiceProtocolError, match='without a training run'):
        ask_at(backend.url, lambda client: training.start(client, dataset_id='d'))


@pytest.mark.parametrize('fields, fraction', [
    ({}, None), ({'progress': 0.25}, 0.25), ({'progress': 25}, 0.25), ({'progress': 100}, 1.0),
    ({'progress': 1}, 1.0), ({'progress': -3}, 0.0), ({'progress': 500}, 1.0),
    ({'progress': 'half'}, None), ({'stepsCompleted': 5, 'estimatedTotalSteps': 20}, 0.25),
    ({'stepsCompleted': 5, 'estimatedTotalSteps': 0}, None)])
def test_progress_comes_as_a_share_or_in_percent(fields, fraction):
    assert parse(TrainingRun, fields, 'x').fraction == fraction


@pytest.mark.parametrize('fields, loss', [
    ({}, None), ({'modalInitialLoss': 2.0}, 2.0),
    ({'modalInitialLoss': 2.0, 'latestCheckpointMetricsJson': '{"loss": 0.5}'}, 0.5),
    ({'latestCheckpointMetricsJson': '{"loss": 0.5}', 'modalFinalLoss': 0.1}, 0.1),
    ({'latestCheckpointMetricsJson': '{', 'modalInitialLoss': 2.0}, 2.0),
    ({'latestCheckpointMetricsJson': '{"loss": NaN}'}, None),
    ({'latestCheckpointMetricsJson': '[' * 100000}, None),
    ({'latestCheckpointMetricsJson': '[1]', 'loss': 3}, 3)])
def test_newest_loss_is_found(fields, loss):
    assert parse(TrainingRun, fields, 'x').loss == loss


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        'trainingRuns', 'trainingRun', 'status', 'progress', 'stepsCompleted', 'dataset', '_id',
        'estimatedTotalSteps', 'latestCheckpointMetricsJson', 'modalFinalLoss', 'createdAt']),
        inner, max_size=5)))
def test_any_answer_is_parsed_or_is_the_services_mistake(answer):
    for model, runs_of in ((TrainingRun, lambda run: [run]),
                           (TrainingRunAnswer, lambda answer: [answer.run or TrainingRun()]),
                           (TrainingRunList, lambda answer: answer.runs)):
        try:
            runs = runs_of(parse(model, answer, 'x'))
        except ReflexError:
            continue
        for run in runs:
            assert run.fraction is None or 0.0 <= run.fraction <= 1.0
            assert run.status.isprintable() and run.run_id.isprintable()
            training.is_stuck(run)
            assert json.dumps(run.loss) not in ('NaN', 'Infinity', '-Infinity')
        training.recent(runs)
