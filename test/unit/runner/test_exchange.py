# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever comes back, and in whatever order: each observation and each frame counts once."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from property_examples import examples
import pytest

from reflex_ros.client import adapters
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.observation import Observation
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.exchange import Counts, Exchange

HOME = (0.0,) * 6
ROWS = [adapters.state_to_wire(HOME, SO101)] * 50


def make(counts: Counts | None = None, **rules: object) -> Exchange:
    return Exchange(ChunkBounds(SO101), RequestRules(**rules), 30.0, counts)


def observation(now: float) -> Observation:
    return Observation(now, 0, HOME, {})


def frame(seq: int, rows: object = ROWS, total_ms: float | None = None,
          infer_ms: float | None = None) -> ChunkFrame:
    return ChunkFrame(seq, rows, infer_ms, total_ms, {})


def test_answer_becomes_a_chunk_of_its_observation() -> None:
    exchange = make()
    seq = exchange.begin(observation(9.9), 7, 10.0)
    chunk = exchange.answer(frame(seq), 10.5)
    assert (chunk.seq, chunk.epoch, chunk.observed_at) == (seq, 7, 9.9)
    assert exchange.in_flight == 0 and exchange.counts.accepted == 1
    assert exchange.times().age[0] == pytest.approx(600.0)
    assert exchange.times().round_trip[0] == pytest.approx(500.0)


def test_chunk_names_the_prompt_that_was_sent_with_its_observation() -> None:
    exchange = make()
    first = exchange.begin(observation(9.9), 1, 10.0, 'wave')
    second = exchange.begin(observation(10.1), 1, 10.2, 'hold')
    assert exchange.answer(frame(first), 10.3).prompt == 'wave'
    assert exchange.answer(frame(second), 10.4).prompt == 'hold'


def test_first_answer_says_nothing_about_the_age_of_the_next_ones() -> None:
    exchange = make()
    ages = [30.0, 0.4, 0.5, *[0.4] * 38, 0.3]
    for number, age_s in enumerate(ages):
        begun = 100.0 * number
        seq = exchange.begin(observation(begun), 1, begun)
        if age_s < 2.5:
            exchange.answer(frame(seq), begun + age_s)
            assert exchange.expected_age_s is not None and exchange.expected_age_s <= 0.5
        else:
            with pytest.raises(ChunkRejected):
                exchange.answer(frame(seq), begun + age_s)
            assert exchange.expected_age_s is None
    assert exchange.expected_age_s == pytest.approx(0.4)


def test_chunk_for_the_arrival_begins_with_what_was_executed_before() -> None:
    exchange = make()
    executed = np.outer(np.arange(12) / 100.0, np.eye(6)[0])
    rows = [adapters.state_to_wire((0.12, 0, 0, 0, 0, 0), SO101)] * 50
    seq = exchange.begin(observation(9.9), 1, 10.0, executed=executed)
    chunk = exchange.answer(frame(seq, rows), 10.3)
    assert chunk.observed_at == 9.9 and len(chunk.rows) == 62
    assert chunk.rows[:12] == pytest.approx(executed)
    assert chunk.rows[12:, 0] == pytest.approx(0.12, abs=1e-4)


def test_chunk_for_the_arrival_that_leaps_from_there_is_refused() -> None:
    exchange = make()
    rows = [adapters.state_to_wire((0.5, 0, 0, 0, 0, 0), SO101)] * 50
    seq = exchange.begin(observation(9.9), 1, 10.0, executed=np.zeros((12, 6)))
    with pytest.raises(ChunkRejected) as refused:
        exchange.answer(frame(seq, rows), 10.3)
    assert refused.value.code is FaultCode.RATE


def test_time_at_the_service_and_on_the_way_are_told_apart() -> None:
    exchange = make()
    for number in range(5):
        seq = exchange.begin(observation(float(number)), 1, float(number))
        exchange.answer(frame(seq, total_ms=300.0, infer_ms=280.0), number + 0.4)
    times = exchange.times()
    assert times.service == pytest.approx((300.0,) * 3)
    assert times.network == pytest.approx((100.0,) * 3)
    assert exchange.clock.infer_s == pytest.approx(0.28)


@pytest.mark.parametrize('total_ms', [-5.0, 1e9, math.nan])
def test_times_that_cannot_be_true_are_not_believed(total_ms: float) -> None:
    exchange = make()
    seq = exchange.begin(observation(0.0), 1, 0.0)
    exchange.answer(frame(seq, total_ms=total_ms), 0.4)
    assert exchange.times().service == (-1.0,) * 3


def test_late_chunks_are_refused_and_say_nothing_against_the_policy() -> None:
    exchange = make()
    for number in range(10):
        seq = exchange.begin(observation(10.0 * number), 1, 10.0 * number)
        with pytest.raises(ChunkRejected) as refused:
            exchange.answer(frame(seq), 10.0 * number + 3.0)
        assert refused.value.code is FaultCode.CHUNK_STALE
    assert exchange.refused_in_a_row == 0 and exchange.last_refusal is None
    # And they make nobody ask less often: the network is slow, not the policy wrong.
    assert exchange.due_at(100.0) <= 100.0


def test_chunk_may_be_as_old_as_its_rows_last() -> None:
    exchange = make()
    seq = exchange.begin(observation(0.0), 1, 0.0)
    assert exchange.answer(frame(seq), 1.6).seq == seq


def test_wrong_adapter_is_named_and_asked_ever_more_rarely() -> None:
    exchange, now, sent = make(), 0.0, []
    while now < 60.0:
        if now >= exchange.due_at(now):
            seq = exchange.begin(observation(now), 1, now)
            sent.append(now)
            with pytest.raises(ChunkRejected, match='rows of 7, expected 6'):
                exchange.answer(frame(seq, [[0.0] * 7] * 50), now + 0.05)
        now += 0.05
    assert exchange.refused_in_a_row == len(sent) < 20
    assert exchange.last_refusal is not None and 'rows of 7' in str(exchange.last_refusal)


def test_answer_to_a_newer_observation_supersedes_the_older_ones() -> None:
    exchange = make()
    first, second = (exchange.begin(observation(at), 1, at) for at in (0.0, 0.3))
    exchange.answer(frame(second), 0.6)
    assert exchange.in_flight == 0 and exchange.counts.superseded == 1
    with pytest.raises(ChunkRejected) as refused:
        exchange.answer(frame(first), 0.7)
    assert refused.value.code is FaultCode.SEQ_OLD and exchange.counts.strays == 1
    assert exchange.counts.agree(exchange.in_flight)


def test_broken_frame_answers_the_oldest_observation() -> None:
    exchange = make()
    exchange.begin(observation(0.0), 1, 0.0)
    second = exchange.begin(observation(0.3), 1, 0.3)
    exchange.broken(ChunkRejected(FaultCode.BAD_FRAME, 'not JSON'))
    assert exchange.in_flight == 1 and exchange.refused_in_a_row == 1
    assert exchange.longest_wait_s(1.0) == pytest.approx(0.7)
    exchange.answer(frame(second), 0.6)
    assert exchange.refused_in_a_row == 0


ACTS = st.lists(st.tuples(
    st.sampled_from(['begin', 'begin', 'answer', 'answer', 'late', 'wide', 'nan', 'broken',
                     'abandon', 'new stream']), st.integers(0, 8)), max_size=80)


@examples(120)
@given(ACTS)
def test_counts_always_agree(acts: list[tuple[str, int]]) -> None:
    exchange, now = make(), 0.0
    for name, number in acts:
        now += 0.05
        seq = max(exchange.counts.sent - number, 0)
        try:
            if name == 'begin':
                exchange.begin(observation(now), 1, now)
            elif name == 'answer':
                exchange.answer(frame(seq), now)
            elif name == 'late':
                exchange.answer(frame(seq), now + 60.0)
            elif name == 'wide':
                exchange.answer(frame(seq, [[0.0] * 7] * 9), now)
            elif name == 'nan':
                exchange.answer(frame(seq, [[math.nan] * 6] * 9), now)
            elif name == 'broken':
                exchange.broken(ChunkRejected(FaultCode.BAD_FRAME, 'not JSON'))
            else:
                exchange.abandon()
                assert exchange.in_flight == 0
                if name == 'new stream':
                    exchange = make(exchange.counts)
        except ChunkRejected:
            pass
        assert exchange.counts.agree(exchange.in_flight)
        assert exchange.in_flight == exchange.clock.in_flight
