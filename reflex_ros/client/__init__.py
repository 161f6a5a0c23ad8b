# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Client of the Reflex service, without ROS and hardware; the names here are the public API.

A name is imported at its first use, so that a program loads only the modules that it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from reflex_ros.client.action_stream import AsyncActionStream
    from reflex_ros.client.async_client import AsyncReflex
    from reflex_ros.client.client import Reflex
    from reflex_ros.client.connect_decorator import action, connect, observation, Run
    from reflex_ros.client.resources import (
        account,
        datasets,
        deployments,
        inference,
        keys,
        logins,
        models,
        receipts,
        recordings,
        robots,
        sessions,
        stepwise_training,
        training,
    )
    from reflex_ros.client.stream_protocol import ChunkFrame
    from reflex_ros.client.sync_stream import ActionStream, infer_actions

__all__ = [
    'account', 'action', 'ActionStream', 'AsyncActionStream', 'AsyncReflex', 'ChunkFrame',
    'connect', 'datasets', 'deployments', 'infer_actions', 'inference', 'keys', 'logins',
    'models', 'observation', 'receipts', 'recordings', 'Reflex', 'robots', 'Run', 'sessions',
    'stepwise_training', 'training',
]

_PLACES = {
    'action': 'connect_decorator',
    'ActionStream': 'sync_stream',
    'AsyncActionStream': 'action_stream',
    'AsyncReflex': 'async_client',
    'ChunkFrame': 'stream_protocol',
    'connect': 'connect_decorator',
    'infer_actions': 'sync_stream',
    'observation': 'connect_decorator',
    'Reflex': 'client',
    'Run': 'connect_decorator',
}
"""Name -> module that defines it; any other public name is a module of ``resources``."""


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    if name in _PLACES:
        value = getattr(import_module(f'{__name__}.{_PLACES[name]}'), name)
    else:
        value = import_module(f'{__name__}.resources.{name}')
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
