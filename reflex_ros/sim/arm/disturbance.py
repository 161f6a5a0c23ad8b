# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The effect of the active faults on one servo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import math

from reflex_ros.sim.arm.faults import Fault


@dataclass(slots=True)
class Disturbance:
    """
    The faults of one servo, as values that its model uses.

    :param external_nm: torque from outside; positive pushes towards increasing ticks.
    :param heat_c_s: additional warming [K/s], up to `heat_to_c`.
    :param overlay: address -> byte that a read returns instead of the register's own.
    :param loose_between: range of positions at which the plug has no contact [tick].
    :param play_ticks: backlash between the motor and the encoder's shaft.
    :param wall_ticks: position that the joint cannot pass.
    :param encoder_jump: error of the measured position [tick]; it grows by `encoder_drift`
        [tick/s] from `encoder_since_ns` on.
    """

    is_silent: bool = False
    is_jammed: bool = False
    is_frozen: bool = False
    ignores_goals: bool = False
    is_lock_stuck: bool = False
    is_big_endian: bool = False
    as_id: int | None = None
    overlay: dict[int, int] = field(default_factory=dict)
    loose_between: tuple[float, float] | None = None
    eeprom_busy_ns: int = 0
    play_ticks: float = 0.0
    wall_ticks: float | None = None
    error_bits: int = 0
    external_nm: float = 0.0
    heat_c_s: float = 0.0
    heat_to_c: float = 0.0
    encoder_jump: int = 0
    encoder_drift: float = 0.0
    encoder_since_ns: int = 0

    @classmethod
    def of(cls, faults: Sequence[Fault], servo_id: int) -> Disturbance:
        """Combine the faults that concern a servo."""
        own = cls()
        for fault in faults:
            if not fault.concerns(servo_id):
                continue
            params = fault.params
            if fault.name in _FLAGS:
                setattr(own, _FLAGS[fault.name], True)
            elif fault.name in _VALUES:
                _VALUES[fault.name](own, params)
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

    def walls(self, angle: float, offset: int, direction: int) -> tuple[float, float]:
        """Return the lowest and highest raw angle [tick] for a joint that is at `angle` now."""
        if self.wall_ticks is None:
            return -math.inf, math.inf
        wall = direction * (self.wall_ticks + offset)
        # The wall lies in the turn that the joint is in, on either side of it.
        wall += 4096 * round((angle - wall) / 4096)
        return (wall, math.inf) if angle > wall else (-math.inf, wall)

    def encoder_error(self, now_ns: int) -> int:
        """Return the error of the encoder [tick]."""
        if not self.encoder_drift:
            return self.encoder_jump
        drift = self.encoder_drift * (now_ns - self.encoder_since_ns) / 1e9
        return self.encoder_jump + round(drift)

    def heat(self, temperature_c: float, dt_s: float) -> float:
        """Return the temperature [degC] after `dt_s` of heating from outside."""
        if not self.heat_c_s:
            return temperature_c
        return max(temperature_c, min(temperature_c + self.heat_c_s * dt_s, self.heat_to_c))


_FLAGS = {
    'silent': 'is_silent', 'jam': 'is_jammed', 'frozen': 'is_frozen',
    'goal_ignored': 'ignores_goals', 'lock_stuck': 'is_lock_stuck',
    'big_endian': 'is_big_endian',
}


def _other_model(own: Disturbance, params: Mapping[str, float]) -> None:
    low, high = int(params['model']).to_bytes(2, 'little')
    own.overlay |= {0: int(params['major']), 1: int(params['minor']), 3: low, 4: high}


def _other_id(own: Disturbance, params: Mapping[str, float]) -> None:
    own.as_id = int(params['as_id'])
    own.overlay |= {5: own.as_id}


def _status_level(own: Disturbance, params: Mapping[str, float]) -> None:
    own.overlay |= {8: int(params['level'])}


def _loose_wire(own: Disturbance, params: Mapping[str, float]) -> None:
    own.loose_between = params['low'], params['high']


def _wall(own: Disturbance, params: Mapping[str, float]) -> None:
    own.wall_ticks = params['ticks']


def _backlash(own: Disturbance, params: Mapping[str, float]) -> None:
    own.play_ticks = params['deg'] * 4096 / 360


def _eeprom_busy(own: Disturbance, params: Mapping[str, float]) -> None:
    own.eeprom_busy_ns = round(params['s'] * 1e9)


_VALUES: dict[str, Callable[[Disturbance, Mapping[str, float]], None]] = {
    'other_model': _other_model, 'other_id': _other_id, 'status_level': _status_level,
    'loose_wire': _loose_wire, 'wall': _wall, 'backlash': _backlash, 'eeprom_busy': _eeprom_busy,
}
