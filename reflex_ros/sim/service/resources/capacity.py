# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an inference costs and needs: the organisation's balance, and a worker for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reflex_ros.sim.service.state import ServiceState

# Below it nothing is started (protocol c.3, h.1).
MINIMUM_USD = 5.0
# What workers are live for.
BASE_MODELS = ('pi0.5', 'pi0.7-flash', 'molmoact2-bimanualyam')


def is_balance_low(state: ServiceState) -> bool:
    """Say whether the organisation must top up first."""
    return state.settings.balance_usd < MINIMUM_USD or state.faults.is_on('balance_too_low')


def has_worker(state: ServiceState, base_model: str) -> bool:
    """Say whether a worker is live for a base model; an unknown origin is no obstacle."""
    is_served = base_model in (*BASE_MODELS, '')
    return is_served and not state.faults.is_on('no_inference_node')
