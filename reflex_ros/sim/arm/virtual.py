# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated arm inside this process, on a clock that nobody waits for: an hour passes in seconds.

The same bus, servos, faults and control operations as behind the pseudo-terminal; only the host
is missing. Bytes, due times and noise depend on nothing but the settings, their seed and what was
sent when, so two runs are equal to the byte. Use::

    arm = VirtualArm(Settings(seed=1))
    bus = Bus(arm.open())                 # a `reflex_ros.hardware.port.Port`
    bus.read_block(1, 56, 15)             # takes simulated microseconds
    arm.clock.sleep(3600.0)               # an hour later
    arm.control.fault('drop', ids=[2], probability=0.5)

Code that reads the time must read `arm.clock`: its `monotonic` and `sleep` are those of `time`.
A call from any thread is safe; which of two threads comes first is not simulated.
"""

from __future__ import annotations

import heapq
import threading

from reflex_ros.errors import ConfigurationError, PortLost
from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.client import ArmControlError, ArmOperations, Json
from reflex_ros.sim.arm.clock import VirtualClock
from reflex_ros.sim.arm.control import Control
from reflex_ros.sim.arm.settings import Settings

READ_SLICE_S = 0.005
"""Longest single wait for bytes, as the driver's serial port does it."""

BUFFER_SIZE = 4096
"""Of received bytes that nobody has read, as a terminal has it; more are lost."""


class VirtualArm:
    """
    One arm, its clock, its control operations, and the adapter that ports are opened on.

    :param clock: shared by several arms, or by the arm and what drives it; else its own.
    :param read_slice_s: after which a read returns what there is.
    """

    def __init__(self, settings: Settings | None = None, clock: VirtualClock | None = None, *,
                 read_slice_s: float = READ_SLICE_S) -> None:
        self.clock = clock or VirtualClock()
        self.bus = ArmBus(settings or Settings(), self.clock.now_ns())
        self.adapter = VirtualAdapter()
        self.lock = threading.RLock()
        self.read_slice_ns = round(read_slice_s * 1e9)
        operations = Control(self.bus, self.adapter)
        operations.drop_replies = self.adapter.outbox.clear
        self.control = VirtualControl(self, operations)

    def open(self) -> VirtualPort:
        """
        Open the port; one that was opened before keeps working, as on a real machine.

        :raises ConfigurationError: while the cable is unplugged, or another program holds it.
        """
        self.control.settle()
        if self.adapter.is_held:
            raise ConfigurationError(f'port {self.adapter.path} is in use by another program')
        if not self.adapter.is_plugged:
            raise ConfigurationError(f'port {self.adapter.path} does not exist: plug the '
                                     'simulated cable in')
        return VirtualPort(self)


class VirtualAdapter:
    """The USB side: whether it is plugged in, and what is on its way to the host."""

    path = 'virtual'

    def __init__(self) -> None:
        self.outbox: list[tuple[int, int, bytes]] = []
        self.received = bytearray()
        self.is_plugged = True
        self.plugs = 0
        self.is_held = False
        self.sequence = 0

    @property
    def device(self) -> str:
        """The name that changes with every plug."""
        return f'{self.path}{self.plugs}'

    def plug(self) -> None:
        """Plug the cable in; ports opened before stay lost."""
        if not self.is_plugged:
            self.is_plugged = True
            self.plugs += 1

    def hold(self, is_held: bool) -> None:
        """Let another program hold the port, or release it."""
        self.is_held = is_held

    def unplug(self) -> None:
        """Pull the cable."""
        self.is_plugged = False
        self.outbox.clear()
        self.received.clear()


class VirtualPort:
    """What `VirtualArm.open` returns: the driver's `Port`, in simulated time."""

    def __init__(self, arm: VirtualArm) -> None:
        self._arm: VirtualArm | None = arm
        self._adapter = arm.adapter
        self._plugs = arm.adapter.plugs
        self.name = arm.adapter.path

    def write(self, data: bytes) -> None:
        """
        Send bytes; takes no time, the line takes it.

        :raises PortLost: when the port was closed, or its cable pulled.
        """
        arm = self._here('write')
        with arm.lock:
            arm.control.settle()
            self._here('write')
            if arm.bus.faults.on_line('blocked') is not None:
                raise PortLost(f'port {self.name}: write failed (time-out)')
            for due_ns, piece in arm.bus.receive(data, arm.clock.now_ns()):
                self._adapter.sequence += 1
                heapq.heappush(self._adapter.outbox, (due_ns, self._adapter.sequence, piece))

    def read(self, count: int) -> bytes:
        """
        Return `count` bytes, or what there is when the time-out has passed.

        :raises PortLost: as `write`.
        """
        arm = self._here('read')
        with arm.lock:
            outbox, received = self._adapter.outbox, self._adapter.received
            deadline_ns = arm.clock.now_ns() + arm.read_slice_ns
            self._take(arm, arm.clock.now_ns())
            while len(received) < count and outbox and outbox[0][0] <= deadline_ns:
                arm.clock.reach(outbox[0][0])
                self._take(arm, outbox[0][0])
            if len(received) < count:
                arm.clock.reach(deadline_ns)
                arm.control.settle()
                self._here('read')
            data = bytes(received[:count])
            del received[:count]
        return data

    def drain(self) -> None:
        """Throw away what has arrived and was not read."""
        arm = self._here('drain')
        with arm.lock:
            self._take(arm, arm.clock.now_ns())
            self._adapter.received.clear()

    def close(self) -> None:
        """Close; may be called twice."""
        self._arm = None

    def _here(self, what: str) -> VirtualArm:
        if self._arm is None or not self._adapter.is_plugged or (
                self._adapter.plugs != self._plugs):
            raise PortLost(f'port {self.name}: {what} failed (closed, or the cable was pulled)')
        return self._arm

    def _take(self, arm: VirtualArm, now_ns: int) -> None:
        """Move what is due into the receive buffer."""
        outbox = self._adapter.outbox
        while outbox and outbox[0][0] <= now_ns:
            due_ns, _, data = heapq.heappop(outbox)
            if len(self._adapter.received) + len(data) > BUFFER_SIZE:
                arm.bus.journal.lost(due_ns, data)
                continue
            self._adapter.received += data
            arm.bus.journal.reply(due_ns, due_ns, data)


class VirtualControl(ArmOperations):
    """The control operations, without a socket; instants are the simulated clock's."""

    def __init__(self, arm: VirtualArm, operations: Control) -> None:
        self._arm = arm
        self._operations = operations

    def call(self, op: str, **arguments: object) -> Json:
        """
        Execute one request.

        :raises ArmControlError: when it was refused.
        """
        with self._arm.lock:
            reply = self._operations.handle({'op': op, **arguments}, self._arm.clock.now_ns())
        if not reply.get('ok'):
            raise ArmControlError(reply.get('error', 'refused'))
        return reply

    def settle(self) -> None:
        """Let the arm and its faults catch up with the clock."""
        with self._arm.lock:
            self._operations.advance(self._arm.clock.now_ns())
