# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An observation belongs to one instant, or there is none, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

from domain_builders import examples
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.observation import Observation, ObservationBounds, Observer


def observer(*cameras: str, **bounds: float) -> Observer:
    return Observer(cameras, ObservationBounds(**bounds))


def put_joints(target: Observer, times: Iterable[float]) -> None:
    """Put joint states whose first joint is at the instant itself."""
    for at in times:
        target.put_joints((at, 0.0), at, round(at * 1e9))


def put_frames(target: Observer, name: str, frames: Iterable[bytes], rate_hz: float = 30.0,
               begin: float = 0.0) -> float:
    """Put frames at a rate, each with a fresh joint state; return the instant of the last."""
    at = begin
    for number, frame in enumerate(frames):
        at = begin + number / rate_hz
        target.put_frame(name, frame, at)
        put_joints(target, [at])
    return at


def code_of(taken: Observation | Cause) -> str:
    return taken.code if isinstance(taken, Cause) else ''


def test_joint_state_of_the_frame_s_instant_is_taken() -> None:
    target = observer('top')
    put_joints(target, [number * 0.01 for number in range(20)])
    target.put_frame('top', b'jpeg', 0.123)
    taken = target.take(0.2)
    assert taken == Observation(0.12, 120_000_000, (0.12, 0.0), {'top': b'jpeg'})


def test_oldest_frame_dates_the_observation() -> None:
    target = observer('top', 'wrist')
    put_joints(target, [0.0, 0.05, 0.1])
    target.put_frame('top', b'new', 0.1)
    target.put_frame('wrist', b'old', 0.04)
    taken = target.take(0.1)
    assert isinstance(taken, Observation)
    assert (taken.captured_at, taken.position[0]) == (0.04, 0.05)
    assert taken.images == {'top': b'new', 'wrist': b'old'}


@examples(60)
@given(st.lists(st.floats(0.0, 0.1), min_size=1, max_size=30), st.floats(0.0, 0.1))
def test_nearest_joint_state_is_taken(times: list[float], frame_at: float) -> None:
    target = observer('top')
    put_joints(target, sorted(times))
    target.put_frame('top', b'jpeg', frame_at)
    taken = target.take(0.1)
    assert isinstance(taken, Observation)
    assert abs(taken.position[0] - frame_at) == min(abs(at - frame_at) for at in times)
    assert taken.captured_at == min(frame_at, taken.position[0])


def test_newest_frame_and_newest_joint_state_win() -> None:
    target = observer('top')
    put_frames(target, 'top', [b'1', b'2', b'3'])
    taken = target.take(0.07)
    assert isinstance(taken, Observation)
    assert taken.images['top'] == b'3'
    assert target.pose() == taken.position


def test_robot_without_cameras_sends_its_newest_joint_state() -> None:
    target = observer()
    put_joints(target, [0.0, 0.05, 0.1])
    assert target.take(0.15) == Observation(0.1, 100_000_000, (0.1, 0.0), {})


@pytest.mark.parametrize(('age', 'code'), [(0.0, ''), (0.1, ''), (0.101, FaultCode.JOINTS_STALE),
                                           (60.0, FaultCode.JOINTS_STALE)])
def test_stale_joint_state_is_not_sent(age: float, code: str) -> None:
    target = observer()
    put_joints(target, [0.0])
    assert code_of(target.take(age)) == code


@pytest.mark.parametrize(('age', 'code'), [(0.0, ''), (0.3, ''), (0.301, FaultCode.CAM_LOST),
                                           (60.0, FaultCode.CAM_LOST)])
def test_stale_camera_is_named_and_not_sent(age: float, code: str) -> None:
    target = observer('top', 'wrist', skew_s=99.0)
    target.put_frame('top', b'top', age)
    target.put_frame('wrist', b'wrist', 0.0)
    put_joints(target, [age])
    taken = target.take(age)
    assert code_of(taken) == code
    assert not isinstance(taken, Cause) or 'camera wrist' in taken.text


def test_before_anything_came_the_reason_says_so() -> None:
    target = observer('top')
    assert code_of(target.take(0.0)) == FaultCode.JOINTS_STALE
    assert target.pose() is None
    put_joints(target, [0.0])
    taken = target.take(0.0)
    assert isinstance(taken, Cause)
    assert (taken.code, taken.text) == (FaultCode.CAM_LOST, 'camera top: no frame yet')


@pytest.mark.parametrize(('joints_at', 'wrist_at', 'code'), [
    (1.0, 1.0, ''), (1.0, 0.901, ''), (1.0, 0.89, FaultCode.DESYNC), (1.099, 1.0, ''),
    (1.11, 1.0, FaultCode.DESYNC), (0.91, 1.0, ''), (0.89, 1.0, FaultCode.DESYNC),
    # Each within its bound of the other two, but not all three together.
    (1.06, 0.95, FaultCode.DESYNC)])
def test_inputs_of_different_instants_are_not_sent(
        joints_at: float, wrist_at: float, code: str) -> None:
    target = observer('top', 'wrist', joints_age_s=1.0)
    target.put_frame('top', b'top', 1.0)
    target.put_frame('wrist', b'wrist', wrist_at)
    put_joints(target, [joints_at])
    assert code_of(target.take(1.11)) == code


@pytest.mark.parametrize(('frames', 'code'), [
    ('abcdefghijkl', ''), ('aabbccddeeff', ''), ('abcdefghijkk', ''),
    ('abcaaaaaaaaa', ''), ('abbbbbbbbbbb', FaultCode.CAM_FROZEN), ('aaaaaaaaaaaa',
                                                                   FaultCode.CAM_FROZEN),
    ('aaaaaaaaaaab', ''), ('aaaaaaaaaaaba', '')])
def test_frozen_camera_trips_and_a_repeat_does_not(frames: str, code: str) -> None:
    target = observer('top')
    at = put_frames(target, 'top', (frame.encode() for frame in frames))
    taken = target.take(at)
    assert code_of(taken) == code
    assert not isinstance(taken, Cause) or 'camera top: the same frame for' in taken.text


@pytest.mark.parametrize(('rate_hz', 'count', 'code'), [
    # Few repeats over a long time, and many within a short time, are no proof.
    (5.0, 4, ''), (5.0, 5, FaultCode.CAM_FROZEN), (100.0, 25, ''), (100.0, 35,
                                                                    FaultCode.CAM_FROZEN)])
def test_frozen_needs_frames_and_time(rate_hz: float, count: int, code: str) -> None:
    target = observer('top')
    at = put_frames(target, 'top', [b'same'] * count, rate_hz)
    assert code_of(target.take(at)) == code


def test_frozen_check_can_be_switched_off() -> None:
    target = observer('top', frozen_s=0.0)
    assert code_of(target.take(put_frames(target, 'top', [b'same'] * 100))) == ''


def test_frame_without_bytes_is_no_frame() -> None:
    target = observer('top')
    assert code_of(target.take(put_frames(target, 'top', [b'']))) == FaultCode.CAM_LOST


def test_memory_is_bounded() -> None:
    target = observer('top', joints_age_s=1e9, camera_age_s=1e9)
    target.put_frame('top', b'jpeg', 0.0)
    put_joints(target, [number * 0.005 for number in range(100_000)])
    # The joint state of the frame's instant was given up long ago.
    assert code_of(target.take(500.0)) == FaultCode.DESYNC


def test_ages_are_told_of_every_input() -> None:
    target = observer('top', 'wrist')
    target.put_frame('top', b'jpeg', 1.0)
    put_joints(target, [1.5])
    ages = target.ages(2.0)
    assert (ages['top'], ages['joint_states']) == (1.0, 0.5)
    assert ages['wrist'] > 1e6
    assert set(observer('top').ages(0.0)) == {'top', 'joint_states'}


def test_unknown_camera_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        observer('top').put_frame('tpo', b'jpeg', 0.0)
