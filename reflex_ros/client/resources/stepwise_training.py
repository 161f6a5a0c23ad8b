# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
LoRA training over REST, one call per step, for programs with their own loop (section c.5).

This is the older interface of the service; its newer clients still contain it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.messages import parse, Row
from reflex_ros.client.messages.training import SavedAdapter, StepResult, StepwiseRun
from reflex_ros.client.rest import segment
from reflex_ros.errors import ServiceProtocolError

RUNS = '/v1/training-runs'


@dataclass(frozen=True, slots=True)
class Adam:
    """Settings of the Adam optimizer, with the names of the endpoint."""

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float | None = None


async def create_lora_run(service: AsyncReflex, *, base_model: str = 'pi0.7-flash',
                          rank: int = 32, name: str | None = None,
                          dataset_id: str | None = None, max_minutes: int | None = None,
                          request_id: str | None = None,
                          config: Mapping[str, object] | None = None) -> StepwiseRun:
    """
    Create a run; errors as in :meth:`.RestClient.call`.

    :param request_id: idempotency key: repeating it returns the existing run.
    :raises ServiceProtocolError: also if the answer has no run id.
    """
    value = await service.rest.call('POST', f'{RUNS}/lora', {
        'base_model': base_model, 'rank': rank, 'name': name, 'dataset_id': dataset_id,
        'max_minutes': max_minutes, 'request_id': request_id, 'config': dict(config or {}),
    }, is_repeatable=request_id is not None)
    run = parse(StepwiseRun, value, f'POST {RUNS}/lora')
    if not run.run_id:
        raise ServiceProtocolError(f'POST {RUNS}/lora answered without a training run')
    return run


async def get(service: AsyncReflex, run_id: str) -> Row:
    """Read a run; errors as in :meth:`.RestClient.call`."""
    return parse(Row, await service.rest.call('GET', _path(run_id)), f'GET {RUNS}/<id>')


async def forward_backward(service: AsyncReflex, run_id: str,
                           data: Sequence[Mapping[str, object]], *,
                           loss_fn: str = 'behavior_cloning', microbatch_size: int | None = None,
                           request_id: str | None = None) -> StepResult:
    """
    Compute the gradients of some examples; errors as in :meth:`.RestClient.call`.

    :param data: examples, each with ``observation`` and ``actions`` (rows); optional are
        ``loss_weights`` and ``metadata``.
    :param request_id: idempotency key: repeating it does not add the gradients again.
    :returns: the result, with ``loss``.
    """
    value = await service.rest.call('POST', f'{_path(run_id)}/forward-backward', {
        'data': [dict(example) for example in data], 'loss_fn': loss_fn,
        'microbatch_size': microbatch_size, 'request_id': request_id,
    }, is_repeatable=request_id is not None)
    return parse(StepResult, value, 'forward-backward')


async def optim_step(service: AsyncReflex, run_id: str, params: Adam, *,
                     request_id: str) -> StepResult:
    """
    Make one step of the optimizer; errors as in :meth:`.RestClient.call`.

    :param request_id: idempotency key: repeating it does not make a second step.
    :returns: the result, with ``step``.
    """
    settings = {name: value for name, value in asdict(params).items() if value is not None}
    value = await service.rest.call('POST', f'{_path(run_id)}/optim-step', {
        'optimizer': 'adam', 'params': settings, 'request_id': request_id}, is_repeatable=True)
    return parse(StepResult, value, 'optim-step')


async def save_adapter(service: AsyncReflex, run_id: str, *, name: str | None = None,
                       version: str | None = None) -> SavedAdapter:
    """Save the present adapter as a model; errors as in :meth:`.RestClient.call`."""
    value = await service.rest.call('POST', f'{_path(run_id)}/save-adapter',
                                    {'name': name, 'version': version})
    return parse(SavedAdapter, value, 'save-adapter')


async def save_state(service: AsyncReflex, run_id: str, name: str) -> Row:
    """Save the present weights and optimizer state; errors as in :meth:`.RestClient.call`."""
    return parse(Row, await service.rest.call('POST', f'{_path(run_id)}/save-state',
                                              {'name': name}), 'save-state')


def _path(run_id: str) -> str:
    return f'{RUNS}/{segment(run_id, "training run")}'
