# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Turn action chunks into one smooth, bounded setpoint per bus cycle.

The player owns a *playback clock* that runs along the rows of the newest chunk. Whatever must
slow the arm down slows this clock, so the arm stays on its path: a stop, the end of a chunk, a
speed limit, a joint that lags too far behind. A new chunk takes over at the row that is due
now; the difference in position and velocity to what is played fades out along a cubic, so that
neither jumps. Nothing here reads a clock: one ``tick`` is one bus cycle of the given period, and
a cycle that comes late is never caught up.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np

from reflex_ros.domain.action import ActionChunk, nearest_row, row_at
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import Vector


@dataclass(frozen=True, slots=True)
class Motion:
    """
    Bounds of the setpoint's motion.

    :param period_s: time of one tick [s].
    :param stop_acceleration: acceleration of the ramp to rest [rad/s^2]: 10 brings 1 rad/s to
        rest in 100 ms.
    :param start_acceleration: acceleration of the ramp from rest [rad/s^2].
    :param max_lead_rad: largest distance between setpoint and measured position [rad]; it bounds
        how far the servo can run on by itself when this process dies.
    :param blend_s: shortest fade between two chunks [s].
    :param blend_speed: speed at which a difference in position fades out [rad/s].
    :param blend_acceleration: acceleration at which a difference in velocity fades out
        [rad/s^2].
    """

    period_s: float = 0.01
    stop_acceleration: float = 10.0
    start_acceleration: float = 5.0
    max_lead_rad: float = math.radians(10.0)
    blend_s: float = 0.15
    blend_speed: float = 0.5
    blend_acceleration: float = 20.0


class ChunkPlayer:
    """
    Play the newest chunk, one setpoint per tick. Belongs to one thread; nothing here blocks.

    :param arm: its grippers may lag without slowing the other joints down: a gripper that closes
        on an object never gets where it is told to go. Their lead is bounded all the same.
    """

    def __init__(self, arm: ArmDescription, motion: Motion) -> None:
        self._arm = arm
        self._motion = motion
        self._max_step = arm.velocity * motion.period_s
        self._coupled = np.ones(len(arm.joints), dtype=bool)
        self._coupled[list(arm.grippers)] = False
        self._chunk: ActionChunk | None = None
        self._at = 0.0                      # playback clock: seconds from the chunk's first row
        self._blend_from = 0.0
        self._blend_s = motion.blend_s
        self._offset = np.zeros(len(arm.joints))
        self._offset_velocity = np.zeros(len(arm.joints))
        self._stopping = False
        self._speed = 0.0                   # speed of the last step [rad/s]
        self.setpoint: Vector = np.zeros(len(arm.joints))
        self.rate = 0.0
        """Speed of the playback clock: 0 at rest, 1 as the policy asks."""
        self.speed_scale = 1.0
        """Upper bound of ``rate``, set from outside."""
        self.max_step_rad = 0.0
        """Largest change of one setpoint so far [rad]."""
        self.lead_slowdowns = 0
        """Ticks in which a lagging joint slowed the playback down."""

    @property
    def is_at_rest(self) -> bool:
        """Whether the setpoint does not move."""
        return self.rate == 0.0

    @property
    def is_starved(self) -> bool:
        """Whether there is nothing left to play."""
        return self._chunk is None or self._at >= self._end

    def seed(self, pose: Vector) -> None:
        """Set the setpoint to a pose (joints,) [rad], at rest, with nothing to play."""
        self.setpoint = np.array(pose, dtype=float)
        self.drop()
        self._stopping = False

    def drop(self) -> None:
        """Forget the chunk and be at rest where the setpoint is."""
        self._chunk = None
        self.rate = 0.0

    def stop(self) -> None:
        """Slow the playback clock down to rest along the path; stay there until ``resume``."""
        self._stopping = True

    def resume(self) -> None:
        """Let the playback clock run again."""
        self._stopping = False

    def play(self, chunk: ActionChunk, now: float) -> None:
        """
        Replace what is played by a checked chunk, from the row that is due now on.

        An arm at rest begins where the rows come nearest to it: the way that the policy has moved
        meanwhile is not made up for in one leap.

        :param now: monotonic instant [s].
        """
        velocity = self._velocity(self._at) if self.rate else None
        self._chunk = chunk
        due = max(now - chunk.observed_at, 0.0)
        if velocity is None:
            due = nearest_row(chunk.rows, due * chunk.rate_hz, self.setpoint,
                              self._arm.grippers)[0] / chunk.rate_hz
        self._at = due
        self._blend_from = self._at
        self._offset = np.zeros_like(self.setpoint)
        self._offset_velocity = np.zeros_like(self.setpoint)
        offset = self.setpoint - self._pose(self._at)
        # From rest, the ramp of the playback clock alone brings the velocity in.
        difference = 0.0 * offset if velocity is None else velocity - self._velocity(self._at)
        self._offset, self._offset_velocity = offset, difference
        # The steepest slope of the cubic is 1.5 times its mean slope; a difference in velocity
        # bends it by 4 times the mean acceleration.
        self._blend_s = max(self._motion.blend_s,
                            1.5 * float(np.abs(offset).max()) / self._motion.blend_speed,
                            4.0 * float(np.abs(difference).max())
                            / self._motion.blend_acceleration)

    def tick(self, measured: Vector) -> Vector:
        """
        Advance by one period.

        :param measured: where the joints are (joints,) [rad].
        :returns: the new setpoint (joints,) [rad]: inside the joint limits, or no further outside
            than the setpoint before, and at most one period's travel from it.
        """
        if self._chunk is None:
            return self.setpoint
        self.rate = self._next_rate()
        if self.rate == 0.0:
            return self.setpoint
        before, lead = self.setpoint, self.setpoint - measured
        ahead = self.rate * self._motion.period_s
        step = self._pose(self._at + ahead) - before
        fraction = min(self._speed_fraction(step), self._lead_fraction(step, lead))
        self._at += fraction * ahead
        # The ramps go on from the speed that the setpoint really had.
        self.rate *= fraction
        # A path may bend within one step; fmax holds where nothing was measured.
        up = np.fmin(np.fmax(self._motion.max_lead_rad - lead, 0.0), self._max_step)
        down = np.fmin(np.fmax(self._motion.max_lead_rad + lead, 0.0), self._max_step)
        setpoint: Vector = np.minimum(np.maximum(self._pose(self._at), before - down), before + up)
        change = float(np.abs(setpoint - before).max())
        self._speed = change / self._motion.period_s
        self.max_step_rad = max(self.max_step_rad, change)
        self.setpoint = setpoint
        return setpoint

    @property
    def _end(self) -> float:
        """Playback time from which on nothing changes any more."""
        assert self._chunk is not None
        return max(self._chunk.duration_s, self._blend_from + self._blend_s)

    def _pose(self, at: float) -> Vector:
        """Path position at a playback time: the chunk's rows plus the fade from the last one."""
        assert self._chunk is not None
        pose = row_at(self._chunk.rows, at * self._chunk.rate_hz)
        u = (at - self._blend_from) / self._blend_s
        if u < 1.0:
            h00 = (1.0 + 2.0 * u) * (1.0 - u) ** 2
            h10 = u * (1.0 - u) ** 2
            pose = pose + h00 * self._offset + h10 * self._blend_s * self._offset_velocity
        # The rows lie inside the limits; a fade may swing beyond them. An arm that rests outside
        # is led in by the fade: a clip would be a leap.
        lower = np.minimum(self._arm.lower, self.setpoint)
        upper = np.maximum(self._arm.upper, self.setpoint)
        # A quarter of the time of np.clip, several times in each bus cycle.
        inside: Vector = np.minimum(np.maximum(pose, lower), upper)
        return inside

    def _velocity(self, at: float) -> Vector:
        """Path velocity per second of playback time (joints,) [rad/s]."""
        ahead = self._motion.period_s
        velocity: Vector = (self._pose(at + ahead) - self._pose(at)) / ahead
        return velocity

    def _next_rate(self) -> float:
        if self._chunk is None or self.is_starved:
            return 0.0
        motion = self._motion
        # A fade may last longer than the rows: both end at rest.
        end = self._chunk.duration_s if self._at < self._chunk.duration_s else self._end
        at = max(min(self._at, end - motion.period_s), self._blend_from)
        speed = float(np.abs(self._velocity(at)).max())
        # v^2 + a T v = 2 a s: v falls by a T per tick; v = rate * speed, s = speed * (end - at).
        half = 0.5 * motion.stop_acceleration * motion.period_s
        distance = max(speed, 1e-6) * (end - self._at)
        at_rest_in_time = (math.sqrt(half ** 2 + 2.0 * motion.stop_acceleration * distance)
                           - half) / max(speed, 1e-6)
        ceiling = min(0.0 if self._stopping else self.speed_scale, at_rest_in_time)
        if self.rate > ceiling:
            # Slower than this many rad/s, one tick brings the joint to rest within the ramp.
            slowest = motion.stop_acceleration * motion.period_s
            # A path that becomes faster meanwhile must not make the ramp longer.
            rate = min(self.rate, self._speed / max(speed, 1e-6))
            rate -= motion.period_s * motion.stop_acceleration / max(speed, slowest)
            return min(max(rate, ceiling), at_rest_in_time)
        slowest = motion.start_acceleration * motion.period_s
        return min(ceiling, self.rate + motion.period_s * motion.start_acceleration
                   / max(speed, slowest))

    def _speed_fraction(self, step: Vector) -> float:
        """Return the share of a step that the speed limits allow, along the path."""
        worst = float((np.abs(step) / self._max_step)[self._coupled].max())
        return 1.0 if worst <= 1.0 else 1.0 / worst

    def _lead_fraction(self, step: Vector, lead: Vector) -> float:
        """Return the share of a step that keeps every joint's lead within its bound."""
        room = np.fmax(self._motion.max_lead_rad - np.sign(step) * lead, 0.0)
        moving = (np.abs(step) > 1e-9) & self._coupled
        if not moving.any():
            return 1.0
        fraction = min(1.0, float((room[moving] / np.abs(step[moving])).min()))
        if fraction < 1.0:
            self.lead_slowdowns += 1
        return fraction
