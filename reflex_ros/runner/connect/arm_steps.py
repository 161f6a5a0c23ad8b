# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An arm in a step loop: for policies that are asked once per step (``infer``, ``edge``, classes).

Its chunks pass the checks of the connector and are played as in the graph: each one takes over
from the one before it while the arm moves. Leases are renewed in this process. There is no dry run
before the first motion: a person asked for ``apply_actions``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
import threading
import time

from reflex_ros.client import adapters
from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.errors import ReflexError
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation, StepFailed
from reflex_ros.runner.connector import Connector
from reflex_ros.runner.session_errors import ArmStopped

ROWS_HZ = 30.0
"""Rate of the rows of a policy that says none [1/s]."""
LEASE_S = 0.02
FRESH_S = 0.2
"""Oldest measurement that is sent [s]."""
MEASURE_S = 3.0
ACCEPT_S = 1.0
PLAYED_S = 30.0
PATIENCE_S = 3600.0
"""A step loop may be slow; an arm that waits for it holds still."""


class ArmSteps:
    """
    A ``StepConnector`` for an arm.

    :param open_connector: opens the connector; as ``ConnectorFactory.open`` with its settings.
    :param guard: bounds of the leases; starvation is not one of them here.
    :param rate_hz: rate of the rows [1/s].
    :param waits: whether ``apply_action`` returns when the rows are played; else as soon as they
        are accepted, so that the next ones can take over.
    :param close_robot: called when the connector is closed.
    """

    def __init__(self, open_connector: Callable[[MotionGuard], Connector], guard: GuardBounds, *,
                 rate_hz: float = ROWS_HZ, waits: bool = False,
                 close_robot: Callable[[], None] = lambda: None) -> None:
        self._open_connector = open_connector
        self._guard = MotionGuard(GuardBounds(
            guard.permit_soft_s, guard.permit_hard_s, guard.beat_soft_s, guard.beat_hard_s,
            guard.late_soft_s, guard.late_hard_s, PATIENCE_S, PATIENCE_S))
        self._rate_hz = rate_hz
        self._waits = waits
        self._close_robot = close_robot
        self._connector: Connector | None = None
        # Instants of the observations whose answers have not come.
        self._observed_at: deque[float] = deque(maxlen=2)
        self._seq = self._beats = 0
        self._epoch = 1
        self._is_active = False
        self._is_ending = threading.Event()
        self._leases = threading.Thread(target=self._renew_leases, name='leases', daemon=True)

    def start(self) -> None:
        """
        Open the arm and wait for a measurement; nothing moves. Blocks for some seconds at most.

        :raises ReflexError: when the arm is not ready.
        """
        connector = self._connector = self._open_connector(self._guard)
        connector.start()
        self._wait_for(lambda: connector.read() is not None, MEASURE_S,
                       'the arm was not measured')

    def get_observation(self) -> RobotObservation:
        """
        Return the measured pose, in the units of the policy.

        :raises StepFailed: when the measurement is too old.
        """
        connector = self._opened()
        sample = connector.read()
        age_s = time.monotonic() - sample.taken_at if sample is not None else PATIENCE_S
        if sample is None or age_s > FRESH_S:
            cause = connector.report().cause
            raise StepFailed(f'the arm was not measured for {age_s:.2f} s'
                             f'{f": {cause}" if cause else ""}. Check its cable and its supply')
        self._observed_at.append(sample.taken_at)
        arm = connector.description
        units = {'state_units': arm.wire.state_units} if arm.wire.state_units else {}
        return RobotObservation(adapters.state_to_wire(sample.position, arm), extra={
            'robot': arm.wire.robot, 'state_adapter': arm.wire.adapter, **units})

    def apply_action(self, action: RobotAction) -> None:
        """
        Play the rows from the one that is due; the first ones put the arm under torque.

        :raises StepFailed: when the rows are refused.
        :raises ReflexError: when something has stopped the arm.
        """
        connector = self._opened()
        observed_at = self._observed_at.popleft() if self._observed_at else time.monotonic()
        arm = connector.description
        width = len(arm.wire.values)
        if len(action.actions[0]) != width:
            raise StepFailed(f'the policy answers with rows of {len(action.actions[0])}, the arm '
                             f'{arm.name} needs {width} ({arm.wire.adapter}). Check the policy')
        rows: Sequence[Sequence[float]] = action.actions
        if len(rows) == 1:
            # One row is a target to hold; a path has a beginning and an end.
            rows = [*rows, *rows]
        if not self._is_active:
            self._activate(connector)
        before = connector.report()
        self._seq += 1
        connector.command(ActionChunk(
            self._seq, adapters.rows_from_wire(rows, arm), self._rate_hz, observed_at,
            self._epoch, joint_names=arm.joint_names))

        def is_decided() -> bool:
            report = connector.report()
            return report.accepted > before.accepted or report.rejected != before.rejected

        self._wait_for(is_decided, ACCEPT_S, 'the rows were not taken')
        report = connector.report()
        if report.accepted == before.accepted:
            codes = [code.name for code, count in report.rejected.items()
                     if count > before.rejected.get(code, 0)]
            raise StepFailed(f'the rows were refused: {", ".join(codes)}. doc/safety.md says what '
                             'it means')
        if self._waits:
            self._wait_for(lambda: connector.report().is_starved, PLAYED_S,
                           'the rows were not played')

    def safe_stop(self, reason: str) -> None:
        """
        Bring the arm to rest along its path; torque stays on.

        :raises ReflexError: when no standstill was seen.
        """
        self._observed_at.clear()
        self._is_active = False
        if self._connector is not None and not self._connector.hold():
            raise ReflexError('no standstill was seen. Switch the servo supply off if the arm '
                              'moves')

    def stop(self) -> None:
        """Bring the arm to rest and close it; torque stays on."""
        try:
            if self._is_active:
                self.safe_stop('the run has ended')
        finally:
            self._is_ending.set()
            if self._leases.is_alive():
                self._leases.join(1.0)
            if self._connector is not None:
                self._connector.close()
            self._close_robot()

    def _activate(self, connector: Connector) -> None:
        # Chunks of before a stop are never played after it.
        self._epoch += 1
        self._renew()
        if not self._leases.is_alive():
            self._leases.start()
        connector.activate()
        self._is_active = True

    def _opened(self) -> Connector:
        if self._connector is None:
            raise StepFailed('the arm is not open. Call start first')
        return self._connector

    def _wait_for(self, condition: Callable[[], bool], timeout_s: float, failure: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            report = self._opened().report()
            if self._is_active and report.cause is not None:
                raise ArmStopped(report.cause)
            if time.monotonic() > deadline:
                raise StepFailed(f'{failure} within {timeout_s:g} s')
            time.sleep(0.002)

    def _renew(self) -> None:
        now = time.monotonic()
        self._beats += 1
        self._guard.renew_permit(Permit(self._epoch, Mode.APPLY_ACTIONS), now)
        self._guard.renew_beat(self._beats, None, now)

    def _renew_leases(self) -> None:
        while not self._is_ending.wait(LEASE_S):
            self._renew()
