# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which packages an installation may lack, and how to get them."""

from __future__ import annotations

from importlib.util import find_spec

from reflex_ros.errors import ConfigurationError

ROS_PACKAGES = ('rclpy', 'diagnostic_msgs', 'PIL')
SIM_PACKAGES = ('aiohttp', 'PIL')
"""Import names of what the extra ``sim`` installs."""


def check_packages(*, sim: bool, ros: bool = True) -> None:
    """
    Check that the packages of the processes are installed for this interpreter.

    :param sim: whether a simulated part will be started.
    :param ros: whether a node will be started.
    :raises ConfigurationError: with the missing packages and how to install them.
    """
    of_sim = SIM_PACKAGES if sim else ()
    needed = {'ros': [name for name in ROS_PACKAGES if name not in of_sim] if ros else [],
              'sim': of_sim}
    missing = {extra: [name for name in names if find_spec(name) is None]
               for extra, names in needed.items()}
    extras = [extra for extra, names in missing.items() if names]
    if extras:
        hint = ' Or source a ROS 2 installation' if 'ros' in extras else ''
        raise ConfigurationError(
            f'not installed: {", ".join(sum(missing.values(), []))}. '
            f"Install them: pip install 'reflex_ros[{','.join(extras)}]'.{hint}")
