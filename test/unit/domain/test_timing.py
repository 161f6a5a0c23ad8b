# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps are believed within reason, and a fresher frame is awaited when it pays."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain.timing import LONGEST_WAIT_S, stamp_age, wait_for_fresher

NOW = 1_800_000_000 * 10 ** 9


@pytest.mark.parametrize(('age_s', 'expected'), [
    (0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (1.001, None), (60.0, None), (-0.001, None),
    (-3600.0, None)])
def test_stamp_counts_when_it_is_0_to_1_s_old(age_s: float, expected: float | None) -> None:
    assert stamp_age(NOW - round(age_s * 1e9), NOW) == expected


@pytest.mark.parametrize(('stamp_ns', 'now_ns'), [
    (0, NOW), (12 * 10 ** 9, NOW), (NOW, 0), (0, 0), (-5, 10), (NOW + 10 ** 18, NOW)])
def test_stamp_of_another_clock_does_not_count(stamp_ns: int, now_ns: int) -> None:
    assert stamp_age(stamp_ns, now_ns) is None


PERIOD = 1 / 30
CAMERA = st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.5))


@pytest.mark.parametrize(('cameras', 'wait'), [
    ([], 0.0), ([(0.0, PERIOD)], 0.0), ([(0.005, PERIOD)], 0.0),
    # The next frame comes soon.
    ([(0.030, PERIOD)], PERIOD - 0.030), ([(0.020, PERIOD)], PERIOD - 0.020),
    # Two of three cameras that run together have arrived: the third is a moment away.
    ([(0.0, PERIOD), (0.001, PERIOD), (0.033, PERIOD)], PERIOD - 0.033),
    # It is late by a little.
    ([(0.0, PERIOD), (0.036, PERIOD)], 0.001),
    # It is late by so much that it may not come; no frame rate is known; the rate is low.
    ([(0.2, PERIOD)], 0.0), ([(0.03, 0.0)], 0.0), ([(0.1, 0.5)], 0.0),
    # A slow camera does not keep the fast one from being fresh.
    ([(0.030, PERIOD), (0.030, 0.5)], 0.0)])
def test_wait_ends_with_the_last_frame_of_a_group(cameras: list[tuple[float, float]],
                                                  wait: float) -> None:
    assert wait_for_fresher(cameras) == pytest.approx(wait)


@examples(200)
@given(st.lists(CAMERA, max_size=5))
def test_wait_is_bounded_and_never_makes_the_oldest_frame_older(
        cameras: list[tuple[float, float]]) -> None:
    wait = wait_for_fresher(cameras)
    assert 0.0 <= wait <= LONGEST_WAIT_S
    if wait:
        before = max(age for age, _ in cameras)
        after = max(age + wait - (period if period and age < period + 0.008 and
                                  age + wait >= period else 0.0) for age, period in cameras)
        assert after < before


def test_three_free_cameras_are_sent_younger_than_without_waiting() -> None:
    rng = random.Random(1)
    waited, at_once = [], []
    for _ in range(300):
        phases = [rng.uniform(0.0, PERIOD) for _ in range(3)]
        begin = now = rng.uniform(1.0, 2.0)

        def ages(now: float, phases: list[float] = phases) -> list[tuple[float, float]]:
            return [((now - phase) % PERIOD, PERIOD) for phase in phases]

        at_once.append(max(age for age, _ in ages(now)))
        while wait := wait_for_fresher(ages(now)):
            now += wait + 1e-6
        waited.append(max(age for age, _ in ages(now)))
        assert now - begin <= PERIOD + 1e-4
    assert sorted(waited)[150] < 0.75 * sorted(at_once)[150]
