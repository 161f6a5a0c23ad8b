# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Parameters from one table per node: declared, described, read, and checked at *configure*.

A value of the wrong type or out of range does not keep a node from starting. *configure* fails
and names the parameter, the value and what is allowed; then a corrected value can be set, and the
node can be configured again. A row with ``is_live`` makes a parameter that can be changed at any
time. All others can be changed only while the node is not configured.

Numbers with bounds have a range in their descriptor, so rqt and Foxglove show a slider. rclpy
itself then refuses a value outside the range, in its own words and before any callback. It also
refuses a value from a file, with an exception at declare time (seen with rclpy 9.1.2), and the
node would not start. So a parameter is declared without a range, and gets the range as soon as its
value is inside.

A row may stand for a parameter of each item of a list, as ``camera.<name>.width`` for each camera
in ``cameras``. They are declared for the items that the list has at the start; *configure* follows
a list that was changed since.

All of this runs in the executor's thread and never blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
from dataclasses import replace
from difflib import get_close_matches
import re
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from reflex_ros.config.parameters.spec import IGNORED_PREFIXES, Spec
from reflex_ros.config.parameters.tables import TABLES
from reflex_ros.errors import ConfigurationError

NOTHING = '-'
"""Item of a list that stands for nothing, so that it has no parameters."""


def _descriptor(spec: Spec) -> ParameterDescriptor:
    # With a static type, rclpy would refuse a whole number for a float with an exception.
    return ParameterDescriptor(description=spec.description, additional_constraints=spec.allowed,
                               dynamic_typing=True)


class Parameters:
    """The parameters of one node."""

    def __init__(self, node: Node, table: Sequence[Spec]) -> None:
        self._node = node
        self._fixed = {spec.name: spec for spec in table if not spec.per}
        self._per_item = [spec for spec in table if spec.per]
        self._table: dict[str, Spec] = {}
        self.is_configured = False
        self._declare(self._fixed)
        self._declare_items()
        node.add_on_set_parameters_callback(self._check_change)

    def read(self) -> dict[str, Any]:
        """
        Check all values and return them by name.

        :raises ConfigurationError: for the first value that is not allowed, and for a parameter
            that this node does not have.
        """
        self._declare_items()
        self._refuse_unknown()
        values = {name: spec.check(self._node.get_parameter(name).value)
                  for name, spec in self._table.items()}
        for spec in self._table.values():
            self._add_range(spec)
        return values

    def _refuse_unknown(self) -> None:
        # rclpy silently ignores a parameter of a file that the node does not declare: a mistyped
        # limit would go unnoticed. There is no public way to find such parameters.
        given: Mapping[str, Any] = getattr(self._node, '_parameter_overrides', {})
        for name in given:
            if name in self._table or name.startswith(IGNORED_PREFIXES):
                continue
            owners = [node for node, table in TABLES.items()
                      if any(spec.is_for(name) for spec in table)]
            if not owners or any(spec.is_for(name) for spec in self._per_item):
                raise ConfigurationError(self._unknown_reason(name))
            # A section /** is for all nodes, and rclpy does not tell which section it was.
            self._node.get_logger().warning(
                f"parameter '{name}' is ignored: it is one of {', '.join(owners)}")

    def _unknown_reason(self, name: str) -> str:
        near = get_close_matches(name, self._table, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ''
        for spec in self._per_item:
            pattern = re.escape(spec.name).replace('<name>', '(.+)')
            found = re.fullmatch(pattern, name)
            if found:
                items = ', '.join(self._items(spec)) or 'nothing'
                return (f"parameter '{name}' is for {found[1]!r}, which is not in '{spec.per}': "
                        f'{items}.{hint}')
        names = sorted([*self._fixed, *(spec.name for spec in self._per_item)])
        return f"parameter '{name}' does not exist.{hint} This node has: {', '.join(names)}"

    def _items(self, spec: Spec) -> list[str]:
        """Return the items that a row stands for; none while the list itself is not valid."""
        try:
            found = self._fixed[spec.per].check(self._node.get_parameter(spec.per).value)
        except ConfigurationError:
            return []
        return [item for item in dict.fromkeys(found) if item and item != NOTHING]

    def _declare_items(self) -> None:
        """Declare the parameters of each item, and drop those of items that are gone."""
        wanted = {spec.name.replace('<name>', item): replace(
            spec, name=spec.name.replace('<name>', item), per='')
            for spec in self._per_item for item in self._items(spec)}
        for name in self._table.keys() - wanted.keys() - self._fixed.keys():
            self._node.undeclare_parameter(name)
            del self._table[name]
        self._declare({name: spec for name, spec in wanted.items() if name not in self._table})

    def _declare(self, specs: Mapping[str, Spec]) -> None:
        for spec in specs.values():
            # ROS has no type for an empty list.
            default = spec.default if spec.default != [] else ['']
            parameter: Parameter[Any] = self._node.declare_parameter(
                spec.name, default, _descriptor(spec))
            given = parameter.value
            if type(given) is int and type(spec.default) is float:
                # Otherwise tools would show a parameter of whole numbers, without a range.
                self._node.set_parameters([Parameter(spec.name, value=float(given))])
            self._table[spec.name] = spec
            self._add_range(spec)

    def _add_range(self, spec: Spec) -> None:
        if spec.low is None or spec.high is None:
            return
        descriptor = _descriptor(spec)
        if isinstance(spec.default, int):
            descriptor.integer_range = [IntegerRange(
                from_value=int(spec.low), to_value=int(spec.high))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(
                from_value=spec.low, to_value=spec.high)]
        # A value outside keeps the descriptor without a range until it is corrected.
        with contextlib.suppress(InvalidParameterValueException):
            self._node.set_descriptor(spec.name, descriptor)

    def _check_change(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            spec = self._table.get(change.name)
            if spec is None:
                continue
            if self.is_configured and not spec.is_live:
                return SetParametersResult(successful=False, reason=(
                    f"parameter '{change.name}' cannot change now: deactivate and clean up "
                    'first'))
            try:
                spec.check(change.value)
            except ConfigurationError as exc:
                return SetParametersResult(successful=False, reason=str(exc))
        return SetParametersResult(successful=True)
