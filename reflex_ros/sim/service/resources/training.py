# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Hosted training runs: the state machine of protocol section i.6 on the service's clock.

    queued -> provisioning -> running -> succeeded
                                      -> failed
    queued, provisioning, running -> stopping -> stopped

A run moves when it is looked at: ``settle`` lets happen what is due by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.training_parameters import Plan
from reflex_ros.sim.service.settings import Settings
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# [ms] that a worker takes to notice a stop.
STOPPING_MS = 2_000


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
    What the client asked for; empty texts were not given.

    :param key_name: of the key that it asked with.
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

    :param steps: how many it is planned to take, with a checkpoint every ``save_freq``.
    :param provision_ms: how long it is provisioned; ``train_ms`` runs after that.
    :param entered_ms: epoch [ms] at which it came into its status, as are the other times.
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


class TrainingRuns:
    """
    Every run, oldest first.

    :param clock: moves them on.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start without any."""
        self._clock = clock
        self.table = Table(TrainingRun, Reason.TRAINING_RUN_NOT_FOUND)

    def find_request(self, request_id: str) -> TrainingRun | None:
        """Return the run of a request id, None when there is none or it is empty."""
        for run in self.table.all():
            if request_id and run.request.request_id == request_id:
                return run
        return None

    def start(self, request: TrainingRequest, plan: Plan, settings: Settings) -> TrainingRun:
        """Queue a run."""
        now_ms = self._clock.now_ms()
        return self.table.add(TrainingRun(
            new_id('run'), request, plan.steps, plan.save_freq, now_ms, now_ms,
            due_ms=now_ms + round(settings.queue_s * 1e3),
            provision_ms=round(settings.provision_s * 1e3),
            train_ms=round(settings.train_s * 1e3),
        ))

    def stop(self, run_id: str) -> TrainingRun:
        """
        Ask a run to end; asking again is no error.

        :raises Refusal: ``training_run_not_found``, ``training_run_finished``.
        """
        run = self.table.get(run_id)
        if not run.is_active:
            raise Refusal(Reason.TRAINING_RUN_FINISHED, f'the run has {run.status.value}')
        if run.status is not Status.STOPPING:
            now_ms = self._clock.now_ms()
            self._enter(run, Status.STOPPING, now_ms, now_ms + STOPPING_MS)
        return run

    def settle(self, *, is_stuck: bool, fails: Callable[[], bool]) -> list[TrainingRun]:
        """
        Let happen what is due.

        :param is_stuck: whether queued runs stay queued.
        :param fails: asked for each run that begins, whether it will fail.
        :returns: the runs that have succeeded just now.
        """
        now_ms, succeeded = self._clock.now_ms(), []
        for run in self.table.all():
            if is_stuck and run.status is Status.QUEUED:
                # When the queue moves again, this run is next.
                run.due_ms = max(now_ms, run.due_ms or 0)
                continue
            while run.due_ms is not None and run.due_ms <= now_ms:
                self._leave(run, run.due_ms, fails)
                if run.status is Status.SUCCEEDED:
                    succeeded.append(run)
            if run.status is Status.RUNNING:
                run.seen_ms = now_ms
                run.steps_done = int(run.steps * (now_ms - run.entered_ms) / run.train_ms)
        return succeeded

    def _leave(self, run: TrainingRun, at_ms: int, fails: Callable[[], bool]) -> None:
        """Go where a run goes by itself when its time in a status is over."""
        if run.status is Status.QUEUED:
            self._enter(run, Status.PROVISIONING, at_ms, at_ms + run.provision_ms)
        elif run.status is Status.PROVISIONING:
            run.will_fail, run.started_ms = fails(), at_ms
            share = 0.5 if run.will_fail else 1.0
            self._enter(run, Status.RUNNING, at_ms, at_ms + round(run.train_ms * share))
        elif run.status is Status.STOPPING:
            self._finish(run, Status.STOPPED, at_ms)
        elif run.will_fail:
            run.steps_done = run.steps // 2
            run.error_message = 'CUDA out of memory (on order)'
            self._finish(run, Status.FAILED, at_ms)
        else:
            run.steps_done = run.steps
            self._finish(run, Status.SUCCEEDED, at_ms)

    def _finish(self, run: TrainingRun, status: Status, at_ms: int) -> None:
        if run.status is Status.RUNNING:
            run.seen_ms = at_ms
        run.finished_ms = at_ms
        self._enter(run, status, at_ms, None)

    def _enter(self, run: TrainingRun, status: Status, at_ms: int, due_ms: int | None) -> None:
        run.status, run.entered_ms, run.due_ms = status, at_ms, due_ms
