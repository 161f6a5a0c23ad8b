# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How a training run looks on the wire (protocol i.6), and how its loss falls. Pure functions.

The loss is not learned: it falls from its first to its last value by the share of the steps done,
with a ripple that depends on the run alone.
"""

from __future__ import annotations

import hashlib
import json
import math

from reflex_ros.sim.service.resources.datasets import Dataset
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.resources.training import Status, TrainingRun

_CHECKPOINT_BYTES = 41_000_000


def loss_at(run: TrainingRun, step: int) -> float:
    """Return the training loss after some steps; over many steps it falls."""
    seed = hashlib.sha256(run.id.encode()).digest()
    first, last = 1.6 + seed[0] / 512, 0.04 + seed[1] / 8192
    ripple = 1.0 + 0.05 * math.sin(seed[2] + step * 0.7)
    fall = math.exp(-5.0 * step / run.steps)
    return round((last + (first - last) * fall) * (ripple if step else 1.0), 6)


def to_json(run: TrainingRun, dataset: Dataset | None) -> dict[str, object]:
    """
    Return the row of a run; what is unknown is left out.

    :param dataset: None when it is gone.
    """
    request = run.request
    step = run.steps_done
    row = ids('trainingRunId', run.id) | {
        'status': run.status.value,
        'operation': 'fine_tune', 'modelName': request.model_name,
        'modelVersion': request.model_version, 'baseModel': request.base_model,
        'fineTuningType': request.fine_tuning_type, 'datasetId': request.dataset_id,
        'createdBy': {'name': 'Simulated owner', 'apiKeyName': request.key_name},
        'createdAt': run.created_ms, 'updatedAt': max(run.entered_ms, run.seen_ms or 0),
        'progress': round(step / run.steps, 6), 'stepsCompleted': step,
        'estimatedTotalSteps': run.steps, 'epochs': request.epochs,
        'totalEpochs': request.epochs, 'currentEpoch': step * request.epochs // run.steps,
    }
    optional: dict[str, object] = {
        'baseModelId': request.base_model_id, 'parametersJson': request.parameters_json,
        'requestId': request.request_id, 'startedAt': run.started_ms,
        'finishedAt': run.finished_ms, 'modelId': run.model_id,
        'errorMessage': run.error_message,
    }
    if dataset is not None:
        optional['hfRevision'] = dataset.revision
        row['dataset'] = dataset.to_json()
    if run.started_ms is not None:
        optional |= {
            'lastHeartbeatAt': run.seen_ms, 'primeNodeId': f'node_{run.id[-6:]}',
            'modalSpawnId': f'fc-{run.id[-20:]}', 'modalInitialLoss': loss_at(run, 0),
        }
    if run.status is Status.SUCCEEDED:
        optional['modalFinalLoss'] = loss_at(run, run.steps)
    return row | given(optional) | _checkpoint(run)


def checkpoint_step(run: TrainingRun) -> int:
    """Return the step of the latest checkpoint, 0 without one; the end of a run is saved too."""
    if run.status is Status.SUCCEEDED:
        return run.steps
    return run.steps_done - run.steps_done % run.save_freq


def _checkpoint(run: TrainingRun) -> dict[str, object]:
    """Return the fields of the latest checkpoint, none before the first."""
    step = checkpoint_step(run)
    if step == 0 or run.started_ms is None:
        return {}
    name = f'{run.id}:{step}'
    metrics = {'step': step, 'epoch': step * run.request.epochs / run.steps,
               'loss': loss_at(run, step)}
    return {
        'latestCheckpointStorageId': f'ckpt_{run.id[-16:]}_{step}',
        'latestCheckpointSha256': hashlib.sha256(name.encode()).hexdigest(),
        'latestCheckpointSizeBytes': _CHECKPOINT_BYTES,
        'latestCheckpointContentType': 'application/octet-stream',
        'latestCheckpointSavedAt': run.started_ms + round(run.train_ms * step / run.steps),
        'latestCheckpointMetricsJson': json.dumps(metrics, sort_keys=True),
        'modalAdapterPath': (f'real_runs/{run.id}_{run.started_ms}/checkpoints/{step:06d}/'
                             'pretrained_model/'),
    }
