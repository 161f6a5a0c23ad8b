# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layout of an arm against what the service says of states and rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_arms import FOURTEEN, SEVEN
import pytest

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.wire_adapters import JointMapping, WireMapping, with_wire
from reflex_ros.domain.wire_check import differences, from_schema, from_session
from reflex_ros.hardware.so101 import SO101

NAMES = list(SO101.joint_names)


def schema(size: int | None = 6, **fields: Any) -> dict[str, Any]:
    """Make a robot schema whose states and rows have the same fields."""
    side = ({} if size is None else {'shape': [size]}) | fields
    return {'schema_version': 'robot_schema.v1', 'observations': {'state': side},
            'actions': {'action': side | {'safe_stop': [0] * 6}}}


@pytest.mark.parametrize(('arm', 'said'), [
    (SO101, schema()), (SO101, schema(None)), (SO101, {}),
    (SO101, schema(names=NAMES, units='degrees_and_percent')),
    (SO101, schema(names=[f'{name}.pos' for name in NAMES])),
    (SO101, schema(names={'motors': NAMES}, units=['deg'] * 5 + ['%'])),
    (SO101, schema() | {'action_adapter': 'so101_joint'}),
    (SO101, schema(units='some words of a stranger')),
    # A schema describes the robot, and an adapter pads it.
    (with_wire(SO101, 'aloha_joint'), schema()), (with_wire(SO101, 'aloha_joint'), schema(14)),
    (SEVEN, schema(7, names=list(SEVEN.joint_names), units='radians_and_fraction')),
    (FOURTEEN, schema(14, names=list(FOURTEEN.joint_names))),
    (with_wire(SO101, mapping=WireMapping(NAMES, {'gripper': JointMapping(name='hand')})),
     schema(names=[*NAMES[:5], 'hand'])),
])
def test_schema_of_the_arm_has_no_difference(arm: ArmDescription, said: dict[str, Any]) -> None:
    assert differences(arm.wire, from_schema(said)) == []


@pytest.mark.parametrize(('arm', 'said', 'expected'), [
    (SO101, schema(14), ['a state of 14 numbers, here 6', 'a row of 14 numbers, here 6']),
    (SO101, schema() | {'action_adapter': 'aloha_joint'},
     ['adapter aloha_joint, here so101_joint']),
    (SO101, schema(names=[*NAMES[:5], 'hand', 'thumb']),
     ['joints only there: hand, thumb', 'joints only here: gripper']),
    (SO101, schema(names=[NAMES[1], NAMES[0], *NAMES[2:]]),
     ['order shoulder_lift, shoulder_pan, elbow_flex, wrist_flex, wrist_roll, gripper, here '
      'shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, wrist_roll, gripper']),
    (SO101, schema(units='radians'), ['units radians, here degrees and percent']),
    (SO101, schema(units='normalized'), ['units normalized, here degrees and percent']),
    (SO101, schema(names=NAMES, units=['rad'] + ['deg'] * 4 + ['percent']),
     ['unit of shoulder_pan in rad, here degrees']),
    (SEVEN, schema(6), ['a state of 6 numbers, here 14', 'a row of 6 numbers, here 14']),
    (FOURTEEN, schema(14, names=[f'j{index}' for index in range(14)]),
     ['joints only there: j0, j1, j2, j3, j4, j5, j6, j7, and 6 more',
      'joints only here: left_base, left_upper, left_turn, left_lower, left_bend, left_twist, '
      'left_jaw, right_base, and 6 more']),
])
def test_difference_is_shown(
        arm: ArmDescription, said: dict[str, Any], expected: list[str]) -> None:
    assert differences(arm.wire, from_schema(said)) == expected


def test_schema_of_the_package_fits_the_arm_of_the_package() -> None:
    file = Path(__file__).parents[3] / 'config' / 'so101.schema.json'
    said = from_schema(json.loads(file.read_text(encoding='utf-8')))
    assert said.row.names and said.row.units and said.row.size
    assert differences(SO101.wire, said) == []
    assert differences(with_wire(SO101, 'aloha_joint').wire, said) == [
        'unit of shoulder_pan in deg, here radians, shoulder_lift in deg, here radians, '
        'elbow_flex in deg, here radians, wrist_flex in deg, here radians, wrist_roll in deg, '
        'here radians, gripper in percent, here fraction']


def test_state_and_row_are_compared_each() -> None:
    said = schema()
    said['actions'] = {'action': {'shape': [7]}}
    assert differences(SO101.wire, from_schema(said)) == ['a row of 7 numbers, here 6']


@pytest.mark.parametrize(('said', 'expected'), [
    ({'session_id': 's'}, []),
    ({'action_adapter': 'so101_joint', 'state_dim': 6, 'action_dim': 6}, []),
    ({'action_adapter': 'pi_native'}, ['adapter pi_native, here so101_joint']),
    ({'action_dim': 14}, ['a row of 14 numbers, here 6']),
    ({'action_shape': [50, 32]}, ['a row of 32 numbers, here 6']),
    ({'state_units': 'radians'}, ['units radians, here degrees and percent']),
])
def test_session_says_what_it_will_send(said: dict[str, Any], expected: list[str]) -> None:
    assert differences(SO101.wire, from_session(said)) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(['observations', 'state', 'actions', 'action', 'shape', 'names', 'units',
                         'action_adapter', 'action_dim', 'action_shape', 'joint_names']),
        inner, max_size=4), max_leaves=12)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(['observations', 'actions', 'action_adapter',
                                        'action_shape', 'joint_names', 'state_units']), JSON))
def test_whatever_the_service_says_is_read(said: dict[str, Any]) -> None:
    for expected in (from_schema(said), from_session(said)):
        assert all(text.isprintable() for text in differences(SO101.wire, expected))
