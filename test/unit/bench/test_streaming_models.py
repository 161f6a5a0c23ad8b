# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The streaming bench's own models: service, servo, figures, and the clients of others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.streaming import Case, MATRIX, play
from bench.streaming_baselines import Method, run
from bench.streaming_models import (
    DEAD_S,
    DT,
    LAG_S,
    Link,
    measure,
    path,
    Policy,
    progress_along,
    Service,
    Servo,
)

HOME = path(np.array(0.0))


class Counting(Policy):
    """A policy whose rows are numbered through: first joint 0.001 rad more per row."""

    def infer(self, state: np.ndarray, now: float) -> np.ndarray:
        rows = np.tile(HOME, (self.horizon, 1))
        rows[:, 0] = 0.001 * (round(now * self.rate_hz) + np.arange(self.horizon))
        return rows


def test_service_works_on_one_observation_at_a_time():
    service = Service(Policy(), Link(0.4))
    for seq in range(3):
        service.ask(seq, HOME, 0.0, 0.01 * seq)
    assert [answer.arrives_at for answer in service.answers] == pytest.approx([0.4, 0.8, 1.2])
    assert service.waited_s == pytest.approx([0.0, 0.39, 0.78])
    assert [answer.total_s for answer in service.answers] == pytest.approx([0.4, 0.79, 1.18])
    assert [answer.seq for answer in service.due(0.9)] == [0, 1]
    assert [answer.seq for answer in service.due(2.0)] == [2]


def test_network_is_not_in_line():
    service = Service(Policy(), Link(0.4, network_s=0.6))
    service.ask(0, HOME, 0.0, 0.0)
    service.ask(1, HOME, 0.4, 0.4)
    assert [answer.arrives_at for answer in service.answers] == pytest.approx([1.0, 1.4])
    assert service.waited_s == pytest.approx([0.0, 0.0])


def test_stall_delays_requests_and_answers():
    service = Service(Policy(), Link(0.4, stall_s=1.0, stall_every_s=10.0))
    service.ask(0, HOME, 4.8, 4.8)                      # the answer meets the stall
    service.ask(1, HOME, 5.5, 5.5)                      # the request meets it
    assert [answer.arrives_at for answer in service.answers] == pytest.approx([6.0, 6.4])


def test_answers_never_overtake_each_other():
    service = Service(Policy(), Link(0.05, network_jitter_s=0.5), seed=3)
    for seq in range(50):
        service.ask(seq, HOME, 0.0, 0.1 * seq)
    arrivals = [answer.arrives_at for answer in service.answers]
    assert arrivals == sorted(arrivals)


def test_servo_has_dead_time_then_lag():
    servo = Servo(HOME)
    goal = HOME + 1.0
    moved = np.array([servo.tick(goal)[0] - HOME[0] for _ in range(60)])
    dead = round(DEAD_S / DT)
    assert not moved[:dead].any()
    assert moved[dead:] == pytest.approx(
        1.0 - np.exp(-DT / LAG_S * np.arange(1, 61 - dead)), abs=1e-12)


def sine(amplitude: float, hz: float, seconds: float = 10.0) -> np.ndarray:
    goals = np.tile(HOME, (round(seconds / DT), 1))
    goals[:, 1] += amplitude * np.sin(2.0 * math.pi * hz * DT * np.arange(len(goals)))
    return goals


def figures_of(goals: np.ndarray, commanded: np.ndarray | None = None,
               borders: tuple[int, ...] = (), policy: Policy | None = None) -> dict[str, float]:
    ticks = len(goals)
    return measure(goals, np.ones(ticks, dtype=bool) if commanded is None else commanded,
                   np.full(ticks, 0.25), list(borders), policy or Policy())


def test_figures_of_a_sine_are_the_analytic_ones():
    amplitude, hz = 0.2, 0.5
    omega = 2.0 * math.pi * hz
    followed = amplitude / math.hypot(1.0, omega * LAG_S)
    figures = figures_of(sine(amplitude, hz))
    assert figures['peak_speed'] == pytest.approx(followed * omega, rel=0.01)
    assert figures['peak_acceleration'] == pytest.approx(followed * omega ** 2, rel=0.01)
    # One of five joints moves.
    share = math.sqrt(0.5 / 5)
    assert figures['rms_acceleration'] == pytest.approx(followed * omega ** 2 * share, rel=0.01)
    assert figures['rms_jerk'] == pytest.approx(followed * omega ** 3 * share, rel=0.01)
    assert figures['largest_step_rad'] == pytest.approx(amplitude * omega * DT, rel=0.01)
    assert figures['age_p50_ms'] == pytest.approx(250.0)


def test_step_at_a_border_is_found_up_to_one_row_later():
    goals = np.tile(HOME, (600, 1))
    goals[303:, 2] += math.radians(2.0)
    assert figures_of(goals, borders=(300,))['border_step_deg'] == pytest.approx(2.0)
    assert figures_of(goals, borders=(303,))['border_step_deg'] == pytest.approx(2.0)
    assert figures_of(goals, borders=(304,))['border_step_deg'] == 0.0


def test_ticks_after_a_stop_are_lost():
    commanded = np.ones(1200, dtype=bool)
    commanded[700:] = False
    figures = figures_of(np.tile(HOME, (1200, 1)), commanded)
    assert figures['commanded_percent'] == pytest.approx(50.0)
    assert figures['longest_wait_s'] == pytest.approx(5.0)
    assert figures['longest_standstill_s'] == pytest.approx(9.9)


def test_speed_is_the_progress_of_the_joints():
    half = path(0.5 * DT * np.arange(2400))
    assert figures_of(half)['speed'] == pytest.approx(0.5, rel=0.01)
    assert figures_of(half)['longest_standstill_s'] == 0.0
    assert figures_of(np.tile(HOME, (2400, 1)))['speed'] == pytest.approx(0.0, abs=0.01)
    turns = progress_along(path(DT * np.arange(2400)), slice(0, 5))
    assert turns[-1] == pytest.approx(23.9, abs=0.02)


@pytest.mark.parametrize('rate_hz', [10.0, 30.0])
def test_policy_knows_its_turn_after_a_long_chunk(rate_hz):
    policy = Policy(rate_hz)
    for now in (0.0, 4.9, 9.8):
        policy.infer(path(np.array(now)), now)
        assert policy.progress == pytest.approx(now, abs=0.01)


@pytest.mark.parametrize('method', Method)
def test_clients_of_others_play_rows_in_order(method):
    policy = Counting()
    _, goals = run(method, policy, Service(policy, Link(0.2)), 12.0)
    played = goals[:, 0] / 0.001
    written = played[np.flatnonzero(np.diff(played)) + 1]
    assert (np.diff(written) > 0.0).all()
    assert len(written) > 200
    if method in (Method.WEIGHTED, Method.LATEST, Method.RTC):
        # They never wait: after the first answer one row per period, and all rows in turn.
        assert np.diff(written[40:]).max() < 2.5
    held = np.diff(np.flatnonzero(np.diff(played)))
    assert set(held[1:20]) <= {3, 4}


def test_waiting_clients_wait_and_the_others_do_not():
    case = Case('', Link(0.4), seconds=12.0)
    share = {method: play(case, method)[0]['commanded_percent'] for method in Method}
    assert 60.0 < share[Method.BROKER] < 75.0 < share[Method.NAIVE] < 85.0
    assert share[Method.WEIGHTED] == share[Method.LATEST] == share[Method.RTC] == 100.0


def test_cells_have_different_names():
    assert len({case.name for case in MATRIX}) == len(MATRIX)
