# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A URDF as plain values: what a page needs to draw an arm, and where each link is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from reflex_ros.errors import ConfigurationError

Triple = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
"""A rotation: x, y, z, w."""
ORIGIN: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """
    A simple body of a link.

    :param kind: ``box`` (size: x, y, z [m]) or ``cylinder`` (size: radius, length [m], along z).
    :param xyz: place in the link [m].
    :param rpy: turn in the link: roll, pitch, yaw [rad].
    :param rgba: colour, each 0..1.
    """

    kind: str
    size: tuple[float, ...]
    xyz: Triple
    rpy: Triple
    rgba: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Joint:
    """
    The joint between two links, at its zero position.

    :param is_fixed: whether it does not turn.
    :param axis: axis of rotation in the frame of the joint.
    """

    name: str
    parent: str
    child: str
    xyz: Triple
    rpy: Triple
    axis: Triple
    is_fixed: bool

    def rotation(self, angle: float) -> Quaternion:
        """
        Return how the child is turned in the frame of the parent; it stays at ``xyz``.

        :param angle: of the joint [rad]; a fixed joint ignores it.
        """
        roll, pitch, yaw = self.rpy
        turned = _times(_times(_around((0.0, 0.0, 1.0), yaw), _around((0.0, 1.0, 0.0), pitch)),
                        _around((1.0, 0.0, 0.0), roll))
        return turned if self.is_fixed else _times(turned, _around(self.axis, angle))


@dataclass(frozen=True, slots=True)
class ArmModel:
    """An arm as links with shapes, and joints from the base outwards."""

    links: Mapping[str, tuple[Shape, ...]]
    joints: tuple[Joint, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the model for a page."""
        return {'links': {name: [asdict(shape) for shape in shapes]
                          for name, shapes in self.links.items()},
                'joints': [asdict(joint) for joint in self.joints]}

    def frames(self, positions: Mapping[str, float]) -> dict[str, np.ndarray]:
        """
        Return where each link is (4, 4), in the frame of the base.

        :param positions: joint -> angle [rad]; one that is missing is at zero.
        """
        children = {joint.child for joint in self.joints}
        found = {name: np.eye(4) for name in self.links if name not in children}
        for joint in self.joints:
            found[joint.child] = found[joint.parent] @ _pose(
                joint.xyz, joint.rotation(positions.get(joint.name, 0.0)))
        return found


def read_model(path: Path) -> ArmModel:
    """
    Read a URDF of boxes and cylinders.

    :raises ConfigurationError: when the file cannot be read or is no such URDF.
    """
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314  # our own file
        colours = {each.get('name'): _floats(_found(each, 'color').get('rgba'))
                   for each in root.findall('material')}
        links = {str(link.get('name')): tuple(
            _shape(visual, colours) for visual in link.findall('visual'))
            for link in root.findall('link')}
        return ArmModel(links, tuple(_joint(joint) for joint in root.findall('joint')))
    except (OSError, ElementTree.ParseError, KeyError, ValueError) as exc:
        raise ConfigurationError(f'{path} is no URDF of boxes and cylinders: {exc}') from exc


def _shape(visual: ElementTree.Element, colours: Mapping[Any, tuple[float, ...]]) -> Shape:
    geometry = _found(visual, 'geometry')
    box, cylinder = geometry.find('box'), geometry.find('cylinder')
    if box is not None:
        kind, size = 'box', _floats(box.get('size'))
    elif cylinder is not None:
        kind = 'cylinder'
        size = (float(cylinder.attrib['radius']), float(cylinder.attrib['length']))
    else:
        raise ValueError('a shape is neither a box nor a cylinder')
    xyz, rpy = _place(visual)
    return Shape(kind, size, xyz, rpy, colours[_found(visual, 'material').get('name')])


def _joint(joint: ElementTree.Element) -> Joint:
    axis = joint.find('axis')
    xyz, rpy = _place(joint)
    return Joint(str(joint.get('name')), str(_found(joint, 'parent').get('link')),
                 str(_found(joint, 'child').get('link')), xyz, rpy,
                 _triple(axis.get('xyz')) if axis is not None else ORIGIN,
                 joint.get('type') == 'fixed')


def _place(parent: ElementTree.Element) -> tuple[Triple, Triple]:
    origin = parent.find('origin')
    if origin is None:
        return ORIGIN, ORIGIN
    return _triple(origin.get('xyz')), _triple(origin.get('rpy'))


def _found(parent: ElementTree.Element, tag: str) -> ElementTree.Element:
    found = parent.find(tag)
    if found is None:
        raise ValueError(f'<{parent.tag}> without <{tag}>')
    return found


def _floats(text: str | None) -> tuple[float, ...]:
    return tuple(map(float, (text or '0 0 0').split()))


def _triple(text: str | None) -> Triple:
    x, y, z = _floats(text)
    return x, y, z


def _pose(xyz: Triple, rotation: Quaternion) -> np.ndarray:
    """Return the matrix (4, 4) of a place and a rotation."""
    x, y, z, w = rotation
    pose = np.eye(4)
    pose[:3, :3] = ((1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
                    (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
                    (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)))
    pose[:3, 3] = xyz
    return pose


def _around(axis: Triple, angle: float) -> Quaternion:
    """Return the rotation around a unit axis."""
    x, y, z = axis
    sine = math.sin(angle / 2)
    return x * sine, y * sine, z * sine, math.cos(angle / 2)


def _times(first: Quaternion, second: Quaternion) -> Quaternion:
    """Return the rotation that turns by the second in the frame of the first."""
    a, b, c, d = first
    x, y, z, w = second
    return (d * x + a * w + b * z - c * y, d * y - a * z + b * w + c * x,
            d * z + a * y - b * x + c * w, d * w - a * x - b * y - c * z)
