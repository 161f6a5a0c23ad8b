# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A chunk is refused whole, with the code of the first check that fails, or it is playable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, product
import math
from typing import Any

from domain_builders import along, BOUNDS, HOME, line, LOWER, make_chunk, UPPER, VELOCITY
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
from property_examples import examples
import pytest

from reflex_ros.domain.action import (
    ActionChunk,
    check_chunk,
    ChunkBounds,
    nearest_row,
    NONSENSE_SPEED,
    row_at,
)
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.hardware.so101 import GRIPPER, JOINT_NAMES, SO101

ORDER = (FaultCode.BAD_NUMBER, FaultCode.BAD_SHAPE, FaultCode.SEQ_EPOCH, FaultCode.SEQ_OLD,
         FaultCode.CHUNK_STALE, FaultCode.RANGE, FaultCode.JUMP,
         FaultCode.RATE)
NOW = 0.1


def refusal(chunk: ActionChunk, now: float = NOW, reference: Any = HOME,
            bounds: ChunkBounds = BOUNDS, **options: Any) -> str:
    """Return the code with which a chunk is refused; empty when it is accepted."""
    try:
        check_chunk(chunk, bounds, now, reference, **options)
    except ChunkRejected as exc:
        assert f'chunk {chunk.seq}' in str(exc)
        return exc.code
    return ''


def faulty(codes: Iterable[str]) -> ActionChunk:
    """Make a chunk with these faults, for ``last_seq=4, epoch=7`` at ``NOW``."""
    codes = set(codes)
    rows = np.tile(HOME, (200, 1))
    if FaultCode.RANGE in codes:
        rows[:, 2] = UPPER[2] + 0.1
    if FaultCode.JUMP in codes:
        rows[:, 1] = math.radians(11.0)
    if FaultCode.RATE in codes:
        rows[60, 0] = 1.0
    if FaultCode.BAD_NUMBER in codes:
        rows[3, 4] = math.nan
    return make_chunk(
        rows, seq=4 if FaultCode.SEQ_OLD in codes else 5,
        epoch=6 if FaultCode.SEQ_EPOCH in codes else 7,
        observed_at=NOW - 2.51 if FaultCode.CHUNK_STALE in codes else 0.0,
        joint_names=JOINT_NAMES[::-1] if FaultCode.BAD_SHAPE in codes else JOINT_NAMES)


def test_first_failing_check_names_the_refusal_whatever_else_is_wrong() -> None:
    for count in range(len(ORDER) + 1):
        for codes in combinations(ORDER, count):
            expected = codes[0] if codes else ''
            assert refusal(faulty(codes), last_seq=4, epoch=7) == expected, codes


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('place', [(0, 0), (19, 5), (7, 3)])
def test_one_number_that_is_not_finite_refuses_the_chunk(
        value: float, place: tuple[int, int]) -> None:
    chunk = make_chunk()
    chunk.rows[place] = value
    assert refusal(chunk) == FaultCode.BAD_NUMBER
    assert refusal(chunk, bounds=replace(BOUNDS, clamp=True)) == FaultCode.BAD_NUMBER


@pytest.mark.parametrize(('changes', 'code'), [
    ({'rate_hz': math.nan}, FaultCode.BAD_NUMBER),
    ({'rate_hz': math.inf}, FaultCode.BAD_NUMBER),
    ({'rate_hz': 0.99}, FaultCode.BAD_SHAPE),
    ({'rate_hz': 1.0}, ''),
    ({'rate_hz': -50.0}, FaultCode.BAD_SHAPE),
    ({'rate_hz': 0.0}, FaultCode.BAD_SHAPE),
    ({'rate_hz': 1000.1}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros((101, 6)), 'rate_hz': 1000.0}, FaultCode.CHUNK_STALE),
    ({'rows': np.zeros((102, 6)), 'rate_hz': 1000.0}, ''),
    ({'rows': np.zeros((20, 6), dtype=object)}, FaultCode.BAD_NUMBER),
    ({'rows': np.array([[None] * 6] * 20)}, FaultCode.BAD_NUMBER),
    ({'rows': np.zeros((20, 6), dtype=bool)}, FaultCode.BAD_NUMBER),
    ({'rows': np.full((20, 6), '0.1')}, FaultCode.BAD_NUMBER),
    ({'rows': np.zeros((20, 6), dtype=complex)}, FaultCode.BAD_NUMBER),
    ({'rows': np.zeros((20, 6), dtype=np.float32)}, ''),
    ({'rows': np.zeros((0, 6))}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros((1, 6))}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros((2, 6)), 'rate_hz': 5.0}, ''),
    ({'rows': np.zeros((1000, 6))}, ''),
    ({'rows': np.zeros((1001, 6))}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros((20, 5))}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros((20, 7))}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros(6)}, FaultCode.BAD_SHAPE),
    ({'rows': np.float64(0.0)}, FaultCode.BAD_SHAPE),
    ({'rows': np.zeros((20, 6, 1))}, FaultCode.BAD_SHAPE),
    ({'joint_names': JOINT_NAMES[:5]}, FaultCode.BAD_SHAPE),
    ({'joint_names': (*JOINT_NAMES[:5], 'jaw')}, FaultCode.BAD_SHAPE),
    ({'observed_at': math.nan}, FaultCode.CHUNK_STALE),
    ({'observed_at': math.inf}, FaultCode.CHUNK_STALE),
])
def test_form_of_a_chunk_decides(changes: dict[str, Any], code: str) -> None:
    assert refusal(make_chunk(**changes)) == code


@pytest.mark.parametrize(('seq', 'last_seq', 'chunk_epoch', 'epoch', 'code'), [
    (0, -1, 0, None, ''),
    (5, 4, 0, None, ''),
    (900, 4, 0, None, ''),
    (4, 4, 0, None, FaultCode.SEQ_OLD),
    (3, 4, 0, None, FaultCode.SEQ_OLD),
    (5, 4, 3, 3, ''),
    (5, 4, 2, 3, FaultCode.SEQ_EPOCH),
    (5, 4, 4, 3, FaultCode.SEQ_EPOCH),
    (5, 4, 0, 3, FaultCode.SEQ_EPOCH),
    (5, 4, 3, 0, FaultCode.SEQ_EPOCH),
    (5, 4, 9, None, ''),
])
def test_only_the_next_chunk_of_the_present_epoch_counts(
        seq: int, last_seq: int, chunk_epoch: int, epoch: int | None, code: str) -> None:
    chunk = make_chunk(seq=seq, epoch=chunk_epoch)
    assert refusal(chunk, last_seq=last_seq, epoch=epoch) == code


@pytest.mark.parametrize(('age', 'code'), [
    (-0.06, FaultCode.CHUNK_STALE), (-0.049, ''), (0.0, ''), (1.001, ''), (2.5, ''),
    (2.501, FaultCode.CHUNK_STALE), (3600.0, FaultCode.CHUNK_STALE),
    (-3600.0, FaultCode.CHUNK_STALE)])
def test_chunk_is_refused_when_its_observation_is_old_or_of_the_future(
        age: float, code: str) -> None:
    assert refusal(make_chunk(np.zeros((200, 6))), now=age) == code


@pytest.mark.parametrize(('now', 'code'), [
    (0.379, ''), (0.38, FaultCode.CHUNK_STALE), (0.5, FaultCode.CHUNK_STALE)])
def test_chunk_is_refused_when_all_of_it_is_past(now: float, code: str) -> None:
    chunk = make_chunk()
    assert chunk.duration_s == chunk.ends_at == pytest.approx(0.38)
    assert refusal(chunk, now=now) == code


@pytest.mark.parametrize(('excess', 'clamp', 'code'), [
    (-0.001, False, ''), (0.0, False, ''), (0.034, False, ''), (0.036, False, FaultCode.RANGE),
    (3.0, False, FaultCode.RANGE), (0.036, True, ''), (3.0, True, ''), (1e300, True, '')])
def test_row_beyond_a_limit_is_brought_to_it_or_refused(
        excess: float, clamp: bool, code: str) -> None:
    bounds = replace(BOUNDS, clamp=clamp)
    for joint, side in product(range(6), (-1, 1)):
        limit = (UPPER if side > 0 else LOWER)[joint]
        rows = np.tile(HOME, (20, 1))
        rows[:, joint] = limit + side * excess
        reference = along(**{f'j{joint}': limit})
        assert refusal(make_chunk(rows), reference=reference, bounds=bounds) == code, joint
        if not code:
            played = check_chunk(make_chunk(rows), bounds, NOW, reference)
            np.testing.assert_array_equal(played.rows[:, joint], min(limit, rows[0, joint])
                                          if side > 0 else max(limit, rows[0, joint]))
            assert rows[0, joint] == limit + side * excess, 'the rows of the sender were changed'


@pytest.mark.parametrize(('degrees', 'code'), [
    (0.0, ''), (9.9, ''), (10.1, FaultCode.JUMP), (-9.9, ''), (-10.1, FaultCode.JUMP),
    (math.nan, FaultCode.JUMP)])
@pytest.mark.parametrize('joint', [0, 3, 4])
def test_chunk_is_refused_when_it_would_start_far_from_the_reference(
        joint: int, degrees: float, code: str) -> None:
    assert refusal(make_chunk(), reference=along(**{f'j{joint}': math.radians(degrees)})) == code


@pytest.mark.parametrize(('reference', 'code'), [
    (along(j5=0.7), ''), (along(j5=1.7), ''), (along(j5=math.nan), FaultCode.JUMP),
    (along(j5=0.7, j2=0.18), FaultCode.JUMP)])
def test_gripper_that_holds_something_is_far_from_where_it_is_told_to_be(
        reference: Any, code: str) -> None:
    assert refusal(make_chunk(), reference=reference) == code


def test_rows_must_come_near_the_reference_by_its_own_instant() -> None:
    chunk = line(along(j0=1.0), 1.0)
    at_half = along(j0=0.5)
    assert refusal(chunk, now=0.5, reference=at_half) == ''
    assert refusal(chunk, now=0.5, reference=HOME) == '', 'a resting arm could never begin'
    assert refusal(chunk, now=0.3, reference=at_half) == FaultCode.JUMP
    assert refusal(chunk, now=0.5, reference=HOME, reference_at=0.0) == ''
    assert refusal(chunk, now=0.5, reference=at_half, reference_at=0.0) == FaultCode.JUMP


@pytest.mark.parametrize(('speed', 'code'), [
    (1.0, ''), (1.5, ''), (3.0, ''), (3.0 + 1e-8, ''), (3.01, FaultCode.RATE), (-3.0, ''),
    (-3.01, FaultCode.RATE)])
@pytest.mark.parametrize('joint', range(5))
def test_only_nonsense_is_too_fast(joint: int, speed: float, code: str) -> None:
    rows = np.tile(HOME, (20, 1))
    rows[12:, joint] = speed * VELOCITY[joint] / 50.0
    assert refusal(make_chunk(rows)) == code


def test_gripper_is_never_too_fast() -> None:
    rows = np.tile(HOME, (20, 1))
    rows[12:, GRIPPER] = UPPER[GRIPPER]
    assert refusal(make_chunk(rows)) == ''


def test_joint_s_own_speed_limit_counts() -> None:
    limits = [joint.limits for joint in SO101.joints]
    limits[3] = replace(limits[3], velocity=0.09)
    bounds = replace(BOUNDS, arm=SO101.with_limits(limits))
    assert refusal(line(along(j3=0.3), 1.0), bounds=bounds) == FaultCode.RATE
    assert refusal(line(along(j2=0.3), 1.0), bounds=bounds) == ''


def test_accepted_chunk_is_the_same_but_for_its_rows() -> None:
    chunk = faulty(())
    assert replace(check_chunk(chunk, BOUNDS, NOW, HOME), rows=chunk.rows) == chunk


NUMBERS = st.one_of(
    st.floats(-0.03, 0.03), st.floats(-0.03, 0.03), st.floats(-0.03, 0.03), st.floats(),
    st.sampled_from([*LOWER, *UPPER, -1.79, 1.72, 1e300, -1e300, 5e-324]))


@examples(100)
@given(rows=arrays(float, st.tuples(st.integers(2, 8), st.just(6)), elements=NUMBERS,
                   fill=st.just(0.0)),
       rate_hz=st.floats(1.0, 60.0), now=st.floats(-0.1, 1.1), clamp=st.booleans())
def test_accepted_chunk_is_finite_inside_the_limits_near_and_slow(
        rows: np.ndarray, rate_hz: float, now: float, clamp: bool) -> None:
    try:
        played = check_chunk(make_chunk(rows, rate_hz=rate_hz), replace(BOUNDS, clamp=clamp),
                             now, HOME)
    except ChunkRejected as exc:
        event(exc.code)
        assert exc.code in ORDER
        return
    event('accepted')
    assert np.isfinite(played.rows).all()
    assert (played.rows >= LOWER).all() and (played.rows <= UPPER).all()
    fastest = np.abs(np.diff(played.rows, axis=0)).max(axis=0) * rate_hz
    assert (fastest <= NONSENSE_SPEED * VELOCITY * (1.0 + 1e-5))[:GRIPPER].all()
    passed = [row_at(played.rows, place) for place in (0.0, *range(len(rows)), now * rate_hz)
              if place <= max(now * rate_hz, 0.0)]
    assert min(np.abs(row[:GRIPPER]).max() for row in passed) <= BOUNDS.max_jump_rad
    if not clamp:
        assert np.abs(played.rows - rows).max() <= BOUNDS.range_tolerance_rad


@pytest.mark.parametrize(('position', 'expected'), [
    (-5.0, 0.0), (0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (1.5, 2.0), (2.0, 3.0), (99.0, 3.0)])
def test_row_between_two_rows_lies_between_them(position: float, expected: float) -> None:
    rows = np.array([[0.0], [1.0], [3.0]])
    assert row_at(rows, position) == pytest.approx(expected)


@examples(60)
@given(st.integers(2, 30), st.floats(-2.0, 40.0), st.integers(0, 2 ** 31))
def test_nearest_row_is_the_nearest_of_all_that_are_due(
        count: int, due: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, pose = rng.uniform(-1.0, 1.0, (count, 3)), rng.uniform(-1.0, 1.0, 3)
    place, away = nearest_row(rows, due, pose, ignored=(1,))
    due = min(max(due, 0.0), count - 1.0)
    distances = {one: np.abs(row_at(rows, one) - pose)[[0, 2]]
                 for one in (*range(int(due) + 1), due)}
    assert place in distances and away[1] == 0.0
    assert away[[0, 2]] == pytest.approx(distances[place], abs=1e-15)
    assert away.max() == min(distance.max() for distance in distances.values())
