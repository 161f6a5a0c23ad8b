# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One arm as a value: its joints, their limits, its rest pose, and its layout on the wire.

The order of ``ArmDescription.joints`` is the order of every joint array that belongs to the arm.
Angles are radians. The wire has an order and units of its own: ``WireLayout`` describes them.
This module knows no particular arm; the table of arms is ``hardware/arms.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.joints import GripperTravel, JointLimits, Vector
from reflex_ros.errors import ConfigurationError

MAX_JOINTS = 32


@dataclass(frozen=True, slots=True)
class JointDescription:
    """
    One joint of an arm.

    :param name: unique in the arm; the name in ``sensor_msgs/JointState``.
    :param limits: of position, velocity and acceleration. Those of a gripper are its travel: it is
        closed at the lower limit and open at the upper one.
    :param rest: position in the rest pose, where the arm settles and nothing falls [rad].
    :param rest_within: how far from it the joint may be when torque is switched off [rad].
    :raises ConfigurationError: for an empty name or a rest position that is not finite.
    """

    name: str
    limits: JointLimits
    rest: float
    is_gripper: bool = False
    rest_within: float = math.radians(30.0)

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable() or not math.isfinite(self.rest):
            raise ConfigurationError(f'joint {self.name!r} with rest position {self.rest}: '
                                     'expected a name, and a finite rest position [rad]')


class WireUnit(Enum):
    """Unit of one value on the wire; the last two count the gripper's travel from closed."""

    DEGREES = 'degrees'
    RADIANS = 'radians'
    PERCENT = 'percent'
    FRACTION = 'fraction'


@dataclass(frozen=True, slots=True)
class WireValue:
    """
    One value of a state or of a row: ``sign * scale * position + offset``, position in its unit.

    A gripper that is 0 open and 1 closed has the unit ``FRACTION``, sign -1 and offset 1.

    :param joint: name of the joint; empty for padding, which is sent as 0 and ignored on receipt.
    :param sign: 1 or -1.
    :param offset: number at position 0.
    :param scale: size of one unit: a gripper that opens from 0 to 0.044 is a ``FRACTION`` with
        scale 0.044.
    :param name: name of the joint at the service; empty for the same name.
    :raises ConfigurationError: for another sign, an offset that is not finite, or a scale that is
        not positive.
    """

    joint: str = ''
    unit: WireUnit = WireUnit.RADIANS
    sign: int = 1
    offset: float = 0.0
    scale: float = 1.0
    name: str = ''

    def __post_init__(self) -> None:
        if self.sign not in (1, -1) or not math.isfinite(self.offset):
            raise ConfigurationError(f'wire value of {self.joint!r} with sign {self.sign} and '
                                     f'offset {self.offset}: expected 1 or -1, and a finite '
                                     'offset')
        if not (math.isfinite(self.scale) and self.scale > 0.0):
            raise ConfigurationError(f'wire value of {self.joint!r} with scale {self.scale}: '
                                     'expected a positive number')

    @property
    def wire_name(self) -> str:
        """Name of the joint at the service; empty for padding."""
        return self.name or self.joint


@dataclass(frozen=True, slots=True)
class WireLayout:
    """
    How the service writes a state and a row of this arm (protocol reference, d.6 and k.5).

    :param adapter: name of the row layout at the service (``action_adapter``).
    :param robot: kind of robot at the service.
    :param rows_key: field of a chunk that carries the rows of this adapter.
    :param values: one entry per number of a state or of a row.
    :param state_units: what an observation says about its units; empty says nothing.
    :raises ConfigurationError: when the adapter or the field has no name, or a joint stands twice.
    """

    adapter: str
    robot: str
    rows_key: str
    values: tuple[WireValue, ...]
    state_units: str = ''

    def __post_init__(self) -> None:
        if not self.adapter or not self.rows_key:
            raise ConfigurationError('a wire layout needs the name of the adapter and of the '
                                     'field that carries its rows')
        repeated = _repeated([value.joint for value in self.values if value.joint])
        if repeated:
            raise ConfigurationError(f'adapter {self.adapter}: {repeated} stands twice on the '
                                     'wire. Give each joint one value')


@dataclass(frozen=True, slots=True)
class ArmDescription:
    """
    An arm, or several arms that one policy moves; all derived arrays are read-only.

    :param joints: 1 to 32, with unique names.
    :param wire: has each joint once; only a gripper may be in percent or a fraction.
    :raises ConfigurationError: saying which joint breaks which of these rules.
    """

    name: str
    joints: tuple[JointDescription, ...]
    wire: WireLayout
    joint_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    lower: Vector = field(init=False, repr=False, compare=False)
    """Lower limits (joints,) [rad]."""
    upper: Vector = field(init=False, repr=False, compare=False)
    """Upper limits (joints,) [rad]."""
    velocity: Vector = field(init=False, repr=False, compare=False)
    """Largest speeds (joints,) [rad/s]."""
    acceleration: Vector = field(init=False, repr=False, compare=False)
    """Largest accelerations (joints,) [rad/s^2]."""
    rest_pose: Vector = field(init=False, repr=False, compare=False)
    """(joints,) [rad]."""
    grippers: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Indices of the joints that are grippers."""
    wire_index: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    """Where each joint stands on the wire (joints,)."""
    wire_scale: Vector = field(init=False, repr=False, compare=False)
    """Wire value per radian of each joint (joints,)."""
    wire_shift: Vector = field(init=False, repr=False, compare=False)
    """Wire value of each joint at 0 rad (joints,)."""

    def __post_init__(self) -> None:
        names = tuple(joint.name for joint in self.joints)
        if not self.name:
            raise ConfigurationError('an arm needs a name')
        if not 1 <= len(names) <= MAX_JOINTS:
            raise ConfigurationError(f'arm {self.name} has {len(names)} joints, expected 1 to '
                                     f'{MAX_JOINTS}')
        repeated = _repeated(names)
        if repeated:
            raise ConfigurationError(f'arm {self.name} has two joints {repeated}. Rename one')
        on_wire = {value.joint: index for index, value in enumerate(self.wire.values)
                   if value.joint}
        if set(on_wire) != set(names):
            raise ConfigurationError(
                f'arm {self.name}: the wire layout {self.wire.adapter} has the joints '
                f'{", ".join(on_wire)}, the arm has {", ".join(names)}')
        index = np.array([on_wire[name] for name in names])
        lines = [self._line(joint, self.wire.values[on_wire[joint.name]])
                 for joint in self.joints]
        limits = [joint.limits for joint in self.joints]
        derived = {
            'joint_names': names,
            'grippers': tuple(number for number, joint in enumerate(self.joints)
                              if joint.is_gripper),
            'lower': np.array([own.lower for own in limits]),
            'upper': np.array([own.upper for own in limits]),
            'velocity': np.array([own.velocity for own in limits]),
            'acceleration': np.array([own.acceleration for own in limits]),
            'rest_pose': np.array([joint.rest for joint in self.joints]),
            'wire_index': index,
            'wire_scale': np.array([scale for scale, _ in lines]),
            'wire_shift': np.array([shift for _, shift in lines]),
        }
        for name, value in derived.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def _line(self, joint: JointDescription, value: WireValue) -> tuple[float, float]:
        """Return slope [1/rad] and intercept of the wire value over the joint's angle."""
        scale = value.sign * value.scale
        if value.unit is WireUnit.RADIANS:
            return scale, value.offset
        if value.unit is WireUnit.DEGREES:
            return scale * 180.0 / math.pi, value.offset
        if not joint.is_gripper:
            raise ConfigurationError(f'arm {self.name}: {joint.name} is in {value.unit.value} on '
                                     'the wire, but it is no gripper')
        full = 100.0 if value.unit is WireUnit.PERCENT else 1.0
        scale *= full / (joint.limits.upper - joint.limits.lower)
        return scale, value.offset - scale * joint.limits.lower

    def away_from_rest(self, pose: Vector) -> str:
        """
        Name the joint that is furthest from its place in the rest pose; empty if none is too far.

        :param pose: positions (joints,) [rad]; a value that is not finite is too far.
        """
        away = np.where(np.isfinite(pose), np.abs(pose - self.rest_pose), np.inf)
        beyond = away - np.array([joint.rest_within for joint in self.joints])
        index = int(beyond.argmax())
        if beyond[index] <= 0.0:
            return ''
        joint = self.joints[index]
        return (f'{joint.name} is {math.degrees(away[index]):.0f} deg from its place in the rest '
                f'pose ({math.degrees(joint.rest):.0f} deg)')

    @property
    def gripper_travels(self) -> tuple[GripperTravel, ...]:
        """What 0 % and 100 % of each gripper are, in the order of ``grippers``."""
        return tuple(GripperTravel(float(self.lower[index]), float(self.upper[index]))
                     for index in self.grippers)

    def with_limits(self, limits: Sequence[JointLimits]) -> ArmDescription:
        """
        Return the same arm with other limits, in joint order.

        :raises ValueError: for another number of limits than joints.
        """
        return replace(self, joints=tuple(
            replace(joint, limits=own)
            for joint, own in zip(self.joints, limits, strict=True)))

    def with_velocity(self, velocity: float, *, grippers: bool = False) -> ArmDescription:
        """
        Return the same arm with no joint faster than ``velocity`` [rad/s].

        :param grippers: whether it is a limit of the grippers too. They keep their own otherwise:
            a grasp is fast, and moves nothing but the jaws.
        """
        return self.with_limits([
            joint.limits if joint.is_gripper and not grippers
            else replace(joint.limits, velocity=min(joint.limits.velocity, velocity))
            for joint in self.joints])

    def with_acceleration(self, acceleration: float) -> ArmDescription:
        """Return the same arm with this limit for every joint but the grippers [rad/s^2]."""
        return self.with_limits([
            joint.limits if joint.is_gripper else replace(joint.limits, acceleration=acceleration)
            for joint in self.joints])

    def with_gripper_travel(self, *travels: GripperTravel) -> ArmDescription:
        """
        Return the same arm with calibrated grippers: their travel becomes their limits.

        :param travels: one per gripper, in the order of ``grippers``.
        :raises ConfigurationError: for another number of travels than grippers.
        """
        if len(travels) != len(self.grippers):
            raise ConfigurationError(f'arm {self.name} has {len(self.grippers)} grippers, got the '
                                     f'travel of {len(travels)}')
        limits = [joint.limits for joint in self.joints]
        for index, travel in zip(self.grippers, travels, strict=True):
            limits[index] = replace(limits[index], lower=travel.closed, upper=travel.opened)
        return self.with_limits(limits)


def pair(left: ArmDescription, right: ArmDescription, *, name: str,
         robot: str) -> ArmDescription:
    """
    Combine two arms into one: the left arm's joints first, named ``left_...``, ``right_...``.

    The adapter, its field and its units are those that both arms name. Padding at the end of a
    single arm's layout makes room for the other arm: two arms of 7 joints fill a layout of 14.

    :param name: name of the pair.
    :param robot: kind of robot at the service.
    :raises ConfigurationError: when the adapters differ, or there are more than 32 joints.
    """
    if left.wire.adapter != right.wire.adapter:
        raise ConfigurationError(f'{name}: {left.name} speaks {left.wire.adapter} and '
                                 f'{right.name} {right.wire.adapter}. A pair needs one adapter')
    sides = (('left_', left), ('right_', right))
    joints = tuple(replace(joint, name=prefix + joint.name)
                   for prefix, arm in sides for joint in arm.joints)
    values = [replace(value, joint=prefix + value.joint) if value.joint else value
              for prefix, arm in sides for value in _without_padding_at_the_end(arm.wire.values)]
    width = max(len(left.wire.values), len(right.wire.values))
    values += [WireValue()] * (width - len(values))
    return ArmDescription(name, joints, replace(left.wire, robot=robot, values=tuple(values)))


def _without_padding_at_the_end(values: Sequence[WireValue]) -> Sequence[WireValue]:
    used = max((index + 1 for index, value in enumerate(values) if value.joint), default=0)
    return values[:used]


def _repeated(names: Sequence[str]) -> str:
    return next((name for index, name in enumerate(names) if name in names[:index]), '')
