# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start, read, list and stop training runs (protocol c.4, i.6)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.http.functions.datasets import hub_dataset
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.capacity import is_balance_low
from reflex_ros.sim.service.resources.datasets import Dataset
from reflex_ros.sim.service.resources.datasets import Status as DatasetStatus
from reflex_ros.sim.service.resources.rows import ids
from reflex_ros.sim.service.resources.training import Status, TrainingRequest, TrainingRun
from reflex_ros.sim.service.resources.training_parameters import make_plan, Plan
from reflex_ros.sim.service.resources.training_rows import to_json
from reflex_ros.sim.service.state import ServiceState

BASE_MODEL = 'pi0.5'
_ALIASES = (BASE_MODEL, 'pi05', 'lerobot/pi05_base')


def start(state: ServiceState, args: Args) -> Value:
    """Queue a run on a dataset that has been validated."""
    if run := state.training_runs.find_request(args.text('requestId')):
        return _started(state, run)
    plan = _plan(state, args)
    dataset = state.datasets.table.get(args.text('datasetId'))
    if dataset.status is not DatasetStatus.VALIDATED:
        raise Refusal(Reason.DATASET_NOT_VALIDATED, 'validate the dataset first')
    return _start(state, args, plan, dataset)


def start_from_hub(state: ServiceState, args: Args) -> Value:
    """Queue a run on a dataset of the hub, which is registered and validated on the way."""
    if run := state.training_runs.find_request(args.text('requestId')):
        return _started(state, run)
    plan = _plan(state, args)
    source = args.text('hfSourceUri')
    dataset = state.datasets.register(source, hub_dataset(source))
    fails = state.faults.take('dataset_invalid') is not None
    return _start(state, args, plan, state.datasets.validate(dataset.id, fails))


def get(state: ServiceState, args: Args) -> Value:
    """Return one run."""
    run = state.training_runs.table.get(args.text('trainingRunId'))
    return {'trainingRun': _row(state, run)}


def list_runs(state: ServiceState, args: Args) -> Value:
    """Return every run, oldest first, or those in one status."""
    runs = state.training_runs.table.all()
    if args.has('status'):
        try:
            wanted = Status(args.text('status'))
        except ValueError as exc:
            raise Refusal(Reason.INVALID_PARAMETERS, 'unknown status') from exc
        runs = [run for run in runs if run.status is wanted]
    return {'trainingRuns': [_row(state, run) for run in runs]}


def stop(state: ServiceState, args: Args) -> Value:
    """Ask a run to end."""
    return _started(state, state.training_runs.stop(args.text('trainingRunId')))


def _plan(state: ServiceState, args: Args) -> Plan:
    """Check what both ways of starting have in common, before anything is remembered."""
    if args.text('baseModel') not in _ALIASES:
        raise Refusal(Reason.INVALID_PARAMETERS, f'Only base model {BASE_MODEL} is supported.')
    if not args.text('modelName').strip() or not args.text('modelVersion').strip():
        raise Refusal(Reason.INVALID_PARAMETERS, 'modelName and modelVersion must not be empty')
    try:
        plan = make_plan(
            args.text('parametersJson'), args.text('fineTuningType'), args.integer('epochs'))
    except ValueError as exc:
        raise Refusal(Reason.INVALID_PARAMETERS, str(exc)) from exc
    if args.text('baseModelId'):
        state.models.get_ready(args.text('baseModelId'))
    if is_balance_low(state):
        raise Refusal(Reason.BALANCE_TOO_LOW)
    return plan


def _start(state: ServiceState, args: Args, plan: Plan, dataset: Dataset) -> Value:
    request = TrainingRequest(
        key_name=state.key_of(args.text('apiKey')).name, dataset_id=dataset.id,
        base_model=BASE_MODEL, fine_tuning_type=args.text('fineTuningType'),
        epochs=args.integer('epochs'), model_name=args.text('modelName'),
        model_version=args.text('modelVersion'), base_model_id=args.text('baseModelId'),
        parameters_json=args.text('parametersJson'), request_id=args.text('requestId'),
    )
    return _started(state, state.training_runs.start(request, plan, state.settings))


def _row(state: ServiceState, run: TrainingRun) -> Value:
    dataset = state.datasets.table.find(run.request.dataset_id)
    return to_json(run, dataset)


def _started(state: ServiceState, run: TrainingRun) -> Value:
    return ids('trainingRunId', run.id) | {
        'status': run.status.value, 'trainingRun': _row(state, run)}


_REQUIRED = {
    'baseModel': str, 'fineTuningType': str, 'epochs': int, 'modelName': str,
    'modelVersion': str,
}
_OPTIONAL = {'baseModelId': str, 'parametersJson': str, 'requestId': str}

FUNCTIONS = (
    Function('publicApi:createAndProvisionTrainingRun', start,
             required={'datasetId': str} | _REQUIRED, optional=_OPTIONAL),
    Function('publicApi:createAndProvisionTrainingRunFromHuggingFace', start_from_hub,
             required={'hfSourceUri': str} | _REQUIRED, optional=_OPTIONAL),
    Function('publicApi:getTrainingRun', get, required={'trainingRunId': str}),
    Function('publicApi:listTrainingRuns', list_runs, optional={'status': str}),
    Function('publicApi:stopTrainingRun', stop, required={'trainingRunId': str}),
)
