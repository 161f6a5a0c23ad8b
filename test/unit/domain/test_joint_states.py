# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pose is complete when every joint was measured lately, however the messages are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain.joint_states import JointStates

ARM = ('pan', 'lift', 'gripper')


def states(age_s: float = 0.1) -> JointStates:
    return JointStates(ARM, age_s)


def test_whole_message_is_a_pose_of_its_instant() -> None:
    target = states()
    assert target.put(ARM, (1.0, 2.0, 3.0), 5.0) == ((1.0, 2.0, 3.0), 5.0)
    assert target.gap(5.1) == ''


def test_order_and_further_joints_do_not_matter() -> None:
    target = states()
    names = ('wheel', 'gripper', 'pan', 'mast', 'lift')
    assert target.put(names, (9.0, 3.0, 1.0, 9.0, 2.0), 5.0) == ((1.0, 2.0, 3.0), 5.0)


def test_pose_in_parts_is_as_old_as_its_oldest_joint() -> None:
    target = states()
    assert target.put(('pan', 'lift'), (1.0, 2.0), 5.00) is None
    assert target.put(('gripper',), (3.0,), 5.04) == ((1.0, 2.0, 3.0), 5.00)
    assert target.put(('pan', 'lift'), (1.5, 2.5), 5.05) == ((1.5, 2.5, 3.0), 5.04)
    assert target.put(('pan', 'lift'), (1.6, 2.6), 5.14) == ((1.6, 2.6, 3.0), 5.04)
    assert target.put(('pan', 'lift'), (1.7, 2.7), 5.15) is None
    assert target.gap(5.15) == 'no joint state of gripper for 0.11 s'


@examples(100)
@given(st.lists(st.tuples(st.sampled_from([*ARM, 'other']), st.floats(-3.0, 3.0)), min_size=1,
                max_size=30), st.floats(0.01, 0.2))
def test_one_joint_at_a_time_gives_the_newest_of_each(
        parts: list[tuple[str, float]], age_s: float) -> None:
    target = JointStates(ARM, age_s)
    newest: dict[str, tuple[float, float]] = {}
    for number, (name, position) in enumerate(parts):
        at = number * 0.01
        newest[name] = position, at
        found = target.put((name,), (position,), at)
        ours = [newest.get(joint, (0.0, -9.9)) for joint in ARM]
        oldest = min(at for _, at in ours)
        if at - oldest <= age_s and name in ARM:
            assert found == (tuple(position for position, _ in ours), oldest)
            assert target.gap(at) == ''
        else:
            assert found is None


@pytest.mark.parametrize(('names', 'positions', 'words'), [
    (('pan', 'lift', 'pan'), (1.0, 2.0, 3.0), 'pan is named twice'),
    (('pan', 'wheel', 'wheel'), (1.0, 2.0, 3.0), 'wheel is named twice'),
    (('pan', 'lift'), (1.0,), '2 names and 1 positions'),
    (ARM, (), '3 names and 0 positions'),
    (ARM, (1.0, float('nan'), 3.0), 'the position of lift is not a finite number'),
    (ARM, (float('inf'), 0.0, float('-inf')), 'of pan, gripper is not'),
    (ARM, (1e308, 0.0, -1001.0), 'of pan, gripper is beyond 1000 rad, so it is not measured')])
def test_message_that_is_wrong_is_refused_by_name(names: tuple[str, ...],
                                                  positions: tuple[float, ...],
                                                  words: str) -> None:
    target = states()
    assert target.put(names, positions, 5.0) is None
    assert target.gap(5.0).startswith('joint states are refused: ') and words in target.gap(5.0)
    # The next one that is right is taken.
    assert target.put(ARM, (1.0, 2.0, 3.0), 5.0) is not None
    assert target.gap(5.0) == ''


def test_refused_message_changes_nothing() -> None:
    target = states()
    target.put(ARM, (1.0, 2.0, 3.0), 5.0)
    assert target.put(ARM, (9.0, 9.0, float('nan')), 5.01) is None
    assert target.put(('gripper',), (4.0,), 5.02) == ((1.0, 2.0, 4.0), 5.0)


def test_part_that_is_overtaken_changes_nothing() -> None:
    target = states()
    target.put(ARM, (1.0, 2.0, 3.0), 5.02)
    assert target.put(('gripper', 'lift'), (9.0, 9.0), 5.01) == ((1.0, 2.0, 3.0), 5.02)


def test_not_finite_position_of_another_joint_is_nothing_to_us() -> None:
    assert states().put((*ARM, 'wheel'), (1.0, 2.0, 3.0, float('nan')), 5.0) is not None


@pytest.mark.parametrize(('messages', 'gap'), [
    ([('arm_pan', 'arm_lift')], 'joint states came, with none of the joints pan, lift, gripper; '
     'they name arm_pan, arm_lift'),
    ([('pan', 'lift')], 'joint states lack gripper; they name pan, lift'),
    ([('pan', 'lift'), ('claw',)], 'joint states lack gripper; they name pan, lift, claw'),
    ([('1', '2', '3')], 'joint states came, with none of the joints pan, lift, gripper; they name '
     '1, 2, 3'),
    ([ARM], 'no joint state for 1.00 s')])
def test_gap_names_what_is_missing_and_what_came(messages: list[tuple[str, ...]],
                                                 gap: str) -> None:
    target = states()
    target.put(('long_gone', 'pan'), [0.0, float('nan')], 0.0)
    for names in messages:
        target.put(names, [0.0] * len(names), 5.0)
    assert target.gap(6.0) == gap


def test_before_anything_came_the_gap_says_so() -> None:
    assert states().gap(0.0) == 'no joint state yet'


def test_gap_stays_short_whatever_came() -> None:
    target = states()
    for number in range(100):
        target.put([f'{"x" * 500}\n{number}_{joint}' for joint in range(50)], [0.0] * 50, 1.0)
    assert len(target.gap(1.0)) < 600 and '\n' not in target.gap(1.0)
