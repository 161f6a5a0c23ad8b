# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build a simulated arm, announce it, run it, and clean up after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import tempfile
import threading
import time
from types import FrameType

from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.clock import SteadyClock
from reflex_ros.sim.arm.control import Control
from reflex_ros.sim.arm.control_socket import ControlSocket
from reflex_ros.sim.arm.host import Host
from reflex_ros.sim.arm.image import Keeper, load_image, save_image
from reflex_ros.sim.arm.joints import JOINTS
from reflex_ros.sim.arm.pty_port import PtyPort
from reflex_ros.sim.arm.settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, *, announce: Callable[[str], None], link: Path | None = None,
        control: Path | None = None, image: Path | None = None,
        requests: Sequence[Mapping[str, object]] = (), linger_s: float = 0.0,
        with_parent: bool = False, stop: threading.Event | None = None) -> None:
    """
    Run a simulated arm until `stop` is set or, when `stop` is None, until a signal arrives.

    With `stop` None, call this in the main thread: it installs signal handlers.

    :param announce: called with one line of JSON when the arm is ready.
    :param link: symbolic link to the pseudo-terminal; None announces the pseudo-terminal itself.
    :param control: path of the control socket; None creates one in a private directory.
    :param image: file that keeps the EEPROM from run to run; created when it is missing.
    :param requests: operations of the control channel to execute at the start, such as faults.
    :param linger_s: time to keep running after the first signal [s], so that a driver that got
        the same signal can still bring the arm to rest. A second signal ends the arm at once.
    :param with_parent: whether the end of the parent process ends the arm too.
    :raises OSError: when link, socket or image cannot be created.
    :raises ValueError: when the image file is not valid, or a request is refused.
    """
    with tempfile.TemporaryDirectory(prefix='reflex_sim_arm_') as private:
        clock = SteadyClock(settings.speed)
        bus = ArmBus(settings, clock.now_ns())
        if image is not None and image.exists():
            load_image(image, bus.servos)
        port = PtyPort(link)
        operations = Control(bus, port)
        socket = ControlSocket(control or Path(private) / 'control.sock', operations)
        try:
            port.plug()
            for request in requests:
                reply = operations.handle(request, clock.now_ns())
                if not reply['ok']:
                    raise ValueError(reply['error'])
            with _end_condition(stop, linger_s, with_parent=with_parent) as is_ended:
                announce(json.dumps({
                    'ready': True, 'port': port.path, 'control': str(socket.path),
                    'joints': [spec.name for spec in JOINTS], 'model': settings.model.value,
                    'part': settings.part,
                    'dead_time_ms': settings.dead_time_s * 1e3, 'lag_ms': settings.lag_s * 1e3,
                    'speed': settings.speed,
                }))
                keep = Keeper(image, bus.servos) if image is not None else None
                Host(bus, port, operations, socket, clock, keep).run(is_ended)
        finally:
            port.unplug()
            socket.close()
            if image is not None:
                save_image(image, bus.servos, clock.now_ns())


@contextmanager
def _end_condition(stop: threading.Event | None, linger_s: float, *,
                   with_parent: bool) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether to end: `stop`, or `linger_s` after the first signal."""
    if stop is not None:
        yield stop.is_set
        return
    # The handler takes no lock: a second signal in the middle of it would wait for that lock for
    # ever.
    signals: list[float] = []
    parent = os.getppid()

    def record_signal(number: int, frame: FrameType | None) -> None:
        signals.append(time.monotonic())

    def is_over() -> bool:
        return len(signals) > 1 or (
            bool(signals) and time.monotonic() - signals[0] >= linger_s) or (
            with_parent and os.getppid() != parent)

    before = {number: signal.signal(number, record_signal) for number in _SIGNALS}
    try:
        yield is_over
    finally:
        for number, handler in before.items():
            # After a signal the process ends: another one must not interrupt the clean-up.
            signal.signal(number, signal.SIG_IGN if signals else handler)
