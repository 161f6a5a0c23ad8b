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
from dataclasses import dataclass
import math
import threading

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode

IDENTICAL_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """
    Inputs of one instant.

    :param captured_at: monotonic instant of the oldest camera frame, or of the joint state when
        there is no camera [s].
    :param wall_ns: the same instant on the wall clock [ns], for the service only.
    :param position: (joints,) [rad], finite.
    :param images: JPEG bytes by camera.
    """

    captured_at: float
    wall_ns: int
    position: tuple[float, ...]
    images: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class ObservationBounds:
    """
    Ages at which an input is no longer sent, all in seconds.

    :param skew_s: largest distance in time between the inputs of one observation.
    :param frozen_s: how long a camera may repeat one frame; 0 switches the check off.
    """

    joints_age_s: float = 0.1
    camera_age_s: float = 0.3
    skew_s: float = 0.1
    frozen_s: float = 0.3


@dataclass(slots=True)
class _Camera:
    frame: bytes = b''
    at: float = -1e9
    changed_at: float = -1e9
    identical: int = 0


class Observer:
    """
    The newest joint state and the newest frame of each camera.

    Every method may be called from any thread, and blocks for the lock at most: microseconds.

    :param cameras: names of the cameras that an observation must have.
    """

    def __init__(self, cameras: Sequence[str], bounds: ObservationBounds) -> None:
        self._bounds = bounds
        self._cameras = {name: _Camera() for name in cameras}
        # 1 s at 200 Hz: enough to find the joint state that belongs to a frame.
        self._joints: deque[tuple[float, int, tuple[float, ...]]] = deque(maxlen=200)
        self._lock = threading.Lock()
        self._on_ready: Callable[[], None] | None = None

    def put_joints(self, position: tuple[float, ...], at: float, wall_ns: int) -> None:
        """Record a measured pose (joints,) [rad] of the monotonic instant ``at`` [s]."""
        with self._lock:
            self._joints.append((at, wall_ns, position))
            on_ready = self._pop_listener(at)
        if on_ready is not None:
            on_ready()

    def put_frame(self, name: str, jpeg: bytes, at: float) -> None:
        """
        Record a frame that was received at the monotonic instant ``at`` [s].

        :raises KeyError: for a camera that the observer was not made with.
        """
        with self._lock:
            camera = self._cameras[name]
            if jpeg == camera.frame:
                camera.identical += 1
            else:
                camera.frame, camera.changed_at, camera.identical = jpeg, at, 0
            camera.at = at
            on_ready = self._pop_listener(at)
        if on_ready is not None:
            on_ready()

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

    def ages(self, now: float) -> dict[str, float]:
        """Return how old the newest input of each kind is [s]; 1e9 for one that never came."""
        with self._lock:
            ages = {name: now - camera.at for name, camera in self._cameras.items()}
            return ages | {'joint_states': now - self._joints[-1][0] if self._joints else 1e9}

    # The lock is held by the callers of everything below.

    def _pop_listener(self, now: float) -> Callable[[], None] | None:
        """Return the function that waits for a complete observation, if there is one now."""
        if self._on_ready is None or isinstance(self._match(now), Cause):
            return None
        on_ready, self._on_ready = self._on_ready, None
        return on_ready

    def _match(self, now: float) -> Observation | Cause:
        if not self._joints or now - self._joints[-1][0] > self._bounds.joints_age_s:
            return Cause(FaultCode.JOINTS_STALE, 'no joint state'
                         + (f' for {now - self._joints[-1][0]:.2f} s' if self._joints else ''))
        for name, camera in self._cameras.items():
            fault = self._camera_fault(name, camera, now)
            if fault is not None:
                return fault
        instant = min((camera.at for camera in self._cameras.values()), default=now)
        at, wall_ns, position = min(self._joints, key=lambda row: abs(row[0] - instant))
        newest = max((camera.at for camera in self._cameras.values()), default=at)
        skew = max(newest, at) - min(instant, at)
        if skew > self._bounds.skew_s:
            return Cause(FaultCode.DESYNC,
                         f'cameras and joint state are {skew * 1e3:.0f} ms apart')
        if not all(map(math.isfinite, position)):
            return Cause(FaultCode.JOINTS_STALE,
                         'the joint state holds a value that is not a finite number')
        return Observation(min(instant, at), wall_ns, position, {
            name: camera.frame for name, camera in self._cameras.items()})

    def _camera_fault(self, name: str, camera: _Camera, now: float) -> Cause | None:
        age = now - camera.at
        if age > self._bounds.camera_age_s or not camera.frame:
            return Cause(FaultCode.CAM_LOST, f'camera {name}: no frame'
                         + (f' for {age:.2f} s' if camera.frame else ' yet'))
        frozen = camera.at - camera.changed_at
        if (self._bounds.frozen_s and camera.identical >= IDENTICAL_FRAMES
                and frozen >= self._bounds.frozen_s):
            return Cause(FaultCode.CAM_FROZEN, f'camera {name}: the same frame for {frozen:.2f} s')
        return None
