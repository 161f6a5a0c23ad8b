# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Observations: what the policy gets for one instant, and when there is none to send.

Two threads meet here: callbacks put the newest joint states and camera frames in, the session
takes matched observations out. Everything is bounded, the newest wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import threading

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode

IDENTICAL_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """
    One instant.

    :param captured_at: monotonic instant [s]: of the oldest camera frame, or of the joint state
        when there is no camera.
    :param wall_ns: the same on the wall clock [ns], for the service only.
    :param position: (joints,) [rad].
    :param images: JPEG bytes by camera.
    """

    captured_at: float
    wall_ns: int
    position: tuple[float, ...]
    images: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class ObservationBounds:
    """Oldest inputs that may be sent, all in seconds; 0 switches the frozen check off."""

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
    times: deque[float] = field(default_factory=lambda: deque(maxlen=30))


class Observer:
    """
    The newest joint state and the newest frame of each camera.

    :param cameras: names of the cameras that an observation must have.
    """

    def __init__(self, cameras: Sequence[str], bounds: ObservationBounds) -> None:
        self._bounds = bounds
        self._cameras = {name: _Camera() for name in cameras}
        # 1 s at 200 Hz: enough to find the joint state that belongs to a frame.
        self._joints: deque[tuple[float, int, tuple[float, ...]]] = deque(maxlen=200)
        self._lock = threading.Lock()

    def put_joints(self, position: tuple[float, ...], at: float, wall_ns: int) -> None:
        """Take in a measured pose (joints,) [rad] of the monotonic instant ``at`` [s]."""
        with self._lock:
            self._joints.append((at, wall_ns, position))

    def put_frame(self, name: str, jpeg: bytes, at: float) -> None:
        """Take in a frame that was received at the monotonic instant ``at`` [s]."""
        with self._lock:
            camera = self._cameras[name]
            if jpeg == camera.frame:
                camera.identical += 1
            else:
                camera.frame, camera.changed_at, camera.identical = jpeg, at, 0
            camera.at = at
            camera.times.append(at)

    def take(self, now: float) -> Observation | Cause:
        """
        Return the newest observation, or why there is none that may be sent.

        :param now: monotonic instant [s].
        """
        with self._lock:
            if not self._joints or now - self._joints[-1][0] > self._bounds.joints_age_s:
                return Cause(FaultCode.JOINTS_STALE, 'no joint state'
                             + (f' for {now - self._joints[-1][0]:.2f} s' if self._joints else ''))
            for name, camera in self._cameras.items():
                fault = self._judge(name, camera, now)
                if fault is not None:
                    return fault
            instant = min((camera.at for camera in self._cameras.values()), default=now)
            at, wall_ns, position = min(self._joints, key=lambda row: abs(row[0] - instant))
            newest = max((camera.at for camera in self._cameras.values()), default=at)
            skew = max(newest, at) - min(instant, at)
            if skew > self._bounds.skew_s:
                return Cause(FaultCode.DESYNC,
                             f'cameras and joint state are {skew * 1e3:.0f} ms apart')
            return Observation(min(instant, at), wall_ns, position, {
                name: camera.frame for name, camera in self._cameras.items()})

    def pose(self) -> tuple[float, ...] | None:
        """Return the newest measured pose (joints,) [rad]."""
        with self._lock:
            return self._joints[-1][2] if self._joints else None

    def ages(self, now: float) -> dict[str, float]:
        """Tell how old the newest input of each kind is [s]."""
        with self._lock:
            ages = {name: now - camera.at for name, camera in self._cameras.items()}
            return ages | {'joint_states': now - self._joints[-1][0] if self._joints else 1e9}

    def _judge(self, name: str, camera: _Camera, now: float) -> Cause | None:
        age = now - camera.at
        if age > self._bounds.camera_age_s or not camera.frame:
            return Cause(FaultCode.CAM_LOST, f'camera {name}: no frame'
                         + (f' for {age:.2f} s' if camera.frame else ' yet'))
        frozen = camera.at - camera.changed_at
        if (self._bounds.frozen_s and camera.identical >= IDENTICAL_FRAMES
                and frozen >= self._bounds.frozen_s):
            return Cause(FaultCode.CAM_FROZEN, f'camera {name}: the same frame for {frozen:.2f} s')
        return None
