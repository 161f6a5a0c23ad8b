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


def code_of(found: Observation | Cause) -> str:
    return found.code if isinstance(found, Cause) else ''


def test_joint_state_of_the_frame_s_instant_is_taken() -> None:
    target = observer('top')
    put_joints(target, [number * 0.01 for number in range(20)])
    target.put_frame('top', b'jpeg', 0.123)
    found = target.snapshot(0.2)
    assert found == Observation(0.12, 120_000_000, (0.12, 0.0), {'top': b'jpeg'})


def test_oldest_frame_dates_the_observation() -> None:
    target = observer('top', 'wrist')
    put_joints(target, [0.0, 0.05, 0.1])
    target.put_frame('top', b'new', 0.1)
    target.put_frame('wrist', b'old', 0.04)
    found = target.snapshot(0.1)
    assert isinstance(found, Observation)
    assert (found.captured_at, found.position[0]) == (0.04, 0.05)
    assert found.images == {'top': b'new', 'wrist': b'old'}


@examples(60)
@given(st.lists(st.floats(0.0, 0.1), min_size=1, max_size=30), st.floats(0.0, 0.1))
def test_nearest_joint_state_is_taken(times: list[float], frame_at: float) -> None:
    target = observer('top')
    put_joints(target, sorted(times))
    target.put_frame('top', b'jpeg', frame_at)
    found = target.snapshot(0.1)
    assert isinstance(found, Observation)
    assert abs(found.position[0] - frame_at) == min(abs(at - frame_at) for at in times)
    assert found.captured_at == min(frame_at, found.position[0])


def test_newest_frame_and_newest_joint_state_win() -> None:
    target = observer('top')
    put_frames(target, 'top', [b'1', b'2', b'3'])
    found = target.snapshot(0.07)
    assert isinstance(found, Observation)
    assert found.images['top'] == b'3'
    assert found.position == (pytest.approx(2 / 30), 0.0)


def test_robot_without_cameras_sends_its_newest_joint_state() -> None:
    target = observer()
    put_joints(target, [0.0, 0.05, 0.1])
    assert target.snapshot(0.15) == Observation(0.1, 100_000_000, (0.1, 0.0), {})


@pytest.mark.parametrize(('age', 'code'), [(0.0, ''), (0.1, ''), (0.101, FaultCode.JOINTS_STALE),
                                           (60.0, FaultCode.JOINTS_STALE)])
def test_stale_joint_state_is_not_sent(age: float, code: str) -> None:
    target = observer()
    put_joints(target, [0.0])
    assert code_of(target.snapshot(age)) == code


@pytest.mark.parametrize(('age', 'code'), [(0.0, ''), (0.3, ''), (0.301, FaultCode.CAM_LOST),
                                           (60.0, FaultCode.CAM_LOST)])
def test_stale_camera_is_named_and_not_sent(age: float, code: str) -> None:
    target = observer('top', 'wrist', skew_s=99.0)
    target.put_frame('top', b'top', age)
    target.put_frame('wrist', b'wrist', 0.0)
    put_joints(target, [age])
    found = target.snapshot(age)
    assert code_of(found) == code
    assert not isinstance(found, Cause) or 'camera wrist' in found.text


def test_before_anything_came_the_reason_says_so() -> None:
    target = observer('top')
    assert code_of(target.snapshot(0.0)) == FaultCode.JOINTS_STALE
    put_joints(target, [0.0])
    found = target.snapshot(0.0)
    assert isinstance(found, Cause)
    assert (found.code, found.text) == (FaultCode.CAM_LOST, 'camera top: no frame yet')


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
    assert code_of(target.snapshot(1.11)) == code


@pytest.mark.parametrize(('frames', 'code'), [
    ('abcdefghijkl', ''), ('aabbccddeeff', ''), ('abcdefghijkk', ''),
    ('abcaaaaaaaaa', ''), ('abbbbbbbbbbb', FaultCode.CAM_FROZEN), ('aaaaaaaaaaaa',
                                                                   FaultCode.CAM_FROZEN),
    ('aaaaaaaaaaab', ''), ('aaaaaaaaaaaba', '')])
def test_frozen_camera_trips_and_a_repeat_does_not(frames: str, code: str) -> None:
    target = observer('top')
    at = put_frames(target, 'top', (frame.encode() for frame in frames))
    found = target.snapshot(at)
    assert code_of(found) == code
    assert not isinstance(found, Cause) or 'camera top: the same frame for' in found.text


@pytest.mark.parametrize(('rate_hz', 'count', 'code'), [
    # Few repeats over a long time, and many within a short time, are no proof.
    (5.0, 4, ''), (5.0, 5, FaultCode.CAM_FROZEN), (100.0, 25, ''), (100.0, 35,
                                                                    FaultCode.CAM_FROZEN)])
def test_frozen_needs_frames_and_time(rate_hz: float, count: int, code: str) -> None:
    target = observer('top')
    at = put_frames(target, 'top', [b'same'] * count, rate_hz)
    assert code_of(target.snapshot(at)) == code


def test_frozen_check_can_be_switched_off() -> None:
    target = observer('top', frozen_s=0.0)
    assert code_of(target.snapshot(put_frames(target, 'top', [b'same'] * 100))) == ''


def test_empty_frame_counts_as_no_frame() -> None:
    target = observer('top')
    assert code_of(target.snapshot(put_frames(target, 'top', [b'']))) == FaultCode.CAM_LOST


def test_memory_is_bounded() -> None:
    target = observer('top', joints_age_s=1e9, camera_age_s=1e9)
    target.put_frame('top', b'jpeg', 0.0)
    put_joints(target, [number * 0.005 for number in range(100_000)])
    # The joint state of the frame's instant was given up long ago.
    assert code_of(target.snapshot(500.0)) == FaultCode.DESYNC


def test_every_input_has_an_age() -> None:
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


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_joint_state_that_is_no_number_is_not_sent(value: float) -> None:
    target = observer()
    target.put_joints((0.0, value), 0.0, 0)
    found = target.snapshot(0.0)
    assert code_of(found) == FaultCode.JOINTS_STALE
    assert isinstance(found, Cause) and 'not a finite number' in found.text


class Listener:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_listener_is_called_once_by_the_input_that_was_missing() -> None:
    target, listener = observer('top', 'wrist'), Listener()
    assert code_of(target.snapshot(0.0, listener)) == FaultCode.JOINTS_STALE
    target.put_joints((0.0,), 0.01, 0)
    target.put_frame('top', b'top', 0.02)
    for at in (0.03, 0.04):
        target.put_joints((0.0,), at, 0)
    assert listener.calls == 0, 'the frame of the wrist is still missing'
    target.put_frame('wrist', b'wrist', 0.05)
    assert listener.calls == 1
    assert isinstance(target.snapshot(0.05), Observation)
    put_frames(target, 'top', [b'1', b'2', b'3'], begin=0.06)
    assert listener.calls == 1


def test_listener_may_take_the_snapshot_that_it_was_called_for() -> None:
    target, found = observer(), []
    target.snapshot(0.0, lambda: found.append(target.snapshot(0.1)))
    target.put_joints((0.5,), 0.1, 7)
    assert found == [Observation(0.1, 7, (0.5,), {})]


def test_listener_is_not_called_when_an_observation_was_there() -> None:
    target, listener = observer(), Listener()
    target.put_joints((0.0,), 0.0, 0)
    assert isinstance(target.snapshot(0.0, listener), Observation)
    target.put_joints((0.0,), 0.01, 0)
    assert listener.calls == 0


def test_only_the_newest_listener_is_called() -> None:
    target, first, second = observer(), Listener(), Listener()
    target.snapshot(0.0, first)
    target.snapshot(0.0, second)
    target.put_joints((0.0,), 0.0, 0)
    assert (first.calls, second.calls) == (0, 1)


@pytest.mark.parametrize('frame', [b'other', b'same'])
def test_frozen_camera_is_ready_with_the_first_new_frame(frame: bytes) -> None:
    target, listener = observer('top'), Listener()
    at = put_frames(target, 'top', [b'same'] * 12)
    assert code_of(target.snapshot(at, listener)) == FaultCode.CAM_FROZEN
    put_joints(target, [at + 0.01])
    assert listener.calls == 0
    target.put_frame('top', frame, at + 0.02)
    assert listener.calls == (frame == b'other')
