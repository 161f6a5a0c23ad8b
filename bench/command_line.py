# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how long a user waits for ``reflex --help``."""

from __future__ import annotations

from collections.abc import Iterator
import statistics
import subprocess
import sys
import time

RUNS = 20


def help() -> Iterator[dict]:
    """Measure ``reflex --help``; the floor is an interpreter that runs nothing."""
    floor, ours = [], []
    for _ in range(RUNS):
        floor.append(timed('-c', 'pass'))
        ours.append(timed('-m', 'reflex_ros.cli.main', '--help'))
    yield {'figure': 'reflex --help, median', 'value': statistics.median(ours), 'unit': 's',
           'n': RUNS, 'floor': statistics.median(floor)}


def timed(*arguments: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
