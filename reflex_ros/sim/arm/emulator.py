# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put an arm together, announce it, run it, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
from pathlib import Path
import signal
import tempfile
import threading
import time
from types import FrameType

from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.control import Control
from reflex_ros.sim.arm.control_socket import ControlSocket
from reflex_ros.sim.arm.host import Host
from reflex_ros.sim.arm.image import load_image, save_image
from reflex_ros.sim.arm.joints import JOINTS
from reflex_ros.sim.arm.pty_port import PtyPort
from reflex_ros.sim.arm.settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, *, announce: Callable[[str], None], link: Path | None = None,
        control: Path | None = None, image: Path | None = None,
        linger_s: float = 0.0, stop: threading.Event | None = None) -> None:
    """
    Run a simulated arm until `stop` is set, or a signal comes when `stop` is None.

    With `stop` None it must be called in the main thread, which owns the signals.

    :param announce: gets one line of JSON when the arm can be used.
    :param link: stable name for the pseudo-terminal; else its own name is announced.
    :param control: path of the control socket; else one in a new private directory.
    :param image: file that keeps the EEPROM from run to run; made when it is missing.
    :param linger_s: how long to stay after the first signal [s], so that a driver that was told
        at the same moment can still bring the arm to rest; a second signal ends it at once.
    :raises OSError: when link, socket or image cannot be made.
    :raises ValueError: when the image is not one.
    """
    with tempfile.TemporaryDirectory(prefix='reflex_sim_arm_') as private:
        bus = ArmBus(settings, time.monotonic_ns())
        if image is not None and image.exists():
            load_image(image, bus.servos)
        port = PtyPort(link)
        operations = Control(bus, port)
        socket = ControlSocket(control or Path(private) / 'control.sock', operations)
        try:
            port.plug()
            with _stopped_by_signal(stop, linger_s) as ended:
                announce(json.dumps({
                    'ready': True, 'port': port.path, 'control': str(socket.path),
                    'joints': [spec.name for spec in JOINTS], 'model': settings.model.value,
                    'dead_time_ms': settings.dead_time_s * 1e3, 'lag_ms': settings.lag_s * 1e3,
                }))
                Host(bus, port, operations, socket).run(ended)
        finally:
            port.unplug()
            socket.close()
            if image is not None:
                save_image(image, bus.servos, time.monotonic_ns())


class _Flag(threading.Event):
    """What a signal handler may set: without a lock, which a second signal would wait for."""

    _raised = False

    def set(self) -> None:
        """Raise the flag."""
        self._raised = True

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._raised


@contextmanager
def _stopped_by_signal(stop: threading.Event | None,
                       linger_s: float) -> Iterator[threading.Event]:
    """Yield `stop`, or an event that signals set: the first one late, a second one at once."""
    if stop is not None:
        yield stop
        return
    ended = _Flag()
    later = threading.Timer(linger_s, ended.set)
    later.daemon = True

    def end(number: int, frame: FrameType | None) -> None:
        if linger_s > 0 and later.ident is None:
            later.start()
        else:
            ended.set()

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield ended
    finally:
        later.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
