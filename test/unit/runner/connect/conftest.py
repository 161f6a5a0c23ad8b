# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated arm on a pseudo-terminal, for all tests of a file, and plans to drive it with."""

from pathlib import Path
import sys

import pytest

sys.path += [str(Path(__file__).parents[2] / 'hardware'), str(Path(__file__).parent)]
from arm_fixture import simulated_arm  # noqa: E402


@pytest.fixture(scope='module')
def running():
    with simulated_arm('--fast', '--model', 'instant') as arm:
        yield arm


@pytest.fixture
def arm(running):
    """Return the arm at its ready pose, limp, without faults."""
    running.reset()
    return running
