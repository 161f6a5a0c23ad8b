# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the simulated arm: delay of its replies, processor time, speed without a wall clock.

The floor of a delay is the time on the wire: 1 Mbit/s, and 50 us before each reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import select
import subprocess
import sys
import time
from typing import Any

import numpy as np
import serial

from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.virtual import VirtualArm

PING = bytes.fromhex('FF FF 01 02 01 FB')
SYNC_READ = bytes.fromhex('FF FF FE 0A 82 38 0F 01 02 03 04 05 06 19')
BLOCK = 126
PING_US, BLOCK_US = 170.0, 1700.0
EXCHANGES = 2000
SECONDS = 10.0


def arm_sim() -> Iterator[dict[str, Any]]:
    """Measure back-to-back exchanges, paced cycles, and simulated time."""
    with emulator() as (pid, port):
        yield from spread('ping', [exchange(port, PING, 6) for _ in range(EXCHANGES)], PING_US)
        yield from spread('block of six', [exchange(port, SYNC_READ, BLOCK)
                                           for _ in range(EXCHANGES)], BLOCK_US)
        for rate in (100, 200):
            before, began = cpu_s(pid), time.monotonic()
            late = cycles(port, rate)
            share = (cpu_s(pid) - before) / (time.monotonic() - began)
            yield from spread(f'block at {rate} Hz', late, BLOCK_US)
            yield {'figure': f'emulator CPU at {rate} Hz, six moving', 'value': 100 * share,
                   'unit': '%', 'n': len(late)}
    for rate in (20, 100):
        yield {'figure': f'simulated seconds per second, {rate} Hz, six moving',
               'value': virtual_speed(rate), 'unit': 's/s', 'n': 1}


def spread(figure: str, seconds: list[float], floor_us: float) -> Iterator[dict[str, Any]]:
    for name, value in (('p50', np.median(seconds)), ('p99', np.percentile(seconds, 99)),
                        ('max', max(seconds))):
        yield {'figure': f'{figure}, {name}', 'value': float(value) * 1e6, 'unit': 'us',
               'n': len(seconds), 'floor': floor_us}


@contextmanager
def emulator() -> Iterator[tuple[int, serial.Serial]]:
    """Run an emulator in a process of its own and open its port."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.sim.arm', '--pose', 'zero'],
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        with serial.Serial(ready['port'], 1_000_000, timeout=1.0) as port:
            yield process.pid, port
    finally:
        process.terminate()
        process.communicate(timeout=10)


def exchange(port: serial.Serial, request: bytes, count: int) -> float:
    """Send a request; return the time until its reply of ``count`` bytes was read [s]."""
    began = time.perf_counter()
    port.write(request)
    while count:
        select.select([port], (), (), 1.0)
        count -= len(os.read(port.fileno(), count))
    return time.perf_counter() - began


def cycles(port: serial.Serial, rate: int) -> list[float]:
    """Read the block and write six moving goals at this rate; return the time of each read [s]."""
    seconds, due = [], time.monotonic()
    for k in range(round(SECONDS * rate)):
        seconds.append(exchange(port, SYNC_READ, BLOCK))
        port.write(goals(k / rate))
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))
    return seconds


def goals(at_s: float) -> bytes:
    ticks = [round(2048 + 200 * np.sin(at_s + joint)) for joint in range(6)]
    body = b'\xfe\x16\x83\x2a\x02' + b''.join(
        bytes((1 + k,)) + value.to_bytes(2, 'little') for k, value in enumerate(ticks))
    return b'\xff\xff' + body + bytes((~sum(body) & 0xFF,))


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used [s]."""
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def virtual_speed(rate: int) -> float:
    """Return the simulated seconds per real second, on an arm with a virtual clock."""
    arm = VirtualArm(Settings(pose=(0.0,) * 6))
    port, began = arm.open(), time.perf_counter()
    while time.perf_counter() - began < SECONDS / 3:
        port.write(SYNC_READ)
        port.read(BLOCK)
        port.write(goals(arm.clock.monotonic()))
        arm.clock.sleep(1 / rate)
    return arm.clock.monotonic() / (time.perf_counter() - began)
