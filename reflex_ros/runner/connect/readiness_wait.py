# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wait until the deployment of a robot may apply actions, or say why it may not."""

from __future__ import annotations

from collections.abc import Callable
import time

from reflex_ros.domain.heartbeats import Readiness
from reflex_ros.errors import ServiceRefused
from reflex_ros.runner.presence import PresenceStatus

READY_S = 8.0
"""Longest wait for a deployment that only misses the heartbeat of this robot."""
LOOK_S = 0.01
HEARTBEAT_CHECKS = {'robot_heartbeat_recent', 'heartbeat'}


def wait_until_ready(read: Callable[[], PresenceStatus],
                     is_over: Callable[[], bool] = lambda: False) -> None:
    """
    Wait for the checks of the deployment; for one that only misses a heartbeat, a while.

    :param read: returns the newest status.
    :param is_over: whether nobody waits any more.
    :raises ServiceRefused: naming each failed check with its remedy.
    """
    deadline = time.monotonic() + READY_S
    while not is_over():
        status = read()
        if status.readiness in (Readiness.READY, Readiness.UNCHECKED):
            return
        only_beats = not status.unready.keys() - HEARTBEAT_CHECKS
        if time.monotonic() > deadline or (
                status.readiness is Readiness.BLOCKED and not only_beats):
            failed = '; '.join(f'{name}: {" ".join(text.split())}'
                               for name, text in status.unready.items())
            what = f'Deployment {status.deployment_id}' if status.deployment_id else 'This robot'
            raise ServiceRefused(f'{what} is not ready for apply_actions '
                                 f'({failed or "its checks take too long"})',
                                 'deployment_not_ready')
        time.sleep(LOOK_S)
