# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the running system: time until DRY_RUN, and time from a fault until the arm rests.

The emulator of the arm takes the times of a fault, from just before its injection. Its servo model
has 85 ms dead time and 30 ms lag. REFLEX_BENCH_RUNS sets the runs per fault (default: 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from reflex_ros.bringup.demo import Demo, FAULTS
from reflex_ros.domain.safe_stop import State

RUNS = int(os.environ.get('REFLEX_BENCH_RUNS', '4'))
NAMES = ('kill_stream', 'kill_supervisor', 'kill_driver', 'kill_service', 'drop_link', 'stop',
         'pause_stream')
BUSY = 4


def start() -> Iterator[dict[str, Any]]:
    """Measure the time from the start of the first process to DRY_RUN."""
    seconds = []
    for _ in range(RUNS):
        demo = new_demo()
        began = time.monotonic()
        try:
            demo.start()
            entered = demo.system.wait_state(State.DRY_RUN, State.READY, timeout_s=30.0)
            seconds.append(entered - began)
        finally:
            demo.close()
    yield {'figure': 'start to DRY_RUN, median', 'value': float(np.median(seconds)), 'unit': 's',
           'n': RUNS}
    yield {'figure': 'start to DRY_RUN, max', 'value': max(seconds), 'unit': 's', 'n': RUNS}


def faults() -> Iterator[dict[str, Any]]:
    """Measure every fault, without load on the machine."""
    yield from measured()


def faults_busy() -> Iterator[dict[str, Any]]:
    """Measure every fault while four processes keep the machine busy."""
    with busy():
        yield from measured()


def measured() -> Iterator[dict[str, Any]]:
    demo = new_demo()
    goals, held = [], []
    try:
        demo.start()
        for name in NAMES:
            runs = []
            for _ in range(RUNS):
                demo.bring_to_motion()
                runs.append(demo.inject(FAULTS[name]))
                demo.recover(FAULTS[name])
                # A crash loop is not restarted; these crashes are on purpose.
                demo.system.group.forgive()
            goals += [run['goals_constant_ms'] for run in runs]
            held += [run['held_ms'] for run in runs]
            yield from spread(f'{name}, goals constant', [run['goals_constant_ms']
                                                          for run in runs])
            yield from spread(f'{name}, joints at rest', [run['held_ms'] for run in runs])
    finally:
        demo.close()
    yield from spread('all, goals constant', goals)
    yield from spread('all, joints at rest', held)


def spread(figure: str, values: list[float]) -> Iterator[dict[str, Any]]:
    for name, value in (('p50', np.median(values)), ('p99', np.percentile(values, 99)),
                        ('max', max(values))):
        yield {'figure': f'{figure}, {name}', 'value': float(value), 'unit': 'ms',
               'n': len(values)}


@contextmanager
def busy() -> Iterator[None]:
    """Run four processes that use all processor time they get, at normal priority."""
    loads = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(BUSY)]
    try:
        yield
    finally:
        for load in loads:
            load.kill()
            load.wait()


def new_demo() -> Demo:
    return Demo(Path(tempfile.mkdtemp(prefix='reflex-bench-')))
