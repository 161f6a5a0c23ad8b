# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the wait for ``reflex --help``, and the cost of a command that asks the service."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

RUNS = 20


def help() -> Iterator[dict[str, Any]]:
    """Measure ``reflex --help``; the floor is an interpreter that runs nothing."""
    floor, ours = [], []
    for _ in range(RUNS):
        floor.append(timed('-c', 'pass'))
        ours.append(timed('-m', 'reflex_ros.cli.main', '--help'))
    yield {'figure': 'reflex --help, median', 'value': statistics.median(ours), 'unit': 's',
           'n': RUNS, 'floor': statistics.median(floor)}


def whoami() -> Iterator[dict[str, Any]]:
    """Measure the processor time of ``reflex whoami`` at the simulated service; aim 0.25 s."""
    service = subprocess.Popen([sys.executable, '-m', 'reflex_ros.cli.main', 'sim', 'service'],
                               stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        ready = json.loads(service.stdout.readline())
        environment = {**os.environ, 'REFLEX_API_KEY': ready['key'],
                       'REFLEX_CONVEX_URL': ready['url'], 'REFLEX_PLATFORM_URL': ready['url']}
        floor, ours = [], []
        for _ in range(RUNS):
            floor.append(processor_s('-c', 'pass'))
            ours.append(processor_s('-m', 'reflex_ros.cli.main', 'whoami', env=environment))
        yield {'figure': 'reflex whoami, processor time, median', 'unit': 's', 'n': RUNS,
               'value': statistics.median(ours), 'floor': statistics.median(floor)}
    finally:
        service.terminate()
        service.wait(10.0)
        assert service.stdout is not None
        service.stdout.close()


def processor_s(*arguments: str, env: dict[str, str] | None = None) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(*arguments: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
