# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages about training runs (protocol reference, sections c.5 and i.6)."""

from __future__ import annotations

import json
import math

from pydantic import Field, PrivateAttr

from reflex_ros.client.messages import Row, Text

ACTIVE = frozenset({'queued', 'provisioning', 'running', 'sync_requested', 'stopping'})
TERMINAL = frozenset({'succeeded', 'failed', 'stopped'})


class TrainingRun(Row):
    """One run; only the fields that this package evaluates have a type."""

    status: Text = ''
    dataset: Row | None = None
    parameters_json: Text | None = Field(None, alias='parametersJson')

    @property
    def run_id(self) -> str:
        """The id, from any of its field names; empty if there is none."""
        return self.first_text('_id', 'id', 'trainingRunId')

    @property
    def is_active(self) -> bool:
        """Whether it runs or waits to run."""
        return self.status in ACTIVE

    @property
    def is_over(self) -> bool:
        """Whether it has finished: succeeded, failed or stopped."""
        return self.status in TERMINAL

    @property
    def fraction(self) -> float | None:
        """Progress, 0 to 1; None if the service sent none."""
        progress = self.first_number('progress')
        if progress is not None:
            # Either 0 to 1 or percent: the clients of the service expect both.
            return min(max(progress if progress <= 1.0 else progress / 100.0, 0.0), 1.0)
        done, of = self.first_number('stepsCompleted'), self.first_number('estimatedTotalSteps')
        return min(max(done / of, 0.0), 1.0) if done is not None and of else None

    @property
    def loss(self) -> float | None:
        """Newest loss that the service sent: of the run, its last checkpoint or its start."""
        final = self.first_number('loss', 'currentLoss', 'modalFinalLoss')
        saved = self._checkpoint('loss')
        return next((value for value in (final, saved) if value is not None),
                    self.first_number('modalInitialLoss'))

    @property
    def losses(self) -> dict[int, float]:
        """Step -> loss, for every loss that the service sent with a step that is known."""
        done, of = self.first_number('stepsCompleted'), self.first_number('estimatedTotalSteps')
        pairs = ((0.0, self.first_number('modalInitialLoss')),
                 (self._checkpoint('step'), self._checkpoint('loss')),
                 (done, self.first_number('loss', 'currentLoss')),
                 (of, self.first_number('modalFinalLoss')))
        return {int(step): loss for step, loss in pairs if step is not None and loss is not None}

    def _checkpoint(self, name: str) -> float | None:
        """Return a number that the service saved with the last checkpoint; None without one."""
        text = self.as_sent().get('latestCheckpointMetricsJson')
        try:
            metrics = json.loads(text) if isinstance(text, str) else {}
        except (ValueError, RecursionError):
            metrics = {}
        value = metrics.get(name) if isinstance(metrics, dict) else None
        if (isinstance(value, (int, float)) and not isinstance(value, bool)
                and math.isfinite(value)):
            return float(value)
        return None

    @property
    def queue_place(self) -> int | None:
        """Place in the queue, 1 is next; None if the service sent none."""
        place = self.first_number('queuePosition', 'positionInQueue', 'queue_position')
        return int(place) if place is not None and self.status == 'queued' else None

    def waited_s(self, now_ms: float) -> float | None:
        """
        Return how long it has waited in the queue [s]; None if it does not wait there.

        :param now_ms: time of the service [ms since 1970].
        """
        since = self.first_number('queuedAt', 'createdAt')
        if self.status != 'queued' or since is None:
            return None
        return max(0.0, (now_ms - since) / 1e3)

    def ended_ms(self) -> float | None:
        """Time of its end, or of its last known change [ms since 1970]."""
        return self.first_number('finishedAt', 'updatedAt', 'createdAt')


class TrainingRunAnswer(Row):
    """Answer about one run."""

    run: TrainingRun | None = Field(None, alias='trainingRun')
    _is_earlier: bool = PrivateAttr(False)

    @property
    def is_earlier(self) -> bool:
        """Whether an earlier call with the same request id started the run."""
        return self._is_earlier

    @property
    def run_id(self) -> str:
        """Id of the run, from the answer or the run in it; empty if there is none."""
        own = self.first_text('trainingRunId')
        return own or (self.run.run_id if self.run else self.first_text('_id', 'id'))


class TrainingRunList(Row):
    """Answer of ``publicApi:listTrainingRuns``."""

    runs: tuple[TrainingRun, ...] = Field((), alias='trainingRuns')


class StepwiseRun(Row):
    """Answer of POST ``/v1/training-runs/lora``."""

    @property
    def run_id(self) -> str:
        """The id, from any of its field names; empty if there is none."""
        return self.first_text('training_run_id', 'run_id', 'id')


class StepResult(Row):
    """Answer of ``forward-backward`` (has ``loss``) or of ``optim-step`` (has ``step``)."""

    loss: float | None = None
    step: int | None = None
    metrics: dict[str, object] = Field(default_factory=dict)


class SavedAdapter(Row):
    """Answer of ``save-adapter``."""

    name: Text = ''
    version: Text = ''
    adapter: Row | None = None

    @property
    def adapter_id(self) -> str:
        """The id, from the answer or the adapter in it; empty if there is none."""
        own = self.first_text('adapter_id', 'adapterId')
        return own or (self.adapter.first_text('_id') if self.adapter else '')

    @property
    def reference(self) -> str:
        """Name for the setting ``lora``: as the service sent it, else ``name@version``."""
        inner = self.adapter or self
        name = self.name or inner.first_text('name')
        version = self.version or inner.first_text('version')
        return self.first_text('lora', 'adapter_ref', 'adapterRef') or f'{name}@{version}'
