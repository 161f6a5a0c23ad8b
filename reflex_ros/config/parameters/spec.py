# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One parameter: its name, default, range and meaning, and the check of a value."""

from __future__ import annotations

from dataclasses import dataclass
import math
import re
from typing import Any

from reflex_ros.errors import ConfigurationError

IGNORED_PREFIXES = ('qos_overrides.', 'use_sim_time', 'start_type_description_service')
"""Parameters that every node has from rclpy."""

@dataclass(frozen=True, slots=True)
class Spec:
    """
    One row of a table: one parameter.

    :param default: default value. Its type is the type of the parameter; a list holds text.
    :param description: sentence for a person; it is shown in doc/parameters.md and in tools.
    :param low: smallest allowed number.
    :param high: largest allowed number.
    :param choices: allowed texts; empty allows any.
    :param is_live: whether the value may change while the node is configured.
    :param per: name of a list parameter: the row stands for one parameter per item of that list,
        and ``<name>`` in its name for the item. Empty: the row is one parameter.
    """

    name: str
    default: bool | int | float | str | list[str]
    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_live: bool = False
    per: str = ''

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return 'one of ' + ', '.join(each or 'empty' for each in self.choices)
        kind = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
                list: 'a list of text'}[type(self.default)]
        if self.low is not None or self.high is not None:
            low = '' if self.low is None else f'{self.low:g}'
            high = '' if self.high is None else f'{self.high:g}'
            kind += f' {low}..{high}'
        return f'{kind} [{self.unit}]' if self.unit else kind

    def is_for(self, name: str) -> bool:
        """Tell whether a parameter is this one, or that of an item of its list."""
        return re.fullmatch(re.escape(self.name).replace('<name>', '.+'), name) is not None

    def check(self, value: Any) -> Any:
        """
        Return the value in the type of the default.

        :raises ConfigurationError: if the value is not allowed. The error names the parameter,
            the value and what is allowed.
        """
        wanted = type(self.default)
        if wanted is float and type(value) is int:
            value = float(value)
        if wanted is list and not isinstance(value, (str, bytes)):
            # An empty list in a file has no type, so it arrives as no value.
            value = [] if value is None or list(value) == [''] else list(value)
        if value is False and 'off' in self.choices:
            # YAML reads the word off without quotes as false.
            value = 'off'
        fits = type(value) is wanted and (not self.choices or value in self.choices)
        if fits and isinstance(value, list):
            fits = all(isinstance(item, str) for item in value)
        if fits and wanted in (int, float):
            fits = (math.isfinite(value) and (self.low is None or value >= self.low)
                    and (self.high is None or value <= self.high))
        if not fits:
            raise ConfigurationError(f"parameter '{self.name}' is {value!r}, allowed is "
                                     f'{self.allowed}. Fix it in the configuration file, or with '
                                     'ros2 param set, then configure again')
        return value
