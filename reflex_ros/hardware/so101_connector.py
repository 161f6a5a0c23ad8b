# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open an SO-101 from settings: find the port, check the arm, make its ``ArmDriver``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
import logging
import os
from typing import Any

from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.motion_guard import MotionGuard
from reflex_ros.domain.plan import Interpolation
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_build import BUILDS
from reflex_ros.hardware.arm_diagnostics import diagnose
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm
from reflex_ros.hardware.discovery import find_arm
from reflex_ros.hardware.lerobot_file import find, load, Role
from reflex_ros.hardware.port import latency_warning, SerialPort
from reflex_ros.hardware.port_identity import stable_name
from reflex_ros.hardware.so101 import JOINT_NAMES

_log = logging.getLogger(__name__)


class So101Factory:
    """
    Opens SO-101 arms; a ``runner.connector.ConnectorFactory``.

    It remembers the stable name of each port: after a replug, the name in the settings may belong
    to another arm.

    :param environ: environment with ``REFLEX_SO101_PORT`` and LeRobot's folders.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._port_names: dict[str, str] = {}

    def open(self, settings: Mapping[str, Any], guard: MotionGuard) -> ArmDriver:
        """
        Open the port, check the arm, and return its driver, not started; nothing moves.

        Blocks for about a second when the port is named, and for some seconds when it has to be
        found. Reads these settings: port, baud, rate_hz, profile, calibration_file, accept_range,
        trim.<joint>,
        limits.velocity, limits.acceleration, limits.jump, limits.lead, limits.chunk_age_s,
        limits.clamp, interpolation, fade_s, ensemble, stop.acceleration and stop.back_off.

        :raises ConfigurationError: when the port is not found or in use, the arm is not a
            calibrated SO-101, or ``rate_hz`` is more than the bus can carry.
        :raises BusError: when a servo does not answer or reports a fault. The port is closed then.
        """
        arm = self._open_arm(settings)
        try:
            arm.bring_up()
            if settings['rate_hz'] > arm.max_rate_hz:
                raise ConfigurationError(
                    f"parameter 'rate_hz' is {settings['rate_hz']:g}, but this bus carries at "
                    f'most {arm.max_rate_hz:.0f} Hz: one measurement takes '
                    f'{arm.cycle_s * 1e3:.1f} ms. Set it lower')
            bounds = ChunkBounds(
                calibrated_arm(arm.calibration, settings['limits.velocity']).with_acceleration(
                    settings['limits.acceleration']),
                max_age_s=settings['limits.chunk_age_s'], max_jump_rad=settings['limits.jump'],
                clamp=settings['limits.clamp'])
            motion = Motion(period_s=1.0 / settings['rate_hz'],
                            max_lead_rad=settings['limits.lead'],
                            stop_acceleration=settings['stop.acceleration'],
                            interpolation=Interpolation(settings['interpolation']),
                            fade_s=settings['fade_s'], ensemble=settings['ensemble'],
                            max_blind_s=settings['limits.chunk_age_s'])
            return ArmDriver(arm, guard, bounds, motion, diagnose=partial(diagnose, arm),
                             back_off_rad=settings['stop.back_off'])
        except BaseException:
            arm.close()
            raise

    def _open_arm(self, settings: Mapping[str, Any]) -> So101Arm:
        name, baud = ((settings['port'], settings['baud']) if settings['port']
                      else find_arm(self._environ))
        if warning := latency_warning(name):
            _log.warning(warning)
        role = Role(settings['profile'])
        reference = (load(find(settings['calibration_file'], self._environ, role))
                     if settings['calibration_file'] else None)
        trim = {joint: settings[f'trim.{joint}'] for joint in JOINT_NAMES}
        accepts_range = settings['accept_range']
        port = SerialPort(self._port_names.get(name, name), baud)
        self._port_names.setdefault(name, stable_name(name))
        return So101Arm(Bus(port), reference, build=BUILDS[settings['profile']], trim=trim,
                        accepts_range=accepts_range)
