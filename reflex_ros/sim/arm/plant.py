# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gravity, supply voltage and time, which the six servos share."""

from __future__ import annotations

from collections.abc import Sequence
import math

from reflex_ros.sim.arm.dynamics import STEP_NS
from reflex_ros.sim.arm.joints import gravity_nm, is_folded
from reflex_ros.sim.arm.servo import Servo
from reflex_ros.sim.arm.trapezoid import STEP_S

_BLOCK_STEPS = 10
_IDLE_BLOCK_STEPS = 50
_SUPPLY_OHM = 0.15
_STANDBY_A = 0.03
# Time constant of wires and capacitors: without it, supply and drives would oscillate.
_SUPPLY_FILTER_S = 0.010


class Plant:
    """
    Advance all joints together, in steps of 1 ms.

    Gravity and bus voltage are updated every 10 ms, or every 50 ms while nothing moves.
    """

    def __init__(self, servos: Sequence[Servo], supply_v: float, now_ns: int) -> None:
        self._servos = servos
        self.supply_v = supply_v
        self.sag_v = self.extra_ohm = 0.0
        self.is_powered = True
        self._voltage = supply_v
        self._time_ns = now_ns
        for servo in servos:
            servo.motion.last_fast_ns = now_ns

    @property
    def is_moving(self) -> bool:
        """Whether any joint moves or has a goal that is not reached."""
        return not all(servo.motion.is_idle for servo in self._servos)

    def switch(self, on: bool) -> None:
        """Switch the supply on or off."""
        self.is_powered = on
        if on:
            self._voltage = self._supply()

    def advance(self, now_ns: int) -> None:
        """Advance the joints to `now_ns`; do nothing when that time has passed already."""
        steps = (now_ns - self._time_ns) // STEP_NS
        while steps > 0:
            block = min(steps, _BLOCK_STEPS if self.is_moving else _IDLE_BLOCK_STEPS)
            self._run_block(block)
            steps -= block

    def _run_block(self, steps: int) -> None:
        servos = self._servos
        lift, elbow, wrist = (servo.position_rad for servo in servos[1:4])
        loads = (0.0, *gravity_nm(lift, elbow, wrist), 0.0, 0.0)
        rests_on_itself = is_folded(lift, elbow)
        for servo, load in zip(servos, loads, strict=True):
            if rests_on_itself and not servo.torque_on:
                load = 0.0
            servo.advance(self._time_ns, steps, load, self._voltage)
        self._time_ns += steps * STEP_NS
        drawn = sum(abs(s.motion.current_a * s.motion.duty) + _STANDBY_A for s in servos)
        wanted = max(self._supply() - (_SUPPLY_OHM + self.extra_ohm) * drawn, 0.0)
        passed = 1 - math.exp(-steps * STEP_S / _SUPPLY_FILTER_S)
        self._voltage += passed * (wanted - self._voltage)

    def _supply(self) -> float:
        """Return the voltage without load [V]."""
        return max(self.supply_v - self.sag_v, 0.0) if self.is_powered else 0.0
