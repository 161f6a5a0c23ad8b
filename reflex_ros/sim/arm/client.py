# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small client of the simulated arm's control socket, for tests and the demo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
import json
from pathlib import Path
import socket
from types import TracebackType
from typing import Any

# The emulator's JSON as it came; keys are described in `reflex_ros.sim.arm.state`.
Json = dict[str, Any]


class ArmControlError(Exception):
    """The emulator refused a request; the message says why and what is allowed."""


class ArmOperations(ABC):
    """The operations of one simulated arm, whatever carries them there."""

    @abstractmethod
    def call(self, op: str, **arguments: object) -> Json:
        """
        Send one request and return its reply.

        :raises ArmControlError: when it was refused.
        """

    def state(self) -> Json:
        """Return joints, figures since the last mark, counters and active faults."""
        return self.call('state')

    def mark(self) -> int:
        """Start the figures anew and return the instant [CLOCK_MONOTONIC ns]."""
        return int(self.call('mark')['now_ns'])

    def fault(self, name: str, *, ids: Sequence[int] | None = None, probability: float = 1.0,
              duration_s: float | None = None, **params: float) -> int:
        """Switch a fault on (its row is in `faults.FAULTS`) and return the instant [ns]."""
        chosen = None if ids is None else list(ids)
        return int(self.call('fault', name=name, ids=chosen, probability=probability,
                             duration_s=duration_s, **params)['now_ns'])

    def clear(self, name: str | None = None) -> int:
        """Switch all faults off, or those of one name, and return how many."""
        return int(self.call('clear', name=name)['cleared'])

    def log(self, since_ns: int = 0, limit: int = 1000) -> list[list[Any]]:
        """Return the newest entries, oldest first: [time_ns, kind, data], frames as hex."""
        entries: list[list[Any]] = self.call('log', since_ns=since_ns, limit=limit)['entries']
        return entries

    def set(self, **values: object) -> None:
        """Set supply_v, temperature_c (with ids), pose, or register and value of one id."""
        self.call('set', **values)

    def power(self, on: bool) -> int:
        """Switch the motor supply and return the instant [ns]."""
        return int(self.call('power', on=on)['now_ns'])

    def chain(self, *joints: str) -> None:
        """Plug the servos of these joints into the bus, and all others out."""
        self.call('chain', joints=list(joints))

    def unplug(self) -> int:
        """Pull the USB cable and return the instant [ns]."""
        return int(self.call('unplug')['now_ns'])

    def replug(self) -> str:
        """Plug the cable in again and return the port to open."""
        return str(self.call('replug')['port'])

    def quit(self) -> None:
        """End the emulator."""
        self.call('quit')


class ArmControl(ArmOperations):
    """
    One connection to one simulated arm; not for use by two threads at once.

    :param timeout_s: for connecting and for each reply.
    :raises OSError: when nobody listens at `path`.
    """

    def __init__(self, path: str | Path, timeout_s: float = 2.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile('rb')

    def call(self, op: str, **arguments: object) -> Json:
        """
        Send one request and return its reply.

        :raises ArmControlError: when it was refused.
        :raises OSError: when the emulator is gone or silent (then a TimeoutError).
        """
        self._socket.sendall(json.dumps({'op': op, **arguments}).encode() + b'\n')
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError('the simulated arm has gone')
        reply: Json = json.loads(line)
        if not reply.get('ok'):
            raise ArmControlError(reply.get('error', 'refused'))
        return reply

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> ArmControl:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the connection."""
        self.close()
