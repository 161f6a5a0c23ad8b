# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The connectors that can be chosen by name. A new one is one row here."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connector import ConnectorFactory

if TYPE_CHECKING:
    from reflex_ros.hardware.so101_connector import So101Factory
    from reflex_ros.runner.sim_arm import SimArmFactory

    # mypy proves with one line per connector that the classes implement the interfaces.
    _SO101: ConnectorFactory = So101Factory()
    _SIM: ConnectorFactory = SimArmFactory()

# Looked up when it is needed: a connector may import what others do without (rclpy, pyserial).
FACTORIES = {
    'so101': 'reflex_ros.hardware.so101_connector:So101Factory',
    'sim': 'reflex_ros.runner.sim_arm:SimArmFactory',
}


def connector_factory(name: str) -> ConnectorFactory:
    """
    Make the factory of a connector.

    :raises ConfigurationError: for an unknown name, with the nearest known one.
    """
    if name not in FACTORIES:
        nearest = get_close_matches(name, FACTORIES, 1)
        raise ConfigurationError(
            f'unknown connector {name!r}{f"; did you mean {nearest[0]!r}?" if nearest else "."} '
            f'Known connectors: {", ".join(FACTORIES)}')
    module, _, attribute = FACTORIES[name].partition(':')
    factory: ConnectorFactory = getattr(import_module(module), attribute)()
    return factory
