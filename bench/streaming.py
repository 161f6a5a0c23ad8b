# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure whether and how smoothly the arm moves with policies and networks as they are.

Our side is the real exchange, checks, player and driver on the emulated bus, in virtual time; the
others are ``streaming_baselines``, on a servo model with the same dead time and lag. Same
policies, same service, same seeds. ``streaming`` yields the figures of the aims,
``streaming_matrix`` those of many cells. Only the time that a bench takes depends on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from multiprocessing import get_context
import threading
from typing import Any

import numpy as np

from bench import streaming_baselines as baselines
from bench.streaming_dry_run import wrong_adapter
from bench.streaming_models import DT, Link, measure, path, Policy, Service
from reflex_ros.client import adapters
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.observation import Observation
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm
from reflex_ros.runner.exchange import Exchange
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.virtual import VirtualArm

OURS = 'reflex_ros'


@dataclass(frozen=True)
class Case:
    """
    One cell of the matrix.

    :param policy: that of each run, but for its seed.
    """

    name: str
    link: Link
    policy: Policy = field(default_factory=Policy)
    seconds: float = 40.0
    rules: RequestRules = RequestRules()


class Ours:
    """Our chain in one run; the driver's thread calls it with every measurement."""

    def __init__(self, case: Case, seed: int, motion: Motion) -> None:
        self.case = case
        self.policy = replace(case.policy, seed=seed)
        self.service = Service(self.policy, case.link, seed)
        self.sim = VirtualArm(Settings(seed=seed, pose=tuple(path(np.array(0.0)))))
        arm = So101Arm(Bus(self.sim.open(), self.sim.clock))
        arm.bring_up()
        self.arm = calibrated_arm(arm.calibration, 2.0)
        bounds = ChunkBounds(self.arm)
        self.exchange = Exchange(bounds, case.rules, self.policy.rate_hz)
        self.guard = MotionGuard(GuardBounds())
        # The real one compares two real clocks: a busy machine would then decide what happens.
        self.driver = ArmDriver(arm, self.guard, bounds, motion, suspended=lambda: 0.0)
        ticks = round(case.seconds / DT)
        self.goals = np.zeros((ticks, 6))
        self.commanded = np.zeros(ticks, dtype=bool)
        self.ages = np.zeros(ticks)
        self.paces = np.ones(ticks)
        self.borders: list[int] = []
        self.tick = -1
        self.began_at = 0.0
        self.stopped = ''
        self.is_over = threading.Event()
        self.is_activating = threading.Event()
        self.renew()

    def renew(self) -> None:
        """Renew both leases, as supervisor and stream do."""
        now = self.sim.clock.monotonic()
        self.guard.renew_permit(Permit(epoch=1, mode=Mode.APPLY_ACTIONS), now)
        self.guard.renew_beat(self.tick, None, now)

    def on_sample(self, sample: JointSample) -> None:
        """Play network and service up to this instant; record what the driver did."""
        # Virtual time stands still until the arm is about to be held: a limp one would fall.
        self.is_activating.wait()
        self.renew()
        if not self.guard.epoch or self.is_over.is_set():
            return
        if self.tick < 0:
            self.began_at = sample.taken_at
        self.tick += 1
        if self.tick >= len(self.goals):
            self.is_over.set()
            return
        now = sample.taken_at - self.began_at
        report = self.driver.report()
        self.goals[self.tick] = report.setpoint
        self.commanded[self.tick] = report.playback_rate > 0.0 and report.cause is None
        self.ages[self.tick] = report.observation_age_s
        self.paces[self.tick] = report.pace
        if report.cause is not None and not self.stopped:
            self.stopped = report.cause.code.name
        self.stream(sample, now)

    def stream(self, sample: JointSample, now: float) -> None:
        """Receive what has arrived, and send what is due."""
        for answer in self.service.due(now):
            rows = tuple(tuple(adapters.state_to_wire(row, self.arm)) for row in answer.rows)
            try:
                chunk = self.exchange.answer(ChunkFrame(
                    answer.seq, rows, answer.infer_s * 1e3, answer.total_s * 1e3, {}), now,
                    is_moving=True)
            except ChunkRejected:
                continue
            self.borders.append(self.tick)
            self.driver.command(replace(chunk, observed_at=chunk.observed_at + self.began_at))
        if now >= self.exchange.due_at(now):
            seq = self.exchange.begin(
                Observation(now, 0, tuple(sample.position.tolist()), {}), 1, now)
            self.service.ask(seq, sample.position, now, now)

    def run(self) -> dict[str, float]:
        """Play the whole run; return its figures."""
        self.driver.start(self.on_sample)
        self.is_activating.set()
        try:
            self.driver.activate(timeout_s=60.0)
            if not self.is_over.wait(timeout=600.0):
                raise TimeoutError(f'{self.case.name} did not end')
        finally:
            self.driver.close()
        figures = measure(self.goals, self.commanded, self.ages, self.borders, self.policy)
        return figures | {
            'pace': float(np.median(self.paces[round(2.0 / DT):])),
            'latched': float(bool(self.stopped)),
            'in_line_s': max(self.service.waited_s, default=0.0),
            'requests_per_s': self.service.asked / self.case.seconds}


def play(case: Case, method: baselines.Method | str, seed: int = 0,
         motion: Motion | None = None) -> tuple[dict[str, float], np.ndarray, str]:
    """Play one cell with one method; return figures, goals (ticks, 6) [rad], and a stop."""
    if isinstance(method, str):
        ours = Ours(case, seed, motion or Motion())
        figures = ours.run()
        return figures, ours.goals, ours.stopped
    policy = replace(case.policy, seed=seed)
    figures, goals = baselines.run(method, policy, Service(policy, case.link, seed),
                                   case.seconds)
    return figures, goals, ''


@dataclass(frozen=True)
class Aim:
    """
    A cell that must reach something.

    :param bounds: least or largest value of each figure; the worst run counts.
    :param before: what version 0.1.0 did, from the study of that version.
    """

    case: Case
    seeds: int
    bounds: dict[str, float]
    before: str


ALIVE = {'latched': 0.0}
STEADY = {'latched': 0.0, 'commanded_percent': 99.0}
AIMS: tuple[Aim, ...] = (
    Aim(Case('400 + 0..200 ms', Link(0.4, 0.2), seconds=120.0), 5,
        {**STEADY, 'longest_wait_s': 0.0, 'peak_acceleration': 4.0, 'rms_jerk': 10.0,
         'age_p50_ms': 780.0},
        'latched in 1 of 5 within 40 s, in 2 of 2 within 100 s; 8.6 rad/s²; 38 rad/s³; 877 ms'),
    Aim(Case('550 ms', Link(0.55)), 1, ALIVE, 'latched after 7.2 s'),
    Aim(Case('600 ms', Link(0.6)), 1, ALIVE, 'latched after 4.8 s'),
    Aim(Case('800 ms', Link(0.8)), 1, ALIVE, 'latched after 3.2 s'),
    Aim(Case('400 + 0..300 ms', Link(0.4, 0.3)), 2, ALIVE, 'latched after 5.8 s'),
    Aim(Case('800 + 0..300 ms', Link(0.8, 0.3)), 2,
        {**ALIVE, 'longest_wait_s': 0.0, 'longest_standstill_s': 0.0, 'speed': 0.75},
        'latched after 3.1 s'),
    Aim(Case('480 ms, 580 ms of network, 0..200 ms of jitter', Link(
        0.48, network_s=0.58, network_jitter_s=0.2)), 2, {**STEADY, 'speed': 0.95},
        'refused: older than 1 s'),
    Aim(Case('grasp, 1.4 rad in 0.25 s', Link(0.4, 0.2), Policy(grasp=True)), 1, ALIVE,
        'latched before the grasp'),
    Aim(Case('wrist at 3 rad/s', Link(0.4, 0.2), Policy(wrist=True)), 1, ALIVE, 'latched'),
    Aim(Case('row noise 1 degree at 50 Hz', Link(0.4, 0.2), Policy(50.0, noise_deg=1.0)), 1,
        ALIVE, 'latched after 0.6 s'),
    Aim(Case('row noise 0.5 degree', Link(0.4, 0.2), Policy(noise_deg=0.5)), 1, ALIVE,
        'latched after 1.1 s'),
    Aim(Case('disagreement of 5 degrees', Link(0.4, 0.2), Policy(offset_deg=5.0)), 2,
        {**STEADY, 'largest_step_rad': 0.014, 'peak_acceleration': 12.0}, '93 % commanded'),
    Aim(Case('two ways', Link(0.4, 0.2), Policy(two_ways=True)), 2, ALIVE, 'latched in 1 of 3'),
    Aim(Case('stalls of 1 s, 400 + 0..100 ms', Link(0.4, 0.1, stall_s=1.0)), 2,
        {**ALIVE, 'longest_wait_s': 0.6}, 'longest wait 1.19 s'),
)


def _link(infer_ms: int, jitter_ms: int = 0, network_ms: int = 0, stall_s: float = 0.0) -> Link:
    return Link(infer_ms / 1e3, jitter_ms / 1e3, network_ms / 1e3, stall_s=stall_s)


def _matrix() -> Iterator[Case]:
    for infer in (50, 150, 400, 480, 800):
        for jitter in (0, 100, 300):
            yield Case(f'{infer} + 0..{jitter} ms', _link(infer, jitter))
    for infer, network in ((50, 100), (150, 580), (400, 100), (480, 100), (480, 580), (800, 580)):
        yield Case(f'{infer} + 0..100 ms, network {network} ms', _link(infer, 100, network))
    for rate_hz in (10.0, 50.0):
        for infer, jitter in ((50, 0), (400, 100), (480, 300), (800, 100)):
            yield Case(f'{infer} + 0..{jitter} ms, rows at {rate_hz:.0f} Hz',
                       _link(infer, jitter), Policy(rate_hz))
    for infer, stall_s in ((150, 0.5), (150, 1.5), (400, 0.5), (400, 1.0), (400, 1.5)):
        yield Case(f'{infer} + 0..100 ms, stalls of {stall_s} s', _link(infer, 100, 0, stall_s))
    usual = _link(400, 100)
    for noise_deg in (0.1, 0.5, 1.0):
        yield Case(f'row noise {noise_deg} degree', usual, Policy(noise_deg=noise_deg))
    for offset_deg in (1.0, 2.0, 3.5, 5.0):
        yield Case(f'disagreement of {offset_deg} degrees', usual, Policy(offset_deg=offset_deg))
    yield Case('two ways', usual, Policy(two_ways=True))
    yield Case('grasp', usual, Policy(grasp=True))
    yield Case('wrist', usual, Policy(wrist=True))


MATRIX = tuple(replace(case, seconds=24.0) for case in _matrix())
FIGURES: dict[str, tuple[str, Callable[[Iterable[float]], float]]] = {
    'commanded_percent': ('%', min), 'longest_wait_s': ('s', max),
    'longest_standstill_s': ('s', max),
    'largest_step_rad': ('rad', max), 'peak_acceleration': ('rad/s^2', max),
    'rms_acceleration': ('rad/s^2', max), 'rms_jerk': ('rad/s^3', max),
    'border_step_deg': ('deg', max), 'contour_error_deg': ('deg', max), 'speed': ('x', min),
    'age_p50_ms': ('ms', max), 'pace': ('x', min), 'latched': ('runs', sum),
    'in_line_s': ('s', max), 'requests_per_s': ('1/s', max),
}
"""Unit of a figure, and how several runs make one value: the worst, or their number."""
OF_MATRIX = ('commanded_percent', 'longest_wait_s', 'longest_standstill_s', 'speed',
             'peak_acceleration', 'rms_jerk', 'border_step_deg', 'latched')
PROCESSES = 2


def _cell(task: tuple[Case, int]) -> dict[str, dict[str, float]]:
    """Play one cell with one seed and every method."""
    case, seed = task
    return {method if isinstance(method, str) else method.name.lower():
            play(case, method, seed)[0] for method in (OURS, *baselines.Method)}


def _rows(tasks: list[tuple[Case, int]], names: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield a row per figure: ours as the value, the others by their names; same seeds for all."""
    # Virtual time makes the figures independent of how many run at once.
    with get_context('spawn').Pool(PROCESSES) as pool:
        played = zip(tasks, pool.imap(_cell, tasks), strict=True)
        for case, group in groupby(played, key=lambda done: done[0][0]):
            runs = [result for _, result in group]
            for name in names:
                unit, combine = FIGURES[name]
                values = {method: combine(run[method][name] for run in runs)
                          for method in runs[0] if name in runs[0][method]}
                yield {'figure': f'{case.name}: {name}', 'unit': unit, 'n': len(runs),
                       'value': values.pop(OURS), **values}


def streaming() -> Iterator[dict[str, Any]]:
    """Yield the figures of the aims, and the requests of policies that do not fit."""
    yield from wrong_adapter()
    yield from _rows([(aim.case, seed) for aim in AIMS for seed in range(aim.seeds)], FIGURES)


def streaming_matrix() -> Iterator[dict[str, Any]]:
    """Yield the figures of the matrix: every cell once."""
    yield from _rows([(case, 0) for case in MATRIX], OF_MATRIX)
