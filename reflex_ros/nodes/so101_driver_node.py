# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``so101``: the SO-101 arm as a managed node.

It is the node of any connector (``nodes.connector_node``) with the parameters of this arm.
"""

from __future__ import annotations

import sys

from reflex_ros.config.parameters.so101 import TABLE
from reflex_ros.domain.heartbeats import DRIVER
from reflex_ros.nodes.connector_node import ConnectorNode
from reflex_ros.nodes.process import run
from reflex_ros.runner.connectors import connector_factory


class So101DriverNode(ConnectorNode):
    """The connector of an SO-101."""

    def __init__(self) -> None:
        super().__init__(DRIVER, TABLE, connector_factory('so101'))


def main() -> None:
    """Run the node."""
    # The bus thread waits for the interpreter's lock at most this long.
    sys.setswitchinterval(0.0005)
    sys.exit(run(So101DriverNode))


if __name__ == '__main__':
    main()
