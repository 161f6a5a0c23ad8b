# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How any arm is written in the row layouts that the service knows by name, and in one of its own.

An adapter is a row layout at the service (protocol reference, d.1, d.6 and k.5). ``lay_out``
fills it with the joints of an arm. A model that was trained with another order, unit, sign, zero
or range of the gripper needs a ``WireMapping``; the adapter then only names the field of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import math

from reflex_ros.domain.arm_description import (
    ArmDescription,
    JointDescription,
    WireLayout,
    WireUnit,
    WireValue,
)
from reflex_ros.errors import ConfigurationError

PADDING = '-'
"""In the list of the joints on the wire: a number that belongs to no joint."""
KNOWN_STATE_UNITS = 'degrees_and_percent'
"""The only ``state_units`` that a client of the service was seen to send (section k.5)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """
    One row layout of the service.

    :param rows_key: field of a chunk that carries its rows.
    :param width: numbers of a state or of a row.
    :param angles: unit of a joint that is no gripper.
    :param gripper: how a gripper is written; its joint is empty.
    :param arm_width: numbers of one arm of several: each further arm begins at a multiple of it,
        and what an arm lacks is padding. 0: the joints must fill the layout.
    """

    name: str
    rows_key: str
    width: int
    angles: WireUnit
    gripper: WireValue
    arm_width: int = 0


_ALOHA_GRIPPER = WireValue(unit=WireUnit.FRACTION, sign=-1, offset=1.0)
"""0 is open, 1 is closed (protocol reference, section d.6)."""

ADAPTERS: Mapping[str, Adapter] = {adapter.name: adapter for adapter in (
    Adapter('so101_joint', 'actions_so101', 6, WireUnit.DEGREES, WireValue(unit=WireUnit.PERCENT)),
    Adapter('aloha_joint', 'actions_aloha', 14, WireUnit.RADIANS, _ALOHA_GRIPPER, 7),
    # The meaning of a model's raw rows depends on its training data. This is the layout of the
    # base model, which was trained on arms like the one above.
    Adapter('pi_native', 'actions_pi', 32, WireUnit.RADIANS, _ALOHA_GRIPPER, 7))}


@dataclass(frozen=True, slots=True)
class JointMapping:
    """
    How one joint is written, where that differs from the adapter.

    :param unit: None keeps the adapter's.
    :param sign: -1 turns the number round.
    :param offset: is added to the number.
    :param closed: number of a closed gripper; together with ``opened``, unless both are 0.
    :param opened: number of an open gripper.
    :param name: name of the joint at the service; empty for the same name.
    """

    unit: WireUnit | None = None
    sign: int = 1
    offset: float = 0.0
    closed: float = 0.0
    opened: float = 0.0
    name: str = ''


@dataclass(frozen=True, slots=True)
class WireMapping:
    """
    The numbers of a state or a row, one after the other.

    :param joints: names of joints in the order of the wire, ``PADDING`` for other numbers; empty
        takes the order of the adapter.
    :param changes: by the name of a joint in ``joints``.
    """

    joints: Sequence[str] = ()
    changes: Mapping[str, JointMapping] = field(default_factory=dict)


def with_wire(arm: ArmDescription, adapter: str = '',
              mapping: WireMapping | None = None) -> ArmDescription:
    """
    Return the same arm with another layout on the wire.

    :param adapter: name of a row layout; empty takes the arm's own.
    :raises ConfigurationError: when the arm does not fit the adapter, or the mapping does not fit
        the arm; names the joint and what is allowed.
    """
    own = adapter in ('', arm.wire.adapter)
    wire = arm.wire if own else lay_out(arm.joints, find(adapter), arm.wire.robot)
    if mapping is not None and mapping.joints:
        wire = _mapped(arm, wire, mapping)
    return replace(arm, wire=wire)


def find(name: str) -> Adapter:
    """
    Return the adapter of that name.

    :raises ConfigurationError: when there is none; names all.
    """
    try:
        return ADAPTERS[name]
    except KeyError:
        raise ConfigurationError(f'no adapter {name!r}, there is {", ".join(ADAPTERS)}') from None


def lay_out(joints: Sequence[JointDescription], adapter: Adapter, robot: str) -> WireLayout:
    """
    Fill an adapter with the joints of an arm, in their order.

    A gripper is the last joint of its arm.

    :param robot: kind of robot at the service.
    :raises ConfigurationError: when there are too many joints, or too few for a layout without
        padding.
    """
    arms = _arms(joints)
    values: list[WireValue] = []
    for number, arm in enumerate(arms):
        if len(arms) > 1 and len(arm) > adapter.arm_width:
            # Nobody knows where a further arm would begin.
            raise _misfit(joints, adapter)
        values += [WireValue()] * (number * adapter.arm_width - len(values))
        values += [replace(adapter.gripper, joint=joint.name) if joint.is_gripper
                   else WireValue(joint.name, adapter.angles) for joint in arm]
    missing = adapter.width - len(values)
    if missing < 0 or (missing and not adapter.arm_width):
        raise _misfit(joints, adapter)
    return _layout(adapter.name, robot, adapter.rows_key, (*values, *[WireValue()] * missing))


def state_units(values: Sequence[WireValue]) -> str:
    """Return what an observation says about its units; empty where the service has no word."""
    units = sorted({value.unit.value for value in values if value.joint})
    text = '_and_'.join(units)
    return text if text == KNOWN_STATE_UNITS else ''


def _layout(adapter: str, robot: str, rows_key: str, values: Sequence[WireValue]) -> WireLayout:
    return WireLayout(adapter, robot, rows_key, tuple(values), state_units(values))


def _arms(joints: Sequence[JointDescription]) -> list[list[JointDescription]]:
    arms: list[list[JointDescription]] = [[]]
    for joint in joints:
        if arms[-1] and arms[-1][-1].is_gripper:
            arms.append([])
        arms[-1].append(joint)
    return arms


def _misfit(joints: Sequence[JointDescription], adapter: Adapter) -> ConfigurationError:
    others = ', '.join(name for name in ADAPTERS if name != adapter.name)
    return ConfigurationError(
        f'adapter {adapter.name} has {adapter.width} values'
        + (f', {adapter.arm_width} for each of several arms' if adapter.arm_width else '')
        + f'; the {len(joints)} joints {", ".join(joint.name for joint in joints)} do not fit. '
        f'Choose another adapter ({others}), or list the values of a row in the mapping')


def _mapped(arm: ArmDescription, wire: WireLayout, mapping: WireMapping) -> WireLayout:
    base = {value.joint: value for value in wire.values if value.joint}
    listed = [joint for joint in mapping.joints if joint != PADDING]
    missing = [name for name in arm.joint_names if name not in listed]
    extra = [name for name in listed if name not in base]
    twice = sorted({name for name in listed if listed.count(name) > 1})
    problems = [f'{what}: {", ".join(names)}' for what, names in (
        ('missing', missing), (f'not a joint of the arm {arm.name}', extra), ('twice', twice))
        if names]
    if problems:
        raise ConfigurationError(
            f'the mapping must list each joint once ({", ".join(arm.joint_names)}) and '
            f'{PADDING!r} for every other number; {"; ".join(problems)}')
    if len(mapping.joints) != len(wire.values):
        raise ConfigurationError(
            f'the mapping has {len(mapping.joints)} values, the adapter {wire.adapter} '
            f'{len(wire.values)}. '
            f'Add {PADDING!r} for each number without a joint, or choose another adapter')
    grippers = {joint.name for joint in arm.joints if joint.is_gripper}
    values = [WireValue() if joint == PADDING else
              _changed(base[joint], mapping.changes.get(joint, JointMapping()),
                       is_gripper=joint in grippers) for joint in mapping.joints]
    return _layout(wire.adapter, wire.robot, wire.rows_key, values)


def _changed(value: WireValue, change: JointMapping, *, is_gripper: bool) -> WireValue:
    """
    Return the value of a joint with what its mapping says.

    :raises ConfigurationError: for a range of a joint that is no gripper, a range beside unit,
        sign or offset, or a range that is empty.
    """
    name = change.name or value.name
    if not (change.closed or change.opened):
        started = value if change.unit is None else WireValue(value.joint, change.unit)
        return replace(started, name=name, sign=started.sign * change.sign,
                       offset=started.offset * change.sign + change.offset)
    where = f'the mapping of {value.joint}'
    if not is_gripper:
        raise ConfigurationError(f'{where} has the numbers closed and open, but it is no gripper. '
                                 'Use unit, sign and offset')
    if change.unit is not None or change.sign != 1 or change.offset:
        raise ConfigurationError(f'{where} has closed and open beside unit, sign or offset. Use '
                                 'one or the other')
    scale = change.opened - change.closed
    if not (math.isfinite(scale) and scale):
        raise ConfigurationError(f'{where} has the same number {change.closed:g} for closed and '
                                 'open')
    return WireValue(value.joint, WireUnit.FRACTION, 1 if scale > 0 else -1, change.closed,
                     abs(scale), name)
