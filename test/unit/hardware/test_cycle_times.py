# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The summary of the last cycles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.hardware.cycle_times import CycleSummary, CycleTimes


def test_there_is_nothing_to_sum_up_before_the_first_cycle() -> None:
    times = CycleTimes()
    assert times.summary() == CycleSummary()
    times.record(5.0, 0.001, 0.003)
    assert times.summary() == CycleSummary(0.0, 3.0, 3.0, 1.0, 1.0)


@given(st.integers(2, 60), st.integers(2, 20), st.randoms(use_true_random=False))
def test_only_the_last_cycles_count(noted: int, window: int, chance: object) -> None:
    shuffled = list(range(noted))
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    times = CycleTimes(window)
    for index, number in enumerate(shuffled):
        times.record(100.0 + index * 0.02, number * 1e-3, number * 2e-3)
    last = sorted(shuffled[-window:])
    found = times.summary()
    assert found.rate_hz == pytest.approx(50.0)
    assert found.work_ms_p50 == pytest.approx(2.0 * last[(len(last) - 1) // 2])
    assert found.work_ms_p99 == pytest.approx(2.0 * last[(len(last) - 1) * 99 // 100])
    assert found.late_ms_p99 == pytest.approx(last[(len(last) - 1) * 99 // 100])
    assert found.late_ms_max == pytest.approx(last[-1])
