# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No observation stands in line at the service, whatever inference and network take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import math
import random

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain.request_clock import RequestClock, RequestRules

STEP_S = 0.005


@dataclass
class Service:
    """
    A service in virtual time that works on one observation at a time (or on ``parallel``).

    :param infer: draws the time of one inference [s].
    :param network: draws the time of one way [s].
    """

    infer: Callable[[], float]
    network: Callable[[], float] = lambda: 0.0
    rules: RequestRules = RequestRules()
    says_times: bool = True
    now: float = 0.0
    waited: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)

    def run(self, duration_s: float, accepts: bool = True,
            stall: tuple[float, float] = (math.inf, math.inf)) -> Service:
        clock = RequestClock(self.rules)
        free = [0.0] * self.rules.parallel
        answers: list[tuple[float, int, float, float]] = []
        most_in_flight = 0
        while self.now < duration_s:
            for answer in sorted(answers):
                if answer[0] <= self.now:
                    answers.remove(answer)
                    _, seq, total_s, infer_s = answer
                    known = (total_s, infer_s) if self.says_times else (None, None)
                    clock.record_answer(seq, self.now, *known)
                    clock.record_verdict(accepts, self.now + 1.0)
            if self.now >= clock.due_at(self.now):
                arrives = self.now + self.network()
                free.sort()
                begins = max(arrives, free[0])
                infer_s = self.infer()
                free[0] = begins + infer_s
                back = begins + infer_s + self.network()
                if stall[0] <= back < stall[1]:
                    back = stall[1]
                self.waited.append(begins - arrives)
                self.sent.append(self.now)
                seq = len(self.sent)
                clock.record_sent(seq, self.now)
                answers.append((back, seq, begins + infer_s - arrives, infer_s))
            most_in_flight = max(most_in_flight, clock.in_flight)
            # On to the step in which something happens; an overdue answer moves what is due.
            happens = min([clock.due_at(self.now), *(at for at, *_ in answers), self.now + 0.1])
            self.now += STEP_S * max(1, math.ceil((happens - self.now) / STEP_S))
        self.most_in_flight = most_in_flight
        return self

    @property
    def period_s(self) -> float:
        """Mean time between two observations, without the first seconds."""
        late = [at for at in self.sent if at > 3.0]
        return (late[-1] - late[0]) / (len(late) - 1)


@pytest.mark.parametrize('infer_s', [0.05, 0.15, 0.4, 0.55, 0.8])
@pytest.mark.parametrize('jitter_s', [0.0, 0.1, 0.3])
def test_nothing_stands_in_line_without_a_network(infer_s: float, jitter_s: float) -> None:
    random.seed(1)
    service = Service(lambda: infer_s + random.uniform(0.0, jitter_s)).run(60.0)
    assert max(service.waited) == 0.0
    assert service.most_in_flight == 1
    usual = max(infer_s + jitter_s / 2, 0.25)
    assert service.period_s == pytest.approx(usual, abs=0.03)


@pytest.mark.parametrize('infer_s', [0.15, 0.48, 0.8])
@pytest.mark.parametrize('way_s', [0.05, 0.29])
def test_network_is_overlapped_and_inference_is_not(infer_s: float, way_s: float) -> None:
    service = Service(lambda: infer_s, lambda: way_s).run(60.0)
    assert max(service.waited) <= STEP_S + 1e-9
    # As often as the service can answer, although each answer takes much longer.
    assert service.period_s == pytest.approx(max(infer_s, 0.25), abs=0.03)


def test_service_that_says_no_times_is_asked_one_at_a_time() -> None:
    service = Service(lambda: 0.4, lambda: 0.1, says_times=False).run(30.0)
    assert service.most_in_flight == 1 and max(service.waited) == 0.0


def test_cold_start_is_no_latency() -> None:
    first = iter([5.0])
    service = Service(lambda: next(first, 0.3), lambda: 0.1).run(30.0)
    late = [at for at in service.sent if at > 7.0]
    assert late[1] - late[0] < 0.4


def test_two_at_a_time_where_the_service_batches() -> None:
    rules = RequestRules(replan_s=0.05, parallel=2)
    service = Service(lambda: 0.4, rules=rules).run(30.0)
    assert service.most_in_flight == 2 and max(service.waited) == 0.0
    assert service.period_s == pytest.approx(0.2, abs=0.03)


def test_stall_does_not_fill_the_line() -> None:
    service = Service(lambda: 0.4, lambda: 0.15).run(20.0, stall=(10.0, 13.0))
    # Now and then one is sent on trial; they do not queue up.
    sent_in_stall = [at for at in service.sent if 10.6 < at < 13.0]
    assert len(sent_in_stall) <= 2
    after = [at for at in service.sent if at > 15.0]
    assert after[1] - after[0] == pytest.approx(0.4, abs=0.05)


def test_refused_chunks_make_requests_rarer() -> None:
    good = Service(lambda: 0.1).run(60.0)
    bad = Service(lambda: 0.1).run(60.0, accepts=False)
    assert len(bad.sent) < 0.2 * len(good.sent)
    gaps = [later - earlier for earlier, later in zip(bad.sent, bad.sent[1:], strict=False)]
    assert gaps[-1] > gaps[0] and gaps[-1] <= 5.1


def test_accepted_chunk_ends_the_back_off() -> None:
    clock = RequestClock(RequestRules())
    for seq in range(6):
        clock.record_sent(seq, float(seq))
        clock.record_answer(seq, seq + 0.1, 0.1, 0.1)
        clock.record_verdict(False)
    assert clock.due_at(5.2) > 6.0
    clock.record_verdict(True)
    assert clock.due_at(5.2) == pytest.approx(5.25)


def test_one_refused_chunk_of_a_policy_that_scatters_changes_nothing() -> None:
    clock = RequestClock(RequestRules())
    for seq in range(2):
        clock.record_sent(seq, float(seq))
        clock.record_answer(seq, seq + 0.1, 0.1, 0.1)
        clock.record_verdict(False)
        assert clock.due_at(seq + 0.2) == pytest.approx(seq + 0.25)


def test_replan_interval_is_the_shortest_time_between_two() -> None:
    service = Service(lambda: 0.02, rules=RequestRules(replan_s=0.5)).run(20.0)
    gaps = [later - earlier
            for earlier, later in zip(service.sent, service.sent[1:], strict=False)]
    assert min(gaps) >= 0.5 - 1e-9


def test_sync_mode_waits_until_everything_has_been_played() -> None:
    service = Service(lambda: 0.3, rules=RequestRules(waits=True)).run(20.0)
    gaps = [later - earlier
            for earlier, later in zip(service.sent, service.sent[1:], strict=False)]
    assert min(gaps) == pytest.approx(1.3, abs=0.02)
    assert service.most_in_flight == 1


def test_lost_observation_frees_its_place() -> None:
    clock = RequestClock(RequestRules())
    clock.record_sent(1, 0.0)
    assert clock.due_at(1.0) == math.inf, 'the first answer may have to wait for a cold start'
    clock.record_lost(1)
    assert clock.in_flight == 0 and clock.due_at(1.0) <= 1.0


@examples(60)
@given(st.lists(st.tuples(st.sampled_from(['sent', 'answer', 'lost', 'good', 'bad', 'wait']),
                          st.integers(0, 6),
                          st.one_of(st.none(), st.floats(-1.0, 1e6), st.just(math.nan))),
                max_size=60))
def test_any_sequence_leaves_a_due_time_and_bounds_what_is_in_flight(
        acts: list[tuple[str, int, float | None]]) -> None:
    clock, now = RequestClock(RequestRules()), 0.0
    for name, seq, value in acts:
        now += 0.05
        if name == 'sent' and now >= clock.due_at(now):
            clock.record_sent(seq, now)
        elif name == 'answer':
            clock.record_answer(seq, now, value, value)
        elif name == 'lost':
            clock.record_lost(seq)
        elif name in ('good', 'bad'):
            clock.record_verdict(name == 'good', now)
        else:
            now += 1.0
        assert not math.isnan(clock.due_at(now))
        assert clock.in_flight <= RequestRules().most_in_flight
        if not clock.in_flight:
            assert clock.due_at(now) < now + 10.0


def test_lost_answer_does_not_stop_the_requests() -> None:
    clock = RequestClock(RequestRules())
    for seq in (0, 1):
        clock.record_sent(seq, float(seq))
        clock.record_answer(seq, seq + 0.4, 0.4, 0.4)
    clock.record_sent(2, 2.0)
    assert 2.9 < clock.due_at(2.1) < 3.3
    clock.record_sent(3, 3.2)
    assert 4.1 < clock.due_at(3.3) < 4.5


def test_overdue_answer_delays_what_could_not_leave_when_it_was_due() -> None:
    clock = RequestClock(RequestRules())
    for seq in (0, 1):
        clock.record_sent(seq, float(seq))
        clock.record_answer(seq, seq + 0.7, 0.4, 0.4)
    clock.record_sent(2, 10.0)
    # The network is overlapped: a second observation may be under way. There was no frame for it.
    assert clock.due_at(10.69) == pytest.approx(10.4)
    # The answer is lost, or the link stalls: the second one would wait behind it.
    assert clock.due_at(10.71) == pytest.approx(11.4)
