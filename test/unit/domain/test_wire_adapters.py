# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any arm in the row layouts of the service, and in a layout of its own by mapping."""

from __future__ import annotations

from dataclasses import replace
import math

from made_up_arms import FOURTEEN, plain, SEVEN
import pytest

from reflex_ros.domain.arm_description import ArmDescription, pair, WireUnit, WireValue
from reflex_ros.domain.wire_adapters import (
    ADAPTERS,
    JointMapping,
    lay_out,
    WireMapping,
    with_wire,
)
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.so101 import SO101

TWO_SO101 = pair(SO101, SO101, name='two', robot='two')
NAMES = SO101.joint_names


def joints_of(arm: ArmDescription) -> list[str]:
    """Return the joints in the order of the wire; padding is empty."""
    return [value.joint for value in arm.wire.values]


def numbers(arm: ArmDescription) -> dict[str, float]:
    """Return the number on the wire of each joint at its lower limit."""
    values = (arm.wire_scale * arm.lower + arm.wire_shift).tolist()
    return dict(zip(arm.joint_names, values, strict=True))


@pytest.mark.parametrize('arm', [SO101, SEVEN, FOURTEEN], ids=lambda arm: arm.name)
def test_layout_of_an_arm_that_was_written_by_hand_is_that_of_its_adapter(
        arm: ArmDescription) -> None:
    assert lay_out(arm.joints, ADAPTERS[arm.wire.adapter], arm.wire.robot) == arm.wire


@pytest.mark.parametrize('arm', [SO101, SEVEN, FOURTEEN, plain(1)], ids=lambda arm: arm.name)
def test_arm_keeps_its_own_layout_unless_told_otherwise(arm: ArmDescription) -> None:
    assert with_wire(arm) == with_wire(arm, arm.wire.adapter) == arm


@pytest.mark.parametrize(('arm', 'adapter', 'joints'), [
    (SO101, 'aloha_joint', [*NAMES, *[''] * 8]),
    (SO101, 'pi_native', [*NAMES, *[''] * 26]),
    (SEVEN, 'pi_native', [*SEVEN.joint_names, *[''] * 25]),
    (FOURTEEN, 'pi_native', [*FOURTEEN.joint_names, *[''] * 18]),
    # The right arm begins where that of an ALOHA begins, also after an arm with fewer joints.
    (TWO_SO101, 'aloha_joint', [*TWO_SO101.joint_names[:6], '', *TWO_SO101.joint_names[6:], '']),
])
def test_arm_fills_another_adapter_from_the_front(
        arm: ArmDescription, adapter: str, joints: list[str]) -> None:
    made = with_wire(arm, adapter)
    assert joints_of(made) == joints
    assert (made.wire.adapter, made.wire.rows_key, made.wire.robot, made.wire.state_units) == (
        adapter, ADAPTERS[adapter].rows_key, arm.wire.robot, '')


def test_so101_in_an_aloha_is_radians_and_a_gripper_that_is_1_when_closed() -> None:
    made = numbers(with_wire(SO101, 'aloha_joint'))
    assert made.pop('gripper') == 1.0
    assert list(made.values()) == SO101.lower[:5].tolist()


@pytest.mark.parametrize(('arm', 'adapter'), [
    (SEVEN, 'so101_joint'), (FOURTEEN, 'so101_joint'), (plain(5), 'so101_joint'),
    (plain(15), 'aloha_joint'),
    (pair(plain(8), replace(SEVEN, wire=lay_out(SEVEN.joints, ADAPTERS['pi_native'], 'plain')),
          name='odd', robot='odd'), 'aloha_joint'),
])
def test_arm_that_does_not_fit_an_adapter_is_refused_with_its_joints(
        arm: ArmDescription, adapter: str) -> None:
    with pytest.raises(ConfigurationError, match=f'adapter {adapter} has .* do not fit. Choose'):
        with_wire(arm, adapter)


def test_adapter_that_nobody_knows_is_refused_with_all_names() -> None:
    with pytest.raises(ConfigurationError, match='there is so101_joint, aloha_joint, pi_native'):
        with_wire(SO101, 'so102_joint')


def test_mapping_gives_another_order_unit_sign_offset_and_name() -> None:
    order = ['wrist_roll', *NAMES[:4], 'gripper']
    made = with_wire(SO101, mapping=WireMapping(order, {
        'wrist_roll': JointMapping(WireUnit.RADIANS, -1, 0.5, name='roll'),
        'shoulder_pan': JointMapping(offset=90.0),
        'elbow_flex': JointMapping(sign=-1)}))
    assert joints_of(made) == order
    assert made.wire.values[0].wire_name == 'roll'
    assert made.wire.state_units == ''
    lower = dict(zip(NAMES, SO101.lower.tolist(), strict=True))
    assert numbers(made) == pytest.approx({
        'wrist_roll': 0.5 - lower['wrist_roll'],
        'shoulder_pan': math.degrees(lower['shoulder_pan']) + 90.0,
        'shoulder_lift': math.degrees(lower['shoulder_lift']),
        'elbow_flex': -math.degrees(lower['elbow_flex']),
        'wrist_flex': math.degrees(lower['wrist_flex']), 'gripper': 0.0})


@pytest.mark.parametrize(('change', 'closed', 'opened'), [
    (JointMapping(), 1.0, 0.0),
    (JointMapping(sign=-1, offset=1.0), 0.0, 1.0),
    (JointMapping(WireUnit.PERCENT), 0.0, 100.0),
    (JointMapping(closed=0.0, opened=0.044), 0.0, 0.044),
    (JointMapping(closed=80.0, opened=-20.0), 80.0, -20.0),
])
def test_gripper_has_the_numbers_that_the_mapping_gives_it(
        change: JointMapping, closed: float, opened: float) -> None:
    made = with_wire(SEVEN, mapping=WireMapping(
        [*SEVEN.joint_names, *['-'] * 7], {'jaw': change}))
    scale, shift = made.wire_scale[6], made.wire_shift[6]
    assert scale * SEVEN.lower[6] + shift == pytest.approx(closed)
    assert scale * SEVEN.upper[6] + shift == pytest.approx(opened)


def test_mapping_puts_padding_anywhere() -> None:
    order = ['-', *NAMES, *['-'] * 7]
    assert joints_of(with_wire(SO101, 'aloha_joint', WireMapping(order))) == [
        '', *NAMES, *[''] * 7]


@pytest.mark.parametrize(('joints', 'changes', 'text'), [
    (NAMES[:5], {}, 'missing: gripper'),
    ([*NAMES[:5], 'hand'], {}, 'missing: gripper; not a joint of the arm so101: hand'),
    ([*NAMES, 'gripper'], {}, 'twice: gripper'),
    ([*NAMES, '-'], {}, 'has 7 values, the adapter so101_joint 6'),
    (NAMES, {'wrist_roll': JointMapping(closed=1.0)}, 'wrist_roll .* it is no gripper'),
    (NAMES, {'wrist_roll': JointMapping(WireUnit.PERCENT)}, 'wrist_roll .* it is no gripper'),
    (NAMES, {'gripper': JointMapping(closed=1.0, sign=-1)}, 'one or the other'),
    (NAMES, {'gripper': JointMapping(closed=1.0, opened=1.0)}, 'same number 1 for closed'),
    (NAMES, {'gripper': JointMapping(sign=0)}, 'expected 1 or -1'),
])
def test_mapping_that_makes_no_sense_is_refused(
        joints: list[str], changes: dict[str, JointMapping], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        with_wire(SO101, mapping=WireMapping(joints, changes))


@pytest.mark.parametrize('scale', [0.0, -1.0, math.inf])
def test_wire_value_needs_a_positive_scale(scale: float) -> None:
    with pytest.raises(ConfigurationError, match='expected a positive number'):
        WireValue('jaw', scale=scale)
