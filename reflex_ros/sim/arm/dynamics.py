# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The motion of one joint: dead time, speed profile, and three models of the drive behind it.

Positions are raw encoder ticks (unwrapped), speeds ticks/s, torques N m. The step is 1 ms; the
loops use local variables because they run a thousand times per second and joint.
"""

from __future__ import annotations

from collections import deque
import math
from typing import NamedTuple

from reflex_ros.sim.arm.joints import JointSpec, TICKS_PER_RAD
from reflex_ros.sim.arm.settings import Model, Settings
from reflex_ros.sim.arm.trapezoid import Profile, STEP_S

STEP_NS = 1_000_000
REST_TICKS_S = 0.05 * TICKS_PER_RAD
"""A joint slower than this is at rest."""

MAX_DUTY = 0.97
DUTY_PER_RAD_PER_P = 0.166
# Friction that slows a fall without torque: gears; in the damped mode also a shorted winding.
FREE_VISCOUS_NM_S, DAMPED_VISCOUS_NM_S = 0.8, 4.0
_MAX_SAG_TICKS_S = 3.0 * TICKS_PER_RAD
_STILL_TICKS_S = 0.05


class Goal(NamedTuple):
    """Target of the profile from `due_ns` on; acceleration 0 means unlimited."""

    due_ns: int
    target: float
    max_speed: float
    acceleration: float


class Motion:
    """The mechanics of one joint; its servo sets the inputs and advances it in steps of 1 ms."""

    def __init__(self, spec: JointSpec, settings: Settings, angle: float) -> None:
        self._model = settings.model
        self._dead_time_ns = 0 if self._model is Model.INSTANT else round(
            settings.dead_time_s * 1e9)
        # The exact rate of a first-order lag that is sampled once per step.
        self._rate = (1 - math.exp(-STEP_S / settings.lag_s)) / STEP_S
        self._inertia = spec.inertia
        self.part = settings.motor
        self._low, self._high = -math.inf, math.inf
        if spec.has_stops:
            self._low = float(spec.min_ticks + spec.offset_ticks)
            self._high = float(spec.max_ticks + spec.offset_ticks)
        self._stops = self._low, self._high
        self.angle = min(max(angle, self._low), self._high)
        self.velocity = 0.0
        self.profile = Profile(self.angle)
        self._goals: deque[Goal] = deque()
        # Inputs: the servo sets them before each run.
        self.enabled = False
        self.locked = False
        self.free_viscous = FREE_VISCOUS_NM_S
        self.duty_limit = MAX_DUTY
        self.duty_per_tick = 0.0
        self.dead_zone = 1.0
        self.is_positioning = True
        self.open_duty: float | None = None
        self.load_nm = 0.0
        self.voltage = settings.no_load_v
        # Outputs.
        self.duty = self.current_a = 0.0
        self.last_fast_ns = 0
        self.mark()

    def mark(self) -> None:
        """Reset travel and peak speed."""
        self.lowest = self.highest = self.angle
        self.peak_speed = abs(self.velocity)

    @property
    def is_idle(self) -> bool:
        """Whether the joint stays where it is until an input changes."""
        return not self._goals and not self.profile.is_running and self.velocity == 0.0

    @property
    def last_target(self) -> float:
        """The target of the newest goal, also when the goal is not due yet."""
        return self._goals[-1].target if self._goals else self.profile.target

    def obstruct(self, low: float, high: float) -> None:
        """Limit the travel to `low`..`high`, inside the mechanical stops."""
        self._low, self._high = max(self._stops[0], low), min(self._stops[1], high)

    def place(self, angle: float) -> None:
        """Set the position directly; the joint is at rest there."""
        self.angle = min(max(angle, self._low), self._high)
        self.velocity = 0.0
        self.release()
        self.mark()

    def release(self) -> None:
        """Drop all goals and let the profile rest at the present position."""
        self._goals.clear()
        self.profile.reset(self.angle)

    def command(self, now_ns: int, target: float, max_speed: float, acceleration: float) -> None:
        """Queue a goal, effective after the dead time; ignore a repetition of the last one."""
        goals, profile = self._goals, self.profile
        newest = goals[-1][1:] if goals else (
            profile.target, profile.max_speed, profile.acceleration)
        if newest != (target, max_speed, acceleration):
            goals.append(Goal(now_ns + self._dead_time_ns, target, max_speed, acceleration))

    def run(self, start_ns: int, steps: int) -> None:
        """Advance by `steps` milliseconds from `start_ns`."""
        goals, profile = self._goals, self.profile
        while steps > 0:
            while goals and goals[0].due_ns < start_ns + STEP_NS:
                _, profile.target, profile.max_speed, profile.acceleration = goals.popleft()
            count = steps
            if goals:
                count = min(count, (goals[0].due_ns - start_ns) // STEP_NS)
            if self._model is Model.INSTANT and self.is_positioning:
                self._run_instant(start_ns)
            elif not self.enabled:
                self._run_free(start_ns, count)
            elif self.locked:
                self._run_locked(start_ns, count)
            elif self._model is Model.PHYSICAL or self.open_duty is not None:
                self._run_physical(start_ns, count)
            else:
                self._run_identified(start_ns, count)
            start_ns += count * STEP_NS
            steps -= count

    def _friction_rest(self) -> float:
        """Return the part of the load that static friction does not hold [N m]."""
        load, friction = self.load_nm, self.part.coulomb
        if load > friction:
            return load - friction
        return load + friction if load < -friction else 0.0

    def _run_identified(self, start_ns: int, steps: int) -> None:
        part = self.part
        stiffness = self.duty_per_tick * part.kt * self.voltage / part.resistance
        rate, limit = self._rate, self.duty_limit
        sag, reach = self._friction_rest(), 0.0
        if stiffness > 0.0 and limit > 0.0:
            sag = min(max(sag / stiffness * rate, -_MAX_SAG_TICKS_S), _MAX_SAG_TICKS_S)
            reach = limit / self.duty_per_tick
        else:
            sag *= TICKS_PER_RAD / self.free_viscous
        top_speed = limit * self.voltage / part.ke * TICKS_PER_RAD
        low, high, profile = self._low, self._high, self.profile
        angle, velocity, setpoint = self.angle, self.velocity, profile.setpoint
        running, peak, fast = profile.is_running, self.peak_speed, -1
        for k in range(steps):
            if running:
                setpoint = profile.step()
                running = setpoint != profile.target or profile.speed != 0.0
            error = setpoint - angle
            drive = rate * (reach if error > reach else -reach if error < -reach else error)
            velocity = sag + (
                top_speed if drive > top_speed else -top_speed if drive < -top_speed else drive)
            if not running and -_STILL_TICKS_S < velocity < _STILL_TICKS_S:
                velocity = 0.0
                break
            angle += velocity * STEP_S
            if not low <= angle <= high:
                angle, velocity = (low if angle < low else high), 0.0
            speed = velocity if velocity >= 0 else -velocity
            if speed > REST_TICKS_S:
                fast = k
                if speed > peak:
                    peak = speed
        self._finish(angle, velocity, peak, start_ns, fast)
        self._estimate_duty(velocity / rate)

    def _estimate_duty(self, unsettled_ticks: float = 0.0) -> None:
        """
        Estimate duty and current of the drive from the motion.

        The identified lag is shorter than the lag of a P controller alone. So the part of the
        duty that comes from the lag is replaced by the duty that the speed needs.
        """
        limit, speed_rad = self.duty_limit, self.velocity / TICKS_PER_RAD
        duty, part = self.duty_per_tick * (self.profile.setpoint - self.angle), self.part
        if abs(duty) < limit and self.voltage > 1.0:
            sliding = min(max(self.velocity / REST_TICKS_S, -1.0), 1.0)
            cost_v = speed_rad * part.ke + sliding * part.coulomb * part.resistance / part.kt
            duty += cost_v / self.voltage - self.duty_per_tick * unsettled_ticks
        self.duty = min(max(duty, -limit), limit)
        self.current_a = (self.duty * self.voltage - part.ke * speed_rad) / part.resistance

    def _run_physical(self, start_ns: int, steps: int) -> None:
        duty_per_tick, limit, voltage = self.duty_per_tick, self.duty_limit, self.voltage
        load, gain, profile = self.load_nm, STEP_S / self._inertia, self.profile
        dead_zone, open_duty, part = self.dead_zone, self.open_duty, self.part
        kt, ke, resistance, friction = part.kt, part.ke, part.resistance, part.coulomb
        angle, speed, setpoint = self.angle, self.velocity / TICKS_PER_RAD, profile.setpoint
        running, peak, fast = profile.is_running, self.peak_speed, -1
        duty = current = 0.0
        for k in range(steps):
            if running:
                setpoint = profile.step()
                running = setpoint != profile.target or profile.speed != 0.0
            error = setpoint - angle
            wanted = duty_per_tick * error if open_duty is None else open_duty
            duty = min(max(wanted, -limit), limit)
            if open_duty is None and -dead_zone < error < dead_zone:
                duty = 0.0
            current = (duty * voltage - ke * speed) / resistance
            net = kt * current + load - part.viscous * speed
            if speed == 0.0 and -friction <= net <= friction:
                continue
            after = speed + (net - math.copysign(friction, speed if speed else net)) * gain
            # Friction can stop a joint, but never reverse it.
            speed = 0.0 if speed * after < 0.0 and abs(net) <= friction else after
            angle += speed * TICKS_PER_RAD * STEP_S
            if not self._low <= angle <= self._high:
                angle, speed = (self._low if angle < self._low else self._high), 0.0
            ticks_s = abs(speed) * TICKS_PER_RAD
            if ticks_s > REST_TICKS_S:
                fast = k
                peak = max(peak, ticks_s)
        self.duty, self.current_a = duty, current
        self._finish(angle, speed * TICKS_PER_RAD, peak, start_ns, fast)

    def _run_locked(self, start_ns: int, steps: int) -> None:
        for _ in range(steps if self.profile.is_running else 0):
            self.profile.step()
        self._finish(self.angle, 0.0, self.peak_speed, start_ns, -1)
        self._estimate_duty()
        if self.open_duty is not None:
            self.duty = min(max(self.open_duty, -self.duty_limit), self.duty_limit)
            self.current_a = self.duty * self.voltage / self.part.resistance

    def _run_free(self, start_ns: int, steps: int) -> None:
        velocity = self._friction_rest() * TICKS_PER_RAD / self.free_viscous
        angle = self.angle + velocity * STEP_S * steps
        if self.locked or not velocity:
            angle, velocity = self.angle, 0.0
        elif not self._low <= angle <= self._high:
            angle, velocity = (self._low if angle < self._low else self._high), 0.0
        self.profile.reset(angle)
        self.duty = self.current_a = 0.0
        fast = steps - 1 if abs(velocity) > REST_TICKS_S else -1
        self._finish(angle, velocity, max(self.peak_speed, abs(velocity)), start_ns, fast)

    def _run_instant(self, start_ns: int) -> None:
        angle = self.angle
        if self.enabled:
            self.profile.jump()
            if not self.locked:
                angle = min(max(self.profile.target, self._low), self._high)
        else:
            self.profile.reset(angle)
        self._finish(angle, 0.0, self.peak_speed, start_ns, -1)
        self._estimate_duty()

    def _finish(self, angle: float, velocity: float, peak: float, start_ns: int,
                fast: int) -> None:
        self.angle, self.velocity, self.peak_speed = angle, velocity, peak
        self.lowest, self.highest = min(self.lowest, angle), max(self.highest, angle)
        if fast >= 0:
            self.last_fast_ns = start_ns + (fast + 1) * STEP_NS
