# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure an upload to the simulated service on loopback: throughput, and memory of the client.

The floor sends the same file to the same service in the same run with a bare streaming PUT of
httpx. Client and floor each run in their own process and measure inside it, without its start.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
from typing import Any

MIB = 2 ** 20
SMALL, LARGE = 16 * MIB, 256 * MIB
RUNS = 5

OURS = """
import asyncio, json, resource, sys, time
from pathlib import Path
from reflex_ros.client.resources import datasets
from reflex_ros.client.async_client import AsyncReflex

async def main(url, path, name):
    async with AsyncReflex('rfx_sim', convex_url=url, environment={}) as service:
        began = time.monotonic()
        await datasets.upload(service, Path(path), name)
        return time.monotonic() - began

seconds = asyncio.run(main(*sys.argv[1:]))
"""
FLOOR = """
import json, os, resource, sys, time
import httpx

url, path, name = sys.argv[1:]
with httpx.Client(trust_env=False, timeout=60.0, headers={
        'Authorization': 'Bearer rfx_sim'}) as client:
    target = client.post(f'{url}/v1/datasets', json={'name': name}).json()['upload_url']
    with open(path, 'rb') as file:
        began = time.monotonic()
        client.put(target, content=file, headers={
            'Content-Length': str(os.stat(path).st_size)}).raise_for_status()
        seconds = time.monotonic() - began
"""
REPORT = """
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


def upload() -> Iterator[dict[str, Any]]:
    """Measure throughput and peak memory for a small and a large file."""
    with tempfile.TemporaryDirectory() as folder, _serving(folder) as url:
        ours: dict[int, Any] = {}
        floor: dict[int, Any] = {}
        for size in (SMALL, LARGE):
            file = Path(folder) / f'{size}.bin'
            with file.open('wb') as out:
                for _ in range(size // MIB):
                    out.write(os.urandom(MIB))
            ours[size], floor[size] = [], []
            for run in range(RUNS):
                floor[size].append(_measure(FLOOR, url, file, f'floor {size} {run}'))
                ours[size].append(_measure(OURS, url, file, f'ours {size} {run}'))
        rate = [LARGE / MIB / statistics.median(seconds for seconds, _ in runs[LARGE])
                for runs in (ours, floor)]
        yield {'figure': '256 MiB upload, median rate', 'value': rate[0], 'unit': 'MiB/s',
               'n': RUNS, 'floor': rate[1]}
        for size in (SMALL, LARGE):
            peaks = [max(peak for _, peak in runs[size]) / MIB for runs in (ours, floor)]
            yield {'figure': f'{size // MIB} MiB upload, peak memory of the client',
                   'value': peaks[0], 'unit': 'MiB', 'n': RUNS, 'floor': peaks[1]}


@contextlib.contextmanager
def _serving(folder: str) -> Iterator[str]:
    # With TMPDIR in the folder, the uploaded files are removed together with the folder.
    service = subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'sim', 'service'], stdout=subprocess.PIPE,
        text=True, env={**os.environ, 'TMPDIR': folder})
    try:
        assert service.stdout is not None
        yield json.loads(service.stdout.readline())['url']
    finally:
        service.terminate()
        service.wait(10.0)
        assert service.stdout is not None
        service.stdout.close()


def _measure(program: str, url: str, file: Path, name: str) -> tuple[float, float]:
    """Run a program in its own process; return its time [s] and its peak memory [bytes]."""
    done = subprocess.run([sys.executable, '-c', program + REPORT, url, str(file), name],
                          check=True, stdout=subprocess.PIPE, timeout=120.0)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak
