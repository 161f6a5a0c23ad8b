# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A client of the simulated arm's control socket, for tests and the demo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
import json
from pathlib import Path
import socket
from types import TracebackType
from typing import Any

# A reply of the emulator as JSON; `reflex_ros.sim.arm.state` describes the keys.
Json = dict[str, Any]


class ArmControlError(Exception):
    """The emulator refused a request; the message says why and what is allowed."""


class ArmOperations(ABC):
    """The operations of one simulated arm, over a socket or in this process."""

    @abstractmethod
    def call(self, op: str, **arguments: object) -> Json:
        """
        Send one request and return its reply.

        :raises ArmControlError: when the arm refuses the request.
        """

    def state(self) -> Json:
        """Return the joints, the figures since the last mark, counters and active faults."""
        return self.call('state')

    def mark(self) -> int:
        """Reset the statistics of the arm; return the time of the reset [CLOCK_MONOTONIC ns]."""
        return int(self.call('mark')['now_ns'])

    def fault(self, name: str, *, ids: Sequence[int] | None = None, probability: float = 1.0,
              duration_s: float | None = None, **params: float) -> int:
        """Switch a fault of the table `faults.FAULTS` on; return the time [ns]."""
        chosen = None if ids is None else list(ids)
        return int(self.call('fault', name=name, ids=chosen, probability=probability,
                             duration_s=duration_s, **params)['now_ns'])

    def clear(self, name: str | None = None) -> int:
        """Switch all faults off, or those with one name; return their number."""
        return int(self.call('clear', name=name)['cleared'])

    def log(self, since_ns: int = 0, limit: int = 1000) -> list[list[Any]]:
        """Return the newest log entries, oldest first: [time_ns, kind, data], frames as hex."""
        entries: list[list[Any]] = self.call('log', since_ns=since_ns, limit=limit)['entries']
        return entries

    def set(self, **values: object) -> None:
        """Set supply_v, temperature_c (with ids), pose, or a register (with id and value)."""
        self.call('set', **values)

    def power(self, on: bool) -> int:
        """Switch the motor supply on or off; return the time [ns]."""
        return int(self.call('power', on=on)['now_ns'])

    def chain(self, *joints: str) -> None:
        """Connect the servos of these joints to the bus, and disconnect all others."""
        self.call('chain', joints=list(joints))

    def unplug(self) -> int:
        """Unplug the USB cable; return the time [ns]."""
        return int(self.call('unplug')['now_ns'])

    def replug(self) -> str:
        """Plug the USB cable in again; return the name of the port."""
        return str(self.call('replug')['port'])

    def quit(self) -> None:
        """End the emulator."""
        self.call('quit')


class ArmControl(ArmOperations):
    """
    One connection to one simulated arm. Not thread-safe.

    :param timeout_s: longest wait for the connection and for each reply.
    :raises OSError: when no emulator listens at `path`.
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

        :raises ArmControlError: when the arm refuses the request.
        :raises OSError: when the emulator has ended; a TimeoutError when it does not reply.
        """
        self._socket.sendall(json.dumps({'op': op, **arguments}).encode() + b'\n')
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError('the simulated arm closed its control socket: the '
                                       'emulator has ended. Start it again (reflex sim arm)')
        reply: Json = json.loads(line)
        if not reply.get('ok'):
            raise ArmControlError(reply.get('error', 'refused'))
        return reply

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> ArmControl:
        """Return the connection."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the connection."""
        self.close()
