# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What happens by itself as the service's clock goes on, and what follows from it.

Nothing here runs on a timer: the state is settled before and after each call, so that whoever
looks sees what the clock says.
"""

from __future__ import annotations

from reflex_ros.sim.service.state import ServiceState


def settle(state: ServiceState) -> None:
    """Let happen what is due by now."""
    for model in state.models.settle():
        state.uploads.discard(model.storage_id)
        state.keys.unbind_model(model.id)
    _settle_training(state)
    state.recordings.settle()


def _settle_training(state: ServiceState) -> None:
    """Move the runs on; each that has succeeded leaves a model."""
    faults = state.faults
    for run in state.training_runs.settle(
        is_stuck=faults.is_on('training_stuck'),
        fails=lambda: faults.take('training_fails') is not None,
    ):
        request = run.request
        run.model_id = state.models.add(
            name=request.model_name, kind='fine_tune', version=request.model_version,
            base_model=request.base_model, training_run_id=run.id,
        ).id
