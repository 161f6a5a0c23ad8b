# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure three cameras of 640 x 480 at 30 Hz on their way through the real graph, in dry run.

Latency is from the publication of a frame to its arrival at the socket of the service, as the
instant inside the picture tells, for every frame of every observation. The processor time is that
of the process ``action_stream``, with everything else that it does.
``REFLEX_BENCH_CAMERA_S`` sets the time per case (default: 30 s).
"""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

import httpx
import numpy as np

from bench.arm_sim import cpu_s
from bench.camera_publisher import CAMERAS, stamp_of
from reflex_ros.bringup import process_table
from reflex_ros.bringup.system import private_domain, System

SECONDS = float(os.environ.get('REFLEX_BENCH_CAMERA_S', '30'))
WARM_S = 4.0
CASES = ('compressed together', 'compressed apart', 'raw together', 'raw apart')
ROBOT = """
/**/action_stream:
  ros__parameters:
    cameras: [cam1, cam2, cam3]
/**/supervisor:
  ros__parameters:
    gate.dry_run_s: 600.0
"""


def cameras() -> Iterator[dict[str, Any]]:
    """Measure raw and compressed frames, of cameras that run together and apart."""
    for case in os.environ.get('REFLEX_BENCH_CAMERA_CASES', ','.join(CASES)).split(','):
        yield from measured(case)


def measured(case: str) -> Iterator[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix='reflex-bench-'))
    (folder / 'robot.yaml').write_text(ROBOT)
    world = process_table.make_world()
    environment = private_domain()
    system = System(folder, config=folder / 'robot.yaml', world=world, environment=environment)
    # Our own cameras instead.
    system._nodes = tuple(node for node in system._nodes if node.name != 'sim_camera')
    publisher = None
    try:
        system.start()
        publisher = subprocess.Popen(
            [sys.executable, '-m', 'bench.camera_publisher', *case.split()],
            env={**os.environ, **environment})
        system.wait(lambda: bool(observations(world.url, 0)), 40.0, 'an observation')
        time.sleep(WARM_S)
        stream = system.group.children['action_stream'].popen.pid
        seen = observations(world.url, 0)
        last = seen[-1]['number']
        found: list[dict[str, Any]] = []
        began = time.monotonic()
        before = cpu_s(stream), cpu_s(publisher.pid)
        while time.monotonic() - began < SECONDS:
            time.sleep(1.0)
            found += observations(world.url, found[-1]['number'] if found else last)
        seconds = time.monotonic() - began
        stream_cpu, publisher_cpu = (
            (now - then) / seconds
            for now, then in zip((cpu_s(stream), cpu_s(publisher.pid)), before, strict=True))
    finally:
        if publisher is not None:
            publisher.kill()
            publisher.wait()
        system.end()
    yield from figures(case, found, stream_cpu, publisher_cpu, seconds)


def figures(case: str, found: list[dict[str, Any]], stream_cpu: float, publisher_cpu: float,
            seconds: float) -> Iterator[dict[str, Any]]:
    ages, spreads = [], []
    for seen in found:
        stamps = [stamp_of(seen['images'][name]) * 1e-9 for name in CAMERAS]
        ages += [(seen['received_s'] - stamp) * 1e3 for stamp in stamps]
        spreads.append((max(stamps) - min(stamps)) * 1e3)
    for name, at in (('min', 0), ('p50', 50), ('p95', 95), ('p99', 99)):
        yield {'figure': f'{case}: publication to socket, {name}', 'unit': 'ms', 'n': len(ages),
               'value': float(np.percentile(ages, at))}
    yield {'figure': f'{case}: apart within an observation, p50', 'unit': 'ms', 'n': len(spreads),
           'value': float(np.median(spreads))}
    yield {'figure': f'{case}: observations', 'unit': '1/s', 'n': len(found),
           'value': len(found) / seconds}
    yield {'figure': f'{case}: action_stream', 'unit': '% of a core', 'n': 1,
           'value': 100.0 * stream_cpu}
    yield {'figure': f'{case}: publisher of the bench', 'unit': '% of a core', 'n': 1,
           'value': 100.0 * publisher_cpu}


def observations(url: str, after: int) -> list[dict[str, Any]]:
    answer = httpx.get(f'{url}/admin/observations', params={'after': after}).json()
    found: list[dict[str, Any]] = answer['observations']
    return found
