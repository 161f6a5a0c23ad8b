# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a middle pose and a sweep to a calibration, against the reference's own numbers."""

from __future__ import annotations

from calibrations import calibration
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import doubts
from reflex_ros.hardware.range_recorder import RangeRecorder

NO_OFFSETS = (0,) * 6


def swept(recorder: RangeRecorder, lower: int, upper: int, offsets: list[int]) -> None:
    """Sweep every joint from the middle to both ends, in steps of at most 50 ticks."""
    for target in (upper, lower):
        for position in (*range(2047, target, 50 if target > 2047 else -50), target):
            # The servos still have other offsets.
            recorder.record([(position + sweep.offset_ticks - offset) % 4096
                             for sweep, offset in zip(recorder.joints, offsets, strict=True)])


@pytest.mark.parametrize('raw, offset', ((3000, 953), (1000, -1047), (2047, 0), (0, -2047)))
def test_middle_pose_gives_the_homing_offset_of_lerobot(raw: int, offset: int) -> None:
    recorder = RangeRecorder(NO_OFFSETS, [raw] * 6)
    assert [sweep.offset_ticks for sweep in recorder.joints] == [offset] * 6


def test_the_one_position_that_has_no_offset_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r'servo 1 \(shoulder_pan\).*Move it a little'):
        RangeRecorder(NO_OFFSETS, [4095] * 6)


@given(st.lists(st.integers(-2047, 2047), min_size=6, max_size=6),
       st.lists(st.integers(0, 4094), min_size=6, max_size=6),
       st.integers(600, 1300), st.integers(600, 1300))
def test_ranges_are_those_of_the_sweep_whatever_the_servos_held_before(
        offsets: list[int], raw: list[int], below: int, above: int) -> None:
    recorder = RangeRecorder(offsets, [
        (value - offset) % 4096 for value, offset in zip(raw, offsets, strict=True)])
    swept(recorder, 2047 - below, 2047 + above, offsets)
    for index, own in enumerate(recorder.result()):
        expected = (0, 4095) if index == 4 else (2047 - below, 2047 + above)
        assert (own.lower_ticks, own.upper_ticks) == expected
        assert own.offset_ticks == raw[index] - 2047


def test_joint_that_was_forgotten_is_named() -> None:
    recorder = RangeRecorder(NO_OFFSETS, [2047] * 6)
    swept(recorder, 1900, 2200, [0] * 6)
    with pytest.raises(ConfigurationError, match=r'shoulder_pan\) moved by 300 ticks only'):
        recorder.result()


def test_sweep_over_the_seam_is_refused() -> None:
    recorder = RangeRecorder(NO_OFFSETS, [2047] * 6)
    for position in (2047, 1000, 100, 4000, 3900):
        recorder.record([position] * 6)
    with pytest.raises(ConfigurationError, match='crossed the seam of its encoder'):
        recorder.result()


# Field fault h9: a mirrored gripper was recorded, and every policy then closed it to open it.


@pytest.mark.parametrize('position, text', (
    (3100, 'gripper. is at the upper end .* If it is closed, it turns the other way round'),
    (2600, 'gripper. is at the upper end'), (2000, 'gripper. is half open'),
    (1500, 'gripper. is half open')))
def test_gripper_that_does_not_end_closed_is_refused(calibrated: RangeRecorder, position: int,
                                                     text: str) -> None:
    for each in (*range(1000, position, 500), position):
        calibrated.record([1000] * 5 + [each])
    with pytest.raises(ConfigurationError, match=text):
        calibrated.result()


@pytest.mark.parametrize('position', (850, 900, 1400))
def test_gripper_that_ends_closed_is_recorded(calibrated: RangeRecorder, position: int) -> None:
    calibrated.record([1000] * 5 + [position])
    assert calibrated.result()[5].lower_ticks == min(position, 900)


def test_wrist_roll_may_go_round(calibrated: RangeRecorder) -> None:
    calibrated.joints[4].record(0)
    calibrated.joints[4].record(4095)
    own = calibrated.result()[4]
    assert (own.lower_ticks, own.upper_ticks) == (0, 4095)


@pytest.fixture
def calibrated() -> RangeRecorder:
    recorder = RangeRecorder(NO_OFFSETS, [2047] * 6)
    swept(recorder, 900, 3100, [0] * 6)
    return recorder


def test_travel_of_a_real_arm_raises_no_doubt_and_another_one_does() -> None:
    assert [text.split()[0] for text in doubts(calibration())] == ['gripper']
    recorder = RangeRecorder(NO_OFFSETS, [2047] * 6)
    swept(recorder, 1500, 2700, [0] * 6)
    assert len(doubts(recorder.result())) == 5
