# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The REST endpoints: one module per noun, each with a tuple ``ROUTES``; this is their sum."""

from __future__ import annotations

from reflex_ros.sim.service.http.rest import (
    datasets,
    instances,
    training_runs,
)
from reflex_ros.sim.service.http.rest.base import Route

_MODULES = (
    datasets,
    instances,
    training_runs,
)

# In a module, a fixed path stands before one with a name in its place.
ROUTES: tuple[Route, ...] = tuple(route for module in _MODULES for route in module.ROUTES)
