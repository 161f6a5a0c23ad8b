# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated arms as fixtures, one process per model; conftest.py of each folder imports them."""

from __future__ import annotations

from collections.abc import Iterator

from arm_fixture import simulated_arm, SimulatedArm
import pytest


@pytest.fixture(scope='session')
def instant_arm() -> Iterator[SimulatedArm]:
    """Run an arm whose joints are at their goals at once, for tests that are not about motion."""
    with simulated_arm('--fast', '--model', 'instant') as running:
        yield running


@pytest.fixture(scope='session')
def moving_arm() -> Iterator[SimulatedArm]:
    """Run an arm with dead time, lag and droop."""
    with simulated_arm('--fast', '--model', 'identified') as running:
        yield running
