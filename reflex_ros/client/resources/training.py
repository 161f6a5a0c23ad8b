# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training runs: start, watch, stop (protocol reference, section i.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timezone
import time

from reflex_ros.client import retry, training_parameters
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.messages import parse
from reflex_ros.client.messages.training import TrainingRun, TrainingRunAnswer, TrainingRunList
from reflex_ros.client.resources.datasets import check_source
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

BASE_MODEL = 'pi0.5'
ALIASES = frozenset({BASE_MODEL, 'pi05', 'lerobot/pi05_base'})
FAILED_SHOWN_S = 15 * 60.0
STUCK_S = 10 * 60.0
"""Longest usual time in the queue; runs start within a minute or two."""
CLOCK_SLACK_MS = 5e3
"""Error of the service's clock as it is known here, and the time that a call takes."""
OUTAGE_S = 15 * 60.0
"""How long ``watch`` tolerates an outage: a run takes hours, an outage some minutes."""


async def start(service: AsyncReflex, *, dataset_id: str | None = None,
                hf_source_uri: str | None = None, base_model: str = BASE_MODEL,
                fine_tuning: str = 'lora', epochs: int = 3, model_name: str | None = None,
                model_version: str | None = None, base_model_id: str | None = None,
                parameters: Mapping[str, object] | None = None,
                request_id: str | None = None) -> TrainingRunAnswer:
    """
    Start a run with a dataset of the service, or with one on the Hugging Face hub.

    Errors as in :meth:`.RpcClient.call`.

    :param fine_tuning: ``lora`` or ``full``.
    :param model_name: name of the resulting model; None makes one from the current time.
    :param model_version: version of the resulting model; None makes one from the current time.
    :param base_model_id: id of an own model to continue from, instead of the base model.
    :param parameters: key -> value, see :data:`.training_parameters.PARAMETERS`.
    :param request_id: idempotency key: repeating it returns the existing run, so that the request
        may be retried if its answer is lost.
    :raises ConfigurationError: if a value is not allowed; nothing is sent.
    :raises ServiceRefused: also if the dataset was never validated; names the command for that.
    """
    if (dataset_id is None) == (hf_source_uri is None):
        raise ConfigurationError('Pass exactly one of dataset_id or hf_source_uri.')
    checked = check(base_model=base_model, fine_tuning=fine_tuning, epochs=epochs,
                    parameters=parameters or {})
    function = 'publicApi:createAndProvisionTrainingRun'
    if hf_source_uri is not None:
        function += 'FromHuggingFace'
        hf_source_uri = check_source(hf_source_uri)
    stamp = datetime.now(timezone.utc).strftime('%Y%m%d%H%M%S')
    model_name, model_version = model_name or f'reflex-cli-{stamp}', model_version or f'v{stamp}'
    asked_at_ms = service.transport.service_now_ms()
    try:
        # With a request id the call may be repeated: the service returns the existing run.
        value = await service.rpc.call(
            'action', function, 'Unable to start training run', is_read=request_id is not None,
            datasetId=dataset_id, hfSourceUri=hf_source_uri, baseModel=BASE_MODEL,
            fineTuningType=fine_tuning, epochs=epochs, baseModelId=base_model_id,
            modelName=model_name, modelVersion=model_version, requestId=request_id,
            parametersJson=training_parameters.to_json(checked))
    except ServiceRefused as exc:
        # The slug in the reference is a guess, so any slug that mentions validation counts.
        if 'validated' in exc.reason:
            raise ServiceRefused(
                f'{str(exc).partition(". ")[0].rstrip(".")}. Run `reflex datasets validate '
                f'{dataset_id or "<dataset-id>"}` first', exc.reason) from exc
        raise
    answer = parse(TrainingRunAnswer, value, function)
    if not answer.run_id:
        raise ServiceProtocolError(f'{function} answered without a training run')
    answer._is_earlier = request_id is not None and _is_earlier(
        answer.run, (model_name, model_version), asked_at_ms)
    return answer


def check(*, base_model: str, fine_tuning: str, epochs: int,
          parameters: Mapping[str, object]) -> Mapping[str, object]:
    """
    Check what :func:`start` is given, and return the parameters with their types.

    :raises ConfigurationError: if a value is not allowed.
    """
    if base_model not in ALIASES:
        raise ConfigurationError('Only base model pi0.5 is supported by the product API.')
    if epochs < 1:
        raise ConfigurationError(f'--epochs must be 1 or more, got {epochs}')
    return training_parameters.check(parameters, fine_tuning)


async def get(service: AsyncReflex, run_id: str) -> TrainingRunAnswer:
    """Read one run; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:getTrainingRun', 'Unable to get training run', is_read=True,
        trainingRunId=run_id)
    return parse(TrainingRunAnswer, value, 'publicApi:getTrainingRun')


async def list_all(service: AsyncReflex, status: str | None = None) -> TrainingRunList:
    """List runs, all or with one status; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listTrainingRuns', 'Unable to list training runs', is_read=True,
        status=status)
    return parse(TrainingRunList, value, 'publicApi:listTrainingRuns')


async def stop(service: AsyncReflex, run_id: str) -> TrainingRunAnswer:
    """Ask the service to stop a run; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:stopTrainingRun', 'Unable to stop training run',
        trainingRunId=run_id)
    return parse(TrainingRunAnswer, value, 'publicApi:stopTrainingRun')


async def watch(service: AsyncReflex, run_id: str, *, poll_s: float = 10.0,
                outage_s: float = OUTAGE_S) -> AsyncIterator[TrainingRunAnswer]:
    """
    Poll a run and yield each answer, until the run has finished; errors as in :func:`get`.

    :param poll_s: time between polls [s].
    :param outage_s: how long the service may be unreachable between two answers [s].
    """
    loop = asyncio.get_running_loop()
    answered_at: float | None = None
    failures = 0
    while True:
        try:
            answer = await get(service, run_id)
        except ServiceUnavailable as exc:
            away_s = 0.0 if answered_at is None else loop.time() - answered_at
            # A service that has not answered yet is unreachable, and waiting will not help.
            if answered_at is None or away_s + poll_s > outage_s:
                raise
            failures += 1
            await service.transport.pause(retry.Attempt(failures, away_s, poll_s, str(exc)))
            continue
        answered_at, failures = loop.time(), 0
        yield answer
        if answer.run is None or answer.run.is_over:
            return
        await asyncio.sleep(poll_s)


def recent(runs: Sequence[TrainingRun], now_s: float | None = None) -> list[TrainingRun]:
    """
    Select the active runs, and those that failed within the last 15 minutes.

    :param now_s: time [s since 1970]; None means now.
    """
    since_ms = ((time.time() if now_s is None else now_s) - FAILED_SHOWN_S) * 1000
    return [run for run in runs if run.is_active
            or (run.status == 'failed' and (run.ended_ms() or 0) >= since_ms)]


def _is_earlier(run: TrainingRun | None, wanted: tuple[str, str], asked_at_ms: float) -> bool:
    """Whether a run was made by an earlier call with the same request id."""
    if run is None:
        return False
    created_ms = run.first_number('createdAt')
    got = (run.first_text('modelName') or wanted[0], run.first_text('modelVersion') or wanted[1])
    # The names hold the second of the call, unless the caller chose them.
    return (run.is_over or run.status == 'stopping' or got != wanted
            or (created_ms is not None and created_ms < asked_at_ms - CLOCK_SLACK_MS))


def is_stuck(run: TrainingRun, now_s: float | None = None) -> bool:
    """Whether a run has been queued for over 10 minutes; ``now_s`` as in :func:`recent`."""
    queued_ms = run.first_number('createdAt')
    now_ms = (time.time() if now_s is None else now_s) * 1000
    return run.status == 'queued' and queued_ms is not None and now_ms - queued_ms > STUCK_S * 1e3
