# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training runs as the service describes them (protocol reference, section i.6)."""

from __future__ import annotations

import json
import math

from pydantic import Field

from reflex_ros.client.messages import Row, Text

ACTIVE = frozenset({'queued', 'provisioning', 'running', 'sync_requested', 'stopping'})
TERMINAL = frozenset({'succeeded', 'failed', 'stopped'})


class TrainingRun(Row):
    """One run; of its many fields only those that are judged here have a type."""

    status: Text = ''
    dataset: Row | None = None
    parameters_json: Text | None = Field(None, alias='parametersJson')

    @property
    def run_id(self) -> str:
        """The id, whichever of its names it has here; empty when there is none."""
        return self.first_text('_id', 'id', 'trainingRunId')

    @property
    def is_active(self) -> bool:
        """Whether it still runs, or will."""
        return self.status in ACTIVE

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in TERMINAL

    @property
    def fraction(self) -> float | None:
        """How far it is, 0 to 1; None when the service does not say."""
        progress = self.first_number('progress')
        if progress is not None:
            # Both are seen: 0..1 and percent.
            return min(max(progress if progress <= 1.0 else progress / 100.0, 0.0), 1.0)
        done, of = self.first_number('stepsCompleted'), self.first_number('estimatedTotalSteps')
        return min(max(done / of, 0.0), 1.0) if done is not None and of else None

    @property
    def loss(self) -> float | None:
        """The newest loss that the service tells: of the run, its last checkpoint, its start."""
        final = self.first_number('loss', 'currentLoss', 'modalFinalLoss')
        if final is not None:
            return final
        text = self.as_sent().get('latestCheckpointMetricsJson')
        try:
            metrics = json.loads(text) if isinstance(text, str) else {}
        except (ValueError, RecursionError):
            metrics = {}
        value = metrics.get('loss') if isinstance(metrics, dict) else None
        if (isinstance(value, (int, float)) and not isinstance(value, bool)
                and math.isfinite(value)):
            return float(value)
        return self.first_number('modalInitialLoss')

    def ended_ms(self) -> float | None:
        """When it ended, as well as the service tells [ms since 1970]."""
        return self.first_number('finishedAt', 'updatedAt', 'createdAt')


class TrainingRunAnswer(Row):
    """Answer of the functions about one run."""

    run: TrainingRun | None = Field(None, alias='trainingRun')

    @property
    def run_id(self) -> str:
        """The id of the run, wherever it stands; empty when there is none."""
        own = self.first_text('trainingRunId')
        return own or (self.run.run_id if self.run else self.first_text('_id', 'id'))


class TrainingRunList(Row):
    """Answer of ``publicApi:listTrainingRuns``."""

    runs: tuple[TrainingRun, ...] = Field((), alias='trainingRuns')


class StepwiseRun(Row):
    """Answer of POST ``/v1/training-runs/lora``."""

    @property
    def run_id(self) -> str:
        """The id, whichever of its names it has here."""
        return self.first_text('training_run_id', 'run_id', 'id')


class StepResult(Row):
    """Answer of a forward-backward (``loss``) or an optimiser step (``step``)."""

    loss: float | None = None
    step: int | None = None
    metrics: dict[str, object] = Field(default_factory=dict)


class SavedAdapter(Row):
    """Answer of a saved adapter."""

    name: Text = ''
    version: Text = ''
    adapter: Row | None = None

    @property
    def adapter_id(self) -> str:
        """The id, wherever it stands; empty when there is none."""
        own = self.first_text('adapter_id', 'adapterId')
        return own or (self.adapter.first_text('_id') if self.adapter else '')

    @property
    def reference(self) -> str:
        """How the adapter is called elsewhere: as the service says, else ``name@version``."""
        inner = self.adapter or self
        name = self.name or inner.first_text('name')
        version = self.version or inner.first_text('version')
        return self.first_text('lora', 'adapter_ref', 'adapterRef') or f'{name}@{version}'
