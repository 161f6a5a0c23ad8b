# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Drive an arm with a policy in one process: what the graph's nodes do together, without ROS.

The link to the service is opened first; only then the arm and the cameras, in parallel. The
supervisor brings the run through dry run and gate; when actions are to be applied, it promotes as
soon as the gate is green. Whatever ends the run, the arm is held first.

**Threads.** The caller's thread waits, and calls ``on_heartbeat``. The control thread owns the
supervisor and renews the leases 50 times a second. Driver and stream each have a thread for their
transitions, the session has its own loop, the connector its own thread, and so has each camera.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import gc
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING

from reflex_ros.cameras.frame import Frame
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.source import CameraThread
from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat, Lifecycle, StreamBeat
from reflex_ros.domain.motion_guard import MotionGuard
from reflex_ros.domain.observation import Observer
from reflex_ros.domain.permit import Mode
from reflex_ros.domain.safe_stop import MOTION, SafeStop
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ReflexError
from reflex_ros.runner.beats import driver_beat
from reflex_ros.runner.call_thread import CallThread
from reflex_ros.runner.connect.arm_plan import ArmPlan, MakeSource
from reflex_ros.runner.connect.managed_part import ManagedPart
from reflex_ros.runner.connect.operator import Operator
from reflex_ros.runner.connect.policy_part import PolicyPart
from reflex_ros.runner.connect.records import ArmRecorder
from reflex_ros.runner.connect.result import RunResult
from reflex_ros.runner.connect.signals import Interrupted, StopRequest
from reflex_ros.runner.connector import Connector
from reflex_ros.runner.permit_lease import PermitLease
from reflex_ros.runner.policy_session import jpeg_pictures, PolicySession
from reflex_ros.runner.presence import Doing, Presence, PresenceStatus
from reflex_ros.runner.session_errors import IN_PROCESS
from reflex_ros.runner.session_status import SessionStatus
from reflex_ros.runner.supervisor import GATE_S, PERMIT_HZ, Supervisor

if TYPE_CHECKING:
    from reflex_ros.cameras.feed import CameraFeed

_log = logging.getLogger(__name__)

FINISH_S = 4.0
"""Longest wait for the last chunk to be played and the arm to come to rest."""
SWITCH_S = 0.0005
"""The connector's thread waits for the interpreter's lock at most this long."""


class ArmRun:
    """
    One run; made for one call of ``run``.

    :param stop: asks for the end of the run.
    :param on_heartbeat: called in the caller's thread with counters, every ``heartbeat_s``.
    :param recorder: keeps the run; closed at the end.
    """

    def __init__(self, plan: ArmPlan, stop: StopRequest,
                 on_heartbeat: Callable[[dict[str, int]], object] | None = None,
                 recorder: ArmRecorder | None = None) -> None:
        self.result = RunResult()
        """What the run has done so far."""
        self._plan = plan
        self._stop = stop
        self._on_heartbeat = on_heartbeat
        self._recorder = recorder
        self._guard = MotionGuard(plan.guard)
        self._lease = PermitLease()
        self._observer = Observer([camera.name for camera, _ in plan.cameras], plan.observation,
                                  plan.bounds.arm.joint_names)
        self._feed = self._make_feed() if plan.cameras else None
        self._connector: Connector | None = None
        self._cameras: list[CameraThread] = []
        self._planner: CallThread | None = None
        self._policy = PolicyPart(
            Presence(plan.presence, plan.key, plan.bounds.arm, self._doing), plan.key,
            self._make_session)
        self._driver = ManagedPart(DRIVER, self._activate, self._hold)
        self._supervisor = Supervisor(plan.gate, None, self._on_change)
        self._began = time.monotonic()
        self._operator = Operator(plan, self._supervisor, stop, self.result, self._began)
        self._control = threading.Thread(target=self._control_loop, name='supervisor', daemon=True)
        self._is_controlling = False

    # In the caller's thread.

    def run(self) -> RunResult:
        """
        Run until the end: ``max_steps``, an error, the stop, or a signal.

        :raises ReflexError: when the run could not begin.
        """
        before, is_frozen = sys.getswitchinterval(), gc.get_freeze_count() > 0
        sys.setswitchinterval(min(SWITCH_S, before))
        # Before the arm is opened: in a large program this takes 0.3 s and more.
        gc.collect()
        with self._stop.on_signals():
            try:
                self._start()
                self._wait()
                self._finish()
            except Interrupted:
                _log.warning('interrupted: the arm is held at once')
            finally:
                with self._stop.shielded():
                    self._end()
                sys.setswitchinterval(before)
                if not is_frozen:
                    gc.unfreeze()
        return self.result

    def _start(self) -> None:
        with self._stop.starting():
            self._policy.open(lambda: self._stop.is_set, applies=self._plan.applies)
        if self._stop.is_set:
            return
        with ThreadPoolExecutor(1 + len(self._plan.cameras), 'open') as pool:
            arm = pool.submit(self._open_arm)
            opened = [pool.submit(self._open_camera, camera, make)
                      for camera, make in self._plan.cameras]
        # What is wrong with the arm counts more than what is wrong with a camera.
        for future in (arm, *opened):
            future.result()
        # What exists now stays: the collector need not look at it again while the arm moves.
        gc.freeze()
        self._is_controlling = True
        self._control.start()

    def _open_arm(self) -> None:
        connector = self._plan.open_connector(self._guard)
        self._connector = connector
        if (session := self._policy.session) is not None:
            session.set_gripper_travel(*connector.description.gripper_travels)
        self._planner = CallThread('plan', self._show_plan)
        connector.start(self._on_sample, self._planner.request,
                        self._recorder.goals if self._recorder is not None else None)
        self._driver.configured()

    def _make_feed(self) -> CameraFeed:
        # Not at the top: it needs Pillow, and an arm may have no camera.
        from reflex_ros.cameras.feed import CameraFeed

        return CameraFeed([camera for camera, _ in self._plan.cameras], self._observer)

    def _open_camera(self, camera: CameraSettings, make: MakeSource) -> None:
        feed = self._feed
        assert feed is not None

        def problem(text: str) -> None:
            self._observer.set_source_problem(camera.name, text)

        thread = CameraThread(
            camera.name, make(lambda: self._connector.read() if self._connector else None),
            lambda frame, at: self._on_frame(feed, camera.name, frame, at), problem)
        self._cameras.append(thread)
        thread.start()

    def _wait(self) -> None:
        beat_at = time.monotonic() + self._plan.heartbeat_s
        while not self._stop.is_set:
            now = time.monotonic()
            if not self._control.is_alive():
                raise ReflexError('the supervisor has ended; the arm is held')
            if now >= beat_at:
                beat_at = now + self._plan.heartbeat_s
                self.result.tell(self._on_heartbeat)
            time.sleep(0.01)

    def _finish(self) -> None:
        """End as planned: the arm comes to rest along its path, after the last of its steps."""
        self._operator.plays_out = self._is_over
        self._operator.is_finishing = True
        deadline = time.monotonic() + FINISH_S
        while self._supervisor.machine.state in MOTION and time.monotonic() < deadline:
            time.sleep(0.01)

    def _end(self) -> None:
        """Hold the arm before anything else ends; torque stays on."""
        # Nobody activates it again; without permits, it comes to rest meanwhile.
        self._is_controlling = False
        if self._control.is_alive():
            self._control.join(1.0)
        self._driver.end()
        connector = self._connector
        if connector is not None:
            if not connector.hold():
                self.result.add_error('STOP_FAILED: no standstill was seen. Switch the servo '
                                      'supply off if the arm moves')
            self._measure(connector)
            connector.close()
        self._plan.close_robot()
        if self._planner is not None:
            self._planner.end()
        self._policy.end(is_hurried=self._stop.was_interrupted)
        for camera in self._cameras:
            camera.end()
        if self._feed is not None:
            self._feed.close()
        if self._recorder is not None:
            self._recorder.close()

    def _measure(self, connector: Connector) -> None:
        """Record the figures of the run."""
        status, report, timing = self._policy.status, connector.report(), self.result.timing
        timing['durationS'] = round(time.monotonic() - self._began, 3)
        for name, values in (('roundTripMs', status.times.round_trip),
                             ('serviceMs', status.times.service), ('ageMs', status.times.age)):
            if values[0] >= 0.0:
                timing[f'{name}P50'], timing[f'{name}P95'] = (
                    round(value, 1) for value in values[:2])
        timing['cycleMsP99'] = round(report.cycle_ms_p99, 2)
        timing['lateMsP99'] = round(report.late_ms_p99, 2)
        timing['cycles'], timing['missedCycles'] = report.cycles, report.missed_cycles

    # In the threads of driver and stream: their transitions.

    def _activate(self) -> None:
        if self._connector is not None:
            self._connector.activate()

    def _hold(self) -> None:
        if self._connector is not None and not self._connector.hold():
            _log.error('no standstill was seen before the driver became inactive')

    def _make_session(self, status: SessionStatus, presence: PresenceStatus) -> PolicySession:
        plan, bounds = self._plan, self._plan.bounds
        settings = replace(plan.session, deployment_id=presence.deployment_id or None,
                           robot_id=presence.robot_id or None, next_steps=IN_PROCESS)
        if self._connector is not None:
            bounds = replace(bounds, arm=bounds.arm.with_gripper_travel(
                *self._connector.description.gripper_travels))
        return PolicySession(settings, plan.key, self._observer, bounds, self._lease,
                             self._on_chunk, self._on_fault, status,
                             self._feed.pictures if self._feed is not None else jpeg_pictures)

    # In the control thread.

    def _control_loop(self) -> None:
        due, gate_at = time.monotonic(), 0.0
        while self._is_controlling:
            self._cycle()
            now = time.monotonic()
            if now >= gate_at:
                gate_at = now + GATE_S
                self._supervisor.evaluate_gate()
                self._steer()
                if self._recorder is not None:
                    self._recorder.link(self._beat(now))
            due = max(due + 1.0 / PERMIT_HZ, now)
            time.sleep(max(due - time.monotonic(), 0.0))

    def _cycle(self) -> None:
        supervisor, connector, now = self._supervisor, self._connector, time.monotonic()
        stream = self._beat(now)
        # The stream first: it is open already when the driver is seen to be configured.
        supervisor.see_stream(stream)
        supervisor.see_driver(
            driver_beat(self._driver.identity, connector.report()) if connector is not None
            else DriverBeat(*self._driver.identity), self._driver.refusals)
        supervisor.tick()
        self._renew()
        self._guard.renew_beat(stream.progress, stream.fault, now)
        self._operator.decide(
            self._policy.status, now,
            is_playing=connector is not None and not connector.report().is_starved)

    def _beat(self, now: float) -> StreamBeat:
        return self._policy.beat(now, self._plan.session.prompt, self._observer.slow_cameras(now))

    def _renew(self) -> None:
        now, permit = time.monotonic(), self._supervisor.permit()
        self._guard.renew_permit(permit, now)
        self._lease.renew(permit, now)

    def _steer(self) -> None:
        wanted = self._supervisor.wanted_lifecycles()
        if wanted is not None:
            self._driver.steer(wanted[0])
            self._policy.managed.steer(wanted[1])

    def _on_change(self, before: SafeStop, machine: SafeStop) -> None:
        if machine.state is before.state:
            return
        self._driver.forget_refusals()
        self._policy.managed.forget_refusals()
        self._operator.see_change(before, machine)
        self._renew()
        self._steer()
        if self._recorder is not None:
            self._recorder.state(self._supervisor.safety_state(),
                                 is_moving=machine.state in MOTION)

    # In the session's thread.

    def _doing(self) -> Doing:
        """Return what the next heartbeat says."""
        status = self._policy.status
        return Doing(status.session_id, status.mode.value or 'configured')

    def _on_chunk(self, chunk: ActionChunk) -> None:
        session, permit = self._policy.session, self._lease.current(time.monotonic())
        if session is None or self._is_over:
            return
        # A chunk that was requested before the promotion, or before a reset, commands nothing.
        connector = self._connector
        is_applied = (session.is_applying and permit.mode is Mode.APPLY_ACTIONS
                      and chunk.epoch == permit.epoch and connector is not None
                      and self._driver.lifecycle is Lifecycle.ACTIVE)
        if is_applied and connector is not None:
            connector.command(chunk)
        if self._recorder is not None:
            self._recorder.chunk(chunk, is_applied=is_applied)
        if is_applied or not self._plan.applies:
            self._count(chunk, is_applied)

    @property
    def _is_over(self) -> bool:
        return 0 < self._plan.max_steps <= self.result.steps

    def _count(self, chunk: ActionChunk, is_applied: bool) -> None:
        result = self.result
        result.steps += 1
        result.applied_steps += is_applied
        result.last_action_chunk = chunk.rows.tolist()
        times = self._policy.status.times
        _log.info('step=%d chunk=(%d, %d) age_ms=%.0f round_trip_ms=%.0f mode=%s', result.steps,
                  *chunk.rows.shape, (time.monotonic() - chunk.observed_at) * 1e3,
                  times.round_trip[0], 'apply_actions' if is_applied else 'dry_run')
        if self._is_over:
            self._stop.ask()

    def _on_fault(self, cause: Cause) -> None:
        # The driver first: it stops without waiting for the supervisor.
        self._guard.fail(cause)

    # In the threads of the cameras.

    def _on_frame(self, feed: CameraFeed, name: str, frame: Frame, at: float) -> None:
        feed.put(name, frame, at, time.monotonic())
        if self._recorder is not None:
            self._recorder.frame(name, frame)

    # In the connector's and the planner's thread.

    def _on_sample(self, sample: JointSample) -> None:
        now = time.monotonic()
        if self._recorder is not None:
            self._recorder.sample(sample)
        self._observer.put_joints(
            tuple(sample.position.tolist()), sample.taken_at,
            time.time_ns() - round((now - sample.taken_at) * 1e9))

    def _show_plan(self) -> None:
        outlook = self._connector.outlook() if self._connector is not None else None
        session = self._policy.session
        if outlook is not None and session is not None:
            session.set_outlook(outlook)
