# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with one servo at the moment: derived from the faults, obeyed by the servo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflex_ros.sim.arm.faults import Fault


@dataclass(slots=True)
class Disturbance:
    """
    The physical and internal faults of one servo.

    :param external_nm: torque from outside; positive pushes towards increasing ticks.
    :param heat_c_s: extra warming [K/s] up to `heat_to_c`.
    :param encoder_jump: ticks by which the measured position is off, growing by `encoder_drift`
        [tick/s] since `encoder_since_ns`.
    """

    is_silent: bool = False
    is_jammed: bool = False
    is_frozen: bool = False
    ignores_goals: bool = False
    is_lock_stuck: bool = False
    error_bits: int = 0
    external_nm: float = 0.0
    heat_c_s: float = 0.0
    heat_to_c: float = 0.0
    encoder_jump: int = 0
    encoder_drift: float = 0.0
    encoder_since_ns: int = 0

    @classmethod
    def of(cls, faults: Sequence[Fault], servo_id: int) -> Disturbance:
        """Add up the faults that concern a servo."""
        own = cls()
        for fault in faults:
            if not fault.concerns(servo_id):
                continue
            params = fault.params
            if fault.name in _FLAGS:
                setattr(own, _FLAGS[fault.name], True)
            elif fault.name == 'push':
                own.external_nm += params['nm']
            elif fault.name == 'error_bits':
                own.error_bits |= int(params['bits'])
            elif fault.name == 'heat':
                own.heat_c_s, own.heat_to_c = params['c_per_s'], params['to_c']
            elif fault.name == 'encoder_jump':
                own.encoder_jump += int(params['ticks'])
                own.encoder_drift = params['ticks_per_s']
                own.encoder_since_ns = fault.start_ns
        return own

    def encoder_error(self, now_ns: int) -> int:
        """Return by how many ticks the encoder is wrong."""
        if not self.encoder_drift:
            return self.encoder_jump
        drift = self.encoder_drift * (now_ns - self.encoder_since_ns) / 1e9
        return self.encoder_jump + round(drift)

    def heat(self, temperature_c: float, dt_s: float) -> float:
        """Return the temperature [degC] after `dt_s` of foreign heat."""
        if not self.heat_c_s:
            return temperature_c
        return max(temperature_c, min(temperature_c + self.heat_c_s * dt_s, self.heat_to_c))


_FLAGS = {
    'silent': 'is_silent', 'jam': 'is_jammed', 'frozen': 'is_frozen',
    'goal_ignored': 'ignores_goals', 'lock_stuck': 'is_lock_stuck',
}
