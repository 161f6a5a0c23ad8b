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
"""In the queue for longer than this is worth a word; runs start within a minute or two."""
OUTAGE_S = 15 * 60.0
"""A watched run takes hours; a service that is away for minutes is no reason to look away."""


async def start(service: AsyncReflex, *, dataset_id: str | None = None,
                hf_source_uri: str | None = None, base_model: str = BASE_MODEL,
                fine_tuning: str = 'lora', epochs: int = 3, model_name: str | None = None,
                model_version: str | None = None, base_model_id: str | None = None,
                parameters: Mapping[str, object] | None = None,
                request_id: str | None = None) -> TrainingRunAnswer:
    """
    Start a run on a dataset, or on one of the Hugging Face hub.

    :param fine_tuning: ``lora`` or ``full``.
    :param model_name: of what comes out; made of the time when None, as is the version.
    :param base_model_id: go on from this model instead of the base model.
    :param parameters: by key, as in :data:`.training_parameters.PARAMETERS`.
    :param request_id: the same one again returns the same run, so that the request may be sent
        again when its answer is lost.
    :raises ConfigurationError: for what is not allowed; nothing is sent then.
    :raises ServiceRefused: with the command to run, when the dataset was never validated; errors
        else as :meth:`.RpcClient.call`.
    """
    if (dataset_id is None) == (hf_source_uri is None):
        raise ConfigurationError('Pass exactly one of dataset_id or hf_source_uri.')
    if base_model not in ALIASES:
        raise ConfigurationError('Only base model pi0.5 is supported by the product API.')
    if epochs < 1:
        raise ConfigurationError(f'--epochs must be 1 or more, got {epochs}')
    checked = training_parameters.check(parameters or {}, fine_tuning)
    function = 'publicApi:createAndProvisionTrainingRun'
    if hf_source_uri is not None:
        function += 'FromHuggingFace'
        hf_source_uri = check_source(hf_source_uri)
    stamp = datetime.now(timezone.utc).strftime('%Y%m%d%H%M%S')
    try:
        # With a request id it may be sent again: the service returns the run that it began.
        value = await service.rpc.call(
            'action', function, 'Unable to start training run', is_read=request_id is not None,
            datasetId=dataset_id, hfSourceUri=hf_source_uri, baseModel=BASE_MODEL,
            fineTuningType=fine_tuning, epochs=epochs, baseModelId=base_model_id,
            modelName=model_name or f'reflex-cli-{stamp}',
            modelVersion=model_version or f'v{stamp}', requestId=request_id,
            parametersJson=training_parameters.to_json(checked))
    except ServiceRefused as exc:
        # The slug is the reference's guess, so that any that speaks of validation will do.
        if 'validated' in exc.reason:
            raise ServiceRefused(
                f'{str(exc).partition(". ")[0].rstrip(".")}. Run `reflex datasets validate '
                f'{dataset_id or "<dataset-id>"}` first', exc.reason) from exc
        raise
    answer = parse(TrainingRunAnswer, value, function)
    if not answer.run_id:
        raise ServiceProtocolError(f'{function} answered without a training run')
    return answer


async def get(service: AsyncReflex, run_id: str) -> TrainingRunAnswer:
    """Read one run; errors as :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:getTrainingRun', 'Unable to get training run', is_read=True,
        trainingRunId=run_id)
    return parse(TrainingRunAnswer, value, 'publicApi:getTrainingRun')


async def list_all(service: AsyncReflex, status: str | None = None) -> TrainingRunList:
    """List runs, all or those of one status; errors as :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listTrainingRuns', 'Unable to list training runs', is_read=True,
        status=status)
    return parse(TrainingRunList, value, 'publicApi:listTrainingRuns')


async def stop(service: AsyncReflex, run_id: str) -> TrainingRunAnswer:
    """Ask for the end of a run; errors as :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:stopTrainingRun', 'Unable to stop training run',
        trainingRunId=run_id)
    return parse(TrainingRunAnswer, value, 'publicApi:stopTrainingRun')


async def watch(service: AsyncReflex, run_id: str, *, poll_s: float = 10.0,
                outage_s: float = OUTAGE_S) -> AsyncIterator[TrainingRunAnswer]:
    """
    Yield a run again and again until it is over; errors as :func:`get`.

    :param poll_s: between two looks [s].
    :param outage_s: how long the service may be away meanwhile [s].
    """
    loop = asyncio.get_running_loop()
    seen_at: float | None = None
    failures = 0
    while True:
        try:
            answer = await get(service, run_id)
        except ServiceUnavailable as exc:
            away_s = 0.0 if seen_at is None else loop.time() - seen_at
            # Who was never there is not away.
            if seen_at is None or away_s + poll_s > outage_s:
                raise
            failures += 1
            await service.transport.pause(retry.Attempt(failures, away_s, poll_s, str(exc)))
            continue
        seen_at, failures = loop.time(), 0
        yield answer
        if answer.run is None or answer.run.is_over:
            return
        await asyncio.sleep(poll_s)


def recent(runs: Sequence[TrainingRun], now_s: float | None = None) -> list[TrainingRun]:
    """
    Choose what a list shows by default: what is active, and what failed a moment ago.

    :param now_s: seconds since 1970; the time of day when None.
    """
    since_ms = ((time.time() if now_s is None else now_s) - FAILED_SHOWN_S) * 1000
    return [run for run in runs if run.is_active
            or (run.status == 'failed' and (run.ended_ms() or 0) >= since_ms)]


def is_stuck(run: TrainingRun, now_s: float | None = None) -> bool:
    """Whether a run has been in the queue for suspiciously long; ``now_s`` as above."""
    queued_ms = run.first_number('createdAt')
    now_ms = (time.time() if now_s is None else now_s) * 1000
    return run.status == 'queued' and queued_ms is not None and now_ms - queued_ms > STUCK_S * 1e3
