# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the driver on the servo bus, beside the wire and a plain loop with the same packets.

The emulator sets the time on the wire: 1 Mbit/s, and 50 us before every answer (SO-101 reference,
section 4). The plain loop has no checks and no retries: it shows what Python costs in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import itertools
import json
from pathlib import Path
import random
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import numpy as np
import serial

from bench.system import busy, new_demo
from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds, MAX_HORIZON
from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.heartbeats import Lifecycle
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.safe_stop import State
from reflex_ros.hardware import codec
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import SERVO_IDS, So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.arming import MAX_LEAD_RAD
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm
from reflex_ros.hardware.goal_gate import GoalBounds
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.so101 import SO101
from reflex_ros.sim.arm.client import ArmControl

SECONDS = 8.0
CYCLES = 600
COMMANDS = 100
REPLUGS = 3
ADDRESS, LENGTH = reg.CYCLE_BLOCK
REQUEST = codec.sync_read(SERVO_IDS, ADDRESS, LENGTH)
GOALS = codec.sync_write(reg.GOAL_POSITION.address, dict.fromkeys(SERVO_IDS, b'\x00\x08'))
ANSWER = len(SERVO_IDS) * (codec.OVERHEAD + LENGTH)
WIRE_MS = 0.01 * (len(REQUEST) + ANSWER + len(GOALS)) + 0.05 * len(SERVO_IDS)
PATIENT = GuardBounds(permit_soft_s=5.0, permit_hard_s=9.0, beat_soft_s=5.0, beat_hard_s=9.0,
                      late_soft_s=5.0, late_hard_s=9.0, starved_s=99.0, first_chunk_s=99.0)


def bus_cycle() -> Iterator[dict[str, Any]]:
    """Measure cycles without a pause, at 200 Hz, and at 100 Hz beside four busy processes."""
    with simulated_arm() as (port, _):
        yield from back_to_back(port)
        yield from paced(port, 200.0, '')
    with busy(), simulated_arm() as (port, _):
        yield from paced(port, 100.0, ', four busy processes')


def back_to_back(port: str) -> Iterator[dict[str, Any]]:
    plain = np.array(plain_cycles(port, CYCLES))
    with brought_up(port) as arm:
        pose, ours = arm.arm(GoalBounds.of(SO101, 0.01, MAX_LEAD_RAD)), []
        for _ in range(CYCLES):
            began = time.perf_counter()
            arm.read()
            arm.command(pose)
            ours.append((time.perf_counter() - began) * 1e3)
    for name, share in (('p50', 50), ('p99', 99)):
        yield {'figure': f'cycle back to back, {name}', 'unit': 'ms', 'n': CYCLES,
               'value': float(np.percentile(ours, share)),
               'floor': float(np.percentile(plain, share))}
    # The floor includes the goals: the next request waits behind them on the wire.
    yield {'figure': 'cycles per second back to back', 'unit': 'Hz', 'n': CYCLES,
           'value': 1e3 / float(np.median(ours)), 'floor': 1e3 / WIRE_MS}


def paced(port: str, rate_hz: float, beside: str) -> Iterator[dict[str, Any]]:
    floor = plain_lateness(port, rate_hz)
    with running(port, rate_hz) as driver:
        time.sleep(SECONDS)
        report = driver.report()
    label = f'at {rate_hz:.0f} Hz{beside}'
    yield {'figure': f'rate {label}', 'unit': 'Hz', 'n': report.cycles, 'value': report.rate_hz,
           'floor': rate_hz}
    yield {'figure': f'begin of a cycle late {label}, p99', 'unit': 'ms', 'n': report.cycles,
           'value': report.late_ms_p99, 'floor': float(np.percentile(floor, 99))}
    yield {'figure': f'cycle {label}, p99', 'unit': 'ms', 'n': report.cycles,
           'value': report.cycle_ms_p99}
    yield {'figure': f'late and missed cycles {label}', 'unit': 'of all', 'n': report.cycles,
           'value': (report.late_cycles + report.missed_cycles) / max(report.cycles, 1)}


def driver_cpu() -> Iterator[dict[str, Any]]:
    """Measure the processor time of driver, stream and supervisor at 100 Hz."""
    with simulated_arm() as (port, _):
        began, used = time.monotonic(), time.process_time()
        plain_lateness(port, 100.0)
        floor = (time.process_time() - used) / (time.monotonic() - began)
    demo = new_demo()
    try:
        demo.start()
        demo.system.wait_state(State.READY, timeout_s=30.0)
        for label in ('measuring', 'moving'):
            if label == 'moving':
                demo.bring_to_motion()
            shares = cpu_shares({name: demo.system.group.children[name].popen.pid
                                 for name in ('so101', 'action_stream', 'supervisor')})
            yield {'figure': f'driver process at 100 Hz, {label}', 'unit': '% of a core', 'n': 1,
                   'value': 100.0 * shares.pop('so101'), 'floor': 100.0 * floor}
            for name, share in shares.items():
                yield {'figure': f'{name} process beside it, {label}', 'unit': '% of a core',
                       'n': 1, 'value': 100.0 * share}
    finally:
        demo.close()


def servo_codec() -> Iterator[dict[str, Any]]:
    """Measure the codec: parse the six answers of a cycle, encode its goals."""
    answers = b''.join(answer(servo_id) for servo_id in SERVO_IDS)
    yield rate('answers of a cycle parsed', lambda: codec.StatusParser().parse(answers),
               lambda: [answers[k * 37 + 5:k * 37 + 36] for k in range(6)])
    data = dict.fromkeys(SERVO_IDS, b'\x00\x08')
    yield rate('goals of a cycle encoded', lambda: codec.sync_write(42, data),
               lambda: b''.join(bytes((servo_id,)) + part for servo_id, part in data.items()))


def command_latency() -> Iterator[dict[str, Any]]:
    """Measure the time from the receipt of a chunk to its first goals on the bus."""
    with simulated_arm() as (port, control):
        floor = plain_latency(port, control)
        with running(port, 100.0) as driver:
            ours = latencies(driver, control)
    for name, share in (('p50', 50), ('p99', 99)):
        yield {'figure': f'command to bus at 100 Hz, {name}', 'unit': 'ms', 'n': COMMANDS,
               'value': float(np.percentile(ours, share)),
               'floor': float(np.percentile(floor, share))}


def long_chunk() -> Iterator[dict[str, Any]]:
    """Measure check and plan of the longest chunks, beside those of 50 rows at 30 Hz."""
    usual = plan_ms(50, 30.0)
    for rate_hz in (1.0, 5.0, 10.0, 30.0, 100.0):
        took = plan_ms(MAX_HORIZON, rate_hz)
        for name, share in (('p50', 50), ('p99', 99)):
            yield {'figure': f'plan of a long chunk, {MAX_HORIZON} rows at {rate_hz:.0f} Hz, '
                   f'{name}', 'unit': 'ms', 'n': len(took),
                   'value': float(np.percentile(took, share)),
                   'floor': float(np.percentile(usual, share))}


def replug() -> Iterator[dict[str, Any]]:
    """Measure the time from the return of the cable to the next measurement of the arm."""
    seconds = []
    demo = new_demo()
    try:
        demo.start()
        demo.system.wait_state(State.DRY_RUN, State.READY, timeout_s=30.0)
        view = demo.system.view
        for _ in range(REPLUGS):
            demo.arm.unplug()
            demo.system.wait(lambda: view.driver.lifecycle is Lifecycle.UNCONFIGURED, 10.0,
                             'the loss of the port')
            demo.arm.replug()
            began = time.monotonic()
            demo.system.wait(lambda: view.driver.lifecycle is Lifecycle.INACTIVE
                             and view.driver.cycles > 0, 15.0, 'the arm')
            seconds.append(time.monotonic() - began)
    finally:
        demo.close()
    yield {'figure': 'replug to measuring, median', 'value': float(np.median(seconds)),
           'unit': 's', 'n': REPLUGS}
    yield {'figure': 'replug to measuring, max', 'value': max(seconds), 'unit': 's', 'n': REPLUGS}


# The plain loop.


def plain_cycles(port: str, count: int) -> list[float]:
    """Return the time of each cycle: write a request, read the answer, write goals [ms]."""
    took = []
    with serial.Serial(port, 1_000_000, timeout=0.1) as line:
        for _ in range(count):
            began = time.perf_counter()
            line.write(REQUEST)
            line.read(ANSWER)
            line.write(GOALS)
            took.append((time.perf_counter() - began) * 1e3)
    return took


def plain_lateness(port: str, rate_hz: float) -> list[float]:
    """Return the delay of the start of each cycle in a plain loop [ms]."""
    late, planned = [], time.monotonic()
    with serial.Serial(port, 1_000_000, timeout=0.1) as line:
        for _ in range(int(SECONDS * rate_hz)):
            late.append((time.monotonic() - planned) * 1e3)
            line.write(REQUEST)
            line.read(ANSWER)
            line.write(GOALS)
            planned = max(planned + 1.0 / rate_hz, time.monotonic() - 1.0 / rate_hz)
            time.sleep(max(planned - time.monotonic(), 0.0))
    return late


def plain_latency(port: str, control: ArmControl) -> list[float]:
    """Return the times from setting a value to its bytes on the bus, in a plain loop [ms]."""
    waiting: list[float] = []
    popped: list[tuple[float, int]] = []
    ended = threading.Event()

    def loop() -> None:
        planned = time.monotonic()
        with serial.Serial(port, 1_000_000, timeout=0.1) as line:
            while not ended.is_set():
                line.write(REQUEST)
                line.read(ANSWER)
                if waiting:
                    popped.append((waiting.pop(), time.monotonic_ns()))
                line.write(GOALS)
                planned = max(planned + 0.01, time.monotonic() - 0.01)
                time.sleep(max(planned - time.monotonic(), 0.0))

    thread = threading.Thread(target=loop)
    thread.start()
    for _ in range(COMMANDS):
        time.sleep(random.uniform(0.03, 0.05))
        waiting.append(time.monotonic())
    time.sleep(0.05)
    ended.set()
    thread.join()
    writes = goal_writes(control)
    return [(next(at for at in writes if at >= popped_ns) / 1e9 - set_at) * 1e3
            for set_at, popped_ns in popped]


# The driver.


@contextmanager
def simulated_arm() -> Iterator[tuple[str, ArmControl]]:
    """Run an emulator that paces its replies like a real bus; yield its port and control."""
    with tempfile.TemporaryDirectory(prefix='reflex_bench_') as folder:
        socket = Path(folder) / 'control.sock'
        process = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.sim.arm', '--control', str(socket), '--pose',
             'ready'], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())['port']
            control = ArmControl(socket)
            yield port, control
            control.close()
        finally:
            process.terminate()
            process.wait()


@contextmanager
def brought_up(port: str) -> Iterator[So101Arm]:
    arm = So101Arm(Bus(SerialPort(port)))
    try:
        arm.bring_up()
        yield arm
    finally:
        arm.close()


@contextmanager
def running(port: str, rate_hz: float) -> Iterator[ArmDriver]:
    """Run the driver in this process, active, with leases that are renewed."""
    # The same switch interval as in the driver node.
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    with brought_up(port) as arm:
        guard = MotionGuard(PATIENT)
        guard.renew_permit(Permit(epoch=1, mode=Mode.APPLY_ACTIONS), time.monotonic())
        bounds = ChunkBounds(calibrated_arm(arm.calibration, 2.0))
        driver = ArmDriver(arm, guard, bounds, Motion(period_s=1.0 / rate_hz))
        driver.start()
        driver.activate()
        stop, progress = threading.Event(), itertools.count()

        def renew() -> None:
            while not stop.wait(0.5):
                guard.renew_permit(Permit(epoch=1, mode=Mode.APPLY_ACTIONS), time.monotonic())
                guard.renew_beat(next(progress), None, time.monotonic())

        thread = threading.Thread(target=renew)
        thread.start()
        try:
            yield driver
        finally:
            stop.set()
            thread.join()
            driver.close()
            sys.setswitchinterval(switch_s)


def latencies(driver: ArmDriver, control: ArmControl) -> list[float]:
    """Submit chunks at random times; return the time until the goals of each were sent [ms]."""
    played_ns: list[int] = []
    play = driver._player.play

    def record(chunk: ActionChunk, now: float) -> None:
        played_ns.append(time.monotonic_ns())
        play(chunk, now)

    driver._player.play = record  # type: ignore[method-assign]
    submitted_ns = []
    for seq in range(COMMANDS):
        time.sleep(random.uniform(0.03, 0.05))
        rows = np.tile(np.array(driver.report().setpoint), (4, 1))
        now = time.monotonic()
        submitted_ns.append(int(now * 1e9))
        driver.command(ActionChunk(seq, rows, 30.0, now, epoch=1, joint_names=SO101.joint_names))
    time.sleep(0.05)
    writes = goal_writes(control)
    return [(next(at for at in writes if at >= played) - submitted) / 1e6
            for submitted, played in zip(submitted_ns, played_ns, strict=True)]


def plan_ms(count: int, rate_hz: float) -> list[float]:
    """Return the processor time of check and plan for each chunk of so many rows, moving [ms]."""
    pose = 0.5 * (SO101.lower + SO101.upper)
    swings = 0.1 * np.sin(np.arange(count) / rate_hz)[:, None] + 0.005 * np.random.default_rng(
        1).standard_normal((count, len(pose)))
    player, bounds, took = ChunkPlayer(SO101, Motion()), ChunkBounds(SO101), []
    player.seed(pose)
    for seq in range(COMMANDS):
        now = 0.2 * seq
        chunk = ActionChunk(seq, pose + swings + 0.1 * (seq % 2), rate_hz, now - 0.1,
                            joint_names=SO101.joint_names)
        began = time.thread_time()
        checked = check_chunk(chunk, bounds, now, player.setpoint, is_moving=True)
        player.play(checked, now)
        took.append((time.thread_time() - began) * 1e3)
        for tick in range(20):
            player.tick(player.setpoint, now + 0.01 * tick)
    return took


def goal_writes(control: ArmControl) -> list[int]:
    """Return when the emulator received goals [ns]."""
    return [at_ns for at_ns, kind, data in control.log(0, limit=100_000)
            if kind == 'request' and data[8:10] == '83']


def answer(servo_id: int) -> bytes:
    body = bytes((servo_id, LENGTH + 2, 0, *range(LENGTH)))
    return b'\xff\xff' + body + bytes((codec.checksum(body),))


def rate(figure: str, work: Callable[[], object], floor: Callable[[], object]) -> dict[str, Any]:
    """Time the work and its floor, each the best of five rounds [us]."""
    best = [min(timed(one) for _ in range(5)) for one in (work, floor)]
    return {'figure': figure, 'unit': 'us', 'n': 5, 'value': best[0], 'floor': best[1]}


def timed(work: Callable[[], object], count: int = 5000) -> float:
    began = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - began) / count * 1e6


def cpu_shares(processes: dict[str, int]) -> dict[str, float]:
    """Return the share of a core that each process uses during ``SECONDS``."""
    before, began = {name: cpu_s(pid) for name, pid in processes.items()}, time.monotonic()
    time.sleep(SECONDS)
    seconds = time.monotonic() - began
    return {name: (cpu_s(pid) - before[name]) / seconds for name, pid in processes.items()}


def cpu_s(process: int) -> float:
    """Return the processor time that a process has used [s]."""
    fields = Path(f'/proc/{process}/stat').read_text(encoding='ascii').rsplit(') ', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100.0
