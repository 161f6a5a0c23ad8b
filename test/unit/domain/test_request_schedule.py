# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The next observation is due in time for the next chunk, never with too many on the way."""

from __future__ import annotations

import math

from domain_builders import examples
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.domain.observation import Observation
from reflex_ros.domain.request_schedule import RequestSchedule, UNKNOWN_ROUND_TRIP_S

SEEN = Observation(0.0, 0, (0.0,), {})
REPLAN_S, MARGIN_S = 0.5, 0.2


def schedule(most: int = 2, replan_s: float = REPLAN_S) -> RequestSchedule:
    return RequestSchedule(replan_s, MARGIN_S, most)


def test_first_observation_is_due_at_once() -> None:
    made = schedule()
    assert made.due_at() <= 0.0 and made.in_flight == 0 and made.oldest_sent_at() == math.inf


def test_next_one_is_due_after_the_replan_interval_while_an_answer_is_missing() -> None:
    made = schedule()
    assert made.add(SEEN, 1, 10.0) == 0
    assert made.due_at() == 10.5 and made.oldest_sent_at() == 10.0
    # A chunk that ends soon does not make a second request urgent: one is on its way already.
    made.accept(-1, 10.1)
    assert made.due_at() == 10.5


def test_nothing_is_due_while_too_many_wait() -> None:
    made = schedule(most=2)
    for at in (10.0, 10.5):
        made.add(SEEN, 1, at)
    assert made.due_at() == math.inf and made.in_flight == 2
    made.answer(0, 10.6)
    assert made.due_at() == 11.0 and made.oldest_sent_at() == 10.5


@pytest.mark.parametrize(('ends_at', 'due_at'), [(10.4, 10.1), (10.7, 10.4), (60.0, 10.5)])
def test_chunk_that_ends_early_is_followed_in_time(ends_at: float, due_at: float) -> None:
    made = schedule()
    seq = made.add(SEEN, 1, 10.0)
    made.answer(seq, 10.1)
    made.accept(seq, ends_at)
    # Round trip 0.1 s, margin 0.2 s.
    assert made.due_at() == pytest.approx(due_at)


def test_round_trip_is_assumed_long_before_the_first_answer() -> None:
    made = schedule(replan_s=9.0)
    made.accept(0, 100.0)
    made.add(SEEN, 1, 99.0)
    made.answer_oldest()
    assert made.due_at() == pytest.approx(100.0 - UNKNOWN_ROUND_TRIP_S - MARGIN_S)
    assert made.round_trip_ms(0.5) == -1.0


def test_slow_round_trips_make_requests_earlier() -> None:
    made = schedule(most=1, replan_s=9.0)
    for number in range(100):
        took_s = 0.8 if number % 10 == 0 else 0.1
        made.answer(made.add(SEEN, 1, 10.0 * number), 10.0 * number + took_s)
    made.accept(99, 1000.0)
    assert made.due_at() == pytest.approx(1000.0 - 0.8 - MARGIN_S)
    assert made.round_trip_ms(0.5) == pytest.approx(100.0)
    assert made.round_trip_ms(0.95) == pytest.approx(800.0)


def test_request_comes_back_with_its_answer_once() -> None:
    made = schedule()
    seq = made.add(SEEN, 7, 10.0)
    found = made.answer(seq, 10.2)
    assert found is not None and (found.observation, found.epoch, found.sent_at) == (SEEN, 7, 10.0)
    assert made.answer(seq, 10.3) is None and made.answer(99, 10.3) is None


def test_older_requests_are_dropped_when_a_newer_chunk_is_played() -> None:
    made = schedule(most=4)
    for at in (10.0, 10.5, 11.0, 11.5):
        made.add(SEEN, 1, at)
    assert made.answer(2, 11.6) is not None
    assert made.accept(2, 13.0) == 2
    assert made.in_flight == 1 and made.oldest_sent_at() == 11.5
    assert made.answer(0, 11.7) is None


def test_answer_without_a_number_is_for_the_oldest_request() -> None:
    made = schedule()
    for at in (10.0, 10.5):
        made.add(SEEN, 1, at)
    made.answer_oldest()
    assert made.oldest_sent_at() == 10.5
    made.answer_oldest()
    made.answer_oldest()
    assert made.in_flight == 0


def test_new_stream_begins_anew_but_remembers_round_trips() -> None:
    made = schedule()
    made.answer(made.add(SEEN, 1, 10.0), 10.3)
    made.add(SEEN, 1, 10.6)
    made.accept(0, 99.0)
    made.restart()
    assert made.in_flight == 0 and made.due_at() <= 0.5
    assert made.add(SEEN, 1, 20.0) == 0
    assert made.round_trip_ms(0.5) == pytest.approx(300.0)


@examples(100)
@given(most=st.integers(1, 4), replan_s=st.floats(0.05, 2.0), events=st.lists(st.tuples(
    st.sampled_from(['send', 'answer', 'unnumbered', 'accept']), st.floats(0.0, 1.0),
    st.integers(0, 12)), max_size=40))
def test_any_order_of_events_keeps_the_bounds(
        most: int, replan_s: float, events: list[tuple[str, float, int]]) -> None:
    made, now, sent, last = schedule(most, replan_s), 100.0, 0, -math.inf
    for name, wait_s, seq in events:
        now += wait_s
        if name == 'send' and now >= made.due_at():
            assert made.add(SEEN, 1, now) == sent
            sent, last = sent + 1, now
        elif name == 'answer':
            made.answer(seq, now)
        elif name == 'unnumbered':
            made.answer_oldest()
        elif name == 'accept':
            made.accept(seq, now + 1.0)
        assert 0 <= made.in_flight <= most
        assert (made.due_at() == math.inf) == (made.in_flight == most)
        assert made.in_flight == most or made.due_at() <= max(last + replan_s, replan_s)
        assert made.oldest_sent_at() <= (now if made.in_flight else math.inf)
