# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up measurements for the tests of filters and health checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from reflex_ros.domain.sample import JointSample


def sample(taken_at: float = 0.0, **of: Any) -> JointSample:
    """Make a healthy sample at rest; ``of`` sets a value for all joints or for each."""
    values = {'position': 0.0, 'velocity': 0.0, 'effort': 0.0, 'load': 0.0, 'current': 0.1,
              'voltage': 12.0, 'temperature': 35.0}
    errors = of.pop('errors', (0,) * 6)
    arrays = {name: np.broadcast_to(np.asarray(of.get(name, value), dtype=float), (6,)).copy()
              for name, value in values.items()}
    return JointSample(taken_at=taken_at, errors=errors, **arrays)


def one(index: int, value: float, others: float = 0.0) -> list[float]:
    """Make values for all joints: `value` for one joint, `others` for the rest."""
    return [value if k == index else others for k in range(6)]
