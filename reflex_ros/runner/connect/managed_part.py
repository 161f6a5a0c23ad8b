# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A part of the robot whose lifecycle the supervisor steers, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
import logging
import time

from reflex_ros.domain.heartbeats import Lifecycle
from reflex_ros.errors import ReflexError
from reflex_ros.runner.call_thread import CallThread

_log = logging.getLogger(__name__)

RETRY_S = 3.0
"""How long a refused transition is not tried again [s]; as in ``nodes.managed_node``."""


class ManagedPart:
    """
    Driver or stream, as the nodes of these names are: inactive or active.

    Transitions block, and permits must be renewed meanwhile: they run in a thread of this object.

    :param start: makes the part active.
    :param stop: makes it inactive again.
    """

    def __init__(self, name: str, start: Callable[[], None], stop: Callable[[], None]) -> None:
        self.name = name
        self.lifecycle = Lifecycle.UNCONFIGURED
        self.problem = ''
        """Why the last transition failed, in one line; empty if it succeeded."""
        self.refusals = 0
        """Number of refused transitions since ``forget_refusals``."""
        self._start = start
        self._stop = stop
        self._wanted = Lifecycle.UNCONFIGURED
        self._refused_at = -1e9
        self._thread: CallThread | None = None

    @property
    def identity(self) -> tuple[str, Lifecycle, str, str]:
        """The first fields of its beats."""
        # No shortage: the classes of the user are in this process, with the memory they need.
        return self.name, self.lifecycle, self.problem, ''

    def configured(self) -> None:
        """Record that the part is ready to be started."""
        self.lifecycle = Lifecycle.INACTIVE
        self._thread = CallThread(self.name, self._go)

    def steer(self, wanted: Lifecycle) -> None:
        """Bring the part to a state, unless that was refused a moment ago. Never blocks."""
        self._wanted = wanted
        if self._thread is not None and wanted is not self.lifecycle:
            self._thread.request()

    def forget_refusals(self) -> None:
        """Try refused transitions again without waiting."""
        self._refused_at = -1e9
        self.refusals = 0

    def end(self) -> None:
        """End the thread; the part stays as it is. Blocks for 1 s at most."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def _go(self) -> None:
        # Again after each transition: another state may be wanted by then.
        while self._change():
            pass

    def _change(self) -> bool:
        """Take one transition towards the wanted state; return whether there was one."""
        wanted, present = self._wanted, self.lifecycle
        if wanted is present or time.monotonic() - self._refused_at < RETRY_S:
            return False
        try:
            if wanted is Lifecycle.ACTIVE:
                self._start()
            elif present is Lifecycle.ACTIVE:
                self._stop()
            else:
                return False
        except ReflexError as exc:
            self._refuse(str(exc))
        except Exception as exc:
            # It would end the thread: the part could not be stopped any more.
            _log.exception('%s: internal error', self.name)
            self._refuse(f'internal error: {exc!r}')
        else:
            self.problem = ''
            self.lifecycle = wanted if wanted is Lifecycle.ACTIVE else Lifecycle.INACTIVE
            return True
        return False

    def _refuse(self, reason: str) -> None:
        _log.error('%s: %s', self.name, reason)
        self.problem, self._refused_at = reason, time.monotonic()
        self.refusals += 1
