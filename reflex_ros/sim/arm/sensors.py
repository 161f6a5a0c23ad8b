# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A servo's measurements: the feedback block, registers 56 to 70."""

from __future__ import annotations

import math
import random
import struct

from reflex_ros.sim.arm.disturbance import Disturbance
from reflex_ros.sim.arm.dynamics import Motion
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.tuning import CURRENT_UNIT_A, Tuning

FIRST, END = 56, 71
_BLOCK = struct.Struct('<HHHBBBBBHH')
_ASYNC_FLAG, _MOVING_THRESHOLD = 64, 80
_FLICKER = ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0), (0, 0), (0, 0), (0, 0))
_MOVING_TICKS_S = 10.0
_SPEED_FILTER_S = 0.030
# A healthy idle arm reads 34 to 43 degC; the standby current is included.
_IDLE_C, _THERMAL_S, _THERMAL_K_W = 34.0, 600.0, 6.0


class Sensors:
    """Encoder, thermometer, voltmeter and ammeter of one servo."""

    def __init__(self, settings: Settings, servo_id: int) -> None:
        self._rng = random.Random(settings.seed * 1000 + servo_id)
        self._noise = settings.noise_ticks
        self._dithers = settings.dither
        self._speed = 0.0
        self._frozen: bytes | None = None
        self.temperature_c = _IDLE_C + servo_id % 3
        self.voltage = settings.no_load_v
        self.turn_ticks = 0
        self._shaft = 0.0

    def advance(self, dt_s: float, motion: Motion, disturbance: Disturbance,
                voltage: float) -> None:
        """Update filters and the motor's temperature after `dt_s` seconds."""
        self.voltage = voltage
        if disturbance.play_ticks:
            self._follow(motion, disturbance)
        self._speed += (motion.velocity - self._speed) * (1 - math.exp(-dt_s / _SPEED_FILTER_S))
        settled_c = _IDLE_C + _THERMAL_K_W * motion.current_a ** 2 * motion.part.resistance
        self.temperature_c += (settled_c - self.temperature_c) * (
            1 - math.exp(-dt_s / _THERMAL_S))
        self.temperature_c = disturbance.heat(self.temperature_c, dt_s)

    def _follow(self, motion: Motion, disturbance: Disturbance) -> None:
        """Turn the encoder's shaft with the motor, with the play between them."""
        play = disturbance.play_ticks / 2
        self._shaft = min(max(self._shaft, motion.angle - play), motion.angle + play)

    def position(self, now_ns: int, motion: Motion, tuning: Tuning,
                 disturbance: Disturbance) -> int:
        """Return the present position [tick] as register 56 holds it."""
        self._follow(motion, disturbance)
        ticks = (tuning.direction * round(self._shaft) - tuning.offset
                 + disturbance.encoder_error(now_ns))
        if self._noise:
            ticks += self._rng.randint(-self._noise, self._noise)
        if tuning.multi_turn:
            return min(max(ticks - self.turn_ticks, -0x7FFF), 0x7FFF)
        return ticks % 4096

    def forget_turns(self, motion: Motion, direction: int) -> None:
        """Reset the count of full turns; the encoder itself measures within one turn."""
        self.turn_ticks = 4096 * math.floor((direction * motion.angle + 0.5) / 4096)

    def refresh(self, live: bytearray, now_ns: int, motion: Motion, tuning: Tuning,
                disturbance: Disturbance, status: int) -> None:
        """Write the present measurements into the feedback block of a servo's memory."""
        if not disturbance.is_frozen:
            self._frozen = None
        elif self._frozen is not None:
            live[FIRST:END] = self._frozen
            return
        # Voltmeter and thermometer flicker by one count.
        volts, degrees = self._rng.choice(_FLICKER) if self._dithers else (0, 0)
        profile, direction = motion.profile, tuning.direction
        moves = abs(motion.velocity) > _MOVING_TICKS_S * max(live[_MOVING_THRESHOLD], 1)
        _BLOCK.pack_into(
            live, FIRST,
            _signed(self.position(now_ns, motion, tuning, disturbance), 15),
            _signed(direction * round(self._speed / tuning.speed_unit), 15),
            _signed(direction * round(1000 * motion.duty), 10),
            min(max(round(self.voltage * 10) + volts, 0), 255),
            min(max(round(self.temperature_c) + degrees, 0), 255),
            live[_ASYNC_FLAG], status,
            # In speed and PWM mode no goal is ever reached: a joint at a stop does not move.
            int(moves or (tuning.is_positioning and profile.is_running)),
            (direction * round(profile.setpoint) - tuning.offset) % 4096,
            # Only the magnitude: no known firmware sets the sign bit of the current.
            min(round(abs(motion.current_a) / CURRENT_UNIT_A), 0x7FFF))
        if disturbance.is_frozen:
            self._frozen = bytes(live[FIRST:END])


def _signed(value: int, sign_bit: int) -> int:
    magnitude = min(abs(value), (1 << sign_bit) - 1)
    return magnitude | 1 << sign_bit if value < 0 else magnitude
