# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated arm inside this process, in virtual time: an hour passes in seconds.

It has the same bus, servos, faults and control operations as the arm behind the pseudo-terminal.
Bytes, due times and noise depend only on the settings, their seed and the requests with their
times, so two runs are equal byte for byte. Use::

    arm = VirtualArm(Settings(seed=1))
    bus = Bus(arm.open())                 # a `reflex_ros.hardware.port.Port`
    bus.read_block(1, 56, 15)             # takes simulated microseconds
    arm.clock.sleep(3600.0)               # an hour later
    arm.control.fault('drop', ids=[2], probability=0.5)

Code that reads the time must use `arm.clock`: its `monotonic` and `sleep` replace those of `time`.
All calls are thread-safe, but the order in which threads call is not deterministic.
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
"""Longest single wait for bytes, as in the driver's serial port [s]."""

BUFFER_SIZE = 4096
"""Size of the receive buffer, as in a terminal; bytes that do not fit are lost."""


class VirtualArm:
    """
    One arm, its clock, its control operations, and its USB adapter.

    :param clock: clock to share with other arms or with the driver; None makes a new one.
    :param read_slice_s: longest single wait for bytes [s].
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
        Open the port; ports that were opened before keep working, as on a real machine.

        :raises ConfigurationError: while the cable is unplugged, or another program holds the
            port.
        """
        self.control.catch_up()
        if self.adapter.is_held:
            raise ConfigurationError(f'port {self.adapter.path} is in use by another program. '
                                     'Clear the fault port_held')
        if not self.adapter.is_plugged:
            raise ConfigurationError(f'port {self.adapter.path} does not exist. Plug the '
                                     'simulated cable in')
        return VirtualPort(self)


class VirtualAdapter:
    """The USB adapter: whether it is plugged in, and the bytes on their way to the client."""

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
        """The device name; another one after each replug."""
        return f'{self.path}{self.plugs}'

    def plug(self) -> None:
        """Plug the cable in; ports that were opened before stay lost."""
        if not self.is_plugged:
            self.is_plugged = True
            self.plugs += 1

    def hold(self, is_held: bool) -> None:
        """Lock the port as another program would, or unlock it."""
        self.is_held = is_held

    def unplug(self) -> None:
        """Unplug the cable."""
        self.is_plugged = False
        self.outbox.clear()
        self.received.clear()


class VirtualPort:
    """An open port of a virtual arm: the driver's `Port`, in virtual time."""

    def __init__(self, arm: VirtualArm) -> None:
        self._arm: VirtualArm | None = arm
        self._adapter = arm.adapter
        self._plugs = arm.adapter.plugs
        self.name = arm.adapter.path

    def write(self, data: bytes) -> None:
        """
        Send bytes; return at once, while the line is still busy with them.

        :raises PortLost: when the port is closed, or the cable was unplugged.
        """
        arm = self._connected_arm('write')
        with arm.lock:
            arm.control.catch_up()
            self._connected_arm('write')
            if arm.bus.faults.find('blocked') is not None:
                raise PortLost(f'port {self.name}: write failed (timeout)')
            for due_ns, piece in arm.bus.receive(data, arm.clock.now_ns()):
                self._adapter.sequence += 1
                heapq.heappush(self._adapter.outbox, (due_ns, self._adapter.sequence, piece))

    def read(self, count: int) -> bytes:
        """
        Return `count` bytes; fewer when `read_slice_s` passes before they have arrived.

        :raises PortLost: as `write`.
        """
        arm = self._connected_arm('read')
        with arm.lock:
            outbox, received = self._adapter.outbox, self._adapter.received
            deadline_ns = arm.clock.now_ns() + arm.read_slice_ns
            self._receive_due(arm, arm.clock.now_ns())
            while len(received) < count and outbox and outbox[0][0] <= deadline_ns:
                arm.clock.reach(outbox[0][0])
                self._receive_due(arm, outbox[0][0])
            if len(received) < count:
                arm.clock.reach(deadline_ns)
                arm.control.catch_up()
                self._connected_arm('read')
            data = bytes(received[:count])
            del received[:count]
        return data

    def drain(self) -> None:
        """Discard the bytes that have arrived and were not read."""
        arm = self._connected_arm('drain')
        with arm.lock:
            self._receive_due(arm, arm.clock.now_ns())
            self._adapter.received.clear()

    def close(self) -> None:
        """Close the port; may be called twice."""
        self._arm = None

    def _connected_arm(self, what: str) -> VirtualArm:
        if self._arm is None or not self._adapter.is_plugged or (
                self._adapter.plugs != self._plugs):
            raise PortLost(f'port {self.name}: {what} failed (the port is closed, or the cable '
                           'was unplugged)')
        return self._arm

    def _receive_due(self, arm: VirtualArm, now_ns: int) -> None:
        """Move the bytes that are due into the receive buffer."""
        outbox = self._adapter.outbox
        while outbox and outbox[0][0] <= now_ns:
            due_ns, _, data = heapq.heappop(outbox)
            if len(self._adapter.received) + len(data) > BUFFER_SIZE:
                arm.bus.journal.record_lost(due_ns, data)
                continue
            self._adapter.received += data
            arm.bus.journal.record_reply(due_ns, due_ns, data)


class VirtualControl(ArmOperations):
    """The control operations, called directly; times are those of the virtual clock."""

    def __init__(self, arm: VirtualArm, operations: Control) -> None:
        self._arm = arm
        self._operations = operations

    def call(self, op: str, **arguments: object) -> Json:
        """
        Execute one request.

        :raises ArmControlError: when the arm refuses the request.
        """
        with self._arm.lock:
            reply = self._operations.handle({'op': op, **arguments}, self._arm.clock.now_ns())
        if not reply.get('ok'):
            raise ArmControlError(reply.get('error', 'refused'))
        return reply

    def catch_up(self) -> None:
        """Advance the arm and its faults to the clock's time."""
        with self._arm.lock:
            self._operations.advance(self._arm.clock.now_ns())
