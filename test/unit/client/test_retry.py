# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The schedule of retries (protocol c.3, d.4)."""

from email.utils import formatdate
import itertools
import random
import time

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import retry

NOMINAL = [0.5, 0.8, 1.28, 2.048, 3.2768, 5.0, 5.0, 5.0]


class Fixed(random.Random):
    """A random generator that always draws the same place of an interval, 0 to 1."""

    def __init__(self, place):
        super().__init__(0)
        self.place = place

    def uniform(self, a, b):
        return a + (b - a) * self.place


@pytest.mark.parametrize('place, scale', [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_waits_grow_from_half_a_second_to_five(place, scale):
    waits = list(itertools.islice(retry.backoff(Fixed(place)), len(NOMINAL)))
    assert waits == pytest.approx([wait * scale for wait in NOMINAL])


@given(st.integers())
def test_jitter_stays_within_a_fifth(seed):
    waits = list(itertools.islice(retry.backoff(random.Random(seed)), len(NOMINAL)))
    assert all(0.8 * nominal <= wait <= 1.2 * nominal
               for wait, nominal in zip(waits, NOMINAL, strict=True))


def test_two_clients_do_not_wait_in_step():
    first, second = (list(itertools.islice(retry.backoff(random.Random(seed)), 5))
                     for seed in (1, 2))
    assert all(a != b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize('value, expected', [
    (None, 0.0), ('', 0.0), ('0', 0.0), ('7', 7.0), (' 2.5 ', 2.5), ('-3', 0.0), ('60', 60.0),
    ('1e9', retry.DAY_S), ('1e999', 0.0), ('inf', 0.0), ('nan', 0.0), ('soon', 0.0),
    ('Wed, 21 Oct 1992 07:28:00 GMT', 0.0),
])
def test_retry_after_is_read_within_bounds(value, expected):
    assert retry.retry_after(value) == expected


@given(st.text())
def test_any_retry_after_is_a_wait_of_at_most_a_day(value):
    assert 0.0 <= retry.retry_after(value) <= retry.DAY_S


@pytest.mark.parametrize('value', [
    'Wed, 21 Oct 2026 07:28:06 GMT', 'Wednesday, 21-Oct-26 07:28:06 GMT',
    'Wed Oct 21 07:28:06 2026'])
def test_date_in_retry_after_is_by_the_clock_of_the_service(value):
    assert retry.retry_after(value, 'Wed, 21 Oct 2026 07:28:00 GMT') == 6.0
    assert retry.retry_after(value, 'Wed, 21 Oct 2026 07:29:00 GMT') == 0.0


def test_date_in_retry_after_without_a_date_is_by_this_clock():
    wait_s = retry.retry_after(formatdate(time.time() + 6.0, usegmt=True))
    assert 4.5 < wait_s <= 6.0


@pytest.mark.parametrize('value, expected', [
    (None, 90.0), ('', 90.0), ('soon', 90.0), ('0', 0.0), ('12.5', 12.5), ('-1', 0.0),
    ('nan', 90.0), ('inf', 90.0), ('-inf', 90.0),
])
def test_window_is_ninety_seconds_unless_a_number_is_set(value, expected):
    environment = {} if value is None else {'REFLEX_WS_CONNECT_RETRY_SECONDS': value}
    assert retry.window(environment) == expected


def test_key_problem_is_never_transient():
    assert 401 not in retry.TRANSIENT_STATUS | retry.TRANSIENT_READ
    assert {403, 404} <= retry.TRANSIENT_STATUS
    assert not {403, 404} & retry.TRANSIENT_READ


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def attempts_within(window_s, clock, asked_for_s=0.0):
    """Fail at once and repeat, until the next attempt would begin after the window."""
    failures = retry.Failures(clock, Fixed(0.5))
    while not (attempt := failures.add('down', asked_for_s)).is_last(window_s):
        yield attempt
        clock.now += attempt.wait_s
    yield attempt


def test_attempts_go_on_for_the_window_and_not_beyond():
    clock = Clock()
    attempts = list(attempts_within(retry.DEFAULT_WINDOW_S, clock))
    assert [attempt.wait_s for attempt in attempts[:8]] == pytest.approx(NOMINAL)
    # 0.5 + 0.8 + 1.28 + 2.048 + 3.2768 = 7.9 s, then sixteen times 5 s.
    assert [attempt.number for attempt in attempts] == list(range(1, 23))
    assert attempts[-1].elapsed_s == pytest.approx(87.9048)
    assert clock.now - 1000.0 == attempts[-1].elapsed_s


def test_window_of_zero_leaves_one_attempt():
    assert len(list(attempts_within(0.0, Clock()))) == 1


@pytest.mark.parametrize('asked_for_s, waits', [
    (2.0, [2.0, 2.0, 2.0, 2.048]), (7.0, [7.0, 7.0, 7.0]), (30.0, [30.0])])
def test_wait_is_at_least_what_the_service_asks_for(asked_for_s, waits):
    attempts = list(attempts_within(20.0, Clock(), asked_for_s))
    assert [attempt.wait_s for attempt in attempts][:4] == pytest.approx(waits)


def test_progress_begins_count_and_waits_again_and_not_the_time():
    clock = Clock()
    failures = retry.Failures(clock, Fixed(0.5))
    first = [failures.add('lost') for _ in range(3)]
    clock.now += 10.0
    failures.restart()
    again = failures.add('lost')
    assert [attempt.number for attempt in (*first, again)] == [1, 2, 3, 1]
    assert again == retry.Attempt(1, 10.0, 0.5, 'lost')
