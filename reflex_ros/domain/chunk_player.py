# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Turn action chunks into one smooth, bounded setpoint per bus cycle.

The player owns a *playback clock* that runs along one plan (``domain.plan``). Whatever must slow
the arm down slows this clock, so the arm stays on its path: a stop, a speed limit, a joint that
lags, chunks that are too short for the latency (``pace``), an observation that gets too old. A
new chunk is placed on the playback clock at its observation, so the rows that were due while the
policy computed are skipped, at whatever rate they were played. Then the plan fades over to it.

Nothing here reads a clock: one ``tick`` is one bus cycle of the given period, and a cycle that
comes late is never caught up. All methods belong to one thread. A new plan takes some
milliseconds, however long the chunk is, and every other call a fraction of one.
"""

from __future__ import annotations

from collections import deque
import copy
from dataclasses import dataclass, replace
import math

import numpy as np

from reflex_ros.domain.action import ActionChunk, MAX_AGE_S, nearest_row
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.outlook import Outlook, OUTLOOK_HZ, OUTLOOK_PAST_S, OUTLOOK_S
from reflex_ros.domain.plan import fit_part, Interpolation, Plan, shortest_blend, standing, Way

HISTORY_S = 3.0
"""How far back an observation can be placed on the playback clock."""
MEMORY = 16
"""Chunks over which the supply of chunks is measured."""
LONGEST_STEP_S = 0.02
"""Of an outlook: a coarser one does not follow the ramps of the playback clock."""
LEAST_SPANS = 3
PACE_MARGIN_S = 0.08
"""Time before the end of the rows at which the next chunk shall take over: the playback brakes
for the end only after that."""
LEAST_PACE = 0.2
BRAKE_SHARE = 0.9
"""Of ``start_acceleration``, for slowing down in time for a bend or the end of the rows: the rest
makes up for a lost tick."""
BLIND_MARGIN_S = 0.3
"""Over this time the playback slows to rest before the observation is too old."""
BLIND_SHARE = 0.6
FEW_MARGIN_S = 1.0
"""Instead of ``BLIND_MARGIN_S``, beyond what the first chunks needed: they may have been quick."""
LOOK_AHEAD_S = (0.1, 0.35, 0.6)
"""Where two plans are compared, after the present."""
SAME_SIDE = 0.8
"""Cosine between two ways from which on they lead to the same side."""
SHORTEST_FADE = 2
"""In knots."""
FIXED_KNOTS = 3
"""Knots of a chunk that no fade can use: those that shape the present, and the last row's."""
FADE_SHARE = 0.4
"""Of the acceleration limit, for fades: the path itself needs the rest."""


@dataclass(frozen=True, slots=True)
class Motion:
    """
    How the setpoint may move.

    :param period_s: of one tick [s].
    :param stop_acceleration: of the ramp to rest [rad/s^2]: 10 brings 1 rad/s to rest in 100 ms.
    :param start_acceleration: of every other change of the playback rate [rad/s^2].
    :param max_lead_rad: largest distance between setpoint and measured position [rad]; it bounds
        how far the servo can run on by itself when this process dies.
    :param interpolation: how the path runs between rows.
    :param fade_s: shortest fade between two chunks [s]; longer than dead time and lag of the
        servo (0.115 s), else the next observation is taken in the middle of a fade.
    :param longest_fade_s: longest fade between two chunks [s].
    :param fade_speed: speed that a fade may add to that of the two chunks [rad/s].
    :param disagreement_rad: two chunks that are further apart than this disagree [rad]; infinite
        follows every chunk at once.
    :param ensemble: share of the older plan that stays where both have rows, 0..1.
    :param max_blind_s: oldest observation that may move the arm [s].
    """

    period_s: float = 0.01
    stop_acceleration: float = 10.0
    start_acceleration: float = 3.0
    max_lead_rad: float = math.radians(10.0)
    interpolation: Interpolation = Interpolation.SPLINE
    fade_s: float = 0.45
    longest_fade_s: float = 1.0
    fade_speed: float = 0.5
    disagreement_rad: float = math.radians(7.0)
    ensemble: float = 0.0
    max_blind_s: float = MAX_AGE_S


class ChunkPlayer:
    """
    Play the newest chunks, one setpoint per tick.

    :param arm: its grippers may lag without slowing the other joints down: a gripper that closes
        on an object never gets where it is told to go. Their lead is bounded all the same.
    """

    def __init__(self, arm: ArmDescription, motion: Motion) -> None:
        self._arm = arm
        self._motion = motion
        self._lower, self._upper = arm.lower, arm.upper
        self._max_step = arm.velocity * motion.period_s
        self._velocity = arm.velocity
        self._coupled = np.ones(len(arm.joints), dtype=bool)
        self._coupled[list(arm.grippers)] = False
        if not self._coupled.any():
            self._coupled[:] = True
        self._acceleration = np.where(self._coupled, arm.acceleration, np.inf)
        self._fade_speed = np.where(self._coupled, motion.fade_speed, np.inf)
        self._plan = standing(np.zeros(len(arm.joints)), 0.1)
        self._doubted: tuple[Plan, float] | None = None
        self._at = 0.0                      # playback clock [s]
        self._clock: deque[tuple[float, float]] = deque(
            maxlen=math.ceil(HISTORY_S / motion.period_s))
        self._trail: deque[Vector] = deque(maxlen=self._clock.maxlen)
        self._ceilings: list[float] = []
        self._ramps: list[float] = []
        self._first_span = 0
        self._observed_at = -math.inf       # of the chunk that is played
        self._newest_at = -math.inf         # of the chunk that came last
        self._spans_s: deque[float] = deque(maxlen=MEMORY)
        self._blind_s = motion.max_blind_s
        self._is_blind = False
        self._stopping = False
        self._span_count = 0                # measured since ``seed``
        self._speed = 0.0                   # of the last step [rad/s]
        self._rows_hz = 0.0                 # of the newest chunk [1/s]
        self.setpoint: Vector = np.zeros(len(arm.joints))
        self.rate = 0.0
        """Speed of the playback clock: 0 at rest, 1 as the policy asks."""
        self.pace = 1.0
        """Rate at which the chunks last until the next ones come; 1 when they are long enough."""
        self.speed_scale = 1.0
        """Upper bound of ``rate``, set from outside."""
        self.max_step_rad = 0.0
        """Largest change of one setpoint so far [rad]."""
        self.lead_slowdowns = 0
        """Ticks in which a lagging joint slowed the playback down."""
        self.holds = 0
        """How often the arm came to rest because nothing was left to play."""
        self.disagreements = 0
        """Chunks that were not followed at once, because they lead elsewhere."""

    @property
    def is_at_rest(self) -> bool:
        """Whether the setpoint does not move."""
        return self.rate == 0.0

    @property
    def is_starved(self) -> bool:
        """Whether there is nothing left to play, or only what is too old."""
        return self._has_ended or self._is_blind

    @property
    def _has_ended(self) -> bool:
        return self._at >= self._plan.ends_at - 1e-9

    @property
    def rows_left(self) -> int:
        """Rows of the plan that are not played yet; 0 when nothing is."""
        plan = self._plan
        ends_at = plan.way.ends_at if plan.way is not None else plan.ends_at
        return max(math.ceil((ends_at - self._at) * self._rows_hz - 1e-6), 0)

    @property
    def played_s(self) -> float:
        """Playback clock [s]; it only grows."""
        return self._at

    def observation_age(self, now: float) -> float:
        """Return the age of the observation behind what is played [s]; negative when none is."""
        return now - self._observed_at if math.isfinite(self._observed_at) else -1.0

    def seed(self, pose: Vector) -> None:
        """Take a pose (joints,) [rad] as the setpoint, at rest, with nothing to play."""
        self.setpoint = np.array(pose, dtype=float)
        self._spans_s.clear()
        self._span_count = 0
        self._trail.clear()
        self.pace, self._blind_s = 1.0, self._motion.max_blind_s
        self.drop()
        self._stopping = False

    def drop(self) -> None:
        """Forget the plan and be at rest where the setpoint is."""
        self._plan = standing(self.setpoint, self._plan.knot_s, self._plan.degree)
        self._at = max(self._at, self._plan.ends_at)
        self._doubted = None
        self._is_blind = False
        self._observed_at = self._newest_at = -math.inf
        self.rate = self._speed = 0.0

    def stop(self) -> None:
        """Slow the playback clock down to rest along the path; stay there until ``resume``."""
        self._stopping = True

    def resume(self) -> None:
        """Let the playback clock run again."""
        self._stopping = False

    def play(self, chunk: ActionChunk, now: float) -> None:
        """
        Fade over to a checked chunk, or keep to the present one while they disagree.

        :param now: monotonic instant [s].
        """
        if self._has_ended:
            # Nothing moves: knots and degree may be those of this chunk.
            interpolation = self._motion.interpolation
            self._plan = standing(self.setpoint, interpolation.knot_s(chunk.rate_hz),
                                  interpolation.degree)
            self._at = max(self._at, self._plan.ends_at)
        self._measure_supply(chunk, now)
        self._rows_hz = chunk.rate_hz
        rows = np.clip(chunk.rows, self._lower, self._upper)
        plan = self._part_of(Way(rows, chunk.rate_hz, self._begin_of(chunk, now)))
        if not chunk.is_scripted and not self._is_agreed(plan, now):
            self._doubted = plan, chunk.observed_at
            self.disagreements += 1
            return
        self._follow(plan, math.inf if chunk.is_scripted else chunk.observed_at)

    def tick(self, measured: Vector, now: float) -> Vector:
        """
        Advance by one period.

        :param measured: where the joints are (joints,) [rad].
        :param now: monotonic instant of this cycle [s].
        :returns: the new setpoint (joints,) [rad]: inside the joint limits, or no further outside
            than the one before, and at most one period's travel from it.
        """
        self._go_on(now)
        was_moving = self.rate > 0.0
        self.rate = self._next_rate(now)
        if self.rate > 0.0:
            self._advance(measured)
        elif was_moving and self.is_starved and not self._stopping \
                and math.isfinite(self._observed_at):
            # A script that has ended, or a stop, is no hold.
            self.holds += 1
        self._clock.append((now, self._at))
        self._trail.append(self.setpoint)
        return self.setpoint

    def snapshot(self) -> ChunkPlayer:
        """Return a copy for ``outlook`` in another thread; takes some microseconds."""
        player = copy.copy(self)
        player._clock, player._trail = self._clock.copy(), self._trail.copy()
        return player

    def outlook(self, now: float, horizon_s: float = OUTLOOK_S, rate_hz: float = OUTLOOK_HZ,
                past_s: float = OUTLOOK_PAST_S) -> Outlook:
        """
        Foresee where the setpoint will be, unless another chunk comes; nothing changes.

        It assumes that the joints follow. Takes about 3 ms: not for the bus thread.

        :param now: monotonic instant of the last tick [s].
        :param horizon_s: how far to look ahead [s].
        :param rate_hz: rate of the rows [1/s].
        :param past_s: how far back the rows begin, at most [s].
        """
        ghost = copy.copy(self)
        row_s = 1.0 / rate_hz
        steps = math.ceil(row_s / LONGEST_STEP_S)
        ghost._motion = replace(self._motion, period_s=row_s / steps)
        ghost._max_step = self._velocity * ghost._motion.period_s
        rows, played = self._past(now, past_s, rate_hz)
        past = len(rows)
        rows.append(self.setpoint)
        played.append(self._at)
        for step in range(1, round(horizon_s * rate_hz) * steps + 1):
            ghost._foresee(now + step * row_s / steps)
            if step % steps == 0:
                rows.append(ghost.setpoint)
                played.append(ghost._at)
        return Outlook(np.array(rows), np.array(played), now - past * row_s, now, rate_hz)

    def _past(self, now: float, past_s: float,
              rate_hz: float) -> tuple[list[Vector], list[float]]:
        """Return the setpoints before ``now``, oldest first, with their playback times."""
        if not self._trail:
            return [], []
        # Before the arm was put under torque, there was no setpoint.
        clock = list(self._clock)[-len(self._trail):]
        instants, played = (np.array(values) for values in zip(*clock, strict=True))
        count = math.floor(min(past_s, max(now - float(instants[0]), 0.0)) * rate_hz + 1e-6)
        wanted = now - np.arange(count, 0, -1) / rate_hz
        trail = np.array(self._trail)
        rows = np.stack([np.interp(wanted, instants, column) for column in trail.T], axis=1)
        return list(rows), np.interp(wanted, instants, played).tolist()

    def _foresee(self, now: float) -> None:
        """Do what ``tick`` will do at an instant, with joints that follow."""
        self._go_on(now)
        self.rate = self._next_rate(now)
        if self.rate <= 0.0:
            return
        self._at = min(self._at + self.rate * self._motion.period_s, self._plan.ends_at)
        before = self.setpoint
        self.setpoint = np.clip(self._pose(self._at), before - self._max_step,
                                before + self._max_step)
        self._speed = float(np.abs(self.setpoint - before)[self._coupled].max()) \
            / self._motion.period_s

    def _go_on(self, now: float) -> None:
        """Follow what was doubted when the plan runs out, or plan the next part of a long way."""
        way = self._plan.way
        if self._doubted is not None:
            if self._runs_out(now):
                self._follow(*self._doubted)
        elif way is not None and self._plan.ends_at - self._at < 0.5 * way.part_s:
            self._follow(self._part_of(way), self._observed_at)

    def _part_of(self, way: Way) -> Plan:
        plan = fit_part(way, self._at, self._plan, self._motion.interpolation)
        return replace(plan, control=np.clip(plan.control, self._lower, self._upper))

    def _advance(self, measured: Vector) -> None:
        motion = self._motion
        before, lead = self.setpoint, self.setpoint - measured
        ahead = min(self.rate * motion.period_s, self._plan.ends_at - self._at)
        step = self._pose(self._at + ahead) - before
        fraction = min(self._speed_fraction(step), self._lead_fraction(step, lead))
        self._at += fraction * ahead
        # What goes on from here ramps in and out from the speed that there really was.
        self.rate *= fraction
        # A path may bend within one step; fmax holds where nothing was measured.
        up = np.fmin(np.fmax(motion.max_lead_rad - lead, 0.0), self._max_step)
        down = np.fmin(np.fmax(motion.max_lead_rad + lead, 0.0), self._max_step)
        pose = self._pose(self._at) if fraction < 1.0 else before + step
        setpoint: Vector = np.minimum(np.maximum(pose, before - down), before + up)
        change = np.abs(setpoint - before)
        self._speed = float(change[self._coupled].max()) / motion.period_s
        self.max_step_rad = max(self.max_step_rad, float(change.max()))
        self.setpoint = setpoint

    def _pose(self, at: float) -> Vector:
        # The control points lie inside the limits. An arm that rests outside is led in by the
        # fade: a clip would be a leap.
        lower = np.minimum(self._lower, self.setpoint)
        upper = np.maximum(self._upper, self.setpoint)
        # A quarter of the time of np.clip, several times in each bus cycle.
        inside: Vector = np.minimum(np.maximum(self._plan.position(at), lower), upper)
        return inside

    def _begin_of(self, chunk: ActionChunk, now: float) -> float:
        """Return the playback time of a chunk's first row."""
        if not self.is_at_rest:
            return self._playback_time(chunk.observed_at)
        # A resting arm begins where the rows come nearest to it: what the policy has moved
        # meanwhile is not made up for in one leap.
        due = max(now - chunk.observed_at, 0.0) * chunk.rate_hz
        nearest, _ = nearest_row(chunk.rows, due, self.setpoint, self._arm.grippers)
        return self._at - nearest / chunk.rate_hz

    def _playback_time(self, instant: float) -> float:
        """Return the playback time of a monotonic instant [s], not older than ``HISTORY_S``."""
        if not self._clock or instant >= self._clock[-1][0]:
            return self._at
        later = self._clock[-1]
        for earlier in reversed(self._clock):
            if earlier[0] <= instant:
                span = later[0] - earlier[0]
                share = (instant - earlier[0]) / span if span > 0.0 else 0.0
                return earlier[1] + share * (later[1] - earlier[1])
            later = earlier
        return later[1]

    def _is_agreed(self, plan: Plan, now: float) -> bool:
        """Whether a plan goes where the present one or the last doubted one goes."""
        if not self.is_at_rest and self._differs(plan, self._plan) and not self._runs_out(now):
            return self._doubted is not None and self._confirms(plan, self._doubted[0])
        return True

    def _differs(self, one: Plan, other: Plan) -> bool:
        for ahead in LOOK_AHEAD_S:
            at = self._at + ahead
            # Where one has ended, it says nothing.
            if at < min(one.ends_at, other.ends_at) - 2.0 * one.knot_s:
                gap = np.abs(one.position(at) - other.position(at))[self._coupled]
                if gap.max() > self._motion.disagreement_rad:
                    return True
        return False

    def _confirms(self, plan: Plan, doubted: Plan) -> bool:
        """Whether two plans leave the present one towards the same side."""
        # The arm did not follow the doubted plan: a policy that means the same begins elsewhere.
        for ahead in reversed(LOOK_AHEAD_S):
            at = self._at + ahead
            if at < min(one.ends_at for one in (plan, doubted)):
                here = self._plan.position(at)
                one, other = (way.position(at)[self._coupled] - here[self._coupled]
                              for way in (plan, doubted))
                length = float(np.linalg.norm(one) * np.linalg.norm(other))
                return float(one @ other) >= SAME_SIDE * length
        return False

    def _runs_out(self, now: float) -> bool:
        left = min(self._plan.ends_at - self._at,
                   self._motion.max_blind_s - BLIND_MARGIN_S - (now - self._observed_at))
        return left < self._motion.fade_s

    def _measure_supply(self, chunk: ActionChunk, now: float) -> None:
        """Learn for how long one chunk must last; set pace and blind bound from it."""
        self._is_blind = False
        if chunk.is_scripted:
            self._newest_at, self.pace, self._blind_s = math.inf, 1.0, math.inf
            return
        if math.isfinite(self._newest_at):
            self._spans_s.append(now - self._newest_at)
            self._span_count += 1
            if self._span_count == 2 * LEAST_SPANS:
                # Until requests are timed by the first answers, chunks come rarely.
                for _ in range(LEAST_SPANS):
                    self._spans_s.popleft()
        self._newest_at = chunk.observed_at
        is_known = len(self._spans_s) >= LEAST_SPANS
        # The first chunk takes about as long as the next one.
        needed = 2.0 * (now - chunk.observed_at)
        if self._spans_s:
            ordered = sorted(self._spans_s)
            span = ordered[int(0.95 * (len(ordered) - 1))]
            margin = BLIND_MARGIN_S if is_known else FEW_MARGIN_S
            self._blind_s = min(self._motion.max_blind_s, span + max(margin, BLIND_SHARE * span))
            needed = span if is_known else needed
        self.pace = min(max((chunk.duration_s - PACE_MARGIN_S) / max(needed, 1e-3), LEAST_PACE),
                        1.0)

    def _follow(self, plan: Plan, observed_at: float) -> None:
        knot_s = plan.knot_s
        least = round(self._motion.fade_s / knot_s) - 1
        if math.isinf(observed_at):
            # A script knows where the arm is told to be: there is no echo to damp.
            least = SHORTEST_FADE
        most = max(least, round(self._motion.longest_fade_s / knot_s))
        old = self._plan
        # A fade that outlasts the rows ends at rest: better a short one, while the arm moves.
        left = plan.knot(plan.ends_at) - plan.knot(self._at) - FIXED_KNOTS
        if left >= (least if self.is_at_rest else SHORTEST_FADE):
            least = min(least, left)
            # What was doubted is far away.
            if self._doubted is None or plan is not self._doubted[0]:
                most = min(most, left)
        if self.is_at_rest:
            # Only the distance fades: the playback clock itself brings the speed in.
            old = replace(plan, control=plan.control + self.setpoint - plan.position(self._at))
        self._plan = shortest_blend(old, plan, self._at, self._fade_speed,
                                    FADE_SHARE * self._acceleration, least=least, most=most,
                                    keep=0.0 if self.is_at_rest else self._motion.ensemble)
        self._doubted = None
        self._observed_at = observed_at
        self._bound_rates()

    def _bound_rates(self) -> None:
        """Find the fastest rate for each span of the plan that speed and bending allow."""
        plan = self._plan
        self._first_span = plan.knot(self._at)
        spans = max(plan.knot(plan.ends_at) - self._first_span, 0) + 1
        speed, bend = plan.fastest(self._first_span, self._first_span + spans)
        worst = np.maximum(speed / self._velocity,
                           np.sqrt(bend / self._acceleration))[:, self._coupled].max(axis=1)
        ceilings = 1.0 / np.maximum(worst, 1.0)
        # Slowing down costs acceleration too: start early enough, even when one tick is lost.
        ramps = BRAKE_SHARE * self._motion.start_acceleration / np.maximum(
            speed[:, self._coupled].max(axis=1), 0.05)
        after = 0.0
        length_s = max(plan.ends_at - plan.knot(plan.ends_at) * plan.knot_s, 0.0)
        for index in range(spans - 1, -1, -1):
            reachable = math.sqrt(after ** 2 + 2.0 * ramps[index] * length_s)
            after = ceilings[index] = min(ceilings[index], reachable)
            length_s = plan.knot_s
        self._ceilings, self._ramps = ceilings.tolist(), ramps.tolist()

    def _next_rate(self, now: float) -> float:
        if self._has_ended:
            return 0.0
        motion = self._motion
        speed = float(np.abs(self._plan.velocity(self._at))[self._coupled].max())
        highest = self._highest_rate(now)
        ceiling = 0.0 if self._stopping else highest
        if self.rate > ceiling:
            is_told = self._stopping or self.rate > self.speed_scale
            braking = motion.stop_acceleration if is_told else motion.start_acceleration
            # Slower than this many rad/s, one tick brings the joint to rest within the ramp.
            slowest = braking * motion.period_s
            # A path that becomes faster meanwhile must not make the ramp longer.
            rate = min(self.rate, self._speed / max(speed, 1e-6)) if is_told else self.rate
            return max(rate - motion.period_s * braking / max(speed, slowest), ceiling)
        slowest = motion.start_acceleration * motion.period_s
        return min(ceiling, self.rate + motion.period_s * motion.start_acceleration
                   / max(speed, slowest))

    def _highest_rate(self, now: float) -> float:
        index = self._plan.knot(self._at) - self._first_span
        ceiling = 1.0
        if 0 <= index < len(self._ceilings):
            is_last = index + 1 == len(self._ceilings)
            after = 0.0 if is_last else self._ceilings[index + 1]
            left = min((self._first_span + index + 1) * self._plan.knot_s,
                       self._plan.ends_at) - self._at
            ramp = self._ramps[index]
            # Before the end: what this tick itself plays is not left to brake in.
            lost = 0.0 if after else ramp * self._motion.period_s
            ceiling = min(self._ceilings[index], math.sqrt(
                lost ** 2 + after ** 2 + 2.0 * ramp * max(left, 0.0)) - lost)
        blind = min(self._blind_s - (now - self._newest_at),
                    self._motion.max_blind_s - (now - self._observed_at)) / BLIND_MARGIN_S
        self._is_blind = blind <= 0.0
        return max(min(ceiling, self.speed_scale, self.pace, blind), 0.0)

    def _speed_fraction(self, step: Vector) -> float:
        """How much of a step the speed limits allow, along the path."""
        worst = float((np.abs(step) / self._max_step)[self._coupled].max())
        return 1.0 if worst <= 1.0 else 1.0 / worst

    def _lead_fraction(self, step: Vector, lead: Vector) -> float:
        """How much of a step keeps every joint's lead within its bound."""
        room = np.fmax(self._motion.max_lead_rad - np.sign(step) * lead, 0.0)
        moving = (np.abs(step) > 1e-9) & self._coupled
        if not moving.any():
            return 1.0
        fraction = min(1.0, float((room[moving] / np.abs(step[moving])).min()))
        if fraction < 1.0:
            self.lead_slowdowns += 1
        return fraction
