# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a person does at the graph, for a run without one: promote, go on after a stop, end.

It counts what goes wrong, too. Belongs to the thread of the supervisor.
"""

from __future__ import annotations

import logging

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import APPLYING, Event, SafeStop, State
from reflex_ros.runner.connect.arm_plan import ArmPlan
from reflex_ros.runner.connect.result import RunResult
from reflex_ros.runner.connect.signals import StopRequest
from reflex_ros.runner.session_status import SessionStatus
from reflex_ros.runner.supervisor import Supervisor

_log = logging.getLogger(__name__)

SAY_S = 5.0
"""How often a run says why it still waits [s]."""
PROMOTE_S = 60.0
"""Longest wait for a green gate after the time in dry run [s]."""
GAP_S = 5.0
"""How long the inputs of a dry run may be missing before the run has failed [s]."""


class Operator:
    """
    Decides for one run.

    :param stop: asked for the end of the run.
    :param result: gets the errors.
    """

    def __init__(self, plan: ArmPlan, supervisor: Supervisor, stop: StopRequest,
                 result: RunResult, now: float) -> None:
        self.is_finishing = False
        """Whether the run ends as planned: the arm is brought to rest."""
        self.plays_out = False
        """Whether the newest chunk is played to its end first."""
        self._plan = plan
        self._supervisor = supervisor
        self._stop = stop
        self._result = result
        self._lost: Cause | None = None
        self._gap_since: float | None = None
        self._waits_since = now
        self._said_at = now

    def decide(self, status: SessionStatus, now: float, *, is_playing: bool) -> None:
        """
        Do what is due.

        :param now: monotonic instant [s].
        :param is_playing: whether the arm has something to play.
        """
        state = self._supervisor.machine.state
        if self.is_finishing:
            if state in APPLYING and not (self.plays_out and is_playing):
                self._request(Event.DEMOTE)
        elif state in (State.DRY_RUN, State.READY, State.STANDBY):
            self._check_dry_run(status, now)
            if state is State.READY and self._plan.applies:
                self._request(Event.PROMOTE)
        elif state is State.UNCONFIGURED:
            # Nobody opens its port again.
            self._wait_for_inputs(Cause(FaultCode.NOT_READY, 'the arm is not there'), now)
        elif state is State.FAULT:
            # The arm is gone, and nobody plugs it in again.
            self._stop.ask()
        elif state is State.LATCHED and not self._plan.stop_on_error:
            causes = self._supervisor.machine.causes
            if all(cause.code.is_outside_the_arm for cause in causes):
                self._request(Event.RESET)
            else:
                # What the arm has hit, it would hit again.
                self._stop.ask()
        self._say_why(state, now)

    def see_change(self, before: SafeStop, machine: SafeStop) -> None:
        """Report a change of the supervisor's state; a latch is a safe stop."""
        _log.info('%s -> %s%s', before.state.value, machine.state.value,
                  f' ({machine.causes[0].code.name}: {machine.causes[0].text})'
                  if machine.causes else '')
        if machine.is_latched and not before.is_latched:
            first = machine.causes[0]
            self._fail(Cause(first.code, first.text))

    def _request(self, event: Event) -> None:
        if not self._supervisor.refusal_reason(event):
            self._supervisor.request(event)

    def _check_dry_run(self, status: SessionStatus, now: float) -> None:
        """Count what goes wrong while nothing is applied: there the session heals by itself."""
        lost = status.fault or status.lost
        if lost is not None and lost is not self._lost:
            self._fail(lost)
        self._lost = lost
        self._wait_for_inputs(status.gap, now)

    def _wait_for_inputs(self, gap: Cause | None, now: float) -> None:
        """Let the run fail when something is missing for long."""
        if gap is None:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = now
        elif now - self._gap_since > GAP_S:
            self._gap_since = None
            driver = self._supervisor.seen.driver
            if driver.port_lost:
                # The origin of all else that is missing then.
                gap = driver.cause or Cause(FaultCode.USB_GONE, 'the port of the arm is gone. '
                                            'Plug the cable in, then start again')
            self._fail(gap)

    def _say_why(self, state: State, now: float) -> None:
        """Say now and then why actions are not applied yet; give up when that lasts too long."""
        if not self._plan.applies or self.is_finishing or state is not State.DRY_RUN:
            self._waits_since = now
            return
        if now - self._said_at > SAY_S:
            self._said_at = now
            _log.info('waiting: %s', self._supervisor.safety_state().why)
        if now - self._waits_since > self._plan.gate.dry_run_s + PROMOTE_S:
            self._waits_since = now
            self._fail(Cause(FaultCode.NOT_READY, 'no action was applied: '
                             f'{self._supervisor.safety_state().why}'))

    def _fail(self, cause: Cause) -> None:
        result = self._result
        result.add_error(f'{cause.code.name}: {cause.text}')
        result.safe_stops += 1
        _log.error('Safe stop fired at step %d: %s: %s', result.steps, cause.code.name, cause.text)
        if self._plan.stop_on_error:
            self._stop.ask()
