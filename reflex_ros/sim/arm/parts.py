# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motor and gear constants of the servo, from three sources (SO-101 reference, section 9.6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """
    Constants at the output shaft.

    :param supply_v: voltage of a healthy supply without load [V].
    :param max_input: factory value of register 14 [0.1 V].
    :param kt: torque per current [N m/A].
    :param ke: voltage per speed [V s/rad]; differs from `kt` because gears lose power.
    :param resistance: resistance of the winding [ohm].
    :param coulomb: friction that does not depend on speed [N m].
    :param viscous: friction per speed [N m s/rad].
    """

    supply_v: float
    max_input: int
    kt: float
    ke: float
    resistance: float
    coulomb: float
    viscous: float


PARTS: dict[str, Part] = {
    'c018': Part(12.1, 140, 1.089, 2.378, 4.44, 0.196, 0.0),
    'c001': Part(7.4, 80, 0.785, 1.325, 3.03, 0.118, 0.0),
    'c001_bam': Part(7.4, 80, 1.2116, 1.2116, 2.676, 0.0524, 0.0591),
}
"""The 12 V part from its data sheet, the 7.4 V part from its data sheet, and the 7.4 V part with
constants that were identified from measurements."""
