# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A hosted training run, how it looks on the wire (protocol i.6), and how its loss falls.

The loss is not learned: it falls from its first to its last value by the share of the steps done,
with a ripple that depends on the run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import json
import math
from typing import Literal

from reflex_ros.sim.service.calls import Json, known, WireRow
from reflex_ros.sim.service.resources.datasets import Dataset

_CHECKPOINT_BYTES = 41_000_000


# Where a run is in its life; ``sync_requested`` is never entered here.
Status = Literal['queued', 'provisioning', 'running', 'sync_requested', 'stopping', 'succeeded',
                 'failed', 'stopped']
TERMINAL = ('succeeded', 'failed', 'stopped')


@dataclass
class TrainingRun(WireRow):
    """
    One run; empty texts were not sent.

    :param key_name: of the key that asked for it.
    :param save_freq: steps between two checkpoints.
    :param provision_ms: how long it is provisioned; ``train_ms`` runs after that.
    :param entered_at: when it entered its status.
    :param due_at: when it leaves its status by itself; None when it has ended.
    :param will_fail: whether it fails half way.
    :param seen_at: when it was last seen running.
    """

    ID_NAME = 'trainingRunId'
    PRIVATE = ('key_name', 'save_freq', 'provision_ms', 'train_ms', 'entered_at', 'due_at',
               'will_fail', 'seen_at')

    id: str
    key_name: str
    model_name: str
    model_version: str
    base_model: str
    fine_tuning_type: str
    dataset_id: str
    epochs: int
    base_model_id: str
    parameters_json: str
    request_id: str
    created_at: int = 0
    steps_completed: int = 0
    estimated_total_steps: int = 0
    started_at: int | None = None
    finished_at: int | None = None
    model_id: str = ''
    error_message: str = ''
    status: Status = 'queued'
    save_freq: int = 0
    provision_ms: int = 0
    train_ms: int = 0
    entered_at: int = 0
    due_at: int | None = None
    will_fail: bool = False
    seen_at: int | None = None

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status not in TERMINAL

    def loss_at(self, step: int) -> float:
        """Return the training loss after some steps; over many steps it falls."""
        seed = hashlib.sha256(self.id.encode()).digest()
        first, last = 1.6 + seed[0] / 512, 0.04 + seed[1] / 8192
        ripple = 1.0 + 0.05 * math.sin(seed[2] + step * 0.7)
        fall = math.exp(-5.0 * step / self.estimated_total_steps)
        return round((last + (first - last) * fall) * (ripple if step else 1.0), 6)

    def row(self, dataset: Dataset | None) -> Json:
        """Return the row of ``listTrainingRuns``; the dataset is None when it is gone."""
        steps, step = self.estimated_total_steps, self.steps_completed
        # The CLI prints the fields in this order.
        row = self.ids('status') | {
            'operation': 'fine_tune', 'modelName': self.model_name,
            'modelVersion': self.model_version, 'baseModel': self.base_model,
            'fineTuningType': self.fine_tuning_type, 'datasetId': self.dataset_id,
            'createdBy': {'name': 'Simulated owner', 'apiKeyName': self.key_name},
            'createdAt': self.created_at, 'updatedAt': max(self.entered_at, self.seen_at or 0),
            'progress': round(step / steps, 6), 'stepsCompleted': step,
            'estimatedTotalSteps': steps, 'epochs': self.epochs, 'totalEpochs': self.epochs,
            'currentEpoch': step * self.epochs // steps,
        }
        if dataset is not None:
            row['dataset'] = dataset.to_json()
        row |= self.to_json() | known({'hfRevision': dataset.hf_revision if dataset else ''})
        if self.started_at is not None:
            row |= known({
                'lastHeartbeatAt': self.seen_at, 'primeNodeId': f'node_{self.id[-6:]}',
                'modalSpawnId': f'fc-{self.id[-20:]}', 'modalInitialLoss': self.loss_at(0),
                'modalFinalLoss':
                    self.loss_at(steps) if self.status == 'succeeded' else None,
            }) | self._checkpoint(self.started_at)
        return row

    def _checkpoint(self, started_at: int) -> Json:
        """Return the fields of the latest checkpoint, none before the first."""
        steps, step = self.estimated_total_steps, self.steps_completed
        # The end of a run is saved too.
        step = steps if self.status == 'succeeded' else step - step % self.save_freq
        if step == 0:
            return {}
        metrics = {'step': step, 'epoch': step * self.epochs / steps, 'loss': self.loss_at(step)}
        return {
            'latestCheckpointStorageId': f'ckpt_{self.id[-16:]}_{step}',
            'latestCheckpointSha256': hashlib.sha256(f'{self.id}:{step}'.encode()).hexdigest(),
            'latestCheckpointSizeBytes': _CHECKPOINT_BYTES,
            'latestCheckpointContentType': 'application/octet-stream',
            'latestCheckpointSavedAt': started_at + round(self.train_ms * step / steps),
            'latestCheckpointMetricsJson': json.dumps(metrics, sort_keys=True),
            'modalAdapterPath': (f'real_runs/{self.id}_{started_at}/checkpoints/{step:06d}/'
                                 'pretrained_model/'),
        }
