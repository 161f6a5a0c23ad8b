# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The emulator's main loop: read requests from the pty, write each reply at its due time.

Everything runs in this one thread, so the bus, the joints and the control channel need no lock.
The loop sleeps in `select`. That wakes up late, so the loop spins just before a due time.
"""

from __future__ import annotations

from collections.abc import Callable
import heapq
import logging
from pathlib import Path
import select
import threading

from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.clock import SteadyClock
from reflex_ros.sim.arm.control import Control
from reflex_ros.sim.arm.control_socket import ControlSocket, Source
from reflex_ros.sim.arm.pty_port import PtyPort

_log = logging.getLogger(__name__)

_SPIN_NS = 70_000
# Time from the client's write to the emulator's wake-up, measured over back-to-back exchanges:
# median 57 us, 5th percentile 23 us. The bytes have been on the line since that write.
_WAKE_NS = 40_000
_MOVING_WAIT_S = 0.004
_IDLE_WAIT_S = 0.050


class Host:
    """
    Run one arm until it is told to stop.

    :param keep: called with the time in quiet moments, for work that may take a millisecond.
    """

    def __init__(self, bus: ArmBus, port: PtyPort, control: Control, socket: ControlSocket,
                 clock: SteadyClock, keep: Callable[[int], None] | None) -> None:
        self._bus = bus
        self._port = port
        self._control = control
        self._socket = socket
        self._keep = keep
        self._now_ns = clock.now_ns
        self._speed = clock.speed
        # The process waits in real time: in simulated time these bounds grow with the speed.
        self._spin_ns = round(_SPIN_NS * clock.speed)
        self._wake_ns = round(_WAKE_NS * clock.speed)
        self._outbox: list[tuple[int, int, bytes]] = []
        self._sequence = 0
        control.drop_replies = self._outbox.clear

    def run(self, is_ended: Callable[[], bool]) -> None:
        """Run until `is_ended` (called at least every 50 ms), or until a client requests quit."""
        _sharpen_timers()
        while not (is_ended() or self._control.wants_quit):
            self._turn()

    def _turn(self) -> None:
        outbox, port = self._outbox, self._port
        now_ns = self._now_ns()
        wait_s = _MOVING_WAIT_S if self._bus.plant.is_moving else _IDLE_WAIT_S
        if outbox:
            early_ns = outbox[0][0] - now_ns
            if early_ns <= self._spin_ns:
                self._deliver()
                wait_s = 0.0
            else:
                wait_s = min(wait_s, (early_ns - self._spin_ns) / 1e9 / self._speed)
        hears = port.is_plugged and self._bus.faults.find('blocked') is None
        readers: list[Source | PtyPort] = [*self._socket.readers]
        if hears:
            readers.append(port)
        ready, writable, _ = select.select(readers, self._socket.writers, (), wait_s)
        woke_ns = self._now_ns()
        if port in ready:
            self._receive(max(woke_ns - self._wake_ns, now_ns))
        elif not (ready or writable) and wait_s:
            # Advance the joints in the pauses, so that the next request finds them up to date.
            self._control.advance(woke_ns)
            if self._keep is not None:
                self._keep(woke_ns)
            figures = self._bus.journal.bus
            figures.wake_late_ns = max(
                figures.wake_late_ns,
                woke_ns - now_ns - round(wait_s * 1e9 * self._speed))
        sources = [item for item in ready if not isinstance(item, PtyPort)]
        sources += [peer for peer in writable if peer not in sources]
        if sources:
            self._socket.serve(sources, woke_ns)

    def _receive(self, now_ns: int) -> None:
        # This takes half a microsecond: cheap enough to do before every request.
        self._bus.set_baud(self._port.baud())
        for due_ns, data in self._bus.receive(self._port.read(), now_ns):
            self._sequence += 1
            heapq.heappush(self._outbox, (due_ns, self._sequence, data))

    def _deliver(self) -> None:
        """Spin until the next due time, then write all replies that are due."""
        outbox = self._outbox
        while self._now_ns() < outbox[0][0]:
            pass
        now_ns = self._now_ns()
        due: list[tuple[int, bytes]] = []
        while outbox and outbox[0][0] <= now_ns:
            due_ns, _, data = heapq.heappop(outbox)
            due.append((due_ns, data))
        taken = self._port.write(b''.join(data for _, data in due))
        journal = self._bus.journal
        for due_ns, data in due:
            if taken:
                journal.record_reply(now_ns, due_ns, data[:taken])
            if len(data) > taken:
                journal.record_lost(now_ns, data[taken:])
            taken = max(taken - len(data), 0)


def _sharpen_timers() -> None:
    """Let the kernel wake this thread within 1 us instead of 50 us; needs no privilege."""
    slack = Path(f'/proc/{threading.get_native_id()}/timerslack_ns')
    try:
        slack.write_text('1000', encoding='ascii')
    except OSError:
        _log.debug('the timer slack cannot be set: replies may be up to 50 us later')
