# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The loop for robots of a user's own: observe, infer, apply, one chunk after the other.

The order is that of the vendor's runner (protocol reference, section f.7): infer, record, begin
the next inference, apply, wait for that inference, heartbeat, sleep. The robot is started when the
link is open, and stopped before anything else is closed.

**Threads.** The caller's thread calls all methods of the robot. With ``pipeline_inference``,
another one waits for the next answer while the robot moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
import contextlib
from dataclasses import dataclass
import logging
import threading
import time
from typing import Any, Protocol

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect.commands import CommandError
from reflex_ros.runner.connect.result import error_text, RunResult
from reflex_ros.runner.connect.signals import Interrupted, StopRequest
from reflex_ros.runner.connect.steps import (
    action_of,
    CONNECTOR_METHODS,
    observation_of,
    require_methods,
    RobotAction,
    RobotObservation,
    server_infer_ms,
    StepConnector,
    StepTransport,
    TRANSPORT_METHODS,
)

_log = logging.getLogger(__name__)

MODES = ('dry_run', 'apply_actions')
AFTER_ERROR_S = 0.5
"""Pause after a failed step: what fails at once must not be tried a thousand times a second."""
LINK_END_S = 3.0
"""Longest wait for the link to close, when its last inference does not end."""


class Recorder(Protocol):
    """Keeps the steps of a run; ``record`` must not block."""

    def record(self, step: int, observation: RobotObservation, action: RobotAction) -> None:
        """Keep one step."""

    def close(self, result: RunResult) -> None:
        """Write what is left."""


class StepCamera(Protocol):
    """A camera of a step loop."""

    def start(self) -> Any:
        """Open the camera."""

    def read(self) -> Any:
        """Return the newest picture, or None."""

    def stop(self) -> Any:
        """Close the camera."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """
    How a run goes on; meanings as in :func:`run_session`.

    :raises ConfigurationError: for an unknown mode, or a negative number.
    """

    mode: str = 'dry_run'
    max_steps: int = 0
    control_period_s: float = 0.0
    stop_on_error: bool = True
    pipeline_inference: bool = True
    heartbeat_interval_s: float = 10.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigurationError(f"mode must be 'dry_run' or 'apply_actions', got "
                                     f'{self.mode!r}')
        for name in ('max_steps', 'control_period_s', 'heartbeat_interval_s'):
            if getattr(self, name) < 0:
                raise ConfigurationError(f'{name} is {getattr(self, name)}, it must not be '
                                         'negative')


def run_session(*, connector: StepConnector, transport: StepTransport,
                cameras: Mapping[str, StepCamera] | None = None, mode: str = 'dry_run',
                max_steps: int = 0, control_period_s: float = 0.0, stop_on_error: bool = True,
                pipeline_inference: bool = True, heartbeat_interval_s: float = 10.0,
                on_heartbeat: Callable[[dict[str, int]], object] | None = None,
                recorder: Recorder | None = None, stop: StopRequest | None = None) -> RunResult:
    """
    Run a robot with a policy, until ``max_steps``, an error, or a signal.

    Blocks until the end. SIGINT and SIGTERM end the run after the present step, a second one at
    once; the robot is stopped in both cases.

    :param connector: the robot; any object with the methods of ``StepConnector``.
    :param transport: the policy; any object with the methods of ``StepTransport``. If it has a
        method ``set_mode``, that is told the mode first.
    :param cameras: name -> camera. Its pictures override those of the robot of the same name.
    :param mode: ``dry_run`` never calls ``apply_action``.
    :param max_steps: steps after which the run ends; 0: none.
    :param control_period_s: shortest time of a step [s].
    :param stop_on_error: whether the first error ends the run; else it goes on after a safe stop.
    :param pipeline_inference: whether the next inference begins before the robot moves.
    :param heartbeat_interval_s: time between two calls of ``on_heartbeat`` [s]; 0 stands for 10.
    :param on_heartbeat: called with ``step``, ``applied_steps`` and ``safe_stops``.
    :param recorder: keeps the steps.
    :param stop: ends the run from another thread (``StopRequest.ask``).
    :returns: counters, and the errors that were survived or ended the run.
    :raises Exception: what link, robot or cameras raised when they were started.
    """
    settings = StepSettings(mode, max_steps, control_period_s, stop_on_error, pipeline_inference,
                            heartbeat_interval_s or 10.0)
    return StepRun(connector, transport, cameras or {}, settings, stop or StopRequest(),
                   on_heartbeat, recorder).run()


class StepRun:
    """One run; made for one call of ``run``. Arguments as in :func:`run_session`."""

    def __init__(self, connector: StepConnector, transport: StepTransport,
                 cameras: Mapping[str, StepCamera], settings: StepSettings, stop: StopRequest,
                 on_heartbeat: Callable[[dict[str, int]], object] | None = None,
                 recorder: Recorder | None = None) -> None:
        require_methods(connector, CONNECTOR_METHODS, f'connector {type(connector).__name__}')
        require_methods(transport, TRANSPORT_METHODS, f'transport {type(transport).__name__}')
        for name, camera in cameras.items():
            require_methods(camera, ('read',), f'camera {name} ({type(camera).__name__})')
        set_mode = getattr(transport, 'set_mode', None)
        if callable(set_mode):
            # A session of the service has a mode too.
            set_mode(settings.mode)
        self.result = RunResult()
        """What the run has done so far."""
        self._connector = connector
        self._transport = transport
        self._cameras = cameras
        self._settings = settings
        self._stop = stop
        self._on_heartbeat = on_heartbeat
        self._recorder = recorder
        self._next: _Inference | None = None
        self._is_started = False
        self._open_cameras: list[str] = []
        self._waits_ms: list[float] = []
        self._applies_ms: list[float] = []

    def run(self) -> RunResult:
        """Run until the end; as :func:`run_session`."""
        began = time.monotonic()
        with self._stop.on_signals():
            try:
                self._start()
                self._loop()
            except Interrupted:
                if self._is_started:
                    self._stop_robot('interrupted')
            finally:
                with self._stop.shielded():
                    self._end()
        self.result.timing.update(
            durationS=round(time.monotonic() - began, 3), **_quantiles('inferWaitMs',
                                                                       self._waits_ms),
            **_quantiles('applyMs', self._applies_ms))
        if self._recorder is not None:
            self._recorder.close(self.result)
        return self.result

    def _start(self) -> None:
        with self._stop.starting():
            self._transport.start()
        self._is_started = True
        with ThreadPoolExecutor(1 + len(self._cameras), 'start') as pool:
            robot = pool.submit(self._connector.start)
            cameras = [pool.submit(self._start_camera, name) for name in self._cameras]
        # What is wrong with the robot counts more than what is wrong with a camera.
        for future in (robot, *cameras):
            future.result()

    def _start_camera(self, name: str) -> None:
        start = getattr(self._cameras[name], 'start', None)
        if callable(start):
            start()
        self._open_cameras.append(name)

    def _loop(self) -> None:
        settings, result = self._settings, self.result
        beat_at = time.monotonic() + settings.heartbeat_interval_s
        while not self._stop.is_set and not 0 < settings.max_steps <= result.steps:
            began = time.monotonic()
            try:
                self._step(result.steps)
            except Exception as exc:
                may_go_on = self._fail(exc)
                if settings.stop_on_error or not may_go_on:
                    return
                self._stop.sleep(AFTER_ERROR_S)
            result.steps += 1
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + settings.heartbeat_interval_s
                self.result.tell(self._on_heartbeat)
            self._stop.sleep(settings.control_period_s - (time.monotonic() - began))

    def _step(self, step: int) -> None:
        inference = self._next or self._infer(step)
        self._next = None
        began = time.monotonic()
        action = inference.wait()
        self._waits_ms.append((time.monotonic() - began) * 1e3)
        self.result.last_action_chunk = action.actions
        if self._recorder is not None:
            self._recorder.record(step, inference.observation, action)
        is_last = self._stop.is_set or 0 < self._settings.max_steps <= step + 1
        if self._settings.pipeline_inference and not is_last:
            self._next = self._infer(step + 1)
        if self._settings.mode == 'apply_actions':
            began = time.monotonic()
            self._connector.apply_action(action)
            self._applies_ms.append((time.monotonic() - began) * 1e3)
            self.result.applied_steps += 1
        self._log_step(step, inference.observation, action)

    def _infer(self, step: int) -> _Inference:
        """Observe in this thread, and begin to infer in another one."""
        observation = observation_of(self._connector.get_observation())
        for name in self._open_cameras:
            picture = self._cameras[name].read()
            if picture is not None:
                observation.cameras[name] = picture
        return _Inference(self._transport, observation, step)

    def _fail(self, exc: Exception) -> bool:
        """Report an error and stop the robot; return whether the run may go on by itself."""
        # Not at the top: it needs numpy, and a step loop without an error does not.
        from reflex_ros.runner.session_errors import ArmStopped, fault_code

        result = self.result
        text = error_text(exc)
        code = FaultCode.HW_COMMAND if isinstance(exc, CommandError) else fault_code(exc)
        _log.error('Safe stop fired at step %d: %s (%s)', result.steps, text, code.name)
        _log.debug('where it came from', exc_info=exc)
        self._next = None
        result.add_error(text, code.name)
        self._stop_robot(text)
        # What the arm has hit, it would hit again.
        return not isinstance(exc, ArmStopped) or code.is_outside_the_arm

    def _stop_robot(self, reason: str) -> None:
        self.result.safe_stops += 1
        with self._stop.shielded():
            try:
                self._connector.safe_stop(reason)
            except Exception as exc:
                _log.error('the safe stop failed: %s', exc)
                self.result.add_error(f'safe_stop_failed: {exc}')

    def _end(self) -> None:
        """Stop the robot before anything else; the link, whose end may take long, comes last."""
        if self._is_started:
            self._try('connector', self._connector.stop)
        for name in self._open_cameras:
            stop = getattr(self._cameras[name], 'stop', None)
            if callable(stop):
                self._try(f'camera_{name}', stop)
        pending, self._next = self._next, None
        if pending is not None and not self._stop.was_interrupted:
            pending.join(LINK_END_S)
        if not self._stop.was_interrupted:
            self._try('transport', self._transport.stop)

    def _try(self, what: str, stop: Callable[[], Any]) -> None:
        try:
            stop()
        except Exception as exc:
            _log.error('%s did not stop: %s', what, exc)
            self.result.add_error(f'{what}_stop_failed: {exc}')

    def _log_step(self, step: int, observation: RobotObservation, action: RobotAction) -> None:
        server_ms = server_infer_ms(action.metadata)
        _log.info('step=%d state_dim=%d cameras=%s chunk=(%d, %d) infer_wait=%.0fms '
                  'server_dt=%s mode=%s', step, len(observation.state),
                  ','.join(observation.cameras) or 'none', len(action.actions),
                  len(action.actions[0]), self._waits_ms[-1],
                  'unknown' if server_ms is None else f'{server_ms:.0f}ms',
                  self._settings.mode)
        _log.debug('state=%s first=%s last=%s', list(observation.state), action.actions[0],
                   action.actions[-1])


class _Inference:
    """One inference in a thread of its own: a daemon, so that a link that hangs holds nobody."""

    def __init__(self, transport: StepTransport, observation: RobotObservation,
                 step: int) -> None:
        self.observation = observation
        self._transport = transport
        self._action: RobotAction | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f'infer {step}', daemon=True)
        self._thread.start()

    def wait(self) -> RobotAction:
        """Return the answer, or raise what the transport has raised."""
        # A join without a limit would not let a signal through.
        while self._thread.is_alive():
            self._thread.join(0.05)
        if self._error is not None:
            raise self._error
        assert self._action is not None
        return self._action

    def join(self, timeout_s: float) -> None:
        """Wait for the end, whatever it is."""
        with contextlib.suppress(RuntimeError):
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._action = action_of(self._transport.infer(self.observation))
        except BaseException as exc:
            self._error = exc


def _quantiles(name: str, values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    return {f'{name}P50': round(ordered[len(ordered) // 2], 1),
            f'{name}P95': round(ordered[min(len(ordered) * 19 // 20, len(ordered) - 1)], 1)}
