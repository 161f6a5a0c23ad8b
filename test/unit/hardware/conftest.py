# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated arms for the tests of the hardware package, one process per model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from arm_fixture import simulated_arm, SimulatedArm  # noqa: E402


@pytest.fixture(scope='session')
def instant_arm() -> Iterator[SimulatedArm]:
    """Run an arm whose joints are at their goals at once: for what is not about motion."""
    with simulated_arm('--fast', '--model', 'instant') as running:
        yield running


@pytest.fixture(scope='session')
def moving_arm() -> Iterator[SimulatedArm]:
    """Run an arm with dead time, lag and droop."""
    with simulated_arm('--fast', '--model', 'identified') as running:
        yield running
