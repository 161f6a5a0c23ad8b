# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Step-wise LoRA runs of the REST interface (protocol c.5): the client drives every step.

There is no model to train. The loss of a batch falls with the steps taken, the more the higher the
learning rate, and a rate far too high makes it rise; so a client sees that its calls have effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import hashlib
import json
import math

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row, Table

_FIRST_LOSS, _LAST_LOSS = 1.5, 0.05
# Where a step does the most good, and what it does there.
_BEST_RATE, _BEST_GAIN = 1e-3, 0.05
# Answers to request ids that are remembered.
_MOST_ANSWERS = 100


@dataclass
class StepRun(Row):
    """
    One run; empty texts were not given.

    :param ends_ms: epoch [ms] at which its ``max_minutes`` are over.
    :param remaining: how much of the fall of the loss is still to come, 1 at the start.
    :param pending: batches since the last optimizer step.
    :param answers: request id -> the answer to it.
    """

    id: str
    base_model: str
    rank: int
    created_ms: int
    updated_ms: int
    name: str = ''
    dataset_id: str = ''
    request_id: str = ''
    config: dict[str, object] = field(default_factory=dict)
    ends_ms: int | None = None
    step: int = 0
    remaining: float = 1.0
    pending: int = 0
    last_loss: float | None = None
    answers: dict[str, dict[str, object]] = field(default_factory=dict)

    def to_json(self, now_ms: int) -> dict[str, object]:
        """Return the object of ``GET``."""
        row: dict[str, object] = {
            'training_run_id': self.id, 'run_id': self.id, 'id': self.id,
            'status': 'stopped' if self.is_over(now_ms) else 'running', 'step': self.step,
            'base_model': self.base_model, 'rank': self.rank, 'config': self.config,
            'created_at': self.created_ms, 'updated_at': self.updated_ms,
        }
        optional = {'name': self.name, 'dataset_id': self.dataset_id, 'loss': self.last_loss,
                    'ends_at': self.ends_ms}
        return row | {name: value for name, value in optional.items() if value not in ('', None)}

    def is_over(self, now_ms: int) -> bool:
        """Say whether its time is over."""
        return self.ends_ms is not None and now_ms >= self.ends_ms


class StepRuns:
    """
    Every step-wise run, oldest first.

    :param clock: ends those with a limit.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start without any."""
        self._clock = clock
        self.table = Table(StepRun, Reason.TRAINING_RUN_NOT_FOUND)

    def start(
        self, *, base_model: str, rank: int, name: str, dataset_id: str, request_id: str,
        config: dict[str, object], max_minutes: float | None,
    ) -> StepRun:
        """Start a run; the same request id again is the same run."""
        for run in self.table.all():
            if request_id and run.request_id == request_id:
                return run
        now_ms = self._clock.now_ms()
        return self.table.add(StepRun(
            new_id('steps'), base_model, rank, now_ms, now_ms, name, dataset_id, request_id,
            config, None if max_minutes is None else now_ms + round(max_minutes * 60e3),
        ))

    def get_running(self, run_id: str) -> StepRun:
        """
        Return a run that can go on.

        :raises Refusal: ``training_run_not_found``, ``training_run_finished``.
        """
        run = self.table.get(run_id)
        if run.is_over(self._clock.now_ms()):
            raise Refusal(Reason.TRAINING_RUN_FINISHED, 'its max_minutes are over')
        run.updated_ms = self._clock.now_ms()
        return run

    def remember(
        self, run: StepRun, request_id: str, answer: dict[str, object]
    ) -> dict[str, object]:
        """Keep the answer to a request id, when there is one; return it."""
        if request_id:
            kept = list(run.answers.items())[-(_MOST_ANSWERS - 1):]
            run.answers = {**dict(kept), request_id: answer}
        return answer


def forward_backward(run: StepRun, data: list[object], microbatch: int) -> dict[str, object]:
    """
    Take the gradient of a batch.

    :param microbatch: examples at a time.
    :returns: ``loss`` and ``metrics``.
    """
    text = json.dumps(data, sort_keys=True)
    difficulty = 0.9 + hashlib.sha256(text.encode()).digest()[0] / 1280
    loss = round(_LAST_LOSS + (_FIRST_LOSS - _LAST_LOSS) * run.remaining * difficulty, 6)
    run.pending += 1
    run.last_loss = loss
    metrics = {
        'loss': loss, 'examples': len(data), 'microbatches': math.ceil(len(data) / microbatch),
        'grad_norm': round(2.0 * run.remaining * difficulty, 6),
    }
    return {'loss': loss, 'metrics': metrics}


def optim_step(run: StepRun, learning_rate: float) -> dict[str, object]:
    """
    Apply the gradients that have come together.

    :returns: ``step`` and ``metrics``.
    :raises Refusal: ``no_gradients`` when there are none.
    """
    if run.pending == 0:
        raise Refusal(Reason.NO_GRADIENTS, 'call forward-backward first')
    ratio = learning_rate / _BEST_RATE
    # A parabola: nothing at 0, best at 1, nothing again at 2, and upward beyond.
    gain = _BEST_GAIN * ratio * (2.0 - ratio)
    run.remaining = min(10.0, run.remaining * (1.0 - max(-1.0, gain)))
    run.step += 1
    metrics: dict[str, object] = {'learning_rate': learning_rate, 'batches': run.pending}
    run.pending = 0
    return {'step': run.step, 'metrics': metrics}
