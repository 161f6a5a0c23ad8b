# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One smooth path on one time line, made of the newest chunks.

A plan is a uniform B-spline: one control point (joints,) every ``knot_s`` seconds of playback
time. A chunk is fitted to the same knots, and a running plan turns into it by blending control
points: those that shape the path now stay as they are, the later ones fade over. So position,
velocity and acceleration are continuous whatever the chunk says, and a plan stays one array
however many chunks have gone into it.

Between knots the path is a mean of its control points. So bounds of the control points, of their
first and of their second differences are bounds of position, speed and acceleration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.joints import Vector

SPLINE_KNOT_S = 0.05
"""Coarser, and a fade starts later: the control points around the present are fixed."""
FINEST_KNOT_S = 0.01
"""No bus cycle is shorter: a path through denser rows would cost time and change nothing."""
SMOOTHING = 0.35
"""Weight of the curvature against the rows: halves what swings at 4.5 Hz in the rows. Policies
are trained on what hands do, which has hardly anything above 3 Hz."""
BRIDGING = 1e-4
"""The same for a path through the rows: enough for rows that are further apart than knots."""
LAST_KNOTS = 6
"""Over so many knots at its end an old plan loses its share."""
FADE_STEP_S = 0.03
"""Fades that are tried differ by no more than this, or by one knot."""
FADE_REACH = 3
"""Spans that are bounded behind the end of a fade."""
ROUNDING = (0.0625, 0.25, 0.375, 0.25, 0.0625)
"""Filter over the control points where a path stops: it bends there a third as much."""
REST_KNOTS = 3
"""From the knot of the last row to the rest behind the rounded corner."""
HELD_KNOTS = 3
"""Control points that make a path stand still."""
LAST_ROW = 1e6
"""Weight of the last row: the path ends there."""
PART_S = 6.0
"""A longer way is planned part by part: what a plan costs is bounded. Policies never get so far,
because their observation is too old by then."""
PART_ROWS = 12
"""Shortest part, for rows that are far apart."""
LEAD_S = 3.0
"""A part begins so long before the present, or ``PART_ROWS``: what its first rows lack in
predecessors is not felt any more. No chunk begins earlier."""
BAND = 3
"""A control point shares rows and curvature with so many that follow it."""
BLOCK = 32
"""Control points for which the fit is solved at once."""
TAIL_S = 1.0
"""How long a path runs on after its last row: a fade that begins there turns from one moving path
into another. It is played only as far as the next plan has taken over."""
TAIL_DECAY_S = 0.2
"""Time constant with which the tail slows down."""


class Interpolation(Enum):
    """How a path runs between the rows of a chunk."""

    LINEAR = 'linear'
    """Straight from row to row; the speed jumps at every row."""
    CUBIC = 'cubic'
    """Through every row, with continuous acceleration."""
    SPLINE = 'spline'
    """Near the rows, with continuous acceleration; smooths their noise."""

    @property
    def degree(self) -> int:
        """Degree of the B-spline."""
        return 1 if self is Interpolation.LINEAR else 3

    def knot_s(self, rate_hz: float) -> float:
        """Time between two control points for rows of that rate [s]."""
        row_s = 1.0 / rate_hz
        return SPLINE_KNOT_S if self is Interpolation.SPLINE else max(row_s, FINEST_KNOT_S)


@dataclass(frozen=True, slots=True)
class Way:
    """
    Rows on the playback clock.

    :param rows: (horizon, joints) [rad].
    :param rate_hz: rows per second of playback time.
    :param begins_at: playback time of the first row [s].
    """

    rows: NDArray[np.float64]
    rate_hz: float
    begins_at: float

    @property
    def ends_at(self) -> float:
        """Playback time of the last row [s]."""
        return self.begins_at + (len(self.rows) - 1) / self.rate_hz

    @property
    def part_s(self) -> float:
        """How far ahead a part of the way is planned [s]."""
        return max(PART_S, PART_ROWS / self.rate_hz)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A path over playback time.

    :param control: (points, joints) [rad]; point i belongs to the time ``(first + i) * knot_s``.
        Before the first and after the last one the path stands still.
    :param first: number of the first control point.
    :param knot_s: playback time between two control points [s].
    :param degree: 1 or 3.
    :param ends_at: playback time up to which the path may be played [s]: of the last row. What
        comes after it is the tail.
    :param way: what the plan is a part of; None when it reaches the last row.
    """

    control: NDArray[np.float64]
    first: int
    knot_s: float
    degree: int = 3
    ends_at: float = 0.0
    way: Way | None = None

    def position(self, at: float) -> Vector:
        """Return the position at a playback time [s] (joints,) [rad]."""
        return self._combine(at, 0)

    def velocity(self, at: float) -> Vector:
        """Return the velocity per second of playback time (joints,) [rad/s]."""
        return self._combine(at, 1)

    def acceleration(self, at: float) -> Vector:
        """Return the acceleration per second^2 of playback time (joints,) [rad/s^2]."""
        return self._combine(at, 2)

    def points(self, begin: int, end: int) -> NDArray[np.float64]:
        """Return the control points ``begin`` to ``end`` - 1 (points, joints), by their number."""
        numbers = np.arange(begin, end) - self.first
        return self.control[np.clip(numbers, 0, len(self.control) - 1)]

    def held(self, end: int) -> Plan:
        """
        Return the plan that comes to rest on its last row, instead of running on.

        :param end: knot from which it rests; at least ``REST_KNOTS`` after the last row's.
        """
        last = self.knot(self.ends_at) - self.first
        stay = np.tile(self.position(self.ends_at), (end - self.first - last + HELD_KNOTS, 1))
        control = np.concatenate((self.control[:last], stay))
        begin, behind = max(last - 2, 2), last + 2
        control[begin:behind] = sum(
            weight * control[begin + shift:behind + shift]
            for shift, weight in enumerate(ROUNDING, -(len(ROUNDING) // 2)))
        return Plan(control, self.first, self.knot_s, self.degree, end * self.knot_s)

    def knot(self, at: float) -> int:
        """Return the number of the knot at or before a playback time [s]."""
        return math.floor(at / self.knot_s + 1e-9)

    def _combine(self, at: float, derivative: int) -> Vector:
        knot = self.knot(at)
        u = max(at / self.knot_s - knot, 0.0)
        before = 0 if self.degree == 1 else 1
        begin = knot - before - self.first
        end = begin + self.degree + 1
        window = self.control[begin:end] if begin >= 0 and end <= len(self.control) \
            else self.points(begin + self.first, end + self.first)
        scale = self.knot_s ** -derivative
        result: Vector = np.dot(
            [weight * scale for weight in _weights(u, self.degree, derivative)], window)
        return result

    def fastest(self, begin: int, end: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Bound speed and acceleration of the spans ``begin`` to ``end`` - 1.

        Span k is the playback time from knot k to knot k + 1.

        :returns: two arrays (spans, joints): [rad/s] and [rad/s^2] of playback time.
        """
        before = 0 if self.degree == 1 else 1
        points = self.points(begin - before, end - before + self.degree)
        steps = np.abs(np.diff(points, axis=0)) / self.knot_s
        bends = np.abs(np.diff(points, n=2, axis=0)) / self.knot_s ** 2
        spans = end - begin
        speed = np.max([steps[k:k + spans] for k in range(self.degree)], axis=0)
        if self.degree == 1:
            return speed, np.zeros_like(speed)
        return speed, np.max([bends[k:k + spans] for k in range(2)], axis=0)


def standing(pose: Vector, knot_s: float, degree: int = 3) -> Plan:
    """Make a plan that stays in one pose (joints,) [rad]."""
    return Plan(np.tile(np.asarray(pose, dtype=float), (HELD_KNOTS, 1)), 0, knot_s, degree)


def fit(rows: NDArray[np.float64], rate_hz: float, begins_at: float, like: Plan,
        interpolation: Interpolation = Interpolation.SPLINE) -> Plan:
    """
    Fit a plan to the rows of a chunk.

    :param rows: (horizon, joints) [rad].
    :param rate_hz: rows per second of playback time.
    :param begins_at: playback time of the first row [s].
    :param like: a plan whose knots and degree are used.
    """
    knot_s, degree = like.knot_s, like.degree
    times = begins_at + np.arange(len(rows)) / rate_hz
    first = math.floor(begins_at / knot_s) - 1
    # The last point that the last row reaches.
    count = math.floor(times[-1] / knot_s + 1e-9) - first + (2 if degree == 1 else 3)
    weight = BRIDGING if interpolation is not Interpolation.SPLINE else SMOOTHING
    weights = np.ones(len(rows))
    weights[-1] = LAST_ROW
    # A row outside of every knot's reach leaves the curvature alone to decide: never singular.
    normal = _curvature(count, weight * max(rate_hz * knot_s, 0.1))
    normal[:, 0] += 1e-9
    values = np.zeros((count, rows.shape[1]))
    _add_rows(normal, values, rows, weights, times / knot_s - first, degree)
    control = _solve_banded(normal, values)
    return Plan(np.concatenate((control, _tail(control, knot_s))), first, knot_s, like.degree,
                float(times[-1]))


def fit_part(way: Way, at: float, like: Plan,
             interpolation: Interpolation = Interpolation.SPLINE) -> Plan:
    """
    Fit a plan to as much of a way as is planned at once.

    :param at: present playback time [s].
    :param like: a plan whose knots and degree are used.
    """
    place, lead_s = at - way.begins_at, max(LEAD_S, PART_ROWS / way.rate_hz)
    first = min(max(math.floor((place - lead_s) * way.rate_hz), 0), len(way.rows) - 2)
    end = max(math.ceil((place + way.part_s) * way.rate_hz) + 1, first + 2)
    plan = fit(way.rows[first:end], way.rate_hz, way.begins_at + first / way.rate_hz, like,
               interpolation)
    return replace(plan, way=way) if end < len(way.rows) else plan


def _tail(control: NDArray[np.float64], knot_s: float) -> NDArray[np.float64]:
    """Return control points (points, joints) that go on as the last ones do, and slow down."""
    shares = np.cumsum(math.exp(-knot_s / TAIL_DECAY_S) ** np.arange(1.0, TAIL_S / knot_s + 1.0))
    tail: NDArray[np.float64] = control[-1] + shares[:, None] * (control[-1] - control[-2])
    return tail


def blend(old: Plan, new: Plan, at: float, knots: int, keep: float = 0.0) -> Plan:
    """
    Turn a running plan into another one, without a jump in position, velocity or acceleration.

    :param at: playback time up to which the old plan has been played [s].
    :param knots: length of the fade in knots, at least 1.
    :param keep: share of the old plan that stays as long as it has rows, 0..1.
    :returns: it ends with the last row of ``new``; a longer fade ends at rest on that row.
    """
    return _faded(old, _target(new, _kept(old, at) + knots), at, knots, keep)


def _faded(old: Plan, new: Plan, at: float, knots: int, keep: float, most: int | None = None
           ) -> Plan:
    """
    Blend with a plan that is long enough.

    :param most: largest number of control points; None for all.
    """
    kept = _kept(old, at)
    first = old.knot(at) - 1
    end = max(new.first + len(new.control), kept + knots + HELD_KNOTS)
    end = end if most is None else min(end, first + most)
    numbers = np.arange(first, end)
    u = np.clip((numbers - kept) / knots, 0.0, 1.0)
    live = np.clip((old.knot(old.ends_at) - LAST_KNOTS - numbers) / LAST_KNOTS, 0.0, 1.0)
    weight = (u ** 3 * (10.0 + u * (6.0 * u - 15.0)) * (1.0 - keep * live))[:, None]
    control = (1.0 - weight) * old.points(first, end) + weight * new.points(first, end)
    return Plan(control, first, old.knot_s, old.degree, new.ends_at, new.way)


def shortest_blend(old: Plan, new: Plan, at: float, speed: Vector, acceleration: Vector, *,
                   least: int, most: int, keep: float = 0.0) -> Plan:
    """
    Blend within the shortest time that speed and acceleration allow.

    A fade of ``most`` knots is taken where none is gentle enough. The bounds are infinite for
    joints that do not count.

    :param speed: what the fade may add to the speed of the two plans (joints,) [rad/s].
    :param acceleration: bound of the fade (joints,) [rad/s^2]; where the two plans themselves
        are beyond it, so may the blend be.
    :param least: shortest fade in knots.
    :param most: longest fade in knots.
    :param keep: share of the old plan that stays as long as it has rows, 0..1.
    """
    begin = old.knot(at)
    for knots in range(least, most, max(int(FADE_STEP_S / old.knot_s), 1)):
        end = begin + knots + FADE_REACH
        target = _target(new, _kept(old, at) + knots)
        # Only the fade itself: plans are long, and many fades are tried.
        fade = _faded(old, target, at, knots, keep, knots + 3 * FADE_REACH)
        (old_speed, old_bend), (new_speed, new_bend), (fade_speed, fade_bend) = (
            [values.max(axis=0) for values in one.fastest(begin, end)]
            for one in (old, target, fade))
        if (fade_speed <= np.maximum(old_speed, new_speed) + speed).all() and (
                fade_bend <= np.maximum(acceleration, np.maximum(old_bend, new_bend))).all():
            return _faded(old, target, at, knots, keep)
    return blend(old, new, at, max(least, most), keep)


def _kept(old: Plan, at: float) -> int:
    """Return the number of the first control point that does not shape a path at ``at``."""
    return old.knot(at) + (1 if old.degree == 1 else 2)


def _target(new: Plan, until: int) -> Plan:
    """Return what a fade that is over at knot ``until`` leads to."""
    last = new.knot(new.ends_at)
    return new if until < last else new.held(max(until + 1, last + REST_KNOTS))


def _basis(u: Any, degree: int) -> tuple[Any, ...]:
    """Weights of the control points around a place ``u`` (0..1, number or array)."""
    v = 1.0 - u
    if degree == 1:
        return v, u
    return (v * v * v / 6.0, (4.0 + u * u * (3.0 * u - 6.0)) / 6.0,
            (4.0 + v * v * (3.0 * v - 6.0)) / 6.0, u * u * u / 6.0)


def _weights(u: float, degree: int, derivative: int) -> tuple[float, ...]:
    """Weights of the control points in a derivative, per knot interval."""
    if derivative == 0:
        return _basis(u, degree)
    if degree == 1:
        return (-1.0, 1.0) if derivative == 1 else (0.0, 0.0)
    v = 1.0 - u
    if derivative == 1:
        return (-v * v / 2.0, u * (3.0 * u - 4.0) / 2.0, v * (4.0 - 3.0 * v) / 2.0, u * u / 2.0)
    return (v, 3.0 * u - 2.0, 1.0 - 3.0 * u, u)


# The least squares: a symmetric matrix (points, BAND + 1) holds in column k what point i and point
# i + k have in common. Only neighbours have anything, so time and memory grow with the points.


def _curvature(count: int, weight: float) -> NDArray[np.float64]:
    """Return the squares of the second differences of ``count`` points, as a banded matrix."""
    normal = np.zeros((count, BAND + 1))
    bend = (1.0, -2.0, 1.0)
    for one, other in _pairs(len(bend)):
        normal[one:one + count - 2, other - one] += weight * bend[one] * bend[other]
    return normal


def _add_rows(normal: NDArray[np.float64], values: NDArray[np.float64], rows: NDArray[np.float64],
              weights: NDArray[np.float64], places: NDArray[np.float64], degree: int) -> None:
    """
    Add the squares of the distances between path and rows.

    :param normal: banded matrix, changed in place.
    :param values: right side (points, joints), changed in place.
    :param places: of the rows, rising and counted in points.
    """
    before = 0 if degree == 1 else 1
    points = np.clip(np.floor(places + 1e-9).astype(int) - before, 0, len(normal) - degree - 1)
    basis = _basis(np.maximum(places - before - points, 0.0), degree)
    # Rows with the same points are summed first: then no point is named twice.
    begins = np.flatnonzero(np.diff(points, prepend=-1))
    points = points[begins]
    for one, weight in enumerate(basis):
        values[points + one] += np.add.reduceat((weights * weight)[:, None] * rows, begins)
    for one, other in _pairs(degree + 1):
        normal[points + one, other - one] += np.add.reduceat(
            weights * basis[one] * basis[other], begins)


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(one, other) for one in range(count) for other in range(one, count)]


def _solve_banded(matrix: NDArray[np.float64], values: NDArray[np.float64]
                  ) -> NDArray[np.float64]:
    """
    Solve linear equations with a symmetric, positive definite banded matrix, block by block.

    :param matrix: (points, BAND + 1); element (i, k) is that of row i and column i + k.
    :param values: right side (points, columns).
    :returns: the solution (points, columns).
    """
    count, columns = values.shape
    blocks = math.ceil(count / BLOCK)
    missing = blocks * BLOCK - count
    bands = np.pad(matrix, ((0, missing), (0, 0)))
    bands[count:, 0] = 1.0
    places = np.arange(len(bands))
    flat = np.zeros((len(bands), BLOCK + BAND))
    for band in range(BAND + 1):
        flat[places, places % BLOCK + band] = bands[:, band]
    wide = flat.reshape(blocks, BLOCK, BLOCK + BAND)
    square = wide[:, :, :BLOCK] + np.triu(wide[:, :, :BLOCK], 1).transpose(0, 2, 1)
    # What the last points of a block have in common with the first ones of the next.
    corner = wide[:, -BAND:, BLOCK:]
    right = np.zeros((blocks, BLOCK, BAND + columns))
    right[:, -BAND:, :BAND] = corner
    right[:, :, BAND:] = np.pad(values, ((0, missing), (0, 0))).reshape(blocks, BLOCK, columns)
    for block in range(blocks):
        if block:
            known = corner[block - 1].T @ right[block - 1, -BAND:]
            square[block, :BAND, :BAND] -= known[:, :BAND]
            right[block, :BAND, BAND:] -= known[:, BAND:]
        right[block] = np.linalg.solve(square[block], right[block])
    for block in range(blocks - 2, -1, -1):
        right[block, :, BAND:] -= right[block, :, :BAND] @ right[block + 1, :BAND, BAND:]
    return right[:, :, BAND:].reshape(len(bands), columns)[:count]
