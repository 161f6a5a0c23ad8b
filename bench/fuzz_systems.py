# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whole parts that are fuzzed: real sockets, the driver on a simulated bus, rows that become goals.

Each case begins with a fresh part, so that its input alone breaks it again. ``fuzz_targets`` has
the decoders, and what a target is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
import contextlib
from functools import cache
import itertools
import math
import struct
from typing import Any

import numpy as np
from websockets.utils import accept_key

from bench.fuzz_targets import json_lines, Target
from reflex_ros.client.action_stream import AsyncActionStream
from reflex_ros.client.adapters import row_keys, state_to_wire
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.resources import sessions
from reflex_ros.client.stream_frames import OpenRequest
from reflex_ros.client.stream_protocol import ChunkFrame, parse_frame
from reflex_ros.domain.action import ActionChunk, ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.observation import Observation
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.errors import ReflexError, ServiceError
from reflex_ros.hardware import codec
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm, RAD_PER_TICK
from reflex_ros.hardware.goal_gate import GoalBounds, GoalGate
from reflex_ros.hardware.port import Port
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.exchange import Exchange
from reflex_ros.sim.arm.clock import VirtualClock
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.virtual import READ_SLICE_S, VirtualArm

KEY = Secret('rfx_fuzz_canary')
CYCLES = 60
RATE_HZ = 30.0
PERIOD_S = 0.01
MARGIN_RAD = 1e-9
LONGEST_ERROR = 2000
HOME: Vector = np.clip((0.0, -0.8, 0.9, 0.8, 0.0, 0.5), SO101.lower, SO101.upper)


# Rows of the service, on their way to a goal.


class Goals:
    """Written goals: each is inside the limits, and one step at most from the one before."""

    def __init__(self, bounds: GoalBounds, held: Vector) -> None:
        self._bounds = bounds
        self.last = held

    def write(self, goals: Vector) -> None:
        """Check goals (joints,) [rad]."""
        bounds = self._bounds
        assert np.isfinite(goals).all(), f'goals {goals}'
        assert (goals >= bounds.lower - MARGIN_RAD).all() \
            and (goals <= bounds.upper + MARGIN_RAD).all(), f'goals outside the limits: {goals}'
        step = np.abs(goals - self.last)
        assert (step <= bounds.step + MARGIN_RAD).all(), f'a step of {step.max():.4f} rad'
        self.last = goals


def rows(data: bytes) -> None:
    """Play frames of a service, one a line; no goal leaves the limits or leaps."""
    motion = Motion(period_s=PERIOD_S)
    bounds = GoalBounds.of(SO101, PERIOD_S, motion.max_lead_rad)
    goals = Goals(bounds, HOME)
    gate, player = GoalGate(bounds, HOME, goals.write), ChunkPlayer(SO101, motion)
    exchange = Exchange(ChunkBounds(SO101), RequestRules(0.04, 1, 4), RATE_HZ)
    player.seed(HOME)
    position, now = HOME.copy(), 10.0
    for text in data.split(b'\n')[:4]:
        exchange.begin(Observation(now, 0, tuple(position.tolist()), {}), 1, now)
        now += 0.08
        chunk = _answered(exchange, text, now, is_moving=not player.is_starved)
        if chunk is not None:
            player.play(chunk, now)
        for _ in range(CYCLES // 4):
            now += PERIOD_S
            written = gate.write(player.tick(position, now), position)
            position += 0.25 * (written - position)


def _answered(exchange: Exchange, text: bytes, now: float, *,
              is_moving: bool) -> ActionChunk | None:
    try:
        frame = parse_frame(text.decode(errors='replace'), row_keys(SO101.wire.adapter))
        return exchange.answer(frame, now, is_moving) if isinstance(frame, ChunkFrame) else None
    except ChunkRejected as exc:
        assert len(str(exc)) < LONGEST_ERROR, 'the error repeats what came'
        return None


def _row_seeds() -> list[bytes]:
    home = state_to_wire(HOME, SO101)
    names = row_keys(SO101.wire.adapter)
    frames = []
    for joint, way in ((0, 15.0), (3, -12.0)):
        way_of = [[value + (index == joint) * way * step / 40 for index, value in enumerate(home)]
                  for step in range(40)]
        frames.append(b'\n'.join(json_lines(*(
            {'type': 'action_chunk', 'seq': seq, names[0]: way_of, 'infer_ms': 60}
            for seq in range(4)))))
    return frames


# The serial asked.


class ScriptedPort:
    """A port on which these bytes arrive, in pieces, whatever is asked."""

    name = 'scripted'

    def __init__(self, data: bytes, clock: VirtualClock) -> None:
        self._data = data
        self._clock = clock

    def write(self, data: bytes) -> None:
        """Lose the bytes."""

    def read(self, count: int) -> bytes:
        """Return a piece; nothing in 5 ms when all is read."""
        size = min(count, 1 + (self._data[0] % 32 if self._data else 0))
        piece, self._data = self._data[:size], self._data[size:]
        self._clock.sleep(READ_SLICE_S if not piece else 1e-4)
        return piece

    def drain(self) -> None:
        """Keep what has not been read: it arrives late."""

    def close(self) -> None:
        """Do nothing."""


def bus(data: bytes) -> None:
    """Answer every kind of request with these bytes; each is answered, or fails by name."""
    clock = VirtualClock()
    port = ScriptedPort(data, clock)
    asked = Bus(port, clock)
    for ask in (lambda: asked.detect_echo(1), lambda: asked.ping(1), asked.ping_all,
                lambda: asked.read(2, reg.MODEL_NUMBER),
                lambda: asked.sync_read((1, 2, 3, 4, 5, 6), 56, 15),
                lambda: asked.write(3, reg.GOAL_POSITION, 2048), So101Arm(asked).bring_up):
        with contextlib.suppress(ReflexError):
            ask()
    assert clock.monotonic() < 20.0, 'the requests took too long'


class NoisyPort:
    """
    A port whose answers are disturbed by a script.

    :param script: bytes that say what happens to which answer; read again and again.
    """

    def __init__(self, port: Port, script: bytes) -> None:
        self.name = port.name
        self.forges = False
        """Whether frames with a right checksum may be changed as well."""
        self._port = port
        self._script: Iterator[int] = itertools.cycle(script or b'\xff')
        self._share = next(self._script) % 64
        self._late = b''
        self.write, self.drain, self.close = port.write, port.drain, port.close

    def read(self, count: int) -> bytes:
        """Return what has arrived, disturbed."""
        data = self._late + self._port.read(max(count - len(self._late), 0))
        self._late = b''
        if not data or next(self._script) % 64 >= self._share:
            return data
        return self._disturbed(bytearray(data))

    def _disturbed(self, data: bytearray) -> bytes:
        kind, number = next(self._script) % 7, next(self._script)
        place = number % len(data)
        if kind == 0:
            data[place] ^= 1 << number % 8
        elif kind == 1:
            del data[place:place + 1 + number % 4]
        elif kind == 2:
            data[place:place] = bytes(next(self._script) for _ in range(1 + number % 8))
        elif kind == 3:
            data[place:place] = data
        elif kind == 4:
            self._late, data = bytes(data[place:]), data[:place]
        elif kind == 5:
            data = data[place:] + data[:place]
        elif self.forges:
            self._forge(data, number)
        return bytes(data)

    def _forge(self, data: bytearray, number: int) -> None:
        """Change a byte of an answer, and make its checksum right again."""
        begins = [at for at in range(len(data) - 5) if data[at:at + 2] == b'\xff\xff'
                  and at + 4 + data[at + 3] <= len(data) and data[at + 3] > 2]
        if begins:
            at = begins[number % len(begins)]
            end = at + 3 + data[at + 3]
            data[at + 5 + next(self._script) % (end - at - 5)] = next(self._script)
            data[end] = codec.checksum(bytes(data[at + 2:end]))


def line(script: bytes) -> None:
    """Drive the simulated arm over a disturbed bus: no goal leaps, or leaves the limits."""
    sim = VirtualArm(Settings())
    sim.control.set(pose='ready')
    port = NoisyPort(sim.open(), script)
    arm = So101Arm(Bus(port, sim.clock))
    try:
        arm.bring_up()
        bounds = ChunkBounds(calibrated_arm(arm.calibration, 2.0))
        guard = MotionGuard(GuardBounds())
        driver = ArmDriver(arm, guard, bounds, Motion(), lambda: 0.0)
        _renew(guard, 0, sim.clock)
        driver._cycle(sim.clock.monotonic())
        driver._do_arm(False)
    except ReflexError:
        return
    sim.control.mark()
    port.forges = True
    _drive(driver, guard, bounds, sim.clock)
    state, cause = sim.control.state(), driver.report().cause
    assert cause is None or cause.code is not FaultCode.INTERNAL, f'{cause}'
    for name, joint in state['joints'].items():
        limit = bounds.arm.joints[bounds.arm.joint_names.index(name)].limits.velocity
        assert joint['goals_outside_limits'] == 0, f'{name}: a goal outside the limits'
        assert joint['max_goal_step_ticks'] <= math.ceil(limit * PERIOD_S / RAD_PER_TICK), \
            f'{name}: a step of {joint["max_goal_step_ticks"]} ticks'


def _drive(driver: ArmDriver, guard: MotionGuard, bounds: ChunkBounds,
           clock: VirtualClock) -> None:
    """Let the driver follow chunks that move two joints, as its bus thread does."""
    for cycle in range(CYCLES):
        planned = clock.monotonic()
        _renew(guard, cycle + 1, clock)
        sample = driver.read()
        if cycle % 20 == 1 and sample is not None:
            way = np.tile(sample.position, (50, 1))
            way[:, 0] += np.linspace(0.0, 0.8, 50)
            way[:, 3] -= np.linspace(0.0, 0.5, 50)
            driver.command(ActionChunk(cycle, way, 50.0, planned, epoch=1,
                                       joint_names=bounds.arm.joint_names))
        driver._cycle(planned)
        clock.sleep(max(planned + PERIOD_S - clock.monotonic(), 0.0))


def _renew(guard: MotionGuard, progress: int, clock: VirtualClock) -> None:
    guard.renew_permit(Permit(epoch=1, mode=Mode.APPLY_ACTIONS), clock.monotonic())
    guard.renew_beat(progress, None, clock.monotonic())


# Real sockets.


class Peer:
    """A service on loopback that says these bytes, in the loop of its client."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.data = b''
        self.is_stream = False
        server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, '127.0.0.1', 0, limit=1 << 20))
        self.port = server.sockets[0].getsockname()[1]
        self._server = server

    def run(self, job: Coroutine[Any, Any, None]) -> None:
        """Run a client; only an error of the service may end it."""
        async def bounded() -> None:
            try:
                await asyncio.wait_for(job, 20.0)
            except ServiceError as exc:
                assert len(str(exc)) < LONGEST_ERROR, 'the error repeats what came'
                assert KEY.reveal() not in str(exc), 'the error shows the key'
        self.loop.run_until_complete(bounded())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b'\r\n\r\n')
            if self.is_stream:
                key = next(field.partition(b':')[2].strip() for field in head.split(b'\r\n')
                           if field.lower().startswith(b'sec-websocket-key'))
                writer.write(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n'
                             b'Connection: Upgrade\r\nSec-WebSocket-Accept: '
                             + accept_key(key.decode()).encode() + b'\r\n\r\n')
            writer.write(self.data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@cache
def peer() -> Peer:
    """Return the one peer of this process."""
    return Peer()


def socket(data: bytes) -> None:
    """Receive frames over a real WebSocket until it ends; each end has a name of ours."""
    service = peer()
    service.data, service.is_stream = data, True

    async def receive() -> None:
        stream = AsyncActionStream(f'ws://127.0.0.1:{service.port}/', KEY, OpenRequest('fuzz'),
                                   timeout_s=5.0, window_s=0.0, environment={})
        try:
            await stream.open()
            while True:
                try:
                    frame = await stream.recv_frame()
                    assert all(math.isfinite(value) for row in frame.rows for value in row)
                except ChunkRejected as exc:
                    assert len(str(exc)) < LONGEST_ERROR, 'the error repeats what came'
        finally:
            await stream.close()
    service.run(receive())


def http(data: bytes) -> None:
    """Ask for a session and get these bytes; it is granted, or refused by name."""
    service = peer()
    service.data, service.is_stream = data, False

    async def ask() -> None:
        async with AsyncReflex(KEY, convex_url=f'http://127.0.0.1:{service.port}',
                               environment={}, window_s=0.0) as client:
            await sessions.authorize(client)
    service.run(ask())


def _frame(payload: bytes, first: int = 0x81) -> bytes:
    size = bytes((len(payload),)) if len(payload) < 126 else b'\x7e' + struct.pack(
        '>H', len(payload))
    return bytes((first,)) + size + payload


def _socket_seeds() -> list[bytes]:
    ready, chunk = json_lines(
        {'type': 'session.ready', 'session_id': 'sess_1'},
        {'type': 'action_chunk', 'seq': 3, 'actions': [[0.1, -20.0, 3, 4, 5, 60.0]] * 4})
    return [_frame(ready) + _frame(chunk) * 3 + _frame(b'\x03\xe8bye', 0x88),
            _frame(ready) + _frame(b'?', 0x89) + _frame(chunk[:20], 0x01)
            + _frame(chunk[20:], 0x80),
            _frame(ready) + _frame(chunk, 0x82) + _frame(b'{"type":"error","code":"x"}')]


def _http_seeds() -> list[bytes]:
    body = json_lines({'status': 'success', 'value': {
        'ok': True, 'sessionId': 's', 'session': {'_id': 's', 'status': 'active'},
        'expiresAt': 1.7e12}})[0]
    return [b'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n'
            b'Connection: close\r\n\r\n%s' % (status, len(body), body)
            for status in (b'200 OK', b'401 Unauthorized', b'503 Busy')] + [
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n'
        b'0\r\n\r\n' % (len(body), body)]


SYSTEMS = {
    'rows': Target(rows, _row_seeds(), 15),
    'bus': Target(bus, [
        codec.encode(1, 0, bytes(4)) + codec.encode(1, 0, b'') + b''.join(
            codec.encode(each, 0, bytes(range(each, each + 15))) for each in range(1, 7)),
        codec.encode(2, 0, b'\x09\x03') * 6, b'\xff' * 64], 8),
    'line': Target(line, [bytes((share, *range(0, 256, 7))) for share in (1, 4, 12, 32)]
                   + [bytes((60,)) + b'\x00\x06\x11\x05\xf0' * 9], 20),
    'socket': Target(socket, _socket_seeds(), 12),
    'http': Target(http, _http_seeds(), 10),
}
