# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The bus thread: the one owner of the port. It measures, judges, plays, writes.

Everybody else hands over through ``offer`` (newest wins), the guard's leases, and ``submit`` for
what must run between two cycles. A goal is written only while the arm is armed, only with a
fresh measurement of what the servos hold and were told, and only as ``ChunkPlayer`` bounds it. A
cycle that comes late is not caught up. Time is the bus's clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import replace
import logging
import queue
import threading
import time
from typing import Any

import numpy as np

from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.chunk_player import ChunkPlayer, Motion
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import MotionState
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.motion_guard import MotionGuard, Verdict
from reflex_ros.domain.permit import Mode
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import (
    BusTimeout,
    PacketError,
    PortLost,
    ReflexError,
    ServoFault,
)
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.bus_health import BusWatch
from reflex_ros.hardware.clock import suspended_s
from reflex_ros.hardware.cycle_times import CycleTimes
from reflex_ros.hardware.report import DriverReport
from reflex_ros.hardware.sample_filter import SampleFilter
from reflex_ros.hardware.servo_health import name_silence, ServoWatch
from reflex_ros.hardware.so101 import SO101_JOINTS

_log = logging.getLogger(__name__)

BUS_FAULT_S = 0.06
SUSPENDED_S = 0.2
PARK_SPEED = 0.45
PARK_ROWS_HZ = 50.0
CHECK_CONFIGURATION_S = 0.8
"""Between two servos, so that each one is looked at every 5 s."""
REJECTS_IN_A_ROW = 3


class ArmDriver:
    """
    The bus thread of one arm.

    :param arm: brought up; owned by this thread from ``start`` on, closed by ``close``.
    :param on_sample: called in the bus thread with every measurement; must return quickly.
    :param suspended: says how long the machine has slept so far [s].
    """

    def __init__(self, arm: So101Arm, guard: MotionGuard, bounds: ChunkBounds, motion: Motion,
                 on_sample: Callable[[JointSample], None],
                 suspended: Callable[[], float] = suspended_s) -> None:
        self._arm = arm
        self._guard = guard
        self._bounds = bounds
        self._player = ChunkPlayer(bounds.arm, motion)
        self._watch = ServoWatch(motion.max_lead_rad, arm.supply_problem)
        self._bus_watch = BusWatch()
        self._filter = SampleFilter()
        self._clock = arm.bus.clock
        self._period_s = motion.period_s
        self._on_sample = on_sample
        self._suspended = suspended
        self._slept_s = suspended()
        self._mailbox: deque[ActionChunk] = deque(maxlen=1)
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name='bus', daemon=True)
        self._armed = False
        self._is_parked = False
        self._parking = False
        self._port_lost = False
        self._sample: JointSample | None = None
        self._good_at = 0.0
        self._last_seq = -1
        self._rejects_in_a_row = 0
        self._accepted = 0
        self._rejected: Counter[FaultCode] = Counter()
        self._cycles = self._missed = self._late = 0
        self._unconfirmed = 0
        self._checked_at = self._clock.monotonic()
        self._next_check = 0
        self._times = CycleTimes()

    def start(self) -> None:
        """Begin to measure; nothing is written before ``activate``."""
        self._thread.start()

    def close(self) -> None:
        """Bring the arm to rest, end the thread, close the port; torque stays as it is."""
        try:
            if self._armed:
                self.deactivate(timeout_s=0.5)
        finally:
            self._closing.set()
            if self._thread.is_alive():
                self._thread.join(timeout=1.0)
            self._arm.close()

    def activate(self, timeout_s: float = 2.0) -> None:
        """
        Put the arm under torque where it is; from now on chunks may move it.

        :raises ReflexError: when it cannot be done (in time); nothing has moved then.
        """
        future = self.submit(self._do_arm)
        try:
            future.result(timeout=timeout_s)
        except FutureTimeoutError as exc:
            # Whoever was told that it failed must not find the arm active later.
            if not future.cancel():
                self.submit(self._do_disarm)
            raise ReflexError(f'the arm was not put under torque in {timeout_s:g} s. Is the bus '
                              'disturbed?') from exc

    def deactivate(self, timeout_s: float = 1.0) -> bool:
        """
        Ramp to rest, then write nothing more; torque stays on. Never fails.

        :returns: whether the arm was seen at rest in time; true when the bus thread has ended,
            for then nothing can be written any more.
        """
        self._guard.fail(Cause(FaultCode.DEACTIVATED, 'the driver was deactivated'))
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                at_rest: bool = self.submit(self._is_at_rest).result(timeout=timeout_s)
                if at_rest or not self._armed or time.monotonic() > deadline:
                    break
            self.submit(self._do_disarm).result(timeout=timeout_s)
        except (PortLost, FutureTimeoutError):
            # A thread that hangs finds this when it goes on.
            self._do_disarm()
            return not self._thread.is_alive()
        return at_rest

    def offer(self, chunk: ActionChunk) -> None:
        """Hand over a chunk; only the newest one counts."""
        self._mailbox.append(chunk)

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Run something in the bus thread, between two cycles."""
        future: Future[Any] = Future()
        if not self._thread.is_alive():
            future.set_exception(PortLost('the bus thread has ended'))
            return future
        self._jobs.put((job, future))
        if not self._thread.is_alive():
            # It ended in between, and may have looked at its jobs before this one came.
            self._fail_jobs()
        return future

    def report(self) -> DriverReport:
        """Take a snapshot; values may be one cycle apart."""
        # Read the count first: a report that counts a chunk must also show that it plays.
        accepted, player, times = self._accepted, self._player, self._times.summary()
        return DriverReport(
            state=self._state(), has_torque=self._arm.has_torque, at_rest=self._is_at_rest(),
            is_parked=self._is_parked, epoch=self._guard.epoch, cause=self._guard.cause,
            cycles=self._cycles, missed_cycles=self._missed, late_cycles=self._late,
            refused_samples=self._filter.refused + self._unconfirmed,
            bad_share=self._bus_watch.bad_share, is_degraded=self._bus_watch.is_degraded,
            rate_hz=times.rate_hz, cycle_ms_p50=times.work_ms_p50,
            cycle_ms_p99=times.work_ms_p99, late_ms_p99=times.late_ms_p99,
            late_ms_max=times.late_ms_max,
            max_step_rad=player.max_step_rad, playback_rate=player.rate,
            is_starved=player.is_starved, lead_slowdowns=player.lead_slowdowns,
            accepted=accepted, rejected=dict(self._rejected),
            setpoint=tuple(player.setpoint.tolist()), port_lost=self._port_lost)

    # What follows runs in the bus thread.

    def _run(self) -> None:
        try:
            self._loop()
        except PortLost as exc:
            self._go_passive(Cause(FaultCode.USB_GONE, str(exc)))
            _log.error('%s', exc)
        except Exception as exc:
            self._go_passive(Cause(FaultCode.INTERNAL, f'the bus thread has ended: {exc!r}'))
            _log.exception('the bus thread has ended')
        finally:
            # Whatever ends this thread, nobody may take silence for health; one that was asked to
            # end leaves the arm as it was last seen.
            if not self._closing.is_set():
                self._go_passive(Cause(FaultCode.INTERNAL, 'the bus thread has ended'))
            self._do_disarm()
            self._port_lost = not self._closing.is_set()
            self._fail_jobs()

    def _loop(self) -> None:
        planned = self._good_at = self._clock.monotonic()
        while not self._closing.is_set():
            began = self._clock.monotonic()
            late = began - planned
            self._late += late > 0.5 * self._period_s
            try:
                self._cycle(planned)
            except (BusTimeout, PacketError) as exc:
                self._go_passive(Cause(FaultCode.BUS_NOISE, str(exc)))
            except ServoFault as exc:
                self._go_passive(Cause(FaultCode.SERVO_FAULT, str(exc)))
            self._run_jobs()
            now = self._clock.monotonic()
            self._times.record(began, late, now - began)
            planned += self._period_s
            if now > planned + self._period_s:
                planned = now
            elif now < planned:
                self._clock.sleep(planned - now)

    def _cycle(self, planned: float) -> None:
        self._note_suspension()
        measured = self._measure()
        now = self._clock.monotonic()
        if not self._armed:
            return
        is_as_told = measured is not None and self._supervise(measured, now)
        if self._mailbox:
            self._take(self._mailbox.popleft(), now)
        if self._parking or not self._player.is_starved:
            self._guard.record_playing(now)
        # Held up before this cycle or in it: its work alone is far below the bounds.
        verdict = self._guard.evaluate(now, now - planned)
        if verdict is Verdict.GO and not self._bus_watch.is_degraded:
            self._player.resume()
        else:
            self._player.stop()
        self._player.speed_scale = self._guard.speed_scale
        if not self._armed or measured is None or not is_as_told:
            return
        self._arm.command(self._player.tick(measured.position))
        self._continue_parking(verdict)

    def _note_suspension(self) -> None:
        before, self._slept_s = self._slept_s, self._suspended()
        if self._slept_s - before > SUSPENDED_S:
            # What was permitted and planned before may not go on now, whatever the clock says.
            self._guard.fail(Cause(FaultCode.DRV_STALL, 'the machine was suspended for '
                                   f'{self._slept_s - before:.0f} s'))

    def _measure(self) -> JointSample | None:
        now = self._clock.monotonic()
        counters = self._arm.bus.counters
        before = counters.damaged
        try:
            sample = self._arm.read(retries=1)
        except BusTimeout as exc:
            self._missed += 1
            self._bus_watch.note(is_bad=counters.damaged != before, is_missed=True)
            if now - self._good_at > BUS_FAULT_S:
                self._go_passive(name_silence(exc))
            return None
        self._bus_watch.note(is_bad=counters.damaged != before)
        self._good_at = sample.taken_at
        self._cycles += 1
        is_usable, problem = self._filter.judge(sample)
        if not is_usable:
            return None
        if problem and self._armed:
            # Believed by now. The servo goes where it thinks it is wrong: its goal must follow.
            self._guard.fail(Cause(FaultCode.SENSOR_JUMP, problem))
            self._player.seed(np.clip(sample.position, self._bounds.arm.lower,
                                      self._bounds.arm.upper))
        self._sample = sample
        self._on_sample(sample)
        return sample

    def _supervise(self, sample: JointSample, now: float) -> bool:
        """Judge servos and bus; return whether every servo holds what it was told."""
        cause = self._watch.judge(sample, self._player.setpoint, now,
                                  is_parking=self._guard.mode is Mode.PARK) \
            or self._bus_watch.judge()
        if cause is not None:
            self._guard.fail(cause)
        if now - self._checked_at > CHECK_CONFIGURATION_S:
            self._check_configuration(now)
        found = self._arm.deviation()
        try:
            deviation = found and self._arm.confirm(found)
        except BusTimeout:
            self._missed += 1
            return False
        if deviation is None:
            self._unconfirmed += found is not None
            return True
        cause = Cause(deviation.code, f'{SO101_JOINTS[deviation.index].name}: {deviation.text}')
        if deviation.code is FaultCode.SERVO_REBOOT:
            self._go_passive(replace(cause, text=f'{cause.text}. Did its supply fail for a '
                                     'moment?'))
            return False
        # Somebody else moves the arm: it is told again where to be, and stops there.
        self._guard.fail(cause)
        return True

    def _check_configuration(self, now: float) -> None:
        self._checked_at = now
        self._next_check = (self._next_check + 1) % len(SO101_JOINTS)
        try:
            found = self._arm.check_configuration(self._next_check)
        except BusTimeout:
            self._missed += 1
            return
        if found is not None:
            self._guard.fail(Cause(found.code, f'{SO101_JOINTS[found.index].name}: {found.text}'))

    def _take(self, chunk: ActionChunk, now: float) -> None:
        if self._guard.mode is not Mode.APPLY_ACTIONS or self._sample is None:
            return
        if self._parking or self._guard.cause is not None:
            return
        starved = self._player.is_starved
        reference = self._sample.position if starved else self._player.setpoint
        try:
            chunk = check_chunk(chunk, self._bounds, now, reference, last_seq=self._last_seq,
                                epoch=self._guard.epoch)
        except ChunkRejected as exc:
            self._rejected[exc.code] += 1
            self._rejects_in_a_row += not exc.code.row.is_late
            _log.warning('%s: %s', exc.code.name, exc)
            if self._rejects_in_a_row >= REJECTS_IN_A_ROW:
                self._guard.fail(Cause(exc.code, str(exc)))
            return
        self._rejects_in_a_row = 0
        self._last_seq = chunk.seq
        self._player.play(chunk, now)
        # Last: a report that counts this chunk must not call the player starved.
        self._accepted += 1

    def _do_arm(self) -> None:
        refusal = 'the driver is active already: deactivate it first' if self._armed \
            else self._guard.begin(self._clock.monotonic())
        if refusal:
            raise ReflexError(refusal)
        try:
            pose = self._arm.arm()
        except BaseException:
            self._guard.disarm()
            raise
        self._player.seed(pose)
        self._mailbox.clear()
        self._last_seq = -1
        self._rejects_in_a_row = 0
        self._watch.reset()
        self._bus_watch.reset()
        self._is_parked = self._parking = False
        self._guard.arm(self._clock.monotonic())
        self._armed = True
        if self._guard.mode is Mode.PARK:
            self._begin_parking(pose)

    def _do_disarm(self) -> None:
        self._armed = self._parking = False
        self._guard.disarm()

    def _begin_parking(self, pose: Vector) -> None:
        arm = self._bounds.arm
        rest = np.clip(arm.rest_pose, arm.lower, arm.upper)
        duration_s = float(np.abs(rest - pose).max()) / PARK_SPEED + 0.1
        count = max(int(duration_s * PARK_ROWS_HZ), 2)
        rows = pose + np.linspace(0.0, 1.0, count)[:, None] * (rest - pose)
        now = self._clock.monotonic()
        self._player.play(
            ActionChunk(0, rows, PARK_ROWS_HZ, now, joint_names=arm.joint_names), now)
        self._parking = True

    def _continue_parking(self, verdict: Verdict) -> None:
        if self._parking and verdict is Verdict.GO and self._guard.mode is Mode.PARK \
                and self._player.is_starved and self._is_at_rest():
            self._arm.torque_off()
            self._is_parked = True
            self._do_disarm()

    def _is_at_rest(self) -> bool:
        return (not self._armed or self._player.is_at_rest) and (
            self._sample is None or self._sample.is_at_rest())

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
        self._armed = self._parking = False
        self._arm.has_torque = False

    def _run_jobs(self) -> None:
        # Those that wait now: one that comes meanwhile must not keep the arm from its cycle.
        for _ in range(self._jobs.qsize()):
            job, future = self._jobs.get_nowait()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except Exception as exc:
                future.set_exception(exc)
                if isinstance(exc, PortLost) or not isinstance(exc, ReflexError):
                    raise

    def _fail_jobs(self) -> None:
        with suppress(queue.Empty):
            while True:
                future = self._jobs.get_nowait()[1]
                if future.set_running_or_notify_cancel():
                    future.set_exception(PortLost('the bus thread has ended'))
