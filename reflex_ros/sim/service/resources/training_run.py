# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A hosted training run, how it looks on the wire (protocol i.6), and how its loss falls.

The loss is not learned: it falls from its first to its last value by the share of the steps done,
with a ripple that depends on the run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import hashlib
import json
import math

from reflex_ros.sim.service.calls import ids, Json, known
from reflex_ros.sim.service.resources.datasets import Dataset
from reflex_ros.sim.service.storage.table import Row

_CHECKPOINT_BYTES = 41_000_000


class Status(str, Enum):
    """Where a run is in its life; ``SYNC_REQUESTED`` is never entered here."""

    QUEUED = 'queued'
    PROVISIONING = 'provisioning'
    RUNNING = 'running'
    SYNC_REQUESTED = 'sync_requested'
    STOPPING = 'stopping'
    SUCCEEDED = 'succeeded'
    FAILED = 'failed'
    STOPPED = 'stopped'


TERMINAL = frozenset((Status.SUCCEEDED, Status.FAILED, Status.STOPPED))


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """
    What the client asked for; empty texts mean that it was not sent.

    :param key_name: of the key that asked.
    """

    key_name: str
    dataset_id: str
    base_model: str
    fine_tuning_type: str
    epochs: int
    model_name: str
    model_version: str
    base_model_id: str = ''
    parameters_json: str = ''
    request_id: str = ''


@dataclass
class TrainingRun(Row):
    """
    One run.

    :param steps: how many it is planned to do, with a checkpoint every ``save_freq``.
    :param provision_ms: how long it is provisioned; ``train_ms`` runs after that.
    :param entered_ms: epoch [ms] at which it entered its status, as are the other times.
    :param due_ms: when it leaves its status by itself; None when it has ended.
    :param will_fail: whether it fails half way.
    :param seen_ms: when it was last seen running.
    """

    id: str
    request: TrainingRequest
    steps: int
    save_freq: int
    created_ms: int
    entered_ms: int
    due_ms: int | None
    provision_ms: int
    train_ms: int
    status: Status = Status.QUEUED
    will_fail: bool = False
    started_ms: int | None = None
    finished_ms: int | None = None
    seen_ms: int | None = None
    steps_done: int = 0
    model_id: str = ''
    error_message: str = ''

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status not in TERMINAL

    def loss_at(self, step: int) -> float:
        """Return the training loss after some steps; over many steps it falls."""
        seed = hashlib.sha256(self.id.encode()).digest()
        first, last = 1.6 + seed[0] / 512, 0.04 + seed[1] / 8192
        ripple = 1.0 + 0.05 * math.sin(seed[2] + step * 0.7)
        fall = math.exp(-5.0 * step / self.steps)
        return round((last + (first - last) * fall) * (ripple if step else 1.0), 6)

    def to_json(self, dataset: Dataset | None) -> Json:
        """
        Return the row; what is unknown is left out.

        :param dataset: None when it is gone.
        """
        request, step = self.request, self.steps_done
        row = ids('trainingRunId', self.id) | {
            'status': self.status.value,
            'operation': 'fine_tune', 'modelName': request.model_name,
            'modelVersion': request.model_version, 'baseModel': request.base_model,
            'fineTuningType': request.fine_tuning_type, 'datasetId': request.dataset_id,
            'createdBy': {'name': 'Simulated owner', 'apiKeyName': request.key_name},
            'createdAt': self.created_ms, 'updatedAt': max(self.entered_ms, self.seen_ms or 0),
            'progress': round(step / self.steps, 6), 'stepsCompleted': step,
            'estimatedTotalSteps': self.steps, 'epochs': request.epochs,
            'totalEpochs': request.epochs, 'currentEpoch': step * request.epochs // self.steps,
        } | known({
            'baseModelId': request.base_model_id, 'parametersJson': request.parameters_json,
            'requestId': request.request_id, 'startedAt': self.started_ms,
            'finishedAt': self.finished_ms, 'modelId': self.model_id,
            'errorMessage': self.error_message,
        })
        if dataset is not None:
            row |= {'dataset': dataset.to_json()} | known({'hfRevision': dataset.revision})
        if self.started_ms is not None:
            row |= known({
                'lastHeartbeatAt': self.seen_ms, 'primeNodeId': f'node_{self.id[-6:]}',
                'modalSpawnId': f'fc-{self.id[-20:]}', 'modalInitialLoss': self.loss_at(0),
            }) | self._checkpoint(self.started_ms)
        if self.status is Status.SUCCEEDED:
            row['modalFinalLoss'] = self.loss_at(self.steps)
        return row

    def _checkpoint(self, started_ms: int) -> Json:
        """Return the fields of the latest checkpoint, none before the first."""
        step = self.steps_done - self.steps_done % self.save_freq
        if self.status is Status.SUCCEEDED:
            # The end of a run is saved too.
            step = self.steps
        if step == 0:
            return {}
        metrics = {'step': step, 'epoch': step * self.request.epochs / self.steps,
                   'loss': self.loss_at(step)}
        return {
            'latestCheckpointStorageId': f'ckpt_{self.id[-16:]}_{step}',
            'latestCheckpointSha256': hashlib.sha256(f'{self.id}:{step}'.encode()).hexdigest(),
            'latestCheckpointSizeBytes': _CHECKPOINT_BYTES,
            'latestCheckpointContentType': 'application/octet-stream',
            'latestCheckpointSavedAt': started_ms + round(self.train_ms * step / self.steps),
            'latestCheckpointMetricsJson': json.dumps(metrics, sort_keys=True),
            'modalAdapterPath': (f'real_runs/{self.id}_{started_ms}/checkpoints/{step:06d}/'
                                 'pretrained_model/'),
        }
