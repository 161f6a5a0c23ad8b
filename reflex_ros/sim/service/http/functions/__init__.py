# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The RPC functions: one module per noun, each with a tuple ``FUNCTIONS``; this is their sum."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions import (
    account,
    cli_auth,
    datasets,
    deployments,
    models,
    recordings,
    robots,
    sessions,
    telemetry,
    training,
)
from reflex_ros.sim.service.http.functions.base import Function

_MODULES = (
    account,
    cli_auth,
    datasets,
    deployments,
    models,
    recordings,
    robots,
    sessions,
    telemetry,
    training,
)

FUNCTIONS: dict[str, Function] = {
    function.path: function for module in _MODULES for function in module.FUNCTIONS
}
