# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Observations: what the policy gets for one instant, or why nothing can be sent.

Two threads meet in ``Observer``: callbacks put the newest joint states and camera frames in, the
session reads matched observations. Everything is bounded, and the newest input wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import threading

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joint_states import JointStates, MOST_RAD
from reflex_ros.domain.timing import wait_for_fresher

IDENTICAL_FRAMES = 4
RATE_OVER = 30
"""Frames that the rate of a camera is taken over."""
RATE_GONE_S = 1.0


@dataclass(frozen=True, slots=True)
class Observation:
    """
    Inputs of one instant.

    :param captured_at: monotonic instant of the oldest camera frame, or of the joint state when
        there is no camera [s].
    :param wall_ns: the same instant on the wall clock [ns], for the service only.
    :param position: (joints,) [rad], finite.
    :param images: the frame of each camera, as it was put in.
    """

    captured_at: float
    wall_ns: int
    position: tuple[float, ...]
    images: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ObservationBounds:
    """
    Ages at which an input is no longer sent, all in seconds, and the rates that are asked for.

    :param camera_ages_s: of single cameras, where they differ from ``camera_age_s``.
    :param camera_rates_hz: rates that the promotion gate asks for, of single cameras [1/s].
    :param skew_s: largest distance in time between the inputs of one observation.
    :param frozen_s: how long a camera may repeat one frame; 0 switches the check off.
    """

    joints_age_s: float = 0.1
    camera_age_s: float = 0.3
    skew_s: float = 0.1
    frozen_s: float = 0.3
    camera_ages_s: Mapping[str, float] = field(default_factory=dict)
    camera_rates_hz: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CameraReport:
    """
    What one camera does, for people.

    :param age_s: of the newest frame since its capture; 1e6 when none came.
    :param behind_s: how much older that frame is than the newest input of all.
    :param rate_hz: frames that arrived and were accepted.
    :param bytes_per_s: of these frames, as they arrived.
    :param refused: frames that arrived and could not be used, since the observer was made.
    :param fault: why the camera keeps an observation from being sent; None when it does not.
    :param slowness: how it misses the rate that the gate asks for; empty when it does not.
    """

    age_s: float
    behind_s: float
    rate_hz: float
    bytes_per_s: float
    refused: int
    fault: Cause | None
    slowness: str = ''


@dataclass(slots=True)
class _Camera:
    age_s: float
    min_rate_hz: float = 0.0
    frame: object = None
    at: float = -1e9
    received_at: float = -1e9
    changed_at: float = -1e9
    identical: int = 0
    arrivals: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER))
    refused: int = 0
    refusal: str = ''
    refused_at: float = -1e9
    source_problem: str = ''

    @property
    def period_s(self) -> float:
        """Time between two frames [s]; 0 while it is unknown."""
        count = len(self.arrivals)
        return (self.arrivals[-1][0] - self.arrivals[0][0]) / (count - 1) if count > 2 else 0.0


class Observer:
    """
    The newest joint state and the newest frame of each camera.

    Every method may be called from any thread, and blocks for the lock at most: microseconds.

    :param cameras: names of the cameras that an observation must have.
    :param joint_names: the joints of a pose, for joint states that come in parts.
    """

    def __init__(self, cameras: Sequence[str], bounds: ObservationBounds,
                 joint_names: Sequence[str] = ()) -> None:
        self._bounds = bounds
        self._cameras = {name: _Camera(bounds.camera_ages_s.get(name, bounds.camera_age_s),
                                       bounds.camera_rates_hz.get(name, 0.0))
                         for name in cameras}
        self._parts = JointStates(joint_names, bounds.joints_age_s)
        # 1 s at 200 Hz: enough to find the joint state that belongs to a frame.
        self._joints: deque[tuple[float, int, tuple[float, ...]]] = deque(maxlen=200)
        self._lock = threading.Lock()
        self._on_ready: Callable[[], None] | None = None
        self._on_frame: Callable[[], None] | None = None

    def put_joints(self, position: tuple[float, ...], at: float, wall_ns: int) -> None:
        """Record a measured pose (joints,) [rad] of the monotonic instant ``at`` [s]."""
        with self._lock:
            self._add_joints(position, at, wall_ns)
            on_ready = self._pop_listener(at)
        if on_ready is not None:
            on_ready()

    def put_joint_state(self, names: Sequence[str], positions: Sequence[float], at: float,
                        wall_ns: int) -> None:
        """
        Record the positions of some joints [rad]; a message that is wrong is named in the gap.

        :param at: monotonic instant of the measurement [s].
        :param wall_ns: the same instant on the wall clock [ns].
        """
        with self._lock:
            pose = self._parts.put(names, positions, at)
            if pose is None:
                return
            position, oldest = pose
            self._add_joints(position, oldest, wall_ns - round((at - oldest) * 1e9))
            on_ready = self._pop_listener(at)
        if on_ready is not None:
            on_ready()

    def refuse_joint_state(self, reason: str) -> None:
        """Record why a joint state that arrived cannot be used, to be named in the gap."""
        with self._lock:
            self._parts.refuse(reason)

    def put_frame(self, name: str, frame: object, at: float, received_at: float | None = None,
                  size: int = 0) -> None:
        """
        Record a frame.

        :param frame: compared with the one before it, to notice a camera that is frozen.
        :param at: monotonic instant of the capture [s].
        :param received_at: monotonic instant of the receipt, when that was later [s].
        :param size: of the frame as it arrived [bytes].
        :raises KeyError: for a camera that the observer was not made with.
        """
        received_at = at if received_at is None else received_at
        with self._lock:
            camera = self._cameras[name]
            if camera.frame is not None and frame == camera.frame:
                camera.identical += 1
            else:
                camera.changed_at, camera.identical = received_at, 0
            camera.frame, camera.at, camera.received_at = frame, at, received_at
            camera.arrivals.append((received_at, size))
            listeners = self._pop_listener(received_at), self._on_frame
            self._on_frame = None
        for listener in listeners:
            if listener is not None:
                listener()

    def refuse_frame(self, name: str, reason: str, at: float, frame: object = None) -> None:
        """
        Count a frame that arrived and cannot be used.

        :param reason: and the next step, in one sentence.
        :param at: monotonic instant [s].
        :param frame: the frame, when it was put in before it turned out to be unusable.
        """
        with self._lock:
            camera = self._cameras[name]
            camera.refused, camera.refused_at = camera.refused + 1, at
            camera.refusal = reason.replace('<name>', name)
            if frame is not None and camera.frame is frame:
                camera.frame, camera.at, camera.received_at = None, -1e9, -1e9

    def set_source_problem(self, name: str, problem: str) -> None:
        """Tell why a camera cannot send anything, for example that nothing publishes its topic."""
        with self._lock:
            self._cameras[name].source_problem = problem

    def snapshot(self, now: float,
                 on_ready: Callable[[], None] | None = None) -> Observation | Cause:
        """
        Return the newest observation, or why none can be sent now.

        :param now: monotonic instant [s].
        :param on_ready: when none can be sent: called once, in the thread that puts the missing
            input, as soon as one can. It replaces the function of an earlier call.
        """
        with self._lock:
            found = self._match(now)
            self._on_ready = on_ready if isinstance(found, Cause) else None
            return found

    def wait_for_fresher(self, now: float, on_frame: Callable[[], None] | None = None) -> float:
        """
        Return how long it pays to wait for fresher frames before a snapshot [s]; mostly 0.

        :param now: monotonic instant [s].
        :param on_frame: when it pays: called once, in the thread that puts the next frame. It
            replaces the function of an earlier call.
        """
        with self._lock:
            wait = wait_for_fresher([(now - camera.received_at, camera.period_s)
                                     for camera in self._cameras.values()])
            self._on_frame = on_frame if wait else None
            return wait

    @property
    def is_awaited(self) -> bool:
        """Whether an observation is due that only waits for the next frame."""
        return self._on_frame is not None

    def joint_states(self, now: float) -> tuple[float, str]:
        """Return the age of the newest pose [s], 1e6 before any, and what is wrong with it."""
        with self._lock:
            age_s = now - self._joints[-1][0] if self._joints else 1e6
            return age_s, self._joints_gap(now) if age_s > self._bounds.joints_age_s else ''

    def camera_reports(self, now: float) -> dict[str, CameraReport]:
        """Return what each camera does."""
        with self._lock:
            newest = max((camera.at for camera in self._cameras.values()), default=now)
            if self._joints:
                newest = max(newest, self._nearest(newest)[0])
            return {name: self._report(name, camera, newest, now)
                    for name, camera in self._cameras.items()}

    def slow_cameras(self, now: float) -> str:
        """Return which cameras miss the rate that the gate asks for; empty when none does."""
        if not self._bounds.camera_rates_hz:
            # Asked for fifty times a second.
            return ''
        return '; '.join(f'camera {name} {report.slowness}' for name, report
                         in self.camera_reports(now).items() if report.slowness)

    # The lock is held by the callers of everything below.

    def _add_joints(self, position: tuple[float, ...], at: float, wall_ns: int) -> None:
        if self._joints and at < self._joints[-1][0]:
            return
        if self._joints and at == self._joints[-1][0]:
            # Parts of a pose, of which the oldest one stayed: the newest positions count.
            self._joints.pop()
        self._joints.append((at, wall_ns, position))

    def _pop_listener(self, now: float) -> Callable[[], None] | None:
        """Return the function that waits for a complete observation, if there is one now."""
        if self._on_ready is None or isinstance(self._match(now), Cause):
            return None
        on_ready, self._on_ready = self._on_ready, None
        return on_ready

    def _match(self, now: float) -> Observation | Cause:
        if not self._joints or now - self._joints[-1][0] > self._bounds.joints_age_s:
            return Cause(FaultCode.JOINTS_STALE, self._joints_gap(now))
        for name, camera in self._cameras.items():
            fault = self._camera_fault(name, camera, now)
            if fault is not None:
                return fault
        instant = min((camera.at for camera in self._cameras.values()), default=now)
        at, wall_ns, position = self._nearest(instant)
        times = [(camera.at, f'camera {name}') for name, camera in self._cameras.items()]
        times.append((at, 'the joint state'))
        (oldest, oldest_name), (newest, newest_name) = min(times), max(times)
        if newest - oldest > self._bounds.skew_s:
            return Cause(FaultCode.DESYNC,
                         f'{oldest_name} is {(newest - oldest) * 1e3:.0f} ms behind '
                         f'{newest_name}, allowed are {self._bounds.skew_s * 1e3:.0f} ms')
        if not all(abs(angle) <= MOST_RAD for angle in position):
            return Cause(FaultCode.JOINTS_STALE,
                         'the joint state holds a value that is not a finite number, or no angle')
        return Observation(oldest, wall_ns - round((at - oldest) * 1e9), position, {
            name: camera.frame for name, camera in self._cameras.items()})

    def _nearest(self, instant: float) -> tuple[float, int, tuple[float, ...]]:
        """Return the joint state nearest to an instant; they are in order of time."""
        best = self._joints[-1]
        for row in reversed(self._joints):
            if abs(row[0] - instant) > abs(best[0] - instant):
                break
            best = row
        return best

    def _joints_gap(self, now: float) -> str:
        text = self._parts.gap(now)
        if self._joints and (not text or text == 'no joint state yet'):
            return f'no joint state for {now - self._joints[-1][0]:.2f} s'
        return text or 'no joint state yet'

    def _camera_fault(self, name: str, camera: _Camera, now: float) -> Cause | None:
        age = now - camera.at
        if age > camera.age_s or not camera.frame:
            if now - camera.refused_at <= max(camera.age_s, RATE_GONE_S) \
                    and camera.refused_at >= camera.received_at:
                return Cause(FaultCode.CAM_REFUSED,
                             f'camera {name}: frames arrive but are refused '
                             f'({camera.refused} so far): {camera.refusal}')
            if now - camera.received_at <= camera.age_s and camera.frame:
                return Cause(FaultCode.CAM_LATE,
                             f'camera {name}: frames are {age:.2f} s old by their stamps when '
                             f'they arrive, allowed are {camera.age_s:.2f} s')
            problem = f': {camera.source_problem}' if camera.source_problem else ''
            since = f' for {now - camera.received_at:.2f} s' if camera.frame else ' yet'
            return Cause(FaultCode.CAM_LOST, f'camera {name}: no frame{since}{problem}')
        frozen = camera.received_at - camera.changed_at
        if (self._bounds.frozen_s and camera.identical >= IDENTICAL_FRAMES
                and frozen >= self._bounds.frozen_s):
            return Cause(FaultCode.CAM_FROZEN, f'camera {name}: the same frame for {frozen:.2f} s')
        return None

    def _report(self, name: str, camera: _Camera, newest: float, now: float) -> CameraReport:
        is_gone = now - camera.received_at > max(RATE_GONE_S, 2.0 * camera.period_s)
        rate_hz = 1.0 / camera.period_s if camera.period_s and not is_gone else 0.0
        size = sum(size for _, size in camera.arrivals) / max(len(camera.arrivals), 1)
        slowness = '' if rate_hz >= camera.min_rate_hz else (
            f'delivers {rate_hz:.1f} Hz, asked for are {camera.min_rate_hz:g} Hz '
            f'(camera.{name}.min_rate_hz)')
        return CameraReport(min(now - camera.at, 1e6), max(newest - camera.at, 0.0), rate_hz,
                            rate_hz * size, camera.refused, self._camera_fault(name, camera, now),
                            slowness)
