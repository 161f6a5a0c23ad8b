# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An observation belongs to one instant, or there is none, with the reason."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
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
    assert target.joint_states(0.0) == (1e6, 'no joint state yet')
    target.put_frame('top', b'jpeg', 1.0)
    put_joints(target, [1.5])
    assert target.joint_states(1.58) == (pytest.approx(0.08), '')
    assert target.joint_states(2.0) == (0.5, 'no joint state for 0.50 s')
    reports = target.camera_reports(2.0)
    assert (reports['top'].age_s, reports['wrist'].age_s) == (1.0, 1e6)


def test_unknown_camera_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        observer('top').put_frame('tpo', b'jpeg', 0.0)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf'), 1e308, -1001.0])
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


# Capture and receipt, refused frames, joint states in parts.


def test_frame_is_as_old_as_its_capture() -> None:
    target = observer('top')
    put_joints(target, [number * 0.01 for number in range(31)])
    target.put_frame('top', b'jpeg', 0.10, 0.30)
    found = target.snapshot(0.3)
    assert isinstance(found, Observation)
    assert (found.captured_at, found.position[0]) == (0.10, 0.10)


def test_wall_clock_is_that_of_the_capture() -> None:
    target = observer('top', skew_s=0.2)
    target.put_joints((0.0,), 0.5, 5_000_000_000)
    target.put_frame('top', b'jpeg', 0.4, 0.5)
    found = target.snapshot(0.5)
    assert isinstance(found, Observation)
    assert (found.captured_at, found.wall_ns) == (0.4, 4_900_000_000)


def text_of(found: Observation | Cause) -> str:
    assert isinstance(found, Cause)
    return found.text


def test_camera_whose_stamps_are_behind_is_out_of_sync_with_the_number() -> None:
    target = observer('top', 'wrist')
    put_joints(target, [number * 0.01 for number in range(101)])
    target.put_frame('top', b'top', 0.99, 1.0)
    target.put_frame('wrist', b'wrist', 0.74, 1.0)
    found = target.snapshot(1.0)
    assert code_of(found) == FaultCode.DESYNC
    assert text_of(found) == 'camera wrist is 250 ms behind camera top, allowed are 100 ms'
    reports = target.camera_reports(1.0)
    assert (reports['top'].behind_s, reports['wrist'].behind_s) == (
        pytest.approx(0.0), pytest.approx(0.25))
    assert reports['wrist'].age_s == pytest.approx(0.26)


def test_joint_state_that_is_behind_the_cameras_is_named() -> None:
    target = observer('top', joints_age_s=1.0)
    put_joints(target, [0.7])
    target.put_frame('top', b'top', 1.0)
    assert text_of(target.snapshot(1.0)) == (
        'the joint state is 300 ms behind camera top, allowed are 100 ms')


def test_camera_that_is_late_by_its_stamps_is_not_called_lost() -> None:
    target = observer('top')
    for number in range(40):
        at = number / 30
        put_joints(target, [at])
        target.put_frame('top', b'%d' % number, at - 0.4, at)
    found = target.snapshot(at)
    assert code_of(found) == FaultCode.CAM_LATE
    assert '0.40 s old' in text_of(found) and 'allowed are 0.30 s' in text_of(found)
    put_joints(target, [at + 2.0])
    assert text_of(target.snapshot(at + 2.0)) == 'camera top: no frame for 2.00 s'


@pytest.mark.parametrize(('top_at', 'slow_at', 'named'), [
    (0.8, 0.1, ''), (0.69, 0.1, 'top'), (0.8, -0.1, 'slow')])
def test_camera_may_have_an_age_of_its_own(top_at: float, slow_at: float, named: str) -> None:
    target = Observer(['top', 'slow'], ObservationBounds(skew_s=9.0, camera_ages_s={'slow': 1.0}))
    put_joints(target, [1.0])
    target.put_frame('top', b'top', top_at)
    target.put_frame('slow', b'slow', slow_at)
    found = target.snapshot(1.0)
    assert isinstance(found, Cause) == bool(named)
    assert not named or f'camera {named}' in text_of(found)


def test_frames_that_are_refused_are_named_in_the_gap_and_counted() -> None:
    target = observer('top')
    put_joints(target, [1.0])
    for number in range(5):
        target.refuse_frame('top', 'half a JPEG. Set camera.<name>.topic', 0.9 + number * 0.02)
    found = target.snapshot(1.0)
    assert code_of(found) == FaultCode.CAM_REFUSED
    assert text_of(found) == ('camera top: frames arrive but are refused (5 so far): half a JPEG. '
                              'Set camera.top.topic')
    assert target.camera_reports(1.0)['top'].refused == 5
    # Once they stop as well, the camera is lost.
    put_joints(target, [3.0])
    assert text_of(target.snapshot(3.0)) == 'camera top: no frame yet'


def test_one_refused_frame_among_good_ones_stops_nothing() -> None:
    target = observer('top')
    at = put_frames(target, 'top', [b'1', b'2', b'3'])
    target.refuse_frame('top', 'half a JPEG', at)
    assert isinstance(target.snapshot(at), Observation)


def test_frame_that_turns_out_to_be_unusable_is_forgotten() -> None:
    target, frame = observer('top'), object()
    put_joints(target, [1.0])
    target.put_frame('top', frame, 1.0)
    target.refuse_frame('top', 'cannot be decoded', 1.01, frame)
    assert code_of(target.snapshot(1.01)) == FaultCode.CAM_REFUSED
    target.put_frame('top', object(), 1.02)
    target.refuse_frame('top', 'cannot be decoded', 1.03, frame)
    assert isinstance(target.snapshot(1.03), Observation), 'a newer one had come'


def test_reason_of_the_source_is_in_the_gap() -> None:
    target = observer('top')
    put_joints(target, [1.0])
    target.set_source_problem('top', 'nothing publishes /top/image_raw')
    assert text_of(target.snapshot(1.0)) == (
        'camera top: no frame yet: nothing publishes /top/image_raw')


def test_parts_of_joint_states_make_a_pose() -> None:
    target = Observer([], ObservationBounds(), ('pan', 'gripper'))
    target.put_joint_state(('pan',), (0.1,), 1.00, 1_000_000_000)
    assert text_of(target.snapshot(1.0)) == 'joint states lack gripper; they name pan'
    target.put_joint_state(('gripper', 'wheel'), (0.2, 9.0), 1.02, 1_020_000_000)
    assert target.snapshot(1.02) == Observation(1.00, 1_000_000_000, (0.1, 0.2), {})
    target.put_joint_state(('gripper',), (0.3,), 1.04, 1_040_000_000)
    assert target.snapshot(1.04) == Observation(1.00, 1_000_000_000, (0.1, 0.3), {})
    assert text_of(target.snapshot(1.12)) == 'no joint state of pan for 0.12 s'
    assert text_of(target.snapshot(1.2)) == 'no joint state for 0.16 s'


def test_joint_state_with_a_name_twice_is_named_in_the_gap() -> None:
    target = Observer([], ObservationBounds(), ('pan', 'lift'))
    assert text_of(target.snapshot(0.0)) == 'no joint state yet'
    target.put_joint_state(('pan', 'lift', 'pan'), (0.0, 0.0, 0.0), 1.0, 0)
    found = target.snapshot(1.0)
    assert code_of(found) == FaultCode.JOINTS_STALE
    assert text_of(found) == 'joint states are refused: pan is named twice in one message'


# Fresher frames, reports.


def run_cameras(target: Observer, phases: dict[str, float], until: float,
                rate_hz: float = 30.0) -> None:
    """Put frames and joint states in order of time up to an instant."""
    events = [(phase + number / rate_hz, name) for name, phase in phases.items()
              for number in range(round(until * rate_hz) + 1)]
    for at, name in sorted(event for event in events if event[0] <= until):
        target.put_frame(name, f'{name} {at}'.encode(), at, size=1000)
        put_joints(target, [at])


def test_observation_waits_for_the_last_camera_of_a_group() -> None:
    target, listener = observer('a', 'b'), Listener()
    run_cameras(target, {'a': 0.0, 'b': 0.002}, 1.02)
    wait = target.wait_for_fresher(1.02, listener)
    assert wait == pytest.approx(1.0353 - 1.02, abs=1e-3)
    assert target.is_awaited
    target.put_frame('a', b'new', 1.0333)
    assert listener.calls == 1 and not target.is_awaited
    assert target.wait_for_fresher(1.0333, listener) == pytest.approx(0.002, abs=1e-3)
    target.put_frame('b', b'new', 1.0353)
    assert listener.calls == 2
    assert target.wait_for_fresher(1.0353, listener) == 0.0
    target.put_frame('a', b'newer', 1.0667)
    assert listener.calls == 2, 'nobody waits any more'


@pytest.mark.parametrize('cameras', [(), ('a',)])
def test_nothing_is_awaited_that_has_no_known_rate(cameras: tuple[str, ...]) -> None:
    target = observer(*cameras)
    for name in cameras:
        target.put_frame(name, b'1', 0.9)
        target.put_frame(name, b'2', 0.95)
    assert target.wait_for_fresher(1.0) == 0.0


def test_report_has_rate_bytes_and_age() -> None:
    target = observer('a', 'b')
    run_cameras(target, {'a': 0.0}, 2.0)
    report = target.camera_reports(2.01)['a']
    assert report.rate_hz == pytest.approx(30.0) and report.fault is None
    assert report.bytes_per_s == pytest.approx(30_000.0)
    assert report.age_s == pytest.approx(0.01, abs=1e-3)
    missing = target.camera_reports(2.01)['b']
    assert (missing.rate_hz, missing.bytes_per_s, missing.age_s) == (0.0, 0.0, 1e6)
    assert missing.fault is not None and missing.fault.code is FaultCode.CAM_LOST
    assert target.camera_reports(9.0)['a'].rate_hz == 0.0
