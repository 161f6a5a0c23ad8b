# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Drive one arm from its bus thread: put it under torque, play chunks, write goals, park it.

A goal is written only while the arm is armed, only after a fresh measurement in which the servos
hold what was written before, and only as ``ChunkPlayer`` and then ``GoalGate`` bound it.
``ArmDriver`` is a ``runner.connector.Connector``. The thread and its timing are in ``bus_loop``,
measuring and checks in ``arm_monitor``, everything about one kind of arm behind ``DrivenArm``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
import logging
import math
import time
from typing import Any

import numpy as np

from reflex_ros.domain.action import ActionChunk, ChunkBounds
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.component_status import ComponentStatus
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import MotionState
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.motion_guard import MotionGuard, Verdict
from reflex_ros.domain.outlook import Outlook
from reflex_ros.domain.permit import Mode
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout, PacketError, PortLost, ReflexError, ServoFault
from reflex_ros.hardware import parking
from reflex_ros.hardware.arm_monitor import ArmMonitor
from reflex_ros.hardware.back_off import BackOff
from reflex_ros.hardware.bus_loop import BusLoop
from reflex_ros.hardware.chunk_check import ChunkCheck
from reflex_ros.hardware.clock import suspended_s
from reflex_ros.hardware.driven_arm import DrivenArm
from reflex_ros.hardware.fitness import Fitness
from reflex_ros.hardware.goal_gate import GoalBounds, SLACK_RAD
from reflex_ros.hardware.heat_guard import HeatGuard
from reflex_ros.hardware.servo_health import FAULT_BITS
from reflex_ros.hardware.shown_plan import ShownPlan

_log = logging.getLogger(__name__)

SUSPENDED_S = 0.2
"""Shortest suspension of the machine that stops the arm."""
ORPHANED_S = 3.0
"""How long an arm that was stopped stays active before it may park by itself."""


class ArmDriver:
    """
    The connector of an arm on a servo bus.

    :param arm: brought up; used by the bus thread only from ``start`` on, closed by ``close``.
    :param guard: leases and latch.
    :param bounds: the arm's description, with the limits that hold, and the checks of chunks.
    :param suspended: returns how long the machine has been suspended so far [s].
    :param diagnose: makes the health of the arm's components from a report and a sample.
    :param back_off_rad: how far the arm goes back from what it has hit [rad]; 0: it holds there.
    """

    def __init__(
            self, arm: DrivenArm, guard: MotionGuard, bounds: ChunkBounds, motion: Motion,
            suspended: Callable[[], float] = suspended_s,
            diagnose: Callable[[ConnectorReport, JointSample], Sequence[ComponentStatus]]
            = lambda report, sample: (), back_off_rad: float = 0.0) -> None:
        self.description: ArmDescription = bounds.arm
        self._arm = arm
        self._guard = guard
        self._player = ChunkPlayer(bounds.arm, motion)
        self._target_hz = 1.0 / motion.period_s
        self._monitor = ArmMonitor(arm, bounds.arm, motion.max_lead_rad, motion.period_s,
                                   guard.fail, self._go_passive)
        self._goal_bounds = GoalBounds.of(bounds.arm, motion.period_s, motion.max_lead_rad)
        self._clock = arm.clock
        self._loop: BusLoop[ActionChunk] = BusLoop(motion.period_s, arm.clock, self._cycle,
                                                   self._end)
        self._diagnose = diagnose
        self._on_sample: Callable[[JointSample], None] = lambda sample: None
        self._on_goals: Callable[[Vector], None] = lambda goals: None
        self._plan = ShownPlan()
        self._suspended = suspended
        self._suspended_s = suspended()
        self._armed = False
        self._armed_at = 0.0
        self._is_parked = False
        self._parking = False
        self._is_alone = False
        self._heat = HeatGuard(bounds.arm.joint_names)
        self._fitness = Fitness(arm, bounds.arm)
        self._back_off = BackOff(bounds.arm, back_off_rad)
        self._stopped_at = 0.0
        # Stops by a person when the last way to the rest pose began.
        self._stops_before = math.inf
        self._link_lost = False
        self._sample: JointSample | None = None
        self._chunks = ChunkCheck(bounds, guard.fail)

    # The connector's methods, for the caller's thread. ``Connector`` has their full docstrings.

    def start(self, on_sample: Callable[[JointSample], None] | None = None,
              on_plan: Callable[[], None] | None = None,
              on_goals: Callable[[Vector], None] | None = None) -> None:
        """Start to measure; nothing is written before ``activate``. Returns at once."""
        if on_sample is not None:
            self._on_sample = on_sample
        if on_plan is not None:
            self._plan.on_change = on_plan
        if on_goals is not None:
            self._on_goals = on_goals
        self._monitor.restart()
        self._loop.start()

    def close(self) -> None:
        """Hold, end the bus thread, close the port; torque stays. Blocks for 2.5 s at most."""
        try:
            if self._armed:
                self.hold(timeout_s=0.5)
        finally:
            self._loop.stop(timeout_s=1.0)
            self._arm.close()

    def activate(self, timeout_s: float = 2.0) -> None:
        """
        Put the arm under torque where it is; from now on chunks may move it.

        Blocks until the arm is under torque, at most ``timeout_s``.

        :raises ReflexError: when that is refused, fails, or takes too long. Nothing has moved
            then, and nothing will.
        """
        self._start_arming(False, timeout_s)

    def park(self, timeout_s: float = 2.0) -> None:
        """
        Begin to move to the rest pose; there, switch torque off. ``report`` says when it is done.

        Blocks until the arm is under torque, at most ``timeout_s``.

        :raises ReflexError: as ``activate``.
        """
        self._start_arming(True, timeout_s)

    def hold(self, timeout_s: float = 1.0) -> bool:
        """
        Ramp to rest, then write nothing more; torque stays on. Raises nothing.

        Blocks until the arm is at rest, about ``timeout_s`` at most; three times as long when the
        bus thread hangs.

        :returns: whether the arm was seen at rest in time; true when the bus thread has ended,
            because then nothing can be written any more.
        """
        self._guard.fail(Cause(FaultCode.DEACTIVATED, 'the driver was deactivated'))
        deadline = time.monotonic() + timeout_s
        while True:
            future = self._loop.submit(self._is_at_rest)
            if not _has_result(future, timeout_s):
                break
            if future.result() or not self._armed or time.monotonic() > deadline:
                if _has_result(self._loop.submit(self._disarm), timeout_s):
                    return future.result()
                break
        # A bus thread that hangs finds this when it goes on.
        self._disarm()
        return not self._loop.is_running

    def release(self, timeout_s: float = 2.0) -> None:
        """
        Switch torque off: the arm falls unless it is at rest by itself.

        Blocks until torque is off, at most ``timeout_s``.

        :raises ReflexError: while active, or when a joint keeps its torque.
        """
        future = self._loop.submit(self._release)
        if not _is_done(future, timeout_s):
            future.cancel()
            raise ReflexError(f'torque was not switched off in {timeout_s:g} s: the bus thread is '
                              'busy. Try again, or switch the servo supply off')
        future.result()

    def command(self, chunk: ActionChunk) -> None:
        """Hand over a chunk; only the newest one counts. Any thread; never blocks."""
        self._loop.put(chunk)

    def read(self) -> JointSample | None:
        """Return the newest measurement. Any thread; never blocks."""
        return self._sample

    def outlook(self) -> Outlook | None:
        """Return where the arm will be told to be. Any thread but the bus thread; takes 3 ms."""
        return self._plan.outlook()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Run a job in the bus thread, between two cycles. Any thread; never blocks."""
        return self._loop.submit(job)

    def report(self) -> ConnectorReport:
        """Return a snapshot; values may be one cycle apart. Any thread; never blocks."""
        # Read the count first: a report that counts a chunk must also show that it plays.
        accepted, player, monitor = self._chunks.accepted, self._player, self._monitor
        times = self._loop.times.summary()
        return ConnectorReport(
            state=self._state(), has_torque=bool(self._arm.has_torque),
            knows_torque=self._arm.has_torque is not None, at_rest=self._is_at_rest(),
            is_parked=self._is_parked, is_alone=self._is_alone, heat=self._heat.text,
            unfit=self._fitness.problems,
            epoch=self._guard.epoch, cause=self._guard.cause,
            accepted=accepted, rejected=self._chunks.rejected, is_starved=player.is_starved,
            setpoint=tuple(player.setpoint.tolist()), link_lost=self._link_lost,
            playback_rate=player.rate, pace=player.pace,
            rows_left=player.rows_left, holds=player.holds,
            observation_age_s=player.observation_age(self._clock.monotonic()),
            disagreements=player.disagreements, max_step_rad=player.max_step_rad,
            lead_slowdowns=player.lead_slowdowns, cycles=monitor.cycles,
            missed_cycles=monitor.missed, late_cycles=self._loop.late_cycles,
            refused_samples=monitor.refused_samples, bad_share=monitor.bus.bad_share,
            is_degraded=monitor.bus.is_degraded,
            rate_hz=times.rate_hz, target_hz=self._target_hz,
            cycle_ms_p50=times.work_ms_p50, cycle_ms_p99=times.work_ms_p99,
            late_ms_p99=times.late_ms_p99,
            late_ms_max=times.late_ms_max)

    def diagnostics(self) -> Sequence[ComponentStatus]:
        """Return the health of bus and servos. Any thread; never blocks."""
        sample = self._sample
        return self._diagnose(self.report(), sample) if sample is not None else ()

    def _start_arming(self, parks: bool, timeout_s: float) -> None:
        future = self._loop.submit(lambda: self._do_arm(parks))
        if not _is_done(future, timeout_s):
            # The caller was told that it failed, so the arm must not become active later.
            if not future.cancel():
                self._loop.submit(self._disarm)
            raise ReflexError(f'the arm was not put under torque in {timeout_s:g} s. Check cables '
                              'and supply of the bus, and the load of this machine')
        future.result()

    # Everything below runs in the bus thread, except where ``report`` or ``hold`` calls it.

    def _cycle(self, due: float) -> None:
        try:
            self._measure_and_play(due)
        except (BusTimeout, PacketError) as exc:
            self._go_passive(Cause(FaultCode.BUS_NOISE, str(exc)))
        except ServoFault as exc:
            self._go_passive(Cause(FaultCode.SERVO_FAULT, str(exc)))

    def _end(self, error: Exception | None) -> None:
        """Latch why the bus thread ends; after ``close`` the arm stays as it was last seen."""
        if isinstance(error, PortLost):
            self._go_passive(Cause(FaultCode.USB_GONE, str(error)))
            _log.error('%s', error)
        elif error is not None:
            self._go_passive(Cause(FaultCode.INTERNAL, f'the bus thread has ended: {error!r}'))
            _log.error('the bus thread has ended', exc_info=error)
        if not self._loop.is_stopping:
            self._go_passive(Cause(FaultCode.INTERNAL, 'the bus thread has ended'))
        self._disarm()
        self._link_lost = not self._loop.is_stopping

    def _measure_and_play(self, due: float) -> None:
        self._check_suspension()
        measured, problem = self._monitor.measure()
        if measured is not None:
            if problem and self._armed:
                # The goals stay as they are: a wrong measurement must not throw the arm.
                self._guard.fail(Cause(FaultCode.SENSOR_JUMP, problem))
                self._player.drop()
            self._sample = measured
            self._on_sample(measured)
        now = self._clock.monotonic()
        if measured is not None:
            self._watch_heat(measured, now)
        if not self._armed:
            self._fitness.look(measured, self._monitor.silence, now)
            return
        may_write = measured is not None and self._monitor.check(
            measured, self._player.setpoint, now, played_s=self._player.played_s,
            is_parking=self._guard.mode is Mode.PARK, is_alone=self._is_alone)
        due = max(due, self._armed_at)
        if self._guard.check_stall(now - due):
            # The arm has come to rest meanwhile: the rest of a ramp would move it again.
            self._player.drop()
        before = self._player.setpoint
        chunk = self._loop.pop()
        if chunk is not None:
            self._accept(chunk, now)
        if self._parking or not self._player.is_starved:
            self._guard.record_playing(now)
        # Lateness before this cycle or in it: the work of a cycle alone is far below the bounds.
        verdict = self._guard.evaluate(now, now - due)
        self._player.speed_scale = self._guard.speed_scale
        if verdict is Verdict.GO and not self._monitor.bus.is_degraded:
            self._player.resume()
            self._back_off.record(self._player.setpoint)
        else:
            self._player.stop()
            self._go_back(measured, now)
        if not self._armed or measured is None or not may_write:
            return
        wanted = self._player.tick(measured.position, now)
        if self._guard.check_stall(self._clock.monotonic() - due):
            # Held up since the verdict: what was planned then is not written now.
            self._player.seed(before)
            return
        self._write(wanted)
        if not self._parking and self._chunks.last_seq >= 0:
            self._plan.show(self._player, now, self._guard.epoch, self._chunks.last_seq)
        self._finish_parking(verdict, measured)

    def _go_back(self, measured: JointSample | None, now: float) -> None:
        """Go back from what the arm has hit, if that is wanted: the only motion after a latch."""
        back_off, player = self._back_off, self._player
        if measured is not None and any(bits & FAULT_BITS for bits in measured.errors):
            # A servo that protects itself has hardly any force: its joint must not be led away.
            back_off.end()
        if not back_off.update(self._guard.codes, now) or self._monitor.bus.is_degraded:
            return
        if not back_off.has_begun and player.is_at_rest and measured is not None:
            way = back_off.begin(player.setpoint, measured.position, now)
            player.drop()
            if way is not None:
                player.play(way, now)
        if back_off.has_begun:
            player.resume()
            player.speed_scale = 1.0
            if player.is_starved and player.is_at_rest:
                back_off.end()

    def _write(self, wanted: Vector) -> None:
        written = self._arm.command(wanted)
        self._on_goals(written)
        beyond = np.abs(written - wanted)
        index = int(beyond.argmax())
        if beyond[index] > SLACK_RAD:
            # The player keeps all bounds itself: the last check before the wire has found a fault.
            self._player.seed(written)
            self._guard.fail(Cause(
                FaultCode.INTERNAL, f'the goal of {self.description.joint_names[index]} would '
                f'have left its bounds by {math.degrees(beyond[index]):.1f} deg'))

    def _watch_heat(self, measured: JointSample, now: float) -> None:
        cause = self._guard.cause if self._armed else None
        if cause is None:
            self._stopped_at = now
        else:
            self._end_parking()
            if self._is_alone and self._is_at_rest():
                # Nobody else ends this activation, and nobody can begin another one before.
                self._disarm()
        if self._guard.person_stops > self._stops_before:
            # Also when the supervisor had begun to park, or something else had ended it before.
            self._heat.bar('a person has stopped it')
        # After a stop, a living supervisor parks a hot arm itself: give it the time for that.
        is_idle = not self._armed or now - self._stopped_at > ORPHANED_S
        if not self._heat.evaluate(measured, now, holds=self._arm.holds,
                                   is_whole=bool(self._arm.has_torque), is_idle=is_idle):
            return
        _log.error('%s', self._heat.text)
        self._disarm()
        self._guard.begin_alone()
        try:
            self._check_rest_pose()
            self._take_over(parks=True, is_alone=True)
        except ReflexError as exc:
            self._guard.disarm()
            self._heat.retry_later(now, str(exc))
            _log.error('the arm does not park by itself: %s', exc)

    def _check_suspension(self) -> None:
        before, self._suspended_s = self._suspended_s, self._suspended()
        if self._suspended_s - before > SUSPENDED_S:
            # Permits and chunks from before the suspension must not move the arm, although the
            # monotonic clock stood still and they look fresh.
            text = f'the machine was suspended for {self._suspended_s - before:.0f} s'
            self._guard.fail(Cause(FaultCode.DRV_STALL, text))
            self._guard.bar(f'{text} after the motion was permitted. Ask for it again')
            self._player.drop()

    def _accept(self, chunk: ActionChunk, now: float) -> None:
        if self._guard.mode is not Mode.APPLY_ACTIONS or self._sample is None:
            return
        if self._parking or self._guard.cause is not None:
            return
        starved = self._player.is_starved
        reference = self._sample.position if starved else self._player.setpoint
        checked = self._chunks.check(chunk, now, reference, epoch=self._guard.epoch,
                                     is_moving=not starved)
        if checked is None:
            return
        self._player.play(checked, now)
        self._plan.make_due()
        # Last: a report that counts this chunk must not call the player starved.
        self._chunks.accepted += 1

    def _do_arm(self, parks: bool) -> None:
        refusal = 'the driver is active already: deactivate it first' if self._armed \
            else self._guard.begin(self._clock.monotonic())
        if refusal:
            raise ReflexError(refusal)
        try:
            is_for_parking = self._guard.mode is Mode.PARK
            if parks and not is_for_parking:
                raise ReflexError('the supervisor does not permit parking. Run `reflex park`')
            if is_for_parking and not parks:
                raise ReflexError('the supervisor permits parking only. Run `reflex promote`')
            if parks:
                self._check_rest_pose()
            self._take_over(parks=parks)
        except BaseException:
            self._guard.disarm()
            raise
        self._heat.allow()
        if not parks:
            self._stops_before = math.inf

    def _take_over(self, *, parks: bool, is_alone: bool = False) -> None:
        """Put the arm under torque, for what the guard has begun."""
        pose = self._arm.arm(self._goal_bounds)
        self._player.seed(pose)
        self._loop.clear()
        self._plan.forget()
        self._chunks.reset()
        self._back_off.reset()
        self._monitor.reset()
        self._fitness.clear()
        self._is_parked = self._parking = False
        self._armed_at = self._clock.monotonic()
        self._guard.arm(self._armed_at)
        self._armed, self._is_alone = True, is_alone
        if parks:
            self._begin_parking(pose, parking.ALONE_SPEED if is_alone
                                else parking.PARK_SPEED)

    def _disarm(self) -> None:
        self._end_parking()
        self._armed = self._is_alone = False
        self._guard.disarm()

    def _end_parking(self) -> None:
        if self._parking:
            self._heat.wait(self._clock.monotonic())
        self._parking = False

    def _release(self) -> None:
        if self._armed:
            raise ReflexError('the arm is active: deactivate it before its torque is switched off')
        self._arm.torque_off()

    def _check_rest_pose(self) -> None:
        refusal = parking.refusal_reason(self.description)
        if refusal:
            raise ReflexError(refusal)

    def _begin_parking(self, pose: Vector, speed: float) -> None:
        now = self._clock.monotonic()
        self._player.play(parking.way_to_rest(self.description, pose, speed, now), now)
        # On its way to the rest pose the arm holds where it hits something.
        self._back_off.end()
        self._stops_before = self._guard.person_stops
        self._parking = True

    def _finish_parking(self, verdict: Verdict, measured: JointSample) -> None:
        if not (self._parking and verdict is Verdict.GO and self._guard.mode is Mode.PARK
                and self._player.is_starved and self._is_at_rest()):
            return
        problem = self.description.away_from_rest(measured.position)
        if problem:
            self._guard.fail(Cause(FaultCode.PARK_FAILED, f'{problem}: torque stays on. Find out '
                                   'what keeps it from there, then park again'))
            return
        self._arm.torque_off()
        self._is_parked = True
        self._disarm()

    def _is_at_rest(self) -> bool:
        if self._armed and (not self._player.is_at_rest
                            or self._back_off.is_wanted(self._guard.codes)):
            return False
        return self._sample is None or self._sample.is_at_rest()

    def _state(self) -> MotionState:
        if not self._armed:
            return MotionState.PASSIVE
        if self._guard.cause is not None or self._guard.mode is Mode.HOLD:
            return MotionState.HOLD if self._is_at_rest() else MotionState.STOPPING
        if self._parking:
            return MotionState.PARKING
        return MotionState.HOLD if self._player.is_starved else MotionState.PLAYING

    def _go_passive(self, cause: Cause) -> None:
        """Write nothing more: a goal could put a servo that lost its power under torque."""
        self._guard.fail(cause)
        self._player.drop()
        if self._is_alone:
            # Its permission to park ends here; that of the supervisor ends with the node's state.
            self._guard.disarm()
        self._end_parking()
        self._armed = self._is_alone = False
        if self._arm.has_torque:
            # Until the next measurement: servos that do not answer may hold the arm all the same.
            self._arm.has_torque = None


def _is_done(future: Future[Any], timeout_s: float) -> bool:
    """Wait for a future: a timeout of the wait is not mistaken for a BusTimeout of the job."""
    return bool(wait([future], timeout=timeout_s).done)


def _has_result(future: Future[Any], timeout_s: float) -> bool:
    return _is_done(future, timeout_s) and future.exception() is None
