# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A servo's protection against overload, over-current, heat and a wrong supply voltage."""

from __future__ import annotations

from dataclasses import dataclass

VOLTAGE_BIT, SENSOR_BIT, TEMPERATURE_BIT = 0x01, 0x02, 0x04
CURRENT_BIT, ANGLE_BIT, OVERLOAD_BIT = 0x08, 0x10, 0x20
_LATCHED = CURRENT_BIT | OVERLOAD_BIT
_HYSTERESIS_C = 5.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Protection registers in SI units; `load` and `reduced_duty` are fractions of full drive."""

    load: float
    load_time_s: float
    current_a: float
    current_time_s: float
    temperature_c: float
    low_v: float
    high_v: float
    reduced_duty: float
    unloading: int


class Protection:
    """
    The error bits, and the output that they allow.

    Overload and over-current latch until `clear`. The temperature bit clears 5 K below its limit,
    the voltage bit as soon as the voltage is right. A bit that register 19 does not list is
    reported, but does not limit the output.
    """

    def __init__(self) -> None:
        self.bits = 0
        self._overload_s = 0.0
        self._overcurrent_s = 0.0

    def clear(self) -> None:
        """Clear the latched bits."""
        self.bits &= ~_LATCHED
        self._overload_s = self._overcurrent_s = 0.0

    def reset(self) -> None:
        """Clear all bits, as after a power cut."""
        self.clear()
        self.bits = 0

    def update(self, dt_s: float, limits: Thresholds, *, load: float, current_a: float,
               temperature_c: float, voltage: float) -> None:
        """Update the bits from the values of the last `dt_s` seconds."""
        self._overload_s = self._overload_s + dt_s if abs(load) >= limits.load else 0.0
        if self._overload_s >= limits.load_time_s:
            self.bits |= OVERLOAD_BIT
        over = abs(current_a) > limits.current_a
        self._overcurrent_s = self._overcurrent_s + dt_s if over else 0.0
        if over and self._overcurrent_s >= limits.current_time_s:
            self.bits |= CURRENT_BIT
        if temperature_c > limits.temperature_c:
            self.bits |= TEMPERATURE_BIT
        elif temperature_c < limits.temperature_c - _HYSTERESIS_C:
            self.bits &= ~TEMPERATURE_BIT
        if limits.low_v <= voltage <= limits.high_v:
            self.bits &= ~VOLTAGE_BIT
        else:
            self.bits |= VOLTAGE_BIT

    def duty_limit(self, limits: Thresholds) -> float:
        """Return the largest duty that the bits allow, 0..1."""
        cutting = self.bits & limits.unloading
        if cutting & (CURRENT_BIT | TEMPERATURE_BIT | VOLTAGE_BIT):
            return 0.0
        return limits.reduced_duty if cutting & OVERLOAD_BIT else 1.0
