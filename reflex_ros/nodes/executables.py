# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The executables of the nodes, as ``setup.py`` names them; nothing here imports rclpy.

Without ROS each ends at once and says what to install, instead of a traceback of an import.
"""

from __future__ import annotations

from importlib import import_module
import sys

from reflex_ros.bringup.packages import check_packages
from reflex_ros.errors import ConfigurationError


def action_stream_node() -> None:
    """Run the node ``action_stream``."""
    _run('action_stream_node')


def camera_node() -> None:
    """Run a node ``camera``."""
    _run('camera_node')


def description_node() -> None:
    """Run the node ``description``."""
    _run('description_node')


def episodes_node() -> None:
    """Run the node ``episodes``."""
    _run('episodes_node')


def leader_node() -> None:
    """Run the node ``leader``."""
    _run('leader_node')


def monitor_node() -> None:
    """Run the node ``monitor``."""
    _run('monitor_node')


def recorder_node() -> None:
    """Run the node ``recorder``."""
    _run('recorder_node')


def sim_camera_node() -> None:
    """Run the node ``sim_camera``."""
    _run('sim_camera_node')


def so101_driver_node() -> None:
    """Run the node ``so101``."""
    _run('so101_driver_node')


def supervisor_node() -> None:
    """Run the node ``supervisor``."""
    _run('supervisor_node')


def view_node() -> None:
    """Run the node ``view``."""
    _run('view_node')


def _run(node: str) -> None:
    try:
        check_packages(sim=False)
    except ConfigurationError as exc:
        sys.exit(str(exc))
    import_module(f'reflex_ros.nodes.{node}').main()
