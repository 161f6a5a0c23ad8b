# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hosted training runs, from the queue to a model (protocol c.4, i.6)."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, post, refused, run, serving  # noqa: E402

from reflex_ros.sim.service.resources.training_parameters import make_plan, Plan  # noqa: E402

REQUEST = {
    'baseModel': 'pi0.5', 'fineTuningType': 'lora', 'epochs': 3, 'modelName': 'wave',
    'modelVersion': 'v1',
}
START = 'createAndProvisionTrainingRun'
START_FROM_HUB = 'createAndProvisionTrainingRunFromHuggingFace'


@contextlib.asynccontextmanager
async def trainer(*faults):
    """Serve with a validated dataset; yield the server and the arguments of a run on it."""
    async with serving(*faults, queue_s=1000, provision_s=1000, train_s=10_000) as server:
        dataset = (await call(server, 'registerDataset', hfSourceUri='o/r@v2'))['datasetId']
        await call(server, 'validateDataset', datasetId=dataset)
        yield server, REQUEST | {'datasetId': dataset}


async def look(server, run_id, after_s=0.0):
    """Move the clock and read a run."""
    await admin(server, 'advance', seconds=after_s)
    return (await call(server, 'getTrainingRun', trainingRunId=run_id))['trainingRun']


def test_run_goes_from_the_queue_to_a_model():
    async def main():
        async with trainer() as (server, request):
            started = await call(server, START, **request, parametersJson='{"saveFreq":50}')
            run_id = started['trainingRunId']
            assert started['trainingRun']['_id'] == run_id
            row = await look(server, run_id, 500)
            assert (row['status'], row['progress'], row['stepsCompleted']) == ('queued', 0, 0)
            assert 'startedAt' not in row
            assert (await look(server, run_id, 1000))['status'] == 'provisioning'
            losses = []
            for share in (0.25, 0.5, 0.75):
                row = await look(server, run_id, 3000 if share == 0.25 else 2500)
                assert row['status'] == 'running'
                assert row['progress'] == pytest.approx(share, abs=0.01)
                assert row['estimatedTotalSteps'] == 300
                assert row['stepsCompleted'] == pytest.approx(300 * share, abs=3)
                assert row['currentEpoch'] == row['stepsCompleted'] // 100
                assert row['lastHeartbeatAt'] == row['updatedAt']
                metrics = json.loads(row['latestCheckpointMetricsJson'])
                assert metrics['step'] == row['stepsCompleted'] // 50 * 50
                losses.append(metrics['loss'])
            assert row['modalInitialLoss'] > losses[0] > losses[1] > losses[2] > 0.0
            row = await look(server, run_id, 3000)
            assert (row['status'], row['progress']) == ('succeeded', 1.0)
            assert row['modalFinalLoss'] < losses[0]
            assert row['finishedAt'] - row['startedAt'] == 10_000_000
            body = {'path': 'models:getWithApiKey', 'format': 'json',
                    'args': {'apiKey': 'rfx_sim', 'modelId': row['modelId']}}
            artifact = (await post(server, '/api/query', body)).json()['value']['artifact']
            assert (artifact['name'], artifact['version'], artifact['status']) == (
                'wave', 'v1', 'ready')
            assert artifact['trainingRunId'] == run_id

    run(main())


def test_row_has_the_documented_fields():
    async def main():
        async with trainer() as (server, request):
            started = await call(
                server, START, **request, requestId='r', baseModelId='model_sim',
                parametersJson='{"maxSteps":100}')
            row = await look(server, started['trainingRunId'], 1e6)
            assert set(row) >= {
                '_id', 'id', 'modelName', 'modelVersion', 'status', 'progress', 'createdAt',
                'updatedAt', 'startedAt', 'finishedAt', 'lastHeartbeatAt', 'createdBy', 'dataset',
                'datasetId', 'baseModel', 'baseModelId', 'fineTuningType', 'operation',
                'hfRevision', 'currentEpoch', 'totalEpochs', 'epochs', 'stepsCompleted',
                'estimatedTotalSteps', 'modelId', 'primeNodeId', 'requestId', 'parametersJson',
                'latestCheckpointStorageId', 'latestCheckpointSha256',
                'latestCheckpointSizeBytes', 'latestCheckpointContentType',
                'latestCheckpointSavedAt', 'latestCheckpointMetricsJson', 'modalSpawnId',
                'modalInitialLoss', 'modalFinalLoss', 'modalAdapterPath',
            }
            assert row['createdBy']['apiKeyName'] == (await call(server, 'whoami'))['keyName']
            assert row['dataset']['hfRepo'] == 'o/r'
            assert None not in row.values()

    run(main())


def test_request_id_starts_one_run():
    async def main():
        async with trainer() as (server, request):
            ids = [(await call(server, START, **request, requestId='once'))['trainingRunId']
                   for _ in range(2)]
            assert ids[0] == ids[1]
            await admin(server, 'advance', seconds=1e6)
            again = await call(server, START, **request, requestId='once')
            assert (again['trainingRunId'], again['status']) == (ids[0], 'succeeded')
            fresh = [(await call(server, START, **request))['trainingRunId'] for _ in range(2)]
            assert len({*ids, *fresh}) == 3

    run(main())


def test_dataset_must_be_there_and_validated():
    async def main():
        async with trainer() as (server, request):
            raw = (await call(server, 'registerDataset', hfSourceUri='o/other'))['datasetId']
            assert await refused(server, START, **request | {'datasetId': raw}) == (
                'dataset_not_validated')
            assert await refused(server, START, **request | {'datasetId': 'x'}) == (
                'dataset_not_found')
            assert (await call(server, 'listTrainingRuns'))['trainingRuns'] == []

    run(main())


def test_run_on_a_hub_dataset_registers_and_validates_it():
    async def main():
        async with serving() as server:
            started = await call(
                server, START_FROM_HUB, **REQUEST, hfSourceUri='lerobot/so101', requestId='h')
            [row] = (await call(server, 'listDatasets'))['datasets']
            assert row['id'] == started['trainingRun']['datasetId']
            assert row['lastValidatedAt']
            again = await call(
                server, START_FROM_HUB, **REQUEST, hfSourceUri='lerobot/so101', requestId='h')
            assert again['trainingRunId'] == started['trainingRunId']
            for source, reason in (('x', 'invalid_parameters'), ('o/invalid', 'dataset_invalid')):
                assert await refused(
                    server, START_FROM_HUB, **REQUEST, hfSourceUri=source) == reason

    run(main())


@pytest.mark.parametrize('seconds, status', [
    (0, 'queued'), (1500, 'provisioning'), (5000, 'running'),
])
def test_active_run_can_be_stopped(seconds, status):
    async def main():
        async with trainer() as (server, request):
            run_id = (await call(server, START, **request))['trainingRunId']
            assert (await look(server, run_id, seconds))['status'] == status
            for _ in range(2):
                stopping = await call(server, 'stopTrainingRun', trainingRunId=run_id)
                assert (stopping['trainingRunId'], stopping['status']) == (run_id, 'stopping')
            row = await look(server, run_id, 10)
            assert (row['status'], 'modelId' in row) == ('stopped', False)
            assert row['finishedAt']
            assert await refused(server, 'stopTrainingRun', trainingRunId=run_id) == (
                'training_run_finished')
            assert (await look(server, run_id, 1e6))['status'] == 'stopped'

    run(main())


def test_unknown_run_and_status():
    async def main():
        async with serving() as server:
            for function in ('getTrainingRun', 'stopTrainingRun'):
                assert await refused(server, function, trainingRunId='x') == (
                    'training_run_not_found')
            assert await refused(server, 'listTrainingRuns', status='x') == 'invalid_parameters'

    run(main())


def test_list_is_filtered_by_status():
    async def main():
        async with trainer() as (server, request):
            first = (await call(server, START, **request))['trainingRunId']
            await admin(server, 'advance', seconds=1e6)
            second = (await call(server, START, **request))['trainingRunId']
            for args, ids in (({}, [first, second]), ({'status': 'succeeded'}, [first]),
                              ({'status': 'queued'}, [second]), ({'status': 'failed'}, [])):
                rows = (await call(server, 'listTrainingRuns', **args))['trainingRuns']
                assert [row['id'] for row in rows] == ids

    run(main())


def test_stuck_queue_moves_again_when_the_fault_is_cleared():
    async def main():
        async with trainer('training_stuck') as (server, request):
            run_id = (await call(server, START, **request))['trainingRunId']
            assert (await look(server, run_id, 1e6))['status'] == 'queued'
            await admin(server, 'clear')
            assert (await look(server, run_id, 1))['status'] == 'provisioning'
            assert (await look(server, run_id, 2000))['status'] == 'running'

    run(main())


def test_failing_run_fails_half_way_and_the_next_does_not():
    async def main():
        async with trainer('training_fails*1') as (server, request):
            run_id = (await call(server, START, **request))['trainingRunId']
            assert (await look(server, run_id, 4000))['status'] == 'running'
            row = await look(server, run_id, 6000)
            assert (row['status'], row['stepsCompleted']) == ('failed', 150)
            assert row['errorMessage']
            assert 'modalFinalLoss' not in row
            run_id = (await call(server, START, **request))['trainingRunId']
            assert (await look(server, run_id, 1e6))['status'] == 'succeeded'

    run(main())


@pytest.mark.parametrize('changes', [
    {'baseModel': 'pi0.7'}, {'fineTuningType': 'half'}, {'epochs': 0}, {'epochs': -1},
    {'modelName': ' '}, {'modelVersion': ''}, {'parametersJson': '{"batchSize":0}'},
])
def test_request_out_of_bounds_is_refused_with_a_message(changes):
    async def main():
        async with trainer() as (server, request):
            value = await call(server, START, **request | changes)
            assert (value['ok'], value['reason']) == (False, 'invalid_parameters')
            assert value['message']
            assert (await call(server, 'listTrainingRuns'))['trainingRuns'] == []

    run(main())


def test_unready_base_model_and_empty_balance_are_refused():
    async def main():
        async with trainer() as (server, request):
            assert await refused(server, START, **request, baseModelId='x') == 'model_not_found'
            await admin(server, 'fault', name='balance_too_low')
            assert await refused(server, START, **request) == 'balance_too_low'

    run(main())


@pytest.mark.parametrize('alias', ['pi05', 'lerobot/pi05_base'])
def test_alias_of_the_base_model_is_known(alias):
    async def main():
        async with trainer() as (server, request):
            started = await call(server, START, **request | {'baseModel': alias})
            assert started['trainingRun']['baseModel'] == 'pi0.5'

    run(main())


# -- the parameters


@pytest.mark.parametrize('parameters, plan', [
    ({}, Plan(300, 300)), ({'maxSteps': 1}, Plan(1, 1)), ({'maxSteps': 5}, Plan(5, 5)),
    ({'maxSteps': 4000}, Plan(4000, 500)), ({'maxSteps': 200, 'saveFreq': 50}, Plan(200, 50)),
    ({'maxSteps': 200, 'saveFreq': 200, 'warmupSteps': 100}, Plan(200, 200)),
    ({'batchSize': 1, 'learningRate': 1e-5, 'maxMinutes': 1}, Plan(300, 300)),
    ({'gradient_checkpointing': True, 'freeze_vision_encoder': False}, Plan(300, 300)),
    ({'dtype': 'float32'}, Plan(300, 300)),
    ({'lora': {'rank': 64, 'alpha': 256, 'dropout': 0.5, 'target_modules': ['q_proj']}},
     Plan(300, 300)),
    ({'lora.rank': 4, 'lora.alpha': 1, 'lora.dropout': 0}, Plan(300, 300)),
])
def test_parameters_within_their_bounds(parameters, plan):
    assert make_plan(json.dumps(parameters), 'lora', 3) == plan


@pytest.mark.parametrize('text', [
    '{', '[]', '5', '[' * 100_000, '{"maxSteps":0}', '{"maxSteps":1.5}', '{"maxSteps":true}',
    '{"maxSteps":"5"}', '{"batchSize":0}', '{"learningRate":0}', '{"learningRate":NaN}',
    '{"learningRate":Infinity}', '{"warmupSteps":-1}', '{"warmupSteps":151}',
    '{"maxSteps":100,"warmupSteps":51}', '{"saveFreq":49}', '{"maxSteps":100,"saveFreq":101}',
    '{"maxMinutes":0}', '{"gradient_checkpointing":1}', '{"freeze_vision_encoder":"yes"}',
    '{"dtype":"float16"}', '{"lora":{"rank":5}}', '{"lora":{"rank":8.0}}', '{"lora":5}',
    '{"lora":{"alpha":0}}', '{"lora":{"alpha":257}}', '{"lora":{"dropout":0.51}}',
    '{"lora":{"dropout":-0.1}}', '{"lora":{"target_modules":[]}}',
    '{"lora":{"target_modules":["x"]}}', '{"lora":{"target_modules":"q_proj"}}',
    '{"lora.rank":7}', '{"learning_rate":1}', '{"lora":{"r":8}}', 'null',
])
def test_parameter_out_of_bounds_is_named(text):
    with pytest.raises(ValueError, match='parametersJson'):
        make_plan(text, 'lora', 3)


@pytest.mark.parametrize('text', ['{"lora":{"rank":8}}', '{"lora.rank":8}'])
def test_lora_does_not_go_with_full(text):
    make_plan(text, 'lora', 1)
    with pytest.raises(ValueError, match='lora.rank does not go with fineTuningType full'):
        make_plan(text, 'full', 1)
    make_plan('{"lora":{}}', 'full', 1)


names = st.sampled_from(['maxSteps', 'saveFreq', 'warmupSteps', 'batchSize', 'lora', 'lora.rank'])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(), inner))


@given(st.dictionaries(names | st.text(max_size=5), values), st.integers())
def test_any_parameters_make_a_sane_plan_or_a_value_error(parameters, epochs):
    try:
        plan = make_plan(json.dumps(parameters), 'lora', epochs)
    except ValueError:
        return
    assert 1 <= plan.save_freq <= plan.steps
