# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run of an arm needs: values, and functions that open its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.source import CameraSource
from reflex_ros.client.credentials import Secret
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.observation import ObservationBounds
from reflex_ros.domain.sample import JointSample
from reflex_ros.runner.connector import Connector
from reflex_ros.runner.presence import PresenceSettings
from reflex_ros.runner.session_status import SessionSettings
from reflex_ros.runner.supervisor import GateSettings

MakeSource = Callable[[Callable[[], JointSample | None]], CameraSource]
"""Makes a camera; gets what reads the newest measurement of the arm, for simulated ones."""


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """
    Everything that a run needs.

    :param open_connector: opens the connector; as ``ConnectorFactory.open`` with its settings.
    :param bounds: arm before its calibration was read, and what a chunk must satisfy.
    :param presence: who this robot is at the service, and its deployment.
    :param cameras: settings and source of each camera.
    :param close_robot: called at the end, when the connector is closed.
    :param max_steps: answers of the policy after which the run ends; 0: none.
    :param stop_on_error: whether the first safe stop ends the run.
    :param heartbeat_s: time between two calls of ``on_heartbeat`` [s].
    """

    session: SessionSettings
    key: Secret
    open_connector: Callable[[MotionGuard], Connector]
    bounds: ChunkBounds
    presence: PresenceSettings
    applies: bool = False
    cameras: Sequence[tuple[CameraSettings, MakeSource]] = ()
    observation: ObservationBounds = ObservationBounds()
    guard: GuardBounds = GuardBounds()
    gate: GateSettings = GateSettings()
    close_robot: Callable[[], None] = lambda: None
    max_steps: int = 0
    stop_on_error: bool = True
    heartbeat_s: float = 10.0
