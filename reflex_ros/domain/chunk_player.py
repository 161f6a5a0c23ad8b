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

from reflex_ros.domain.action import ActionChunk, ChunkBounds, row_at, Vector


@dataclass(frozen=True, slots=True)
class Motion:
    """
    How the setpoint may move.

    :param period_s: of one tick [s].
    :param stop_acceleration: of the ramp to rest [rad/s^2]: 10 brings 1 rad/s to rest in 100 ms.
    :param start_acceleration: of the ramp in [rad/s^2].
    :param max_lead_rad: largest distance between setpoint and measured position [rad]; it bounds
        how far the servo can run on by itself when this process dies.
    :param blend_s: shortest fade between two chunks [s].
    :param blend_speed: speed at which a difference in position fades out [rad/s].
    """

    period_s: float = 0.01
    stop_acceleration: float = 10.0
    start_acceleration: float = 5.0
    max_lead_rad: float = math.radians(10.0)
    blend_s: float = 0.15
    blend_speed: float = 0.5


class ChunkPlayer:
    """Play the newest chunk, one setpoint per tick."""

    def __init__(self, bounds: ChunkBounds, motion: Motion) -> None:
        self._motion = motion
        self._lower, self._upper = bounds.lower, bounds.upper
        self._max_step = bounds.velocity * motion.period_s
        self._chunk: ActionChunk | None = None
        self._at = 0.0                      # playback clock: seconds from the chunk's first row
        self._blend_from = 0.0
        self._blend_s = motion.blend_s
        self._offset = np.zeros(len(bounds.joints))
        self._offset_velocity = np.zeros(len(bounds.joints))
        self._stopping = False
        self.setpoint: Vector = np.zeros(len(bounds.joints))
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
        """Take a pose (joints,) [rad] as the setpoint, at rest, with nothing to play."""
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

    def offer(self, chunk: ActionChunk, now: float) -> None:
        """Play a checked chunk from the row that is due at ``now`` (monotonic) [s] on."""
        velocity = self._velocity() if self.rate else np.zeros_like(self.setpoint)
        self._chunk = chunk
        self._at = max(now - chunk.observed_at, 0.0)
        self._blend_from = self._at
        self._offset = np.zeros_like(self.setpoint)
        self._offset_velocity = np.zeros_like(self.setpoint)
        offset = self.setpoint - self._pose(self._at)
        new_velocity = self._velocity()
        self._offset, self._offset_velocity = offset, velocity - new_velocity
        # 1.5: the steepest slope of the cubic, relative to its mean slope.
        self._blend_s = max(self._motion.blend_s,
                            1.5 * float(np.abs(offset).max()) / self._motion.blend_speed)

    def tick(self, measured: Vector) -> Vector:
        """
        Advance by one period.

        :param measured: where the joints are (joints,) [rad].
        :returns: the new setpoint (joints,) [rad]: inside the joint limits, and at most one
            period's travel from the one before.
        """
        if self._chunk is None:
            return self.setpoint
        self.rate = self._next_rate()
        if self.rate == 0.0:
            return self.setpoint
        ahead = self.rate * self._motion.period_s
        step = self._pose(self._at + ahead) - self.setpoint
        fraction = min(self._speed_fraction(step), self._lead_fraction(step, measured))
        self._at += fraction * ahead
        target = self._pose(self._at)
        bounded = np.clip(target - self.setpoint, -self._max_step, self._max_step)
        setpoint = np.clip(self.setpoint + bounded, self._lower, self._upper)
        self.max_step_rad = max(self.max_step_rad, float(np.abs(setpoint - self.setpoint).max()))
        self.setpoint = setpoint
        return setpoint

    @property
    def _end(self) -> float:
        """Playback time at which nothing changes any more."""
        assert self._chunk is not None
        return max(self._chunk.duration_s, self._blend_from + self._blend_s)

    def _pose(self, at: float) -> Vector:
        """Path position at a playback time: the chunk's rows plus what still fades out."""
        assert self._chunk is not None
        pose = row_at(self._chunk.rows, at * self._chunk.rate_hz)
        u = (at - self._blend_from) / self._blend_s
        if u >= 1.0:
            return pose
        h00 = (1.0 + 2.0 * u) * (1.0 - u) ** 2
        h10 = u * (1.0 - u) ** 2
        faded: Vector = pose + h00 * self._offset + h10 * self._blend_s * self._offset_velocity
        return faded

    def _velocity(self) -> Vector:
        """Path velocity per second of playback time (joints,) [rad/s]."""
        ahead = self._motion.period_s
        velocity: Vector = (self._pose(self._at + ahead) - self._pose(self._at)) / ahead
        return velocity

    def _next_rate(self) -> float:
        motion = self._motion
        speed = float(np.abs(self._velocity()).max())
        ceiling = 0.0 if self._stopping else self.speed_scale
        remaining = self._end - self._at
        if remaining <= 0.0:
            return 0.0
        # End at rest: v^2 = 2 a s, with v = rate * speed and s = speed * remaining.
        ceiling = min(ceiling, math.sqrt(2.0 * motion.stop_acceleration * remaining
                                         / max(speed, 1e-6)))
        if self.rate > ceiling:
            # Slower than this many rad/s, one tick brings the joint to rest within the ramp.
            slowest = motion.stop_acceleration * motion.period_s
            return max(ceiling, self.rate - motion.period_s * motion.stop_acceleration
                       / max(speed, slowest))
        slowest = motion.start_acceleration * motion.period_s
        return min(ceiling, self.rate + motion.period_s * motion.start_acceleration
                   / max(speed, slowest))

    def _speed_fraction(self, step: Vector) -> float:
        """How much of a step the speed limits allow, along the path."""
        worst = float((np.abs(step) / self._max_step).max())
        return 1.0 if worst <= 1.0 else 1.0 / worst

    def _lead_fraction(self, step: Vector, measured: Vector) -> float:
        """How much of a step keeps every joint's lead within its bound."""
        lead = self.setpoint - measured
        room = np.where(step >= 0.0, self._motion.max_lead_rad - lead,
                        self._motion.max_lead_rad + lead)
        moving = np.abs(step) > 1e-9
        if not moving.any():
            return 1.0
        fraction = float(np.clip(room[moving] / np.abs(step[moving]), 0.0, 1.0).min())
        if fraction < 1.0:
            self.lead_slowdowns += 1
        return fraction
