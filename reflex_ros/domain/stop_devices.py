# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Stop devices with a lock: a button, a foot switch, a light curtain, each behind a program.

A device says again and again that it is released. When it says that it is pressed, or nothing for
too long, the arm stops, because a cable that was pulled out looks like silence. Nothing here
reads a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
import re

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import ConfigurationError

SILENT_S = 0.2
"""A device that was last heard longer ago counts as pressed [s]."""


class StopDevices:
    """
    The stop devices that must all be released while the arm may move.

    :param names: names of the devices; each is a part of a topic.
    :raises ConfigurationError: for a name that no topic can have, or that is given twice.
    """

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            if re.fullmatch(r'[A-Za-z_]\w*', name, re.ASCII) is None:
                raise ConfigurationError(f'stop_devices: {name!r} cannot be part of a topic. Use '
                                         'letters, digits and _')
        if len(set(names)) < len(names):
            raise ConfigurationError('stop_devices: a name is given twice')
        self.names = tuple(names)
        self._seen: dict[str, tuple[bool, float]] = {}

    def record(self, name: str, now: float, *, is_released: bool) -> Cause | None:
        """
        Record what a device says at a monotonic instant [s].

        :returns: the stop, if somebody has just pressed it.
        """
        was_released, _ = self._seen.get(name, (True, 0.0))
        self._seen[name] = is_released, now
        return _pressed(name) if was_released and not is_released else None

    def problem(self, now: float) -> Cause | None:
        """
        Return why the arm may not move; None while every device is released.

        :param now: monotonic instant until which messages have been read [s].
        """
        for name in self.names:
            is_released, at = self._seen.get(name, (False, None))
            if at is None:
                return Cause(FaultCode.OP_LOCK_LOST,
                             f'the stop device {name} was never heard on safety/locks/{name}')
            if now - at > SILENT_S:
                return Cause(FaultCode.OP_LOCK_LOST, f'the stop device {name} has been silent '
                             f'for {now - at:.1f} s')
            if not is_released:
                return _pressed(name)
        return None


def _pressed(name: str) -> Cause:
    return Cause(FaultCode.OP_STOP, f'the stop device {name} is pressed')
