# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether the layout of an arm on the wire is what the service says it expects.

The service speaks of it in the robot schema of a deployment (protocol reference, section i.4), in
the grant of a session and in ``session.ready``. The fields beside the sizes are not documented
there: what is missing or says nothing that can be compared is no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

from reflex_ros.domain.arm_description import WireLayout, WireUnit

_UNITS = {
    'degrees': WireUnit.DEGREES, 'degree': WireUnit.DEGREES, 'deg': WireUnit.DEGREES,
    'radians': WireUnit.RADIANS, 'radian': WireUnit.RADIANS, 'rad': WireUnit.RADIANS,
    'percent': WireUnit.PERCENT, '%': WireUnit.PERCENT, 'fraction': WireUnit.FRACTION}
_NO_UNITS = ('normalized', 'normalised', 'range_m100_100')
"""Words for numbers that need the statistics of a training set: no layout of an arm has them."""
_SUFFIX = '.pos'
"""LeRobot writes ``shoulder_pan.pos`` for the position of a joint."""
MAX_SHOWN = 8
MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Side:
    """
    What is said of a state, or of a row.

    :param size: how many numbers it has; None when nothing is said.
    :param names: of the joints in their order; empty when nothing is said.
    :param units: one per name, or all units in any order; empty when nothing is said.
    """

    size: int | None = None
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What the service says of the numbers that it gets and sends; an empty value says nothing."""

    adapter: str = ''
    state: Side = Side()
    row: Side = Side()


def from_schema(schema: Mapping[str, object]) -> Expected:
    """Read a robot schema (``robot_schema.v1``); raises nothing, whatever it holds."""
    state = _inside(schema, 'observations', 'state')
    row = _inside(schema, 'actions', 'action')
    return Expected(_text(schema.get('action_adapter')) or _text(row.get('adapter')),
                    _side(state), _side(row))


def from_session(fields: Mapping[str, object]) -> Expected:
    """Read the grant of a session or ``session.ready``; raises nothing, whatever it holds."""
    shape = fields.get('action_shape')
    last = shape[-1] if isinstance(shape, list) and shape else None
    common = {'names': fields.get('joint_names'), 'units': fields.get('state_units')}
    return Expected(
        _text(fields.get('action_adapter')),
        _side(common | {'shape': [fields.get('state_dim')]}),
        _side(common | {'shape': [fields.get('action_dim') or last]}))


def differences(wire: WireLayout, expected: Expected) -> list[str]:
    """Return in which points a layout is not what is expected; empty when it is."""
    found = []
    if expected.adapter and expected.adapter != wire.adapter:
        found.append(f'adapter {_shown(expected.adapter)}, here {wire.adapter}')
    for what, side in (('a state', expected.state), ('a row', expected.row)):
        found += [text for text in _side_differences(wire, what, side) if text not in found]
    return found


def _side_differences(wire: WireLayout, what: str, side: Side) -> list[str]:
    values = [value for value in wire.values if value.joint]
    found = []
    # A schema may describe the robot without the padding of its adapter.
    if side.size is not None and side.size not in (len(wire.values), len(values)):
        found.append(f'{what} of {side.size} numbers, here {len(wire.values)}')
    here = [value.wire_name for value in values]
    there = [name for name in side.names if name]
    if there and there != here:
        missing = [name for name in there if name not in here]
        extra = [name for name in here if name not in there]
        found += [f'{title} {_listed(names)}' for title, names in (
            ('joints only there:', missing), ('joints only here:', extra)) if names]
        if not missing and not extra:
            found.append(f'order {_listed(there)}, here {_listed(here)}')
    return found + _unit_differences(wire, side, there)


def _unit_differences(wire: WireLayout, side: Side, names: Sequence[str]) -> list[str]:
    units = [unit.lower() for unit in side.units]
    if not units or any(unit not in _UNITS and unit not in _NO_UNITS for unit in units):
        # A word that nobody knows cannot be compared.
        return []
    own = {value.wire_name: value.unit for value in wire.values if value.joint}
    if len(units) == len(names):
        wrong = [f'{name} in {unit}, here {own[name].value}'
                 for name, unit in zip(names, units, strict=True)
                 if name in own and _UNITS.get(unit) is not own[name]]
        return [f'unit of {_listed(wrong)}'] if wrong else []
    if {_UNITS.get(unit) for unit in units} == set(own.values()):
        return []
    here = dict.fromkeys(unit.value for unit in own.values())
    return [f'units {" and ".join(units)}, here {" and ".join(here)}']


def _side(fields: Mapping[str, object]) -> Side:
    shape = fields.get('shape')
    size = shape[0] if isinstance(shape, list) and len(shape) == 1 else None
    names = fields.get('names') or fields.get('joint_names')
    if isinstance(names, Mapping) and len(names) == 1:
        # Older LeRobot data sets have {"motors": [...]}.
        names = next(iter(names.values()))
    units = fields.get('units')
    if isinstance(units, str):
        units = re.split(r'_and_|[,\s]+', units)
    return Side(size if isinstance(size, int) and not isinstance(size, bool) else None,
                tuple(name.removesuffix(_SUFFIX) for name in _texts(names)), _texts(units))


def _texts(value: object) -> tuple[str, ...]:
    """Return a list of texts; empty for anything else."""
    is_list = isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    return tuple(value) if is_list and isinstance(value, (list, tuple)) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ''


def _inside(fields: Mapping[str, object], *names: str) -> Mapping[str, object]:
    for name in names:
        value = fields.get(name)
        fields = value if isinstance(value, Mapping) else {}
    return fields


def _listed(names: Sequence[str]) -> str:
    more = [f'and {len(names) - MAX_SHOWN} more'] if len(names) > MAX_SHOWN else []
    return ', '.join([*map(_shown, names[:MAX_SHOWN]), *more])


def _shown(text: str) -> str:
    """Return a text of the service for a terminal or a log."""
    cut = text if len(text) <= MAX_NAME + 30 else f'{text[:MAX_NAME]}...'
    return ''.join(char if char.isprintable() else '?' for char in cut)
