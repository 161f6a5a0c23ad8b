# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A plan is smooth, near its rows, ends at rest, and its bounds are bounds."""

from __future__ import annotations

import math
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
from property_examples import examples
import pytest

from reflex_ros.domain.plan import (
    blend,
    BRIDGING,
    fit,
    Interpolation,
    LAST_ROW,
    Plan,
    REST_KNOTS,
    shortest_blend,
    SMOOTHING,
    standing,
    TAIL_DECAY_S,
)

SPLINE, CUBIC, LINEAR = Interpolation.SPLINE, Interpolation.CUBIC, Interpolation.LINEAR
RATES = st.sampled_from([5.0, 10.0, 30.0, 50.0, 100.0])


def path(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a hand does (times, 3): up to 1 rad/s, slower than 1 Hz."""
    return np.stack([0.4 * np.sin(2.5 * times + phase) for phase in (0.0, 1.0, 2.0)], axis=-1)


def make(rows: NDArray[np.float64], rate_hz: float, begins_at: float = 0.0,
         interpolation: Interpolation = SPLINE) -> Plan:
    like = standing(rows[0], interpolation.knot_s(rate_hz), interpolation.degree)
    return fit(rows, rate_hz, begins_at, like, interpolation)


def sampled(plan: Plan, what: str, begin: float, end: float, count: int = 400
            ) -> NDArray[np.float64]:
    return np.array([getattr(plan, what)(at) for at in np.linspace(begin, end, count)])


@pytest.mark.parametrize('rate_hz', [10.0, 30.0, 50.0])
@pytest.mark.parametrize('begins_at', [0.0, 3.37])
def test_spline_follows_what_a_hand_does(rate_hz: float, begins_at: float) -> None:
    times = np.arange(50) / rate_hz
    plan = make(path(times), rate_hz, begins_at)
    inner = np.linspace(0.3, times[-1] - 0.3, 200)
    found = np.array([plan.position(begins_at + at) for at in inner])
    assert np.abs(found - path(inner)).max() < math.radians(0.1)


@pytest.mark.parametrize('interpolation', [CUBIC, LINEAR])
def test_exact_interpolations_go_through_the_rows(interpolation: Interpolation) -> None:
    times = np.arange(40) / 30.0
    rows = path(times) + 0.01 * np.random.default_rng(1).standard_normal((40, 3))
    plan = make(rows, 30.0, 0.0, interpolation)
    found = np.array([plan.position(at) for at in times[2:-3]])
    assert np.abs(found - rows[2:-3]).max() < 2e-3


@pytest.mark.parametrize(('rate_hz', 'noise_deg', 'most'), [
    (30.0, 0.5, 2.0), (50.0, 1.0, 3.5), (30.0, 1.0, 3.5)])
def test_spline_smooths_the_noise_of_the_rows(
        rate_hz: float, noise_deg: float, most: float) -> None:
    rng = np.random.default_rng(3)
    rows = math.radians(noise_deg) * rng.standard_normal((100, 3))
    end = 99 / rate_hz - 0.2
    smooth = sampled(make(rows, rate_hz), 'acceleration', 0.2, end)
    rough = sampled(make(rows, rate_hz, 0.0, CUBIC), 'acceleration', 0.2, end)
    assert np.sqrt((smooth ** 2).mean()) < most < 0.1 * np.sqrt((rough ** 2).mean())


def test_slow_swings_pass_and_fast_ones_shrink() -> None:
    times = np.arange(150) / 30.0

    def gain(frequency_hz: float) -> float:
        rows = np.tile(np.sin(2.0 * math.pi * frequency_hz * times)[:, None], 3)
        return float(np.abs(sampled(make(rows, 30.0), 'position', 1.0, 4.0)).max())

    assert gain(1.0) > 0.98
    assert 0.6 < gain(3.0) < 0.95
    assert gain(6.0) < 0.3


@pytest.mark.parametrize('interpolation', Interpolation)
def test_plan_ends_on_the_last_row_and_its_tail_goes_on(interpolation: Interpolation) -> None:
    times = np.arange(30) / 30.0
    rows = path(times)
    plan = make(rows, 30.0, 1.0, interpolation)
    assert plan.ends_at == pytest.approx(1.0 + times[-1])
    assert plan.position(plan.ends_at) == pytest.approx(rows[-1], abs=1e-5)
    last = (rows[-1] - rows[-2]) * 30.0
    assert plan.velocity(plan.ends_at) == pytest.approx(last, abs=0.25)
    # It slows down, and comes to rest no further away than TAIL_DECAY_S of that speed.
    speeds = np.abs(sampled(plan, 'velocity', plan.ends_at, plan.ends_at + 1.5, 100))
    assert speeds[-1].max() < 1e-9 and (speeds.max(axis=0) < 1.3 * speeds[0] + 0.05).all()
    away = np.abs(plan.position(plan.ends_at + 2.0) - rows[-1])
    assert (away < 1.5 * TAIL_DECAY_S * (np.abs(last) + 0.25)).all()


@pytest.mark.parametrize('interpolation', Interpolation)
@pytest.mark.parametrize('after', [0, 1, 7])
def test_held_plan_ends_at_rest_on_the_last_row(interpolation: Interpolation, after: int) -> None:
    rows = path(np.arange(30) / 30.0)
    plan = make(rows, 30.0, 1.0, interpolation)
    end = plan.knot(plan.ends_at) + REST_KNOTS + after
    held = plan.held(end)
    assert held.ends_at == pytest.approx(end * plan.knot_s)
    for at in (held.ends_at, held.ends_at + 0.01, held.ends_at + 100.0):
        assert held.position(at) == pytest.approx(rows[-1], abs=1e-5)
        assert np.abs(held.velocity(at)).max() < 1e-9
    # Before, it is the same path.
    at = plan.ends_at - 6 * plan.knot_s
    assert held.position(at) == pytest.approx(plan.position(at))
    # It does not stop at once.
    speeds = np.abs(sampled(held, 'velocity', plan.ends_at - 0.5, held.ends_at, 200)).max(axis=1)
    if plan.degree == 3:
        assert np.abs(np.diff(speeds)).max() < 0.1 * speeds.max()


@examples(40)
@given(RATES, st.floats(0.0, 50.0), st.floats(0.0, 1.5), st.integers(1, 30),
       st.integers(0, 2 ** 31))
def test_blend_has_no_jump_in_position_velocity_and_acceleration(
        rate_hz: float, begins_at: float, ahead: float, knots: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (make(rng.uniform(-1.0, 1.0, (int(rng.integers(2, 60)), 3)), rate_hz, start)
                  for start in (begins_at, begins_at + ahead / 2))
    at = begins_at + ahead
    plan = blend(one, other, at, knots)
    for what in ('position', 'velocity', 'acceleration'):
        assert getattr(plan, what)(at) == pytest.approx(getattr(one, what)(at), abs=1e-6)
    late = at + (knots + 5) * plan.knot_s
    if plan.ends_at == other.ends_at:
        assert plan.position(late) == pytest.approx(other.position(late), abs=1e-9)
    else:
        # A fade that outlasts the rows.
        assert plan.ends_at > other.ends_at
        for after in (plan.ends_at, late):
            assert plan.position(after) == pytest.approx(other.position(other.ends_at), abs=1e-9)
    # It is one smooth curve everywhere, not only at the seam.
    places = np.arange(plan.knot(at), plan.knot(at) + knots + 4) * plan.knot_s
    left, right = (np.array([plan.acceleration(place + side) for place in places])
                   for side in (-1e-8, 1e-8))
    assert left == pytest.approx(right, abs=1e-3 * max(1.0, float(np.abs(left).max())))


@examples(60)
@given(RATES, st.sampled_from(list(Interpolation)), st.integers(0, 2 ** 31))
def test_bounds_of_a_span_hold_everywhere_in_it(
        rate_hz: float, interpolation: Interpolation, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = make(rng.uniform(-1.0, 1.0, (int(rng.integers(2, 40)), 3)), rate_hz, 0.7,
                interpolation)
    first = plan.knot(0.7)
    speed, bend = plan.fastest(first, first + 12)
    for span in range(12):
        for u in np.linspace(0.01, 0.99, 7):
            at = (first + span + u) * plan.knot_s
            assert (np.abs(plan.velocity(at)) <= speed[span] + 1e-6).all()
            if plan.degree == 3:
                assert (np.abs(plan.acceleration(at)) <= bend[span] + 1e-6).all()


def test_derivatives_belong_to_the_path() -> None:
    plan = make(path(np.arange(40) / 30.0), 30.0)
    for at in (0.31, 0.777, 1.0):
        step = 1e-4
        slope = (plan.position(at + step) - plan.position(at - step)) / (2 * step)
        bend = (plan.velocity(at + step) - plan.velocity(at - step)) / (2 * step)
        assert plan.velocity(at) == pytest.approx(slope, abs=1e-5)
        assert plan.acceleration(at) == pytest.approx(bend, abs=1e-3)


@pytest.mark.parametrize('gap', [0.02, 0.1, 0.4])
def test_fade_is_as_long_as_the_gap_needs(gap: float) -> None:
    old, new = (standing(np.full(3, value), 0.05) for value in (0.0, gap))
    speed, acceleration = np.full(3, 0.5), np.full(3, 3.0)
    plan = shortest_blend(old, new, 1.0, speed, acceleration, least=2, most=60)
    velocity = np.abs(sampled(plan, 'velocity', 1.0, 4.0)).max()
    bend = np.abs(sampled(plan, 'acceleration', 1.0, 4.0)).max()
    assert velocity <= 0.5 and bend <= 3.0
    faster = shortest_blend(old, new, 1.0, speed, 2.0 * acceleration, least=2, most=60)
    begun = 1.0 + 6 * 0.05
    assert faster.position(begun)[0] >= plan.position(begun)[0]


@examples(40)
@given(st.sampled_from([0.02, 0.05]), st.integers(0, 2 ** 31))
def test_fade_of_a_long_plan_is_the_first_gentle_one(knot_s: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    old, new = (fit(np.cumsum(rng.normal(0.0, 0.02, (count, 3)), axis=0), 10.0, begins_at,
                    standing(np.zeros(3), knot_s))
                for count, begins_at in zip(rng.integers(5, 100, 2), (0.0, 0.2), strict=True))
    speed, acceleration, keep = np.full(3, 0.5), np.full(3, 2.0), float(rng.choice([0.0, 0.5]))
    found = shortest_blend(old, new, 0.4, speed, acceleration, least=4, most=20, keep=keep)
    begin = old.knot(0.4)
    for knots in range(4, 21):
        wanted = blend(old, new, 0.4, knots, keep)
        end = begin + knots + 3
        target = new if begin + 2 + knots < new.knot(new.ends_at) else new.held(
            max(begin + knots + 3, new.knot(new.ends_at) + REST_KNOTS))
        (a_speed, a_bend), (b_speed, b_bend), (speeds, bends) = (
            [bound.max(axis=0) for bound in one.fastest(begin, end)]
            for one in (old, target, wanted))
        if (speeds <= np.maximum(a_speed, b_speed) + speed).all() and (
                bends <= np.maximum(acceleration, np.maximum(a_bend, b_bend))).all():
            break
    assert found.control == pytest.approx(wanted.control, abs=1e-12)


def test_trying_fades_costs_the_same_for_long_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    points, counted = Plan.points, [0]

    def count(plan: Plan, begin: int, end: int) -> NDArray[np.float64]:
        counted[0] += end - begin
        return points(plan, begin, end)

    monkeypatch.setattr(Plan, 'points', count)
    efforts = []
    for seconds in (5, 100):
        old, new = (make(np.full((10 * seconds, 3), value), 10.0) for value in (0.0, 2.0))
        counted[0] = 0
        shortest_blend(old, new, 0.0, np.full(3, 0.1), np.full(3, 0.1), least=2, most=20)
        # The chosen fade is made in full.
        efforts.append(counted[0] - 2 * len(new.control))
    assert efforts[0] == pytest.approx(efforts[1], abs=10)


def test_knots_are_no_denser_than_bus_cycles() -> None:
    assert [CUBIC.knot_s(rate_hz) for rate_hz in (10.0, 100.0, 1000.0)] == [0.1, 0.01, 0.01]
    plan = make(path(np.arange(500) / 1000.0), 1000.0, interpolation=CUBIC)
    assert len(plan.control) < 200
    assert plan.position(0.25) == pytest.approx(path(np.array(0.25)), abs=1e-4)


def test_fade_is_never_longer_than_allowed() -> None:
    old, new = (standing(np.full(3, value), 0.05) for value in (0.0, 2.0))
    plan = shortest_blend(old, new, 0.0, np.full(3, 0.1), np.full(3, 0.1), least=2, most=10)
    assert plan.position(0.05 * 15) == pytest.approx(new.position(0.0))


@pytest.mark.parametrize('count', [2, 3, 5])
@pytest.mark.parametrize('rate_hz', [1.0, 10.0, 1000.0])
def test_few_rows_are_enough(count: int, rate_hz: float) -> None:
    rows = np.linspace(0.0, 0.1, count)[:, None] * np.ones(7)
    plan = make(rows, rate_hz, 2.0)
    values = sampled(plan, 'position', 2.0, plan.ends_at, 50)
    assert np.isfinite(values).all() and (values > -0.01).all() and (values < 0.11).all()
    assert plan.position(plan.ends_at) == pytest.approx(rows[-1], abs=1e-5)


def dense_control(rows: NDArray[np.float64], rate_hz: float, begins_at: float,
                  interpolation: Interpolation, count: int) -> NDArray[np.float64]:
    """Return the first ``count`` control points by least squares with whole matrices."""
    knot_s, degree = interpolation.knot_s(rate_hz), interpolation.degree
    first = math.floor(begins_at / knot_s) - 1
    design = np.zeros((len(rows), count))
    for row, place in enumerate((begins_at + np.arange(len(rows)) / rate_hz) / knot_s - first):
        for point in range(count):
            away = abs(place - point)
            if degree == 1:
                design[row, point] = max(1.0 - away, 0.0)
            else:
                design[row, point] = (4.0 - 6.0 * away ** 2 + 3.0 * away ** 3) / 6.0 \
                    if away < 1.0 else max(2.0 - away, 0.0) ** 3 / 6.0
    weight = SMOOTHING if interpolation is SPLINE else BRIDGING
    bend = math.sqrt(weight * max(rate_hz * knot_s, 0.1)) * np.diff(np.eye(count), n=2, axis=0)
    weights = np.ones((len(rows), 1))
    weights[-1] = LAST_ROW
    return np.linalg.solve((weights * design).T @ design + bend.T @ bend + 1e-9 * np.eye(count),
                           (weights * design).T @ rows)


@examples(60)
@given(st.sampled_from([10.0, 14.7, 20.0, 30.0, 50.0]), st.floats(0.0, 5000.0),
       st.integers(2, 60), st.sampled_from(list(Interpolation)), st.integers(0, 2 ** 31))
def test_fit_is_the_dense_least_squares(
        rate_hz: float, begins_at: float, count: int, interpolation: Interpolation,
        seed: int) -> None:
    rows = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 3))
    plan = make(rows, rate_hz, begins_at, interpolation)
    fitted = plan.knot(plan.ends_at) - plan.first + (2 if plan.degree == 1 else 3)
    wanted = dense_control(rows, rate_hz, begins_at, interpolation, fitted)
    # Points that no row reaches hang on the curvature alone, 1e10 times weaker than the last row.
    assert np.abs(plan.control[:fitted] - wanted).max() < (1e-7 if interpolation is SPLINE
                                                           else 1e-4)


def test_work_of_a_fit_grows_with_the_rows_and_no_faster(
        monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    solve = np.linalg.solve

    def record(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        sizes.append(matrix.size)
        return solve(matrix, right)

    monkeypatch.setattr(np.linalg, 'solve', record)
    elements, bytes_used = [], []
    for count in (50, 1000):
        sizes.clear()
        tracemalloc.start()
        make(np.zeros((count, 6)), 5.0)
        bytes_used.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        elements.append(sum(sizes))
        assert max(sizes) <= 32 ** 2
    assert elements[1] <= 20 * elements[0]
    assert bytes_used[1] <= 20 * bytes_used[0]
