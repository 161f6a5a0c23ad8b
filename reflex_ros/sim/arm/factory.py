# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EEPROM contents of a calibrated arm and of a new one."""

from __future__ import annotations

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.joints import JointSpec

# Found in the six new servos of one arm.
VIRGIN = ((reg.HOMING_OFFSET, 85),)


def calibrated(spec: JointSpec) -> tuple[tuple[reg.Register, int], ...]:
    """Return the registers in which a servo of a calibrated arm differs from a new servo."""
    return (
        (reg.ID, spec.servo_id), (reg.MIN_POSITION_LIMIT, spec.min_ticks),
        (reg.MAX_POSITION_LIMIT, spec.max_ticks), (reg.HOMING_OFFSET, spec.offset_ticks),
        (reg.P_COEFFICIENT, 16),
    )
