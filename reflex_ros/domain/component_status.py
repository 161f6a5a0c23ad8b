# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The health of one part of the hardware, as ``/diagnostics`` shows it (REP-107); no ROS here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Level(Enum):
    """How healthy a component is."""

    OK = 'ok'
    WARN = 'warn'
    ERROR = 'error'


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """
    The health of one component.

    :param name: name of the component below its node, e.g. ``bus`` or ``servo_elbow_flex``.
    :param message: one line for a person.
    :param values: figures by name; a name ends in the unit, e.g. ``voltage_v``.
    :param hardware_id: which piece of hardware this is, e.g. the port.
    """

    name: str
    level: Level = Level.OK
    message: str = 'ok'
    values: Mapping[str, object] = field(default_factory=dict)
    hardware_id: str = ''
