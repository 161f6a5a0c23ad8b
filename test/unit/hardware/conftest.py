# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated arms for the tests of the hardware package, one process per model."""

from __future__ import annotations

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).parent))
from conftest_arms import instant_arm, moving_arm  # noqa: E402, F401
