# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The arm driver against a simulated arm: what it plays, what it refuses, how each fault ends.

The tests compare with the simulation: its true joints, and the bytes on its line. Most run in
virtual time. Those about real time, and one of each kind besides, use a real pseudo-terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
import itertools
import math
import threading
import time
from typing import Any

from arm_fixture import DEADLINE_S, GOAL, SimulatedArm, TORQUE, wait_for, WatchedArm, Write
import numpy as np
import pytest
from stepped_arm import stepped_arm, SteppedArm

from reflex_ros.domain.action import ActionChunk, ChunkBounds
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import MotionState
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout, PortLost, ReflexError
from reflex_ros.hardware import arm_driver, arm_monitor, port
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.calibration import calibrated_arm, RAD_PER_TICK
from reflex_ros.hardware.goal_gate import GoalBounds
from reflex_ros.hardware.heat_guard import HOT_S, RETRY_S
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101

PAN = 0
SPEED = 0.6
"""Of the test motion of the first joint [rad/s]."""
RATE_HZ = 50.0
LEAD_TICKS = math.radians(10.0) / RAD_PER_TICK
# Real time: the bounds are about twice those of the product, because a busy machine stalls driver
# or simulation for longer than a real bus does.
PATIENT = GuardBounds(permit_soft_s=0.12, permit_hard_s=0.4, beat_soft_s=0.12, beat_hard_s=0.4,
                      late_hard_s=0.5)
OPERATOR = Cause(FaultCode.OP_STOP, 'a person said stop')


class Rig:
    """A driver on a simulated arm, with a supervisor and a stream that renew their leases."""

    def __init__(self, sim: WatchedArm, motion: Motion | None = None, back_off_rad: float = 0.0,
                 **options: Any) -> None:
        self.sim = sim
        self.arm = sim.open(**options)
        self.clock = self.arm.clock
        wait_for(self._brings_up, 'the arm to come up')
        self.guard = MotionGuard(GuardBounds() if isinstance(sim, SteppedArm) else PATIENT)
        self.bounds = ChunkBounds(calibrated_arm(self.arm.calibration, 2.0))
        self.on_sample: Callable[[JointSample], None] = lambda sample: None
        self.slept_s = 0.0
        self.driver = ArmDriver(self.arm, self.guard, self.bounds, motion or Motion(),
                                lambda: self.slept_s, back_off_rad=back_off_rad)
        self.permit: Permit | None = Permit(epoch=1, mode=Mode.APPLY_ACTIONS)
        self.beats = True
        self._seq = itertools.count()
        self._progress = itertools.count()
        self._ended = threading.Event()
        self._others = threading.Thread(target=self._renew_often, daemon=True)
        if isinstance(sim, SteppedArm):
            sim.clock.act = self._renew
        else:
            self._others.start()
        self._renew()
        self.driver.start(lambda sample: self.on_sample(sample))
        self.cycles(2)

    def _brings_up(self) -> bool:
        try:
            self.arm.bring_up()
        except BusTimeout:
            return False        # still booting
        return True

    def _renew(self) -> None:
        permit = self.permit
        if permit is not None:
            self.guard.renew_permit(permit, self.now())
        if self.beats:
            self.guard.renew_beat(next(self._progress), None, self.now())

    def _renew_often(self) -> None:
        while not self._ended.wait(0.01):
            self._renew()

    def now(self) -> float:
        """Return the time of the bus [s]."""
        return self.clock.monotonic()

    def close(self) -> None:
        self.driver.close()
        self._ended.set()
        if self._others.ident is not None:
            self._others.join()

    @property
    def report(self) -> ConnectorReport:
        return self.driver.report()

    @property
    def code(self) -> str:
        cause = self.report.cause
        return cause.code if cause else ''

    def cycles(self, count: int) -> None:
        """Wait for ``count`` more measurements."""
        wanted = self.report.cycles + count
        wait_for(lambda: self.report.cycles >= wanted, f'{count} more cycles')

    def turns(self, count: int) -> None:
        """Wait for ``count`` more cycles, with or without a measurement."""
        for _ in range(count):
            self.driver.submit(lambda: None).result(timeout=8.0)

    def activate(self, mode: Mode = Mode.APPLY_ACTIONS, epoch: int = 1) -> None:
        self.permit = Permit(epoch=epoch, mode=mode)
        self.guard.renew_permit(self.permit, self.now())
        if mode is Mode.PARK:
            self.driver.park()
        else:
            self.driver.activate()

    def chunk(self, distance: float = 1.2, **changes: Any) -> ActionChunk:
        """Make a chunk that moves the first joint from its setpoint, at a steady speed."""
        count = int(abs(distance) / SPEED * RATE_HZ) + 2
        rows = np.tile(np.array(self.report.setpoint), (count, 1))
        rows[:, PAN] += np.linspace(0.0, distance, count)
        made = ActionChunk(next(self._seq), rows, RATE_HZ, self.now(), epoch=1,
                           joint_names=JOINT_NAMES)
        return replace(made, **changes)

    def move(self) -> None:
        """Command a long motion and wait until the arm is in the middle of it."""
        self.sim.control.mark()
        self.driver.command(self.chunk())
        wait_for(lambda: self.sim.joint(PAN)['velocity_rad_s'] > 0.8 * SPEED, 'full speed')

    def goals(self, since_ns: int = 0) -> list[Write]:
        return self.sim.writes(since_ns, GOAL)

    def is_at(self, state: MotionState) -> bool:
        return self.report.state is state

    def holds(self) -> bool:
        """Whether the arm was brought to rest, under torque, with goals that do not change."""
        wait_for(lambda: self.report.at_rest and not self.is_at(MotionState.STOPPING),
                 'the arm to rest')
        assert self.is_at(MotionState.HOLD), self.report
        since_ns = self.sim.control.mark()
        self.cycles(7)
        goals = self.goals(since_ns)
        return (len(goals) >= 6 * 4 and len({(g.servo_id, g.value) for g in goals}) == 6
                and self.sim.torque() == [True] * 6)

    def is_passive(self) -> bool:
        """Whether the driver writes nothing any more."""
        wait_for(lambda: self.is_at(MotionState.PASSIVE), 'the driver to be passive')
        # What was written last may still be on the line.
        self.turns(1)
        since_ns = self.sim.control.mark()
        self.driver.command(self.chunk())
        self.turns(7)
        return self.sim.writes(since_ns) == []


@pytest.fixture
def sim(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[WatchedArm]:
    if getattr(request, 'param', '') != 'terminal':
        with stepped_arm() as virtual:
            yield virtual
        return
    monkeypatch.setattr(port, 'READ_SLICE_S', 0.02)
    monkeypatch.setattr(arm_monitor, 'BUS_FAULT_S', 0.2)
    real: SimulatedArm = request.getfixturevalue('moving_arm')
    real.reset()
    yield real


TERMINAL = pytest.param('terminal', marks=pytest.mark.live)
on_a_terminal = pytest.mark.parametrize('sim', (TERMINAL,), indirect=True)
on_both = pytest.mark.parametrize('sim', ('virtual', TERMINAL), indirect=True)


@pytest.fixture
def rig(sim: WatchedArm) -> Iterator[Rig]:
    made = Rig(sim)
    yield made
    made.close()


@pytest.fixture
def moving(rig: Rig) -> Rig:
    """Give a rig in the middle of a motion of the first joint."""
    rig.activate()
    rig.move()
    return rig


# Before it is armed


def test_driver_that_is_not_active_writes_nothing(rig: Rig) -> None:
    since_ns = rig.sim.control.mark()
    rig.driver.command(rig.chunk())
    rig.cycles(30)
    assert rig.sim.writes(since_ns) == []
    assert rig.sim.torque() == [False] * 6
    report = rig.report
    assert (report.state, report.accepted, report.rejected) == (MotionState.PASSIVE, 0, {})


@on_a_terminal
def test_driver_measures_at_its_rate(rig: Rig) -> None:
    samples: list[JointSample] = []
    rig.on_sample = samples.append
    rig.cycles(50)
    steps = np.diff([sample.taken_at for sample in samples])
    assert np.median(steps) == pytest.approx(0.01, rel=0.1)
    assert 0.0 < rig.report.cycle_ms_p50 < 10.0 and rig.report.rate_hz > 50.0


@pytest.mark.parametrize('permit, text', (
    (None, 'no permit from the supervisor'),
    (Permit(epoch=1, mode=Mode.HOLD), 'the supervisor permits no motion now'),
))
def test_driver_is_not_armed_without_permission(rig: Rig, permit: Permit | None,
                                                text: str) -> None:
    rig.permit = permit
    wait_for(lambda: rig.guard.refusal_reason(rig.now()), 'the permit to go')
    with pytest.raises(ReflexError, match=text):
        rig.driver.activate()
    assert rig.is_passive() and rig.sim.torque() == [False] * 6


@on_both
def test_activation_moves_nothing(rig: Rig) -> None:
    rig.sim.control.set(pose='rest')
    rig.cycles(3)
    rig.sim.control.mark()
    rig.activate()
    assert rig.holds()
    assert rig.sim.travel() < 0.03
    assert rig.report.has_torque and rig.report.epoch == 1


def test_chunk_from_before_the_activation_is_not_played(rig: Rig) -> None:
    rig.driver.command(rig.chunk())
    rig.activate()
    assert rig.holds() and rig.report.accepted == 0


def test_failed_activation_leaves_the_driver_passive(rig: Rig) -> None:
    rig.sim.control.fault('error_bits', ids=[2], bits=0x20)
    with pytest.raises(ReflexError, match='shoulder_lift.*reports error bits 0x20'):
        rig.activate()
    assert rig.is_passive() and not rig.report.has_torque


def test_second_activation_is_refused_and_does_not_clear_the_latch(moving: Rig) -> None:
    moving.guard.fail(OPERATOR)
    with pytest.raises(ReflexError, match='active already'):
        moving.driver.activate()
    assert moving.holds() and moving.code == FaultCode.OP_STOP


def test_torque_is_reported_as_it_is_while_passive(rig: Rig) -> None:
    assert not rig.report.has_torque
    for servo_id in range(1, 7):
        rig.sim.control.set(id=servo_id, register='torque_enable', value=1)
    wait_for(lambda: rig.report.has_torque, 'the torque to be seen')
    rig.sim.control.fault('torque_dropped', ids=[3])
    wait_for(lambda: not rig.report.has_torque, 'the loss of torque to be seen')


# Playing


@on_both
def test_chunk_is_played_to_its_end(rig: Rig) -> None:
    rig.activate()
    start = rig.sim.joint(PAN)['position_rad']
    rig.driver.command(rig.chunk(0.4))
    wait_for(lambda: rig.is_at(MotionState.PLAYING), 'the motion to begin')
    wait_for(lambda: rig.report.is_starved and rig.report.at_rest, 'the motion to end')
    assert rig.sim.joint(PAN)['position_rad'] == pytest.approx(start + 0.4, abs=0.02)
    state = rig.sim.control.state()
    assert state['max_goal_step_ticks'] <= math.ceil(2.0 * 0.01 / RAD_PER_TICK)
    assert all(joint['goals_outside_limits'] == 0 for joint in state['joints'].values())
    assert (rig.report.accepted, rig.report.rejected, rig.code) == (1, {}, '')


def test_newest_chunk_takes_over(moving: Rig) -> None:
    start = moving.sim.joint(PAN)['position_rad']
    # The second leads the other way: it takes over when the third agrees with it.
    moving.driver.command(moving.chunk(-0.2))
    wait_for(lambda: moving.report.accepted == 2, 'the second')
    moving.driver.command(moving.chunk(-0.2))
    wait_for(lambda: moving.report.accepted == 3 and moving.report.is_starved, 'the third to end')
    wait_for(lambda: moving.report.at_rest, 'rest')
    assert moving.sim.joint(PAN)['position_rad'] < start + 0.1
    assert moving.code == ''


def broken(rows: Callable[[Any], Any]) -> Callable[[Rig], ActionChunk]:
    """Return a function that makes a chunk with changed rows."""
    def make(rig: Rig) -> ActionChunk:
        chunk = rig.chunk()
        return replace(chunk, rows=rows(chunk.rows.copy()))
    return make


def put(at: Any, value: float) -> Callable[[Any], Any]:
    def change(rows: Any) -> Any:
        rows[at] = value
        return rows
    return change


def test_chunk_is_counted_only_when_it_is_in_the_player(
        rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    # A caller that waits for the end of a chunk looks for: counted, and nothing left to play.
    counts: list[int] = []
    play = ChunkPlayer.play

    def recorded(player: ChunkPlayer, chunk: ActionChunk, now: float) -> None:
        counts.append(rig.report.accepted)
        play(player, chunk, now)

    monkeypatch.setattr(ChunkPlayer, 'play', recorded)
    rig.activate()
    rig.driver.command(rig.chunk(0.2))
    wait_for(lambda: rig.report.accepted, 'the chunk')
    assert counts == [0]


BAD_CHUNKS: dict[str, tuple[str, Callable[[Rig], ActionChunk]]] = {
    'not a number': (FaultCode.BAD_NUMBER, broken(put((3, 2), math.nan))),
    'infinite': (FaultCode.BAD_NUMBER, broken(put((-1, 0), math.inf))),
    'whole numbers': (FaultCode.BAD_NUMBER, broken(lambda rows: rows.astype(int))),
    'rate not a number': (FaultCode.BAD_NUMBER, lambda rig: rig.chunk(rate_hz=math.nan)),
    'five joints': (FaultCode.BAD_SHAPE, broken(lambda rows: rows[:, :5])),
    'one row': (FaultCode.BAD_SHAPE, broken(lambda rows: rows[:1])),
    'no rate': (FaultCode.BAD_SHAPE, lambda rig: rig.chunk(rate_hz=0.5)),
    'other joints': (FaultCode.BAD_SHAPE, lambda rig: rig.chunk(joint_names=JOINT_NAMES[::-1])),
    'old epoch': (FaultCode.SEQ_EPOCH, lambda rig: rig.chunk(epoch=0)),
    'next epoch': (FaultCode.SEQ_EPOCH, lambda rig: rig.chunk(epoch=2)),
    'old number': (FaultCode.SEQ_OLD, lambda rig: rig.chunk(seq=-1)),
    'old observation': (FaultCode.CHUNK_STALE,
                        lambda rig: rig.chunk(observed_at=rig.now() - 2.6)),
    'from the future': (FaultCode.CHUNK_STALE,
                        lambda rig: rig.chunk(observed_at=rig.now() + 5)),
    'outside the limits': (FaultCode.RANGE, broken(put((-1, 1), 2.5))),
    'far away': (FaultCode.JUMP, broken(lambda rows: rows + 0.4)),
    'too fast': (FaultCode.RATE, broken(put((5, 0), 0.2))),
}


@pytest.mark.parametrize('code, make', BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_bad_chunk_is_refused_counted_and_not_played(
        rig: Rig, code: str, make: Callable[[Rig], ActionChunk]) -> None:
    rig.activate()
    rig.driver.command(make(rig))
    wait_for(lambda: rig.report.rejected, 'the refusal')
    assert rig.report.rejected == {code: 1} and rig.report.accepted == 0
    assert rig.code == ''
    assert rig.holds()


@pytest.mark.parametrize('code, make', (BAD_CHUNKS['far away'], BAD_CHUNKS['not a number']))
def test_third_bad_chunk_in_a_row_stops(moving: Rig, code: str,
                                        make: Callable[[Rig], ActionChunk]) -> None:
    for count in (1, 2, 3):
        assert moving.code == ''
        moving.driver.command(make(moving))
        wait_for(lambda: moving.report.rejected == {code: count}, 'the refusal')  # noqa: B023
    wait_for(lambda: moving.code == code, 'the latch')
    assert moving.holds()


@pytest.mark.parametrize('name', ('old epoch', 'old number', 'old observation'))
def test_late_chunks_are_ignored_however_many_there_are(rig: Rig, name: str) -> None:
    rig.activate()
    code, make = BAD_CHUNKS[name]
    for count in range(1, 6):
        rig.driver.command(make(rig))
        wait_for(lambda: rig.report.rejected == {code: count}, 'the refusal')  # noqa: B023
    assert rig.code == ''
    rig.driver.command(rig.chunk(0.1))
    wait_for(lambda: rig.report.accepted == 1, 'the good chunk')


def test_good_chunk_between_bad_ones_starts_the_count_anew(rig: Rig) -> None:
    rig.activate()
    for make in (BAD_CHUNKS['far away'][1], BAD_CHUNKS['far away'][1],
                 lambda rig: rig.chunk(0.05),
                 BAD_CHUNKS['too fast'][1], BAD_CHUNKS['too fast'][1]):
        before = rig.report.accepted + sum(rig.report.rejected.values())
        rig.driver.command(make(rig))
        wait_for(lambda before=before:
                 rig.report.accepted + sum(rig.report.rejected.values()) > before, 'the verdict')
    assert rig.code == ''


# Stopping


@pytest.mark.parametrize('code, stop', (
    (FaultCode.SUPERVISOR_DEAD, lambda rig: setattr(rig, 'permit', None)),
    (FaultCode.STREAM_DEAD, lambda rig: setattr(rig, 'beats', False)),
    (FaultCode.SEQ_EPOCH, lambda rig: setattr(rig, 'permit', Permit(2, Mode.APPLY_ACTIONS))),
    (FaultCode.OP_STOP, lambda rig: rig.guard.fail(OPERATOR)),
), ids=lambda value: value if isinstance(value, str) else '')
def test_loss_of_permission_brings_the_arm_to_rest(moving: Rig, code: str,
                                                   stop: Callable[[Rig], None]) -> None:
    before = moving.sim.joint(PAN)['position_rad']
    stop(moving)
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == code
    assert moving.holds()
    # 0.4 s of detection, the ramp, the servo's own lag; a busy machine.
    assert moving.sim.joint(PAN)['position_rad'] < before + 1.0 * SPEED


def test_nothing_moves_after_the_latch_until_it_is_activated_again(moving: Rig) -> None:
    moving.guard.fail(OPERATOR)
    assert moving.holds()
    moving.driver.command(moving.chunk(0.3))
    assert moving.holds() and moving.report.accepted == 1
    assert moving.driver.hold()
    moving.activate(epoch=2)
    assert moving.code == ''
    moving.driver.command(moving.chunk(0.3, epoch=2))
    wait_for(lambda: moving.sim.joint(PAN)['velocity_rad_s'] > 0.2, 'motion')


@on_both
def test_hold_permit_pauses_and_latches_nothing(moving: Rig) -> None:
    moving.permit = Permit(epoch=1, mode=Mode.HOLD)
    assert moving.holds() and moving.code == ''
    # The rest of the chunk is still to be played.
    moving.permit = Permit(epoch=1, mode=Mode.APPLY_ACTIONS)
    wait_for(lambda: moving.sim.joint(PAN)['velocity_rad_s'] > 0.5 * SPEED, 'motion')


def test_speed_scale_of_the_permit_slows_down(moving: Rig) -> None:
    moving.permit = Permit(epoch=1, mode=Mode.APPLY_ACTIONS, speed_scale=0.25)
    wait_for(lambda: moving.report.playback_rate <= 0.25, 'the playback to slow down')
    assert moving.report.playback_rate > 0.0 and moving.code == ''


def test_deactivation_brings_the_arm_to_rest_first(moving: Rig) -> None:
    assert moving.driver.hold()
    assert abs(moving.sim.joint(PAN)['velocity_rad_s']) < 0.1
    assert moving.sim.torque() == [True] * 6 and moving.report.has_torque
    assert moving.is_passive() and moving.code == FaultCode.DEACTIVATED


def test_deactivation_says_when_no_rest_was_seen(moving: Rig) -> None:
    # A servo that reports 500 ticks/s for ever.
    moving.sim.control.fault('value', ids=[4], offset=18, value=500)
    assert moving.driver.hold(timeout_s=0.4) is False
    assert moving.is_passive()


def test_deactivation_may_come_twice(rig: Rig) -> None:
    rig.activate()
    assert rig.driver.hold() and rig.driver.hold()
    assert rig.is_passive()


@on_a_terminal
def test_close_while_moving_holds(moving: Rig) -> None:
    moving.driver.close()
    since_ns = moving.sim.control.mark()
    joint = moving.sim.joint(PAN)
    wait_for(lambda: abs(moving.sim.joint(PAN)['velocity_rad_s']) < 0.01, 'rest')
    assert moving.sim.torque() == [True] * 6
    assert abs(joint['goal_rad'] - moving.sim.joint(PAN)['position_rad']) < 0.02
    assert moving.sim.requests(since_ns) == 0
    assert isinstance(moving.sim, SimulatedArm)
    SerialPort(str(moving.sim.link)).close()
    moving.driver.close()


@on_a_terminal
def test_driver_that_never_started_can_be_closed(sim: WatchedArm) -> None:
    arm = sim.open()
    arm.bring_up()
    guard = MotionGuard(GuardBounds())
    never = ArmDriver(arm, guard, ChunkBounds(SO101), Motion())
    assert never.hold()
    never.close()
    assert isinstance(sim, SimulatedArm)
    SerialPort(str(sim.link)).close()


# Faults of the arm


def test_jammed_joint_is_led_by_ten_degrees_at_the_most_and_named(moving: Rig) -> None:
    moving.sim.control.mark()
    moving.sim.control.fault('jam', ids=[1])
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.TRACKING
    assert 'shoulder_pan does not follow' in moving.report.cause.text
    assert moving.holds()
    assert moving.sim.joint(PAN)['max_goal_lead_ticks'] <= LEAD_TICKS + 1
    assert moving.report.lead_slowdowns > 0


def test_jammed_joint_is_named_with_a_smaller_lead_bound_too(sim: WatchedArm) -> None:
    rig = Rig(sim, Motion(max_lead_rad=0.12))
    try:
        rig.activate()
        rig.move()
        rig.sim.control.mark()
        rig.sim.control.fault('jam', ids=[1])
        wait_for(lambda: rig.code, 'the latch')
        assert rig.code == FaultCode.TRACKING
        assert rig.sim.joint(PAN)['max_goal_lead_ticks'] <= 0.12 / RAD_PER_TICK + 1
    finally:
        rig.close()


def run_into_a_wall(rig: Rig) -> float:
    """Let the first joint run into something; return where that is [rad]."""
    rig.activate()
    rig.move()
    wall = rig.sim.joint(PAN)['position_rad'] + 0.3
    rig.sim.control.fault('wall', ids=[1], ticks=round(
        rig.sim.joint(PAN)['zero_ticks'] + wall / RAD_PER_TICK))
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.TRACKING
    return wall


def test_arm_that_has_hit_something_goes_back_from_it_when_that_is_wanted(
        sim: WatchedArm) -> None:
    rig = Rig(sim, back_off_rad=0.0873)
    try:
        wall = run_into_a_wall(rig)
        # At no time does it seem to rest with the way back still to go.
        seen = [rig.sim.joint(PAN)['position_rad'] for _ in iter(
            lambda: rig.report.at_rest, True)]
        assert seen and rig.holds()
        assert rig.sim.joint(PAN)['position_rad'] == pytest.approx(wall - 0.0873, abs=0.03)
        assert abs(rig.driver.read().load[PAN]) < 0.1
        assert rig.report.cause.code is FaultCode.TRACKING
        rig.driver.hold()
        rig.activate(epoch=2)
        assert rig.report.cause is None
    finally:
        rig.close()


def test_arm_that_has_hit_something_stays_there_by_default(sim: WatchedArm) -> None:
    rig = Rig(sim)
    try:
        wall = run_into_a_wall(rig)
        assert rig.holds()
        assert rig.sim.joint(PAN)['position_rad'] == pytest.approx(wall, abs=0.02)
        assert abs(rig.driver.read().load[PAN]) > 0.3
    finally:
        rig.close()


def test_arm_that_hits_something_while_it_parks_comes_to_rest_at_once(sim: WatchedArm) -> None:
    sim.control.set(pose=[0.6, *np.radians([-80, 70, 45, 0, 0])])
    rig = Rig(sim, back_off_rad=0.0873)
    try:
        rig.activate(Mode.PARK)
        sim.control.fault('jam', ids=[1])
        wait_for(lambda: rig.code, 'the latch')
        assert rig.code == FaultCode.TRACKING
        assert rig.holds() and not rig.report.is_parked
        rig.cycles(100)
        # The goal is still ahead of the joint, on the way to the rest pose.
        assert rig.report.setpoint[PAN] < sim.joint(PAN)['position_rad'] - 0.1
    finally:
        rig.close()


def test_servo_that_reports_overload_is_not_moved_back(sim: WatchedArm) -> None:
    rig = Rig(sim, back_off_rad=0.0873)
    try:
        rig.activate()
        rig.move()
        rig.sim.control.fault('error_bits', ids=[6], bits=0x20)
        wait_for(lambda: rig.code, 'the latch')
        assert rig.code == FaultCode.OVERLOAD
        wait_for(lambda: rig.report.playback_rate == 0.0, 'the end of the ramp')
        setpoint = rig.report.setpoint
        rig.cycles(60)
        assert rig.report.setpoint == setpoint and rig.report.at_rest
    finally:
        rig.close()


@pytest.mark.parametrize('end', (
    lambda rig: rig.guard.fail(OPERATOR), lambda rig: setattr(rig, 'permit', None),
    lambda rig: rig.driver.hold()), ids=('stop', 'silent supervisor', 'hold'))
def test_way_back_from_a_collision_ends_with_any_other_cause(
        sim: WatchedArm, end: Callable[[Rig], object]) -> None:
    rig = Rig(sim, back_off_rad=0.0873)
    try:
        wall = run_into_a_wall(rig)
        wait_for(lambda: rig.report.setpoint[PAN] < wall + 0.1, 'the way back')
        end(rig)
        assert rig.sim.joint(PAN)['position_rad'] > wall - 0.06
        rig.turns(60)
        assert rig.sim.torque() == [True] * 6
        assert rig.sim.joint(PAN)['position_rad'] > wall - 0.06
    finally:
        rig.close()


@on_both
def test_silent_servo_is_named_and_gets_no_further_goal(moving: Rig) -> None:
    silent_ns = moving.sim.control.fault('silent', ids=[3])
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.SERVO_MISSING
    assert 'elbow_flex does not answer' in moving.report.cause.text
    assert moving.is_passive() and not moving.report.knows_torque
    # At most the cycle whose measurement was good is finished.
    assert len({goal.at_ns for goal in moving.goals(silent_ns)}) <= 1
    moving.sim.control.clear()
    assert moving.is_passive()
    wait_for(lambda: moving.report.has_torque, 'the torque to be seen again')
    assert moving.report.knows_torque


def test_line_on_which_nothing_arrives_whole_is_noise_and_not_a_missing_servo(
        moving: Rig) -> None:
    moving.sim.control.fault('corrupt', ids=[2, 6])
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.BUS_NOISE
    assert 'servo 2, 6' in moving.report.cause.text
    assert moving.is_passive()


def test_single_lost_replies_are_borne(moving: Rig) -> None:
    moving.sim.control.fault('drop', ids=[2], probability=0.04)
    wait_for(lambda: moving.arm.bus.counters.retries > 1, 'lost replies')
    moving.sim.control.clear()
    moving.cycles(5)
    assert moving.code == ''


def test_noise_on_every_fourth_answer_stops_the_arm(moving: Rig) -> None:
    moving.sim.control.fault('bad_checksum', ids=[2], probability=0.25)
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.BUS_NOISE
    assert 'cycles had damaged answers' in moving.report.cause.text
    assert moving.report.bad_share > 0.1
    moving.sim.control.clear()
    assert moving.holds()


def miss_cycles(rig: Rig, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Lose four measurements in a row, and that some times: the bus counts as degraded."""
    read, misses = rig.arm.read, iter(([True] * 4 + [False] * 3) * times)

    def lost(**options: Any) -> JointSample:
        if next(misses, False):
            raise BusTimeout('lost', [2])
        return read(**options)

    monkeypatch.setattr(rig.arm, 'read', lost)


def test_way_back_ends_on_a_bad_bus(sim: WatchedArm,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(sim, back_off_rad=0.0873)
    try:
        wall = run_into_a_wall(rig)
        wait_for(lambda: rig.report.setpoint[PAN] < wall + 0.1, 'the way back')
        miss_cycles(rig, monkeypatch, times=20)
        wait_for(lambda: rig.report.is_degraded, 'the bus to count as degraded')
        wait_for(lambda: rig.report.at_rest, 'rest')
        assert rig.holds() and rig.report.cause.code is FaultCode.TRACKING
        # On the way: the bus was bad for longer than a way back may last.
        assert wall - 0.06 < rig.sim.joint(PAN)['position_rad'] < wall + 0.02
        setpoint = rig.report.setpoint
        rig.cycles(60)
        assert rig.report.setpoint == setpoint
    finally:
        rig.close()


def test_missed_cycles_slow_the_arm_down_and_it_goes_on(moving: Rig,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    miss_cycles(moving, monkeypatch)
    wait_for(lambda: moving.report.is_degraded, 'the bus to count as degraded')
    wait_for(lambda: moving.report.playback_rate < 0.9, 'the arm to slow down')
    wait_for(lambda: not moving.report.is_degraded, 'the bus to recover')
    wait_for(lambda: moving.report.playback_rate > 0.95, 'full speed again')
    assert moving.code == ''


@pytest.mark.parametrize('servo_id, register, value, text', (
    (1, 'goal_position', 2600, 'shoulder_pan: its goal is 2600'),
    (3, 'torque_limit', 700, 'elbow_flex: its torque limit is 700, 1000 was written'),
))
def test_somebody_else_who_writes_is_named_and_the_arm_holds(
        rig: Rig, servo_id: int, register: str, value: int, text: str) -> None:
    rig.activate()
    rig.cycles(10)
    rig.sim.control.mark()
    # Repeated until the driver sees it: a write between a measurement and the next goals is
    # overwritten before the driver reads it.
    wait_for(lambda: rig.code or rig.sim.control.set(  # type: ignore[func-returns-value]
        id=servo_id, register=register, value=value), 'the latch')
    assert rig.code == FaultCode.FOREIGN_WRITE and text in rig.report.cause.text
    assert rig.holds() and rig.sim.travel() < 0.05


def test_goal_of_a_second_writer_is_taken_back_before_the_joint_moves(rig: Rig) -> None:
    rig.activate()
    rig.cycles(10)
    rig.sim.control.mark()
    # A sync write, as another program would send it: servos do not acknowledge it.
    rig.sim.allow_foreign_leap()
    rig.driver.submit(lambda: rig.arm.bus.sync_write(reg.GOAL_POSITION, {1: 2700})).result(8.0)
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.FOREIGN_WRITE
    assert rig.holds() and rig.sim.travel() < 0.05


def test_dropped_torque_is_never_switched_on_by_the_next_goal(rig: Rig) -> None:
    rig.activate()
    for _ in range(5):
        rig.cycles(5)
        rig.sim.control.fault('torque_dropped', ids=[5])
        wait_for(lambda: rig.code, 'the latch')
        assert rig.code == FaultCode.SERVO_REBOOT
        assert 'wrist_roll: its torque is 0' in rig.report.cause.text
        assert rig.is_passive()
        assert rig.sim.torque() == [True, True, True, True, False, True]
        rig.driver.hold()
        rig.activate()


def test_torque_that_was_lost_beside_a_foreign_goal_is_not_switched_on(rig: Rig) -> None:
    rig.sim.allow_foreign_leap()
    rig.activate()
    rig.cycles(10)

    def write_and_drop() -> None:
        goal = rig.sim.joint(0)['goal_ticks']
        rig.arm.bus.sync_write(reg.GOAL_POSITION, {1: goal + 40})
        rig.sim.control.fault('torque_dropped', ids=[5])

    rig.driver.submit(write_and_drop).result(8.0)
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.SERVO_REBOOT and 'wrist_roll' in rig.report.cause.text
    assert rig.is_passive() and rig.sim.torque()[4] is False


def spoil_next_reading(rig: Rig, **value: Any) -> None:
    """Give the next measurement a wrong value with a right checksum."""
    read = rig.arm.read

    def wrong(**options: Any) -> JointSample:
        rig.arm.read = read    # type: ignore[method-assign]
        rig.sim.control.fault('value', **value)
        try:
            return read(**options)
        finally:
            rig.sim.control.clear()

    rig.arm.read = wrong    # type: ignore[method-assign]


@pytest.mark.parametrize('offset, value', ((8, 2048), (2, 0), (0, 0x00FE), (16, 3900)),
                         ids=('torque limit', 'goal', 'torque', 'position'))
def test_wrong_value_in_a_valid_answer_is_not_believed_at_once(moving: Rig, offset: int,
                                                               value: int) -> None:
    # A torque limit of 2048 was seen on hardware.
    spoil_next_reading(moving, ids=[1], offset=offset, value=value)
    wait_for(lambda: moving.report.refused_samples, 'the value to be refused')
    moving.cycles(10)
    assert moving.code == '' and moving.is_at(MotionState.PLAYING)
    assert moving.sim.torque() == [True] * 6
    assert moving.sim.control.state()['max_goal_step_ticks'] <= math.ceil(0.02 / RAD_PER_TICK)


@pytest.mark.parametrize('every_s, change, code, text', (
    (0.03, {'register': 'homing_offset', 'value': 360}, FaultCode.CALIBRATION,
     'wrist_roll: its homing_offset is 360, it was 356'),
    (999.0, {'register': 'homing_offset', 'value': 1500}, FaultCode.SENSOR_JUMP,
     'did its homing offset change?'),
    (0.03, {'register': 'min_position_limit', 'value': 700}, FaultCode.CALIBRATION,
     'min_position_limit is 700'),
    (0.03, {'register': 'max_temperature', 'value': 90}, FaultCode.CALIBRATION,
     'max_temperature is 90'),
))
def test_calibration_and_limits_are_looked_at_while_running(
        rig: Rig, monkeypatch: pytest.MonkeyPatch, every_s: float, change: dict[str, Any],
        code: str, text: str) -> None:
    monkeypatch.setattr(arm_monitor, 'CHECK_CONFIGURATION_S', every_s)
    rig.activate()
    rig.sim.control.set(id=5, **change)
    wait_for(lambda: rig.code, 'the latch')
    rig.sim.reset_eeprom()
    assert rig.code == code and text in rig.report.cause.text


@pytest.mark.parametrize('on_s, off_s, ticks', ((0.06, 0.06, 200), (0.2, 0.2, -300),
                                               (9.0, 0.0, 400)))
def test_wrong_position_in_valid_answers_never_throws_the_arm(
        moving: Rig, on_s: float, off_s: float, ticks: int) -> None:
    # Seen on 0.1.0: goal steps of 22 to 47 degrees, 35 to 77 degrees of travel.
    control = moving.sim.control
    deadline = moving.now() + DEADLINE_S
    while not moving.code and moving.now() < deadline:
        wrong = max(moving.sim.joint(PAN)['position_ticks'] + ticks, 0)
        control.fault('value', ids=[1], offset=16, value=wrong, duration_s=on_s)
        wait_for(lambda: moving.code or not control.state()['faults'], 'the next turn')
        right_until = moving.now() + off_s
        wait_for(lambda: moving.code or moving.now() >= right_until, 'the time')   # noqa: B023
    assert moving.code == FaultCode.SENSOR_JUMP
    moving.cycles(2)
    latched_ns, before = control.mark(), moving.sim.joint(PAN)['goal_ticks']
    moving.cycles(60)
    assert {goal.value for goal in moving.goals(latched_ns) if goal.servo_id == 1} == {before}
    assert moving.sim.torque() == [True] * 6
    # That no goal has leapt on the way is checked after every test (arm_fixture).


def test_goals_stay_when_an_encoder_jumps(rig: Rig) -> None:
    rig.activate()
    rig.cycles(10)
    before = [rig.sim.joint(k)['goal_ticks'] for k in range(6)]
    rig.sim.control.fault('encoder_jump', ids=[1], ticks=900)
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.SENSOR_JUMP
    assert 'shoulder_pan is 1.38 rad from its last position' in rig.report.cause.text
    rig.cycles(10)
    assert [rig.sim.joint(k)['goal_ticks'] for k in range(6)] == before
    assert rig.sim.torque() == [True] * 6


def test_goal_that_leaves_its_bounds_is_bounded_latched_and_named(
        moving: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever computes a wrong goal: here the player.
    tick = ChunkPlayer.tick

    def leap(player: ChunkPlayer, measured: Any, now: float) -> Any:
        player.setpoint = tick(player, measured, now) + 0.5
        return player.setpoint

    monkeypatch.setattr(ChunkPlayer, 'tick', leap)
    wait_for(lambda: moving.code, 'the latch')
    monkeypatch.undo()
    assert moving.code == FaultCode.INTERNAL
    assert 'would have left its bounds by' in moving.report.cause.text
    assert moving.holds()


def test_servo_that_repeats_itself_is_noticed(moving: Rig) -> None:
    moving.sim.control.fault('frozen', ids=[1])
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code in (FaultCode.JOINTS_STALE, FaultCode.TRACKING)
    assert 'shoulder_pan' in moving.report.cause.text
    wait_for(lambda: moving.report.playback_rate == 0.0, 'the goals to stand still')
    # Nothing shows whether the joint is at rest: the servo still reports motion.
    assert moving.is_at(MotionState.STOPPING) or moving.report.at_rest


def test_policy_that_shakes_the_arm_is_stopped(rig: Rig) -> None:
    rig.activate()
    start = np.array(rig.report.setpoint)
    rows = np.tile(start, (150, 1))
    rows[:, PAN] += 0.1 * np.sin(2 * math.pi * 4.0 * np.arange(150) / RATE_HZ) \
        * np.minimum(np.arange(150) / 25, 1.0)
    rig.driver.command(ActionChunk(100, rows, RATE_HZ, rig.now(), epoch=1,
                                   joint_names=JOINT_NAMES))
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.OSCILLATION
    assert rig.holds()


@on_a_terminal
def test_cycles_that_come_late_are_counted(rig: Rig) -> None:
    before = rig.report.late_cycles
    Pause(rig, 0.1).entered.wait(8.0)
    rig.cycles(5)
    assert rig.report.late_cycles >= before


def test_arm_that_is_hot_may_still_be_brought_to_rest(near_rest: Rig) -> None:
    near_rest.activate()
    near_rest.sim.control.set(temperature_c=64.0, ids=[2])
    wait_for(lambda: near_rest.code, 'the latch')
    assert near_rest.code == FaultCode.OVERHEAT and near_rest.holds()
    near_rest.driver.hold()
    near_rest.activate(Mode.PARK, epoch=2)
    wait_for(lambda: near_rest.report.is_parked, 'the arm to be parked')
    assert near_rest.sim.torque() == [False] * 6


def test_cut_chain_names_all_behind_it(moving: Rig) -> None:
    moving.sim.control.fault('chain_cut', id=5)
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.SERVO_MISSING
    # On a busy machine the text goes on.
    assert moving.report.cause.text.startswith(
        'wrist_roll, gripper does not answer. Check the cable before it')


@on_both
def test_pulled_cable_ends_the_thread_and_says_so(moving: Rig) -> None:
    moving.sim.control.unplug()
    wait_for(lambda: moving.report.link_lost, 'the loss to be seen')
    assert moving.code == FaultCode.USB_GONE and moving.is_at(MotionState.PASSIVE)
    assert not moving.report.knows_torque and moving.sim.torque() == [True] * 6
    for action in (moving.driver.activate,
                   lambda: moving.driver.submit(lambda: 1).result(timeout=1.0)):
        with pytest.raises(PortLost):
            action()
    # Neither may fail: the node must leave `active` and be configured again.
    assert moving.driver.hold()
    moving.driver.close()
    moving.driver.close()
    moving.sim.control.replug()
    again = Rig(moving.sim)
    again.activate()
    assert again.holds()
    again.close()


def test_cable_pulled_while_inactive_is_seen(rig: Rig) -> None:
    rig.sim.control.unplug()
    wait_for(lambda: rig.report.link_lost, 'the loss to be seen')
    assert rig.driver.hold()


def test_rebooted_servo_gets_no_goal_and_stays_limp(moving: Rig) -> None:
    reboot_ns = moving.sim.control.fault('reboot', ids=[4])
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.SERVO_MISSING
    before = moving.report.cycles
    wait_for(lambda: moving.report.cycles > before + 5, 'the servo to be back')
    assert moving.is_passive()
    assert len({goal.at_ns for goal in moving.goals(reboot_ns)}) <= 1
    assert moving.sim.torque() == [True, True, True, False, True, True]


@pytest.mark.parametrize('servo_id, register, text', (
    (5, 'torque_enable', 'wrist_roll: its torque is 0, expected 1'),
    (1, 'acceleration', 'shoulder_pan: its acceleration and speed cap are 0, 1630'),
    (2, 'goal_speed', 'shoulder_lift: its acceleration and speed cap are 254, 0'),
))
def test_registers_of_a_servo_that_restarted_unseen_are_noticed(
        rig: Rig, servo_id: int, register: str, text: str) -> None:
    rig.activate()
    rig.cycles(30)
    rig.sim.control.set(id=servo_id, register=register, value=0)
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.SERVO_REBOOT and text in rig.report.cause.text
    assert rig.is_passive()


def test_power_cut_and_return_moves_nothing_and_torque_stays_off(sim: WatchedArm) -> None:
    sim.reset('rest')
    rig = Rig(sim)
    try:
        rig.activate()
        rig.cycles(5)
        off_ns = sim.control.power(False)
        wait_for(lambda: rig.code, 'the latch')
        assert rig.code == FaultCode.UNPOWERED and not rig.report.has_torque
        sim.control.power(True)
        before = rig.report.cycles
        wait_for(lambda: rig.report.cycles > before + 5, 'the servos to be back')
        sim.control.mark()
        assert rig.is_passive()
        assert len({goal.at_ns for goal in rig.goals(off_ns)}) <= 1
        assert sim.torque() == [False] * 6 and sim.travel() < 0.01
        assert rig.driver.hold()
        rig.activate(epoch=2)
        assert rig.holds() and sim.travel() < 0.03
    finally:
        rig.close()


def warm(sim: WatchedArm) -> None:
    sim.control.set(temperature_c=64.0, ids=[2])


def weaken(sim: WatchedArm) -> None:
    sim.control.set(supply_v=9.0)


@pytest.mark.parametrize('code, text, spoil', (
    (FaultCode.OVERLOAD, 'gripper reports overload', lambda sim: sim.control.fault(
        'error_bits', ids=[6], bits=0x20)),
    (FaultCode.OVERCURRENT, 'shoulder_pan reports overcurrent', lambda sim: sim.control.fault(
        'error_bits', ids=[1], bits=0x08)),
    (FaultCode.OVERHEAT, 'elbow_flex reports overheat', lambda sim: sim.control.fault(
        'error_bits', ids=[3], bits=0x04)),
    (FaultCode.UNDERVOLT, 'shoulder_pan reports undervolt', lambda sim: sim.control.fault(
        'error_bits', ids=[1], bits=0x01)),
    (FaultCode.SERVO_FAULT, 'wrist_roll reports error bits 0x02', lambda sim: sim.control.fault(
        'error_bits', ids=[5], bits=0x02)),
    (FaultCode.OVERHEAT, 'shoulder_lift is at 6', warm),
    (FaultCode.UNDERVOLT, ' V, allowed 10 to 13.5 V', weaken),
))
def test_trouble_of_a_servo_brings_the_arm_to_rest(
        moving: Rig, code: str, text: str, spoil: Callable[[WatchedArm], object]) -> None:
    spoil(moving.sim)
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == code and text in moving.report.cause.text
    assert moving.holds()


def test_two_strange_voltages_are_not_believed(moving: Rig) -> None:
    read, dip = moving.arm.read, itertools.cycle((1.0, 0.6, 0.6))

    def strange(**options: Any) -> JointSample:
        sample = read(**options)
        return replace(sample, voltage=sample.voltage * next(dip))

    moving.arm.read = strange    # type: ignore[method-assign]
    moving.cycles(30)
    assert moving.code == ''


# Heat of an arm that nobody moves


@contextmanager
def heat(rig: Rig, celsius: float) -> Iterator[None]:
    """Make one servo hot, and the arm cool again afterwards."""
    rig.sim.control.set(temperature_c=celsius, ids=[3])
    try:
        yield
    finally:
        rig.sim.control.set(temperature_c=35.0)


def is_parked_alone(rig: Rig) -> bool:
    return rig.report.is_parked and rig.sim.torque() == [False] * 6


def test_hot_arm_that_holds_parks_by_itself(near_rest: Rig) -> None:
    # READY, or LATCHED and deactivated: under torque, not active, no permit to move.
    near_rest.activate()
    near_rest.driver.hold()
    near_rest.permit = Permit(epoch=1, mode=Mode.HOLD)
    with heat(near_rest, 65.0):
        wait_for(lambda: near_rest.report.is_alone, 'the arm to park by itself')
        assert 'elbow_flex is at 6' in near_rest.report.heat
        wait_for(lambda: near_rest.is_at(MotionState.PARKING), 'the way to the rest pose')
        wait_for(lambda: is_parked_alone(near_rest), 'the arm to be parked', 20.0)
    assert near_rest.code == '' and not near_rest.report.is_alone
    assert near_rest.sim.joint(1)['max_abs_velocity_rad_s'] < 0.5


def test_hot_arm_whose_supervisor_is_dead_parks_by_itself(
        near_rest: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_driver, 'ORPHANED_S', 0.5)
    near_rest.activate()
    near_rest.permit = None
    wait_for(lambda: near_rest.code, 'the latch')
    assert near_rest.code == FaultCode.SUPERVISOR_DEAD and near_rest.holds()
    with heat(near_rest, 65.0):
        wait_for(lambda: is_parked_alone(near_rest), 'the arm to be parked', 20.0)


@pytest.mark.slow
def test_stop_of_a_person_ends_parking_by_itself_for_good(near_rest: Rig) -> None:
    near_rest.activate()
    near_rest.driver.hold()
    with heat(near_rest, 66.0):
        wait_for(lambda: near_rest.report.is_alone and near_rest.report.playback_rate > 0.2,
                 'the arm to park by itself')
        near_rest.guard.fail(OPERATOR)
        check_it_stays(near_rest)
    # Nobody but the driver can end that activation: a person goes on as after any other stop.
    assert not near_rest.report.is_alone
    near_rest.activate(epoch=2)
    assert near_rest.code == ''


def check_it_stays(rig: Rig) -> None:
    """Check that a hot arm that a person has stopped stays where it is, and says why."""
    wait_for(lambda: rig.report.at_rest and rig.is_at(MotionState.PASSIVE), 'the arm to rest')
    wait_for(lambda: 'a person has stopped it' in rig.report.heat, 'the text')
    since_ns = rig.sim.control.mark()
    later = rig.now() + 2.0 * RETRY_S
    wait_for(lambda: rig.now() > later, 'time', 30.0)
    assert not rig.goals(since_ns) and rig.sim.torque() == [True] * 6
    assert not rig.report.is_parked and not rig.report.is_alone


TOO_HOT = 66.0
BLOCKED = Cause(FaultCode.TRACKING, 'elbow_flex does not follow')


@pytest.fixture
def stopped_park(sim: WatchedArm) -> Iterator[Rig]:
    """Return an arm that a supervisor parks, hot for so long that it may park by itself."""
    sim.control.set(pose=[1.8, *np.radians([-80, 70, 45, 0, 0])])
    rig = Rig(sim)
    rig.activate(Mode.PARK)
    wait_for(lambda: rig.report.playback_rate > 0.2, 'the way to the rest pose')
    with heat(rig, TOO_HOT):
        hot_at = rig.now()
        wait_for(lambda: rig.now() > hot_at + HOT_S, 'the time of the heat', 20.0)
        assert rig.is_at(MotionState.PARKING), rig.report
        yield rig
    rig.close()


@pytest.mark.slow
def test_stop_of_a_person_ends_the_parking_of_the_supervisor_for_good(stopped_park: Rig) -> None:
    stopped_park.guard.fail(OPERATOR)
    stopped_park.permit = Permit(epoch=1, mode=Mode.HOLD)
    stopped_park.driver.hold()
    check_it_stays(stopped_park)


@pytest.mark.slow
@pytest.mark.parametrize('is_at_rest', (False, True))
def test_stop_of_a_person_counts_also_after_another_cause(near_rest: Rig,
                                                          is_at_rest: bool) -> None:
    near_rest.activate()
    near_rest.driver.hold()
    with heat(near_rest, TOO_HOT):
        wait_for(lambda: near_rest.report.is_alone and near_rest.report.playback_rate > 0.2,
                 'the arm to park by itself')
        near_rest.guard.fail(BLOCKED)
        if is_at_rest:
            wait_for(lambda: not near_rest.report.is_alone, 'the end of the activation')
        near_rest.guard.fail(OPERATOR)
        check_it_stays(near_rest)


def test_way_to_the_rest_pose_that_is_blocked_is_tried_again_after_a_while(
        stopped_park: Rig) -> None:
    rig = stopped_park
    for _ in range(2):
        rig.guard.fail(BLOCKED)
        wait_for(lambda: rig.report.at_rest and rig.report.playback_rate == 0.0, 'the rest')
        rig.permit = Permit(epoch=1, mode=Mode.HOLD)
        rig.driver.hold()
        ended_at = rig.now()
        wait_for(lambda: rig.report.is_alone, 'the next try', 30.0)
        assert rig.now() - ended_at > 0.9 * RETRY_S
        wait_for(lambda: rig.report.playback_rate > 0.1, 'the way')


def test_servo_that_was_silent_on_the_way_does_not_let_the_arm_move_at_once(
        near_rest: Rig) -> None:
    near_rest.activate()
    near_rest.driver.hold()
    near_rest.permit = Permit(epoch=1, mode=Mode.HOLD)
    with heat(near_rest, TOO_HOT):
        wait_for(lambda: near_rest.report.is_alone and near_rest.report.playback_rate > 0.2,
                 'the arm to park by itself')
        near_rest.sim.control.fault('silent', ids=[5], duration_s=0.5)
        wait_for(lambda: not near_rest.report.is_alone, 'passive')
        # Nor does its own permission to park outlive it.
        assert near_rest.guard.mode is Mode.HOLD
        ended_at = near_rest.now()
        wait_for(lambda: near_rest.report.is_alone, 'the next try', 30.0)
        assert near_rest.now() - ended_at > 0.9 * RETRY_S


def test_heat_is_said_also_when_one_joint_is_limp(near_rest: Rig) -> None:
    near_rest.activate()
    near_rest.driver.hold()
    near_rest.sim.control.fault('torque_dropped', ids=[6])
    with heat(near_rest, TOO_HOT):
        wait_for(lambda: 'not every joint is under torque' in near_rest.report.heat, 'the text')
        assert not near_rest.report.is_alone


def test_hot_arm_that_is_limp_is_left_alone(near_rest: Rig) -> None:
    with heat(near_rest, 66.0):
        near_rest.cycles(150)
        assert near_rest.report.heat == '' and near_rest.sim.torque() == [False] * 6


def test_warm_arm_that_holds_says_so(near_rest: Rig) -> None:
    near_rest.activate()
    near_rest.driver.hold()
    with heat(near_rest, 58.0):
        wait_for(lambda: near_rest.report.heat, 'the text')
        assert near_rest.report.heat.startswith('elbow_flex is at 5')
        assert 'from 64 on the arm parks by itself' in near_rest.report.heat


# Parking


@pytest.fixture
def near_rest(sim: WatchedArm) -> Iterator[Rig]:
    sim.control.set(pose=[0.1, *np.radians([-80, 70, 45, 0, 0])])
    made = Rig(sim)
    yield made
    made.close()


def test_parking_ends_limp_in_the_rest_pose(near_rest: Rig) -> None:
    rig, speeds = near_rest, [0.0]
    rig.on_sample = lambda sample: speeds.append(
        0.0 if rig.report.is_parked else float(np.abs(sample.velocity).max()))
    rig.activate(Mode.PARK)
    wait_for(lambda: rig.is_at(MotionState.PARKING), 'the way to the rest pose')
    wait_for(lambda: rig.report.is_parked, 'the arm to be parked')
    joints = rig.sim.control.state()['joints'].values()
    for joint, rest in list(zip(joints, SO101.rest_pose, strict=True))[:5]:
        assert joint['position_rad'] == pytest.approx(rest, abs=0.09)
    assert 0.3 < max(speeds) < 0.7
    assert rig.sim.torque() == [False] * 6 and not rig.report.has_torque
    assert rig.is_passive() and rig.code == ''


def test_arm_that_cannot_reach_its_rest_pose_is_not_parked(sim: WatchedArm) -> None:
    # The lower end of the lift was not swept: 0.1.0 switched torque off 80 degrees from rest.
    sim.control.set(id=2, register='min_position_limit', value=1800)
    rig = Rig(sim, accepts_range=True)
    try:
        since_ns = sim.control.mark()
        with pytest.raises(ReflexError, match='cannot be parked: within its limits, shoulder_lift '
                                              r'is [34]\d deg from its place in the rest pose'):
            rig.activate(Mode.PARK)
        assert rig.is_passive() and sim.writes(since_ns, TORQUE) == []
    finally:
        rig.close()
        sim.reset_eeprom()


@pytest.mark.parametrize('index, wall_deg', ((1, -88.0), (2, 74.0)),
                         ids=('shoulder_lift', 'elbow_flex'))
def test_arm_that_comes_to_rest_elsewhere_keeps_its_torque(sim: WatchedArm, index: int,
                                                           wall_deg: float) -> None:
    # Something is in the way, too soft to be counted as what blocks the joint.
    sim.control.set(pose=[0.0, *np.radians([-80, 65, 45, 0, 0])])
    rig = Rig(sim, Motion(max_lead_rad=math.radians(25.0)))
    try:
        rig.activate(Mode.PARK)
        sim.control.fault('wall', ids=[index + 1], ticks=round(
            sim.joint(index)['zero_ticks'] + math.radians(wall_deg) / RAD_PER_TICK))
        wait_for(lambda: rig.code, 'the latch')
        assert rig.code == FaultCode.PARK_FAILED
        assert f'{JOINT_NAMES[index]} is 1' in rig.report.cause.text
        assert rig.holds() and not rig.report.is_parked
    finally:
        rig.close()


def test_stop_while_parking_keeps_the_torque(near_rest: Rig) -> None:
    near_rest.activate(Mode.PARK)
    wait_for(lambda: near_rest.report.playback_rate > 0.5, 'motion')
    near_rest.guard.fail(OPERATOR)
    assert near_rest.holds() and not near_rest.report.is_parked


def test_permit_that_changes_while_parking_never_drops_the_arm(near_rest: Rig) -> None:
    rig = near_rest
    rig.activate(Mode.PARK)
    wait_for(lambda: rig.report.playback_rate > 0.5, 'motion')
    rig.permit = Permit(epoch=1, mode=Mode.APPLY_ACTIONS)
    wait_for(lambda: rig.guard.mode is Mode.APPLY_ACTIONS, 'the permit')
    rig.driver.command(rig.chunk(0.1))
    wait_for(lambda: rig.report.playback_rate == 0.0, 'the end of the motion')
    rig.cycles(40)
    assert rig.sim.torque() == [True] * 6 and not rig.report.is_parked
    assert rig.report.accepted == 0


def test_servo_that_does_not_let_go_is_reported(near_rest: Rig) -> None:
    rig = near_rest
    write, seen = rig.arm.bus.sync_write, []

    def stubborn(register: Any, values: dict[int, int]) -> None:
        if (register.address, values) == (TORQUE, {2: 0}):
            seen.append(values)
            values = {2: 1}
        write(register, values)

    rig.arm.bus.sync_write = stubborn    # type: ignore[assignment, method-assign]
    rig.activate(Mode.PARK)
    wait_for(lambda: rig.code, 'the latch')
    assert rig.code == FaultCode.SERVO_FAULT
    assert 'servo 2 keeps its torque' in rig.report.cause.text
    assert rig.is_passive() and not rig.report.is_parked and len(seen) == 3


# The thread itself


class Pause:
    """Delays the bus thread once, in its next measurement."""

    def __init__(self, rig: Rig, seconds: float) -> None:
        self.entered, self._seconds, self._rig = threading.Event(), seconds, rig
        self.released = threading.Event()
        rig.on_sample = self._hold

    def _hold(self, sample: JointSample) -> None:
        self._rig.on_sample = lambda sample: None
        self.entered.set()
        self.released.wait(self._seconds)


@on_a_terminal
def test_late_cycle_is_never_caught_up(moving: Rig) -> None:
    pause = Pause(moving, 0.13)
    pause.entered.wait(8.0)
    since_ns = time.monotonic_ns()
    before = moving.report.cycles
    moving.cycles(25)
    lasted = (time.monotonic_ns() - since_ns) / 1e9
    assert moving.report.cycles - before <= (lasted - 0.12) / 0.01 + 3
    assert moving.code == ''
    assert moving.sim.control.state()['max_goal_step_ticks'] <= math.ceil(0.02 / RAD_PER_TICK)


@on_a_terminal
def test_long_stall_latches_and_blames_nobody_else(moving: Rig) -> None:
    Pause(moving, 0.7)
    wait_for(lambda: moving.code, 'the latch')
    assert moving.code == FaultCode.DRV_STALL
    assert moving.holds()


@pytest.mark.parametrize('place, late_goals', (('before a write', 1), ('after a write', 0),
                                               ('in a job', 0)))
def test_stall_is_seen_wherever_in_a_cycle_it_was(moving: Rig, place: str,
                                                  late_goals: int) -> None:
    # Seen in CI: a process that was stopped after the last check of a cycle went on with its
    # motion. Everybody renews the leases at once afterwards: nothing but the stall is seen.
    clock, command, goals = moving.clock, moving.arm.command, [math.nan]

    def stall() -> None:
        moving.arm.command = write      # type: ignore[method-assign]
        clock.reach(clock.now_ns() + 700_000_000)       # type: ignore[attr-defined]
        goals[:] = [float(moving.sim.joint(0)['goal_ticks'])]

    def write(wanted: Vector) -> Vector:
        written = command(wanted)
        goals.append(float(moving.sim.joint(0)['goal_ticks']))
        return written

    def write_and_stall(wanted: Vector) -> Vector:
        if place == 'before a write':
            stall()
            return write(wanted)
        written = command(wanted)
        stall()
        return written

    assert moving.is_at(MotionState.PLAYING)
    if place == 'in a job':
        moving.driver.submit(stall)
    else:
        moving.arm.command = write_and_stall        # type: ignore[method-assign]
    wait_for(lambda: moving.code, 'the latch')
    moving.cycles(20)
    assert moving.code == FaultCode.DRV_STALL
    # What was on its way to the bus cannot be called back: one goal, one step away.
    assert len(goals) > 10 and np.count_nonzero(np.diff(goals)) <= late_goals, goals
    assert np.abs(np.diff(goals)).max() <= math.ceil(0.02 / RAD_PER_TICK)
    assert moving.holds()


def test_arm_does_not_go_on_after_the_machine_was_suspended(moving: Rig) -> None:
    # The monotonic clock stood still: no lease has run out.
    moving.slept_s = 3600.0
    wait_for(lambda: moving.code, 'the latch')
    assert moving.report.cause == Cause(FaultCode.DRV_STALL,
                                        'the machine was suspended for 3600 s')
    assert moving.holds()


def test_promotion_from_before_a_suspension_does_not_arm(rig: Rig) -> None:
    rig.permit = Permit(epoch=1, mode=Mode.APPLY_ACTIONS)
    rig.cycles(2)
    rig.slept_s = 600.0
    rig.cycles(2)
    with pytest.raises(ReflexError, match='suspended for 600 s after the motion was permitted'):
        rig.activate()
    with pytest.raises(ReflexError, match='suspended for 600 s'):
        rig.activate(Mode.PARK)
    assert rig.sim.torque() == [False] * 6
    rig.activate(epoch=2)
    assert rig.code == ''


def test_suspension_while_nothing_is_permitted_bars_nothing(rig: Rig) -> None:
    rig.permit = Permit(epoch=1, mode=Mode.HOLD)
    rig.cycles(2)
    rig.slept_s = 600.0
    rig.cycles(2)
    rig.activate()
    assert rig.code == ''


def test_activation_that_was_given_up_never_happens(rig: Rig) -> None:
    pause = Pause(rig, 8.0)
    pause.entered.wait(8.0)
    since_ns = rig.sim.control.mark()
    with pytest.raises(ReflexError, match='in 0.05 s'):
        rig.driver.activate(timeout_s=0.05)
    pause.released.set()
    rig.cycles(10)
    assert rig.is_at(MotionState.PASSIVE) and rig.sim.writes(since_ns) == []


def test_activation_that_comes_too_late_is_taken_back(rig: Rig,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    entered, released = threading.Event(), threading.Event()
    arm = So101Arm.arm

    def slow(self: So101Arm, bounds: GoalBounds) -> Any:
        entered.set()
        released.wait(8.0)
        return arm(self, bounds)

    monkeypatch.setattr(So101Arm, 'arm', slow)
    timer = threading.Timer(0.3, released.set)
    timer.start()
    with pytest.raises(ReflexError, match='in 0.1 s'):
        rig.driver.activate(timeout_s=0.1)
    timer.join()
    rig.cycles(10)
    assert entered.is_set() and rig.is_passive()


def test_stop_that_arrives_while_the_arm_is_put_under_torque_is_latched(
        rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    arm = So101Arm.arm

    def interrupted(self: So101Arm, bounds: GoalBounds) -> Any:
        pose = arm(self, bounds)
        executor = threading.Thread(target=rig.guard.fail, args=(OPERATOR,))
        executor.start()
        executor.join()
        return pose

    monkeypatch.setattr(So101Arm, 'arm', interrupted)
    rig.activate()
    assert rig.code is FaultCode.OP_STOP and rig.holds()


def test_servo_that_falls_silent_while_arming_is_named(rig: Rig) -> None:
    # A BusTimeout is a TimeoutError too: it is not mistaken for the end of the waiting time.
    rig.sim.control.fault('silent', ids=[3])
    with pytest.raises(BusTimeout, match='servo 3'):
        rig.activate()
    rig.sim.control.clear()
    assert rig.sim.torque() == [False] * 6


def test_release_switches_torque_off_but_not_of_an_active_arm(rig: Rig) -> None:
    rig.activate()
    with pytest.raises(ReflexError, match='the arm is active: deactivate it before'):
        rig.driver.release()
    assert rig.holds()
    rig.driver.hold()
    rig.driver.release()
    assert rig.sim.torque() == [False] * 6 and not rig.report.has_torque


@pytest.mark.parametrize('mode, action, text', (
    (Mode.PARK, 'activate', 'permits parking only'),
    (Mode.APPLY_ACTIONS, 'park', 'does not permit parking'),
))
def test_permit_for_another_motion_is_refused(rig: Rig, mode: Mode, action: str,
                                              text: str) -> None:
    rig.permit = Permit(epoch=1, mode=mode)
    rig.guard.renew_permit(rig.permit, rig.now())
    with pytest.raises(ReflexError, match=text):
        getattr(rig.driver, action)()
    assert rig.is_passive() and rig.sim.torque() == [False] * 6


@pytest.mark.parametrize('where', ('job', 'callback'))
@pytest.mark.filterwarnings('error::pytest.PytestUnhandledThreadExceptionWarning')
def test_programming_mistake_makes_the_driver_passive_and_is_visible(moving: Rig,
                                                                     where: str) -> None:
    def mistake(*_: object) -> None:
        raise ValueError('a mistake')

    if where == 'job':
        with pytest.raises(ValueError, match='a mistake'):
            moving.driver.submit(mistake).result(timeout=8.0)
    else:
        moving.on_sample = mistake
    wait_for(lambda: moving.report.link_lost, 'the end of the thread')
    assert moving.code == FaultCode.INTERNAL and 'a mistake' in moving.report.cause.text
    assert moving.is_at(MotionState.PASSIVE)
    goal = moving.sim.joint(PAN)['goal_rad']
    wait_for(lambda: abs(moving.sim.joint(PAN)['velocity_rad_s']) < 0.01, 'rest')
    assert moving.sim.torque() == [True] * 6
    assert moving.sim.joint(PAN)['position_rad'] == pytest.approx(goal, abs=0.02)
    assert moving.driver.hold()


def test_end_of_the_thread_is_visible_although_nothing_was_armed(rig: Rig) -> None:
    def mistake(sample: JointSample) -> None:
        raise ValueError('a mistake')

    rig.on_sample = mistake
    wait_for(lambda: rig.report.link_lost, 'the end of the thread')


def test_jobs_that_wait_when_the_thread_ends_fail(rig: Rig) -> None:
    pause = Pause(rig, 8.0)
    pause.entered.wait(8.0)
    futures = [rig.driver.submit(lambda: 1) for _ in range(3)]
    rig.sim.control.unplug()
    first = rig.driver.submit(rig.arm.read)
    pause.released.set()
    with pytest.raises(PortLost):
        first.result(timeout=8.0)
    late = rig.driver.submit(lambda: 2)
    for future in (*futures, late):
        assert future.exception(timeout=8.0) is None or isinstance(future.exception(), PortLost)
    assert isinstance(late.exception(), PortLost)


def test_job_that_was_given_up_does_not_end_the_thread(rig: Rig) -> None:
    pause = Pause(rig, 8.0)
    pause.entered.wait(8.0)
    ran: list[int] = []
    assert rig.driver.submit(lambda: ran.append(1)).cancel()
    pause.released.set()
    rig.cycles(10)
    assert ran == [] and not rig.report.link_lost


def test_jobs_run_while_the_arm_moves(moving: Rig) -> None:
    for _ in range(20):
        assert moving.driver.submit(lambda: 7).result(timeout=8.0) == 7
    assert moving.code == '' and moving.is_at(MotionState.PLAYING)


def test_jobs_that_never_end_do_not_keep_the_arm_from_its_cycle(moving: Rig) -> None:
    ended = threading.Event()

    def again() -> None:
        if not ended.is_set():
            moving.driver.submit(again)

    again()
    try:
        moving.cycles(10)
        assert moving.code == ''
    finally:
        ended.set()
