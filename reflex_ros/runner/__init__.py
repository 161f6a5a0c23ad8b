# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The control loop without ROS: a session with the service, manual drive, teleoperation.

The names here are the public API (``doc/python.md``). A name is imported at its first use, so that
a program loads only what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from reflex_ros.cameras.shm import ShmSource
    from reflex_ros.cameras.v4l2 import V4l2Source
    from reflex_ros.client.edge import EdgeSettings
    from reflex_ros.runner.connect.assemble import run_from_config
    from reflex_ros.runner.connect.cameras import ReadCamera
    from reflex_ros.runner.connect.result import RunResult
    from reflex_ros.runner.connect.service_place import ServicePlace
    from reflex_ros.runner.connect.signals import StopRequest
    from reflex_ros.runner.connect.step_run import run_session
    from reflex_ros.runner.connect.steps import RobotAction, RobotObservation
    from reflex_ros.runner.connect.subprocess_connector import SubprocessConnector
    from reflex_ros.runner.connect.transports import (
        EdgeTransport,
        InferTransport,
        StreamTransport,
    )

__all__ = [
    'EdgeSettings', 'EdgeTransport', 'InferTransport', 'ReadCamera', 'RobotAction',
    'RobotObservation', 'run_from_config', 'run_session', 'RunResult', 'ServicePlace',
    'ShmSource', 'StopRequest', 'StreamTransport', 'SubprocessConnector', 'V4l2Source',
]

_PLACES = {
    'EdgeSettings': 'reflex_ros.client.edge',
    'EdgeTransport': 'reflex_ros.runner.connect.transports',
    'InferTransport': 'reflex_ros.runner.connect.transports',
    'ReadCamera': 'reflex_ros.runner.connect.cameras',
    'RobotAction': 'reflex_ros.runner.connect.steps',
    'RobotObservation': 'reflex_ros.runner.connect.steps',
    'run_from_config': 'reflex_ros.runner.connect.assemble',
    'run_session': 'reflex_ros.runner.connect.step_run',
    'RunResult': 'reflex_ros.runner.connect.result',
    'ServicePlace': 'reflex_ros.runner.connect.service_place',
    'ShmSource': 'reflex_ros.cameras.shm',
    'StopRequest': 'reflex_ros.runner.connect.signals',
    'StreamTransport': 'reflex_ros.runner.connect.transports',
    'SubprocessConnector': 'reflex_ros.runner.connect.subprocess_connector',
    'V4l2Source': 'reflex_ros.cameras.v4l2',
}
"""Name -> module that defines it."""


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
