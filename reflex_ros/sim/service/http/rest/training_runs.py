# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Step-wise LoRA training (protocol c.5): a legacy surface, served with a small real state."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, NUMBER, Types, Value
from reflex_ros.sim.service.http.functions.nested import check_object, check_objects
from reflex_ros.sim.service.http.rest.base import Request, Route
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources import step_training
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.storage.table import new_id

BASE_MODEL = 'pi0.7-flash'
LOSS_FUNCTION = 'behavior_cloning'
MOST_EXAMPLES = 1024
_RANKS = (4, 8, 16, 32, 64)
_RUN = '/v1/training-runs/{id}'


def create(state: ServiceState, request: Request) -> Value:
    """Start a run."""
    body = request.body
    if body.text('base_model', BASE_MODEL) != BASE_MODEL:
        raise _refuse(f'base_model must be {BASE_MODEL}')
    if body.integer('rank', 32) not in _RANKS:
        raise _refuse(f'rank must be one of {", ".join(str(rank) for rank in _RANKS)}')
    if body.has('max_minutes') and not 0.0 < body.number('max_minutes') < 1e6:
        raise _refuse('max_minutes must be above 0, and not absurd')
    if body.text('dataset_id'):
        state.datasets.table.get(body.text('dataset_id'))
    run = state.step_runs.start(
        base_model=BASE_MODEL, rank=body.integer('rank', 32), name=body.text('name'),
        dataset_id=body.text('dataset_id'), request_id=body.text('request_id'),
        config=body.mapping('config'),
        max_minutes=body.number('max_minutes') if body.has('max_minutes') else None,
    )
    return run.to_json(state.clock.now_ms())


def get(state: ServiceState, request: Request) -> Value:
    """Return one run."""
    return state.step_runs.table.get(request.params['id']).to_json(state.clock.now_ms())


def forward_backward(state: ServiceState, request: Request) -> Value:
    """Take the gradient of a batch; the same request id again changes nothing."""
    run, body = state.step_runs.get_running(request.params['id']), request.body
    if answer := run.answers.get(body.text('request_id')):
        return answer
    if body.text('loss_fn', LOSS_FUNCTION) != LOSS_FUNCTION:
        raise _refuse(f'loss_fn must be {LOSS_FUNCTION}')
    examples = check_objects(body, 'data', MOST_EXAMPLES, {'observation': dict, 'actions': list},
                             {'loss_weights': list, 'metadata': dict})
    if not examples:
        raise _refuse('data must not be empty')
    for example in examples:
        _check_rows(example)
    microbatch = body.integer('microbatch_size', len(examples))
    if microbatch < 1:
        raise _refuse('microbatch_size must be at least 1')
    answer = step_training.forward_backward(run, body.items('data'), microbatch)
    return state.step_runs.remember(run, body.text('request_id'), answer)


def optim_step(state: ServiceState, request: Request) -> Value:
    """Apply the gradients; the same request id again changes nothing."""
    run, body = state.step_runs.get_running(request.params['id']), request.body
    if answer := run.answers.get(body.text('request_id')):
        return answer
    if body.text('optimizer') != 'adam':
        raise _refuse('optimizer must be adam')
    params = check_object(body.mapping('params'), 'params', {'learning_rate': NUMBER}, _ADAM)
    for name, low, high in (
        ('learning_rate', 0.0, 1e3), ('beta1', 0.0, 1.0), ('beta2', 0.0, 1.0), ('eps', 0.0, 1.0),
        ('weight_decay', 0.0, 1e3), ('max_grad_norm', 0.0, 1e9),
    ):
        # NaN is in no range.
        if not low <= params.number(name, low) <= high:
            raise _refuse(f'params: {name} must be in {low:g}..{high:g}')
    answer = step_training.optim_step(run, params.number('learning_rate'))
    return state.step_runs.remember(run, body.text('request_id'), answer)


def save_adapter(state: ServiceState, request: Request) -> Value:
    """Make a model of the run as it is now."""
    run = state.step_runs.get_running(request.params['id'])
    name = request.body.text('name') or run.name or run.id
    version = request.body.text('version') or f'v{run.step}'
    model = state.models.add(
        name=name, kind='fine_tune', version=version, base_model=run.base_model,
        training_run_id=run.id)
    return {
        'name': name, 'version': version, 'adapter_id': model.id, 'adapterId': model.id,
        'adapter_ref': f'{name}@{version}', 'adapterRef': f'{name}@{version}',
        'adapter': {'_id': model.id, 'name': name, 'version': version}, 'step': run.step,
    }


def save_state(state: ServiceState, request: Request) -> Value:
    """Say that the optimizer's state is kept; nothing can read it back."""
    run = state.step_runs.get_running(request.params['id'])
    name = request.body.text('name')
    if not name.strip():
        raise _refuse('name must not be empty')
    return {'name': name, 'state_id': new_id('state'), 'training_run_id': run.id,
            'step': run.step}


def _check_rows(example: Args) -> None:
    """Refuse actions that are no matrix of numbers."""
    rows = example.items('actions')
    widths = {len(row) if isinstance(row, list) else 0 for row in rows}
    if len(widths) != 1 or 0 in widths:
        raise _refuse('actions must be rows of equal length')
    for row in rows:
        assert isinstance(row, list)
        if not all(isinstance(each, (int, float)) and abs(each) < 1e300
                   and not isinstance(each, bool) for each in row):
            raise _refuse('actions must hold finite numbers')


def _refuse(message: str) -> Refusal:
    return Refusal(Reason.INVALID_PARAMETERS, message)


_ADAM: Types = dict.fromkeys(('beta1', 'beta2', 'eps', 'weight_decay', 'max_grad_norm'), NUMBER)

ROUTES = (
    Route('POST', '/v1/training-runs/lora', create, optional={
        'base_model': str, 'rank': int, 'name': str, 'dataset_id': str, 'max_minutes': NUMBER,
        'request_id': str, 'config': dict}),
    Route('GET', _RUN, get),
    Route('POST', f'{_RUN}/forward-backward', forward_backward, required={'data': list},
          optional={'loss_fn': str, 'microbatch_size': int, 'request_id': str}),
    Route('POST', f'{_RUN}/optim-step', optim_step, required={'optimizer': str, 'params': dict},
          optional={'request_id': str}),
    Route('POST', f'{_RUN}/save-adapter', save_adapter, optional={'name': str, 'version': str}),
    Route('POST', f'{_RUN}/save-state', save_state, required={'name': str}),
)
