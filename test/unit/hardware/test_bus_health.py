# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One bad packet is noise, many are a fault."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.hardware.bus_health import BusHealth, MAX_BAD, RECOVERED_AFTER, SLOW_AFTER, WINDOW


def watch_of(*cycles: str) -> BusHealth:
    """Record cycles: g(ood), b(ad), m(issed)."""
    watch = BusHealth()
    for kind in ''.join(cycles):
        watch.record_cycle(is_bad=kind == 'b', is_missed=kind == 'm')
    return watch


def test_ten_bad_cycles_of_a_hundred_are_borne_and_eleven_are_not() -> None:
    assert watch_of('b' * MAX_BAD, 'g' * 90).evaluate() is None
    cause = watch_of('b' * (MAX_BAD + 1), 'g' * 89).evaluate()
    assert cause is not None and cause.code == FaultCode.BUS_NOISE
    assert '11 of the last 100 cycles' in cause.text


def test_bad_cycles_are_forgotten_when_a_hundred_others_have_come() -> None:
    assert watch_of('b' * 50, 'g' * WINDOW).evaluate() is None
    assert watch_of('b' * 50, 'g' * WINDOW).bad_share == 0.0


def test_missed_cycles_in_a_row_degrade_until_enough_good_ones_have_come() -> None:
    assert not watch_of('m' * (SLOW_AFTER - 1)).is_degraded
    assert not watch_of('mmgmmg').is_degraded
    assert watch_of('m' * SLOW_AFTER, 'g' * (RECOVERED_AFTER - 1)).is_degraded
    assert watch_of('m' * SLOW_AFTER, 'g' * 9, 'b', 'g' * 9).is_degraded
    assert not watch_of('m' * SLOW_AFTER, 'g' * RECOVERED_AFTER).is_degraded


def test_reset_forgets_everything() -> None:
    watch = watch_of('m' * 20)
    watch.reset()
    assert not watch.is_degraded and watch.evaluate() is None and watch.bad_share == 0.0


@given(st.text('gbm', max_size=400))
def test_share_is_that_of_the_last_hundred(cycles: str) -> None:
    last = cycles[-WINDOW:]
    bad = last.count('b')
    watch = watch_of(cycles)
    assert watch.bad_share == (bad / len(last) if last else 0.0)
    assert (watch.evaluate() is not None) == (bad > MAX_BAD)
