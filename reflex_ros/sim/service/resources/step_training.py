# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Step-wise LoRA training (protocol c.5): a legacy interface, on which the client drives every step.

There is no model to train. The loss of a batch falls with each step. A higher learning rate makes
it fall faster, and one that is far too high makes it rise, so that a client sees an effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import hashlib
import json
import math
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from reflex_ros.sim.service.calls import ABSENT, Json, JsonObject, known, rest, Strict, Text
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.datasets import Datasets
from reflex_ros.sim.service.resources.models import Models
from reflex_ros.sim.service.resources.training_parameters import Rank
from reflex_ros.sim.service.storage.table import new_id, Row

BASE_MODEL: Final = 'pi0.7-flash'
_FIRST_LOSS, _LAST_LOSS = 1.5, 0.05
# The learning rate at which a step has the largest gain, and that gain.
_BEST_RATE, _BEST_GAIN = 1e-3, 0.05
# Answers that are kept for request ids that come again.
_MOST_ANSWERS = 100


_Share = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]


def _check_width(rows: list[list[float]]) -> list[list[float]]:
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        raise ValueError('must be rows of equal length')
    return rows


class _Example(Strict):
    observation: Json
    actions: Annotated[list[list[FiniteFloat]], AfterValidator(_check_width)]
    loss_weights: list[object] = ABSENT
    metadata: Json = ABSENT


class _Adam(Strict):
    learning_rate: Annotated[FiniteFloat, Field(ge=0.0, le=1e3)]
    beta1: _Share = ABSENT
    beta2: _Share = ABSENT
    eps: _Share = ABSENT
    weight_decay: Annotated[FiniteFloat, Field(ge=0.0, le=1e3)] = ABSENT
    max_grad_norm: Annotated[FiniteFloat, Field(ge=0.0, le=1e9)] = ABSENT


@dataclass
class StepRun(Row):
    """
    One run; empty texts were not sent.

    :param ends_at: epoch [ms] at which its ``max_minutes`` are over.
    :param remaining: how much of the fall of the loss is still to come, 1 at the start.
    :param pending: batches since the last optimizer step.
    :param answers: request id -> the answer to it.
    """

    id: str
    rank: int
    created_at: int
    updated_at: int
    name: str = ''
    dataset_id: str = ''
    request_id: str = ''
    config: Json = field(default_factory=dict)
    ends_at: int | None = None
    step: int = 0
    remaining: float = 1.0
    pending: int = 0
    last_loss: float | None = None
    answers: dict[str, Json] = field(default_factory=dict)

    def to_json(self, now_ms: int) -> Json:
        """Return the object of ``GET``."""
        return {
            'training_run_id': self.id, 'run_id': self.id, 'id': self.id,
            'status': 'stopped' if self.is_over(now_ms) else 'running', 'step': self.step,
            'base_model': BASE_MODEL, 'rank': self.rank, 'config': self.config,
            'created_at': self.created_at, 'updated_at': self.updated_at,
        } | known({'name': self.name, 'dataset_id': self.dataset_id, 'loss': self.last_loss,
                   'ends_at': self.ends_at})

    def is_over(self, now_ms: int) -> bool:
        """Return whether its time is over."""
        return self.ends_at is not None and now_ms >= self.ends_at

    def backpropagate(self, data: list[_Example], microbatch_size: int) -> Json:
        """Compute the gradient of a batch; return ``loss`` and ``metrics``."""
        text = json.dumps([each.model_dump() for each in data], sort_keys=True)
        difficulty = 0.9 + hashlib.sha256(text.encode()).digest()[0] / 1280
        fall = (_FIRST_LOSS - _LAST_LOSS) * self.remaining * difficulty
        self.pending += 1
        self.last_loss = round(_LAST_LOSS + fall, 6)
        return {'loss': self.last_loss, 'metrics': {
            'loss': self.last_loss, 'examples': len(data),
            'microbatches': math.ceil(len(data) / microbatch_size),
            'grad_norm': round(2.0 * self.remaining * difficulty, 6),
        }}

    def optimize(self, learning_rate: float) -> Json:
        """Apply the gradients since the last step and return the answer; refuse without any."""
        if self.pending == 0:
            raise Refusal(Reason.NO_GRADIENTS, 'call forward-backward first')
        ratio = learning_rate / _BEST_RATE
        # A parabola: nothing at 0, best at 1, nothing again at 2, and upward beyond.
        gain = _BEST_GAIN * ratio * (2.0 - ratio)
        self.remaining = min(10.0, self.remaining * (1.0 - max(-1.0, gain)))
        self.step += 1
        metrics = {'learning_rate': learning_rate, 'batches': self.pending}
        self.pending = 0
        return {'step': self.step, 'metrics': metrics}

    def keep(self, request_id: str, answer: Json) -> Json:
        """Keep the answer to a request id, when there is one; return it."""
        if request_id:
            kept = list(self.answers.items())[1 - _MOST_ANSWERS:]
            self.answers = {**dict(kept), request_id: answer}
        return answer


class StepRuns:
    """Every step-wise run, oldest first."""

    def __init__(self, context: Context, datasets: Datasets, models: Models) -> None:
        self._clock = context.clock
        self._datasets = datasets
        self._models = models
        self.table = context.add_table('step_runs', StepRun, Reason.TRAINING_RUN_NOT_FOUND)

    @rest('POST /v1/training-runs/lora')
    def start(
        self, *, base_model: Literal['pi0.7-flash'] = BASE_MODEL, rank: Rank = 32, name: str = '',
        dataset_id: str = '',
        max_minutes: Annotated[float, Field(gt=0.0, lt=1e6)] | None = None, request_id: str = '',
        config: JsonObject | None = None,
    ) -> Json:
        """Start a run; the same request id again is the same run."""
        if dataset_id:
            self._datasets.table.get(dataset_id)
        now_ms = self._clock.now_ms()
        run = self.table.first(lambda row: bool(request_id) and row.request_id == request_id)
        if run is None:
            ends_at = None if max_minutes is None else now_ms + round(max_minutes * 60e3)
            run = self.table.add(StepRun(
                new_id('steps'), rank, now_ms, now_ms, name, dataset_id, request_id, config or {},
                ends_at))
        return run.to_json(now_ms)

    @rest('GET /v1/training-runs/{run_id}')
    def get(self, *, run_id: str) -> Json:
        """Return one run."""
        return self.table.get(run_id).to_json(self._clock.now_ms())

    @rest('POST /v1/training-runs/{run_id}/forward-backward')
    def forward_backward(
        self, *, run_id: str,
        data: Annotated[list[_Example], Field(min_length=1, max_length=1024)],
        loss_fn: Literal['behavior_cloning'] = 'behavior_cloning',
        microbatch_size: Annotated[int, Field(ge=1)] | None = None, request_id: str = '',
    ) -> Json:
        """Compute the gradient of a batch; the same request id again changes nothing."""
        run = self._running(run_id)
        if answer := run.answers.get(request_id):
            return answer
        return run.keep(request_id, run.backpropagate(data, microbatch_size or len(data)))

    @rest('POST /v1/training-runs/{run_id}/optim-step')
    def optim_step(
        self, *, run_id: str, optimizer: Literal['adam'], params: _Adam, request_id: str = ''
    ) -> Json:
        """Apply the gradients; the same request id again changes nothing."""
        run = self._running(run_id)
        if answer := run.answers.get(request_id):
            return answer
        return run.keep(request_id, run.optimize(params.learning_rate))

    @rest('POST /v1/training-runs/{run_id}/save-adapter')
    def save_adapter(self, *, run_id: str, name: str = '', version: str = '') -> Json:
        """Make a model of the run as it is now."""
        run = self._running(run_id)
        name = name or run.name or run.id
        version = version or f'v{run.step}'
        model = self._models.add(
            name=name, kind='fine_tune', version=version, base_model=BASE_MODEL,
            training_run_id=run.id)
        return {
            'name': name, 'version': version, 'adapter_id': model.id, 'adapterId': model.id,
            'adapter_ref': f'{name}@{version}', 'adapterRef': f'{name}@{version}',
            'adapter': {'_id': model.id, 'name': name, 'version': version}, 'step': run.step,
        }

    @rest('POST /v1/training-runs/{run_id}/save-state')
    def save_state(self, *, run_id: str, name: Text) -> Json:
        """Answer as if the optimizer's state were kept; no call can read it back."""
        run = self._running(run_id)
        return {'name': name, 'state_id': new_id('state'), 'training_run_id': run.id,
                'step': run.step}

    def _running(self, run_id: str) -> StepRun:
        """Return a run that can go on; refuse one that is unknown or over."""
        run, now_ms = self.table.get(run_id), self._clock.now_ms()
        if run.is_over(now_ms):
            raise Refusal(Reason.TRAINING_RUN_FINISHED, 'its max_minutes are over')
        run.updated_at = now_ms
        return run
