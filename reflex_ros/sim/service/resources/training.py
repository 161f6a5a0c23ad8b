# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Hosted training runs: the state machine of protocol section i.6 on the service's clock (c.4).

    queued -> provisioning -> running -> succeeded
                                      -> failed
    queued, provisioning, running -> stopping -> stopped

A run moves when it is looked at: ``advance`` does what is due by then.
"""

from __future__ import annotations

from reflex_ros.sim.service.calls import ABSENT, Json, rpc, Text
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.resources.datasets import Dataset, Datasets
from reflex_ros.sim.service.resources.keys import Key
from reflex_ros.sim.service.resources.models import Models
from reflex_ros.sim.service.resources.training_parameters import make_plan, Plan
from reflex_ros.sim.service.resources.training_run import Status, TrainingRun
from reflex_ros.sim.service.storage.table import new_id

BASE_MODEL = 'pi0.5'
_ALIASES = (BASE_MODEL, 'pi05', 'lerobot/pi05_base')
# [ms] that a worker needs to notice a stop.
STOPPING_MS = 2_000


class TrainingRuns:
    """Every run, oldest first."""

    def __init__(self, context: Context, datasets: Datasets, models: Models) -> None:
        self._context = context
        self._datasets = datasets
        self._models = models
        self.table = context.add_table(
            'training_runs', TrainingRun, Reason.TRAINING_RUN_NOT_FOUND)

    @rpc('publicApi:createAndProvisionTrainingRun')
    def start(
        self, *, key: Key, dataset_id: str, base_model: str, fine_tuning_type: str, epochs: int,
        model_name: Text, model_version: Text, base_model_id: str = '', parameters_json: str = '',
        request_id: str = '',
    ) -> Json:
        """Queue a run on a dataset that has been validated."""
        return self._start(TrainingRun(
            new_id('run'), key.name, model_name, model_version, base_model, fine_tuning_type,
            dataset_id, epochs, base_model_id, parameters_json, request_id))

    @rpc('publicApi:createAndProvisionTrainingRunFromHuggingFace')
    def start_from_hub(
        self, *, key: Key, hf_source_uri: str, base_model: str, fine_tuning_type: str,
        epochs: int, model_name: Text, model_version: Text, base_model_id: str = '',
        parameters_json: str = '', request_id: str = '',
    ) -> Json:
        """Queue a run on a dataset of the hub; it is registered and validated on the way."""
        return self._start(TrainingRun(
            new_id('run'), key.name, model_name, model_version, base_model, fine_tuning_type, '',
            epochs, base_model_id, parameters_json, request_id), hf_source_uri)

    @rpc('publicApi:getTrainingRun')
    def get(self, *, training_run_id: str) -> Json:
        """Return one run."""
        return {'trainingRun': self._row(self.table.get(training_run_id))}

    @rpc('publicApi:listTrainingRuns')
    def list_rows(self, *, status: Status = ABSENT) -> Json:
        """Return every run, oldest first, or those in one status."""
        return {'trainingRuns': [
            self._row(run) for run in self.table.all() if status in (ABSENT, run.status)]}

    @rpc('publicApi:stopTrainingRun')
    def stop(self, *, training_run_id: str) -> Json:
        """Ask a run to end; repeating it is no error."""
        run = self.table.get(training_run_id)
        if not run.is_active:
            raise Refusal(Reason.TRAINING_RUN_FINISHED, f'the run has {run.status}')
        if run.status != 'stopping':
            now_ms = self._context.clock.now_ms()
            self._enter(run, 'stopping', now_ms, now_ms + STOPPING_MS)
        return self._answer(run)

    def advance(self) -> None:
        """Move the runs on to where they are by now."""
        now_ms, faults = self._context.clock.now_ms(), self._context.faults
        for run in self.table.all():
            if run.status == 'queued' and faults.is_on('training_stuck'):
                # When the queue moves again, this run is next.
                run.due_at = max(now_ms, run.due_at or 0)
                continue
            while run.due_at is not None and run.due_at <= now_ms:
                self._leave(run, run.due_at)
            if run.status == 'running':
                run.seen_at = now_ms
                run.steps_completed = int(
                    run.estimated_total_steps * (now_ms - run.entered_at) / run.train_ms)

    def _start(self, run: TrainingRun, source: str = '') -> Json:
        """Queue a run; the same request id again is the earlier run."""
        earlier = self.table.first(
            lambda row: bool(run.request_id) and row.request_id == run.request_id)
        if earlier is not None:
            return self._answer(earlier)
        plan = self._plan(run)
        run.dataset_id = self._dataset(run, source).id
        run.base_model = BASE_MODEL
        run.estimated_total_steps, run.save_freq = plan.steps, plan.save_freq
        settings = self._context.settings
        run.provision_ms = round(settings.provision_s * 1e3)
        run.train_ms = round(settings.train_s * 1e3)
        run.created_at = run.entered_at = self._context.clock.now_ms()
        run.due_at = run.created_at + round(settings.queue_s * 1e3)
        return self._answer(self.table.add(run))

    def _plan(self, run: TrainingRun) -> Plan:
        """Check what was asked for before anything is changed, and plan the steps."""
        if run.base_model not in _ALIASES:
            raise invalid(f'Only base model {BASE_MODEL} is supported.')
        try:
            plan = make_plan(run.parameters_json, run.fine_tuning_type, run.epochs)
        except ValueError as exc:
            raise invalid(str(exc)) from exc
        if run.base_model_id:
            self._models.get_ready(run.base_model_id)
        if self._context.is_balance_low():
            raise Refusal(Reason.BALANCE_TOO_LOW)
        return plan

    def _dataset(self, run: TrainingRun, source: str) -> Dataset:
        if source:
            return self._datasets.validate(self._datasets.find_or_add(source).id)
        dataset = self._datasets.table.get(run.dataset_id)
        if dataset.status != 'validated':
            raise Refusal(Reason.DATASET_NOT_VALIDATED, 'validate the dataset first')
        return dataset

    def _leave(self, run: TrainingRun, at_ms: int) -> None:
        """Go where a run goes by itself when its time in a status is over."""
        if run.status == 'queued':
            self._enter(run, 'provisioning', at_ms, at_ms + run.provision_ms)
        elif run.status == 'provisioning':
            run.will_fail = self._context.faults.consume('training_fails') is not None
            run.started_at = at_ms
            share = 0.5 if run.will_fail else 1.0
            self._enter(run, 'running', at_ms, at_ms + round(run.train_ms * share))
        elif run.status == 'stopping':
            self._finish(run, 'stopped', at_ms)
        elif run.will_fail:
            run.steps_completed = run.estimated_total_steps // 2
            run.error_message = 'CUDA out of memory (by a fault)'
            self._finish(run, 'failed', at_ms)
        else:
            run.steps_completed = run.estimated_total_steps
            self._finish(run, 'succeeded', at_ms)
            run.model_id = self._models.add(
                name=run.model_name, kind='fine_tune', version=run.model_version,
                base_model=run.base_model, training_run_id=run.id).id

    def _finish(self, run: TrainingRun, status: Status, at_ms: int) -> None:
        if run.status == 'running':
            run.seen_at = at_ms
        run.finished_at = at_ms
        self._enter(run, status, at_ms, None)

    def _enter(self, run: TrainingRun, status: Status, at_ms: int, due_at: int | None) -> None:
        run.status, run.entered_at, run.due_at = status, at_ms, due_at

    def _row(self, run: TrainingRun) -> Json:
        row = run.row(self._datasets.table.find(run.dataset_id))
        if run.status == 'queued':
            queue = [each.id for each in self.table.all() if each.status == 'queued']
            row['queuePosition'] = queue.index(run.id) + 1
        return row

    def _answer(self, run: TrainingRun) -> Json:
        return run.ids('status') | {'trainingRun': self._row(run)}
