# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure one observation step on loopback: 6 states and three 40 kB images up, 50 x 6 rows down.

The floor is plain code by hand: ``websockets``, ``json`` and ``base64``, without any check. For
the stream without asyncio, the floor uses the synchronous client of ``websockets``. Client and
floor take turns, step by step, each on its own connection to the same server process. The server
parses nothing and answers every observation with the same bytes, so its own time stays small.
CPU is the processor time of this process with all its threads.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
import gc
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

from reflex_ros.client import ActionStream, AsyncActionStream

STEPS = int(os.environ.get('REFLEX_BENCH_STEPS', '1000'))
OPENS = 100
WARM = 50
STATE = [0.1, -11.0, 33.0, 4.5, 0.0, 50.0]
IMAGES = {name: os.urandom(40_000) for name in ('front', 'wrist', 'top')}
KEY = 'rfx_bench'
OPEN = {'type': 'session.open', 'session_id': '', 'prompt': 'hold', 'robot': 'so101',
        'action_adapter': 'so101_joint', 'cameras': list(IMAGES)}
SETTINGS: dict[str, Any] = {'robot': 'so101', 'action_adapter': 'so101_joint',
                            'cameras': list(IMAGES), 'api_key': KEY}
Step = tuple[float, float, float, float]
"""Time and processor time of ours, then of the floor [s]."""

# The server parses no frame: only an observation is longer than 1000 bytes.
SERVER = """
import asyncio, itertools, json
from websockets.asyncio.server import serve
rows = [[round(0.37 * row + joint, 4) for joint in range(6)] for row in range(50)]
tail = json.dumps({'actions': rows, 'actions_so101': rows, 'infer_ms': 0.1, 'total_ms': 0.1})[1:]

async def answer(link):
    await link.recv(decode=False)
    await link.send('{"type":"session.ready","session_id":"sess_bench"}')
    seq = itertools.count()
    async for frame in link:
        if len(frame) > 1000:
            await link.send(f'{{"type":"action_chunk","seq":{next(seq)},{tail}')

async def main():
    async with serve(answer, '127.0.0.1', 0, compression=None, max_size=2**21) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


def observation_step() -> Iterator[dict[str, Any]]:
    """Measure one step, with asyncio and without it."""
    with server() as url:
        yield from figures('asyncio', asyncio.run(steps_async(url)))
        yield from figures('without asyncio', steps_sync(url))


def open_to_ready() -> Iterator[dict[str, Any]]:
    """Measure opening: at a server that answers at once, and at the simulated service."""
    with server() as url:
        ours, floor = asyncio.run(opens(url))
        yield from spread('open to ready', ours, floor)
    with simulation() as (url, key):
        ours, floor = asyncio.run(opens(url, key))
        yield from spread('open to ready, simulated service', ours, floor)


async def steps_async(url: str) -> list[Step]:
    async with connect(url, compression=None, max_size=2**20) as link:
        await link.send(json.dumps(OPEN))
        await link.recv()
        async with AsyncActionStream.for_task('hold', url=url, **SETTINGS) as stream:
            async def ours() -> None:
                await stream.send_observation(STATE, IMAGES)
                assert len((await stream.recv_action()).rows) == 50

            async def floor() -> None:
                await link.send(observation())
                assert len(json.loads(await link.recv())['actions']) == 50

            async def one(step: Callable[[], Awaitable[None]]) -> tuple[float, float]:
                wall, cpu = time.perf_counter(), time.process_time()
                await step()
                return time.perf_counter() - wall, time.process_time() - cpu

            gc.collect()
            return [(*await one(ours), *await one(floor)) for _ in range(WARM + STEPS)][WARM:]


def steps_sync(url: str) -> list[Step]:
    with connect_sync(url, compression=None, max_size=2**20) as link, \
            ActionStream('hold', url=url, **SETTINGS) as stream:
        link.send(json.dumps(OPEN))
        link.recv()

        def ours() -> None:
            stream.send_observation(STATE, IMAGES)
            assert len(stream.recv_action().rows) == 50

        def floor() -> None:
            link.send(observation())
            assert len(json.loads(link.recv())['actions']) == 50

        def one(step: Callable[[], None]) -> tuple[float, float]:
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            return time.perf_counter() - wall, time.process_time() - cpu

        gc.collect()
        return [(*one(ours), *one(floor)) for _ in range(WARM + STEPS)][WARM:]


async def opens(url: str, key: str = KEY) -> tuple[list[float], list[float]]:
    ours, floor = [], []
    for _ in range(WARM // 10 + OPENS):
        began = time.perf_counter()
        async with AsyncActionStream.for_task('hold', url=url, **SETTINGS | {'api_key': key}):
            ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        headers = {'Authorization': f'Bearer {key}'}
        async with connect(url, compression=None, additional_headers=headers) as link:
            await link.send(json.dumps(OPEN))
            await link.recv()
            floor.append(time.perf_counter() - began)
    return ours[-OPENS:], floor[-OPENS:]


def observation() -> str:
    return json.dumps({'type': 'observation', 'seq': 0, 'state': STATE, 'images': {
        name: {'encoding': 'jpeg_base64', 'data': base64.b64encode(image).decode()}
        for name, image in IMAGES.items()}})


def figures(name: str, samples: list[Step]) -> Iterator[dict[str, Any]]:
    our_wall, our_cpu, floor_wall, floor_cpu = np.array(samples).T
    yield from spread(f'{name}, round trip', our_wall, floor_wall)
    yield from spread(f'{name}, client CPU', our_cpu, floor_cpu)


def spread(figure: str, ours: Sequence[float], floor: Sequence[float]) -> Iterator[dict[str, Any]]:
    for name, at in (('median', 50), ('p99', 99)):
        yield {'figure': f'{figure}, {name}', 'value': float(np.percentile(ours, at)) * 1e3,
               'unit': 'ms', 'n': len(ours), 'floor': float(np.percentile(floor, at)) * 1e3}


@contextmanager
def server() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, '-c', SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f'ws://127.0.0.1:{int(process.stdout.readline())}/v1/actions'
    finally:
        stop(process)


@contextmanager
def simulation() -> Iterator[tuple[str, str]]:
    process = subprocess.Popen([sys.executable, '-m', 'reflex_ros.sim.service'],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        yield ready['actions_url'], ready['key']
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()
