# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated arm as the connector's settings name it, for the tests of both loops."""

from reflex_ros.config.parameters.so101 import TABLE
from reflex_ros.domain.motion_guard import GuardBounds

# A busy machine must not be taken for a dead stream.
PATIENT = GuardBounds(2.0, 4.0, 2.0, 4.0, 2.0, 4.0)


def settings(port):
    """Return the parameters of the driver; the rate is one that a busy machine keeps."""
    return {**{row.name: row.default for row in TABLE}, 'port': port, 'rate_hz': 50.0}


def now_ns(arm):
    """Return the instant of the newest entry of the arm's log."""
    return max((entry[0] for entry in arm.control.log(0, limit=100_000)), default=0)
