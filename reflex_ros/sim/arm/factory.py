# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the EEPROM holds when an arm comes to the simulation: calibrated, or out of its box."""

from __future__ import annotations

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.joints import JointSpec

# As six new servos of one arm were found.
VIRGIN = ((reg.HOMING_OFFSET, 85),)


def calibrated(spec: JointSpec) -> tuple[tuple[reg.Register, int], ...]:
    """Return what differs from a factory servo in a calibrated arm."""
    return (
        (reg.ID, spec.servo_id), (reg.MIN_POSITION_LIMIT, spec.min_ticks),
        (reg.MAX_POSITION_LIMIT, spec.max_ticks), (reg.HOMING_OFFSET, spec.offset_ticks),
        (reg.P_COEFFICIENT, 16),
    )
