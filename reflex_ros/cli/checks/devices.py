# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that ``reflex connect`` opens itself: their rates, read for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reflex_ros.cameras.trial import try_camera
from reflex_ros.cli.checks.check import Check, failed, passed, warning
from reflex_ros.cli.checks.ros import SLOW_HZ
from reflex_ros.errors import ReflexError

if TYPE_CHECKING:
    from reflex_ros.config.robot.cameras import Camera

LISTEN_S = 1.5


def checks(cameras: Mapping[str, Camera], folder: Path) -> Iterator[Check]:
    """
    Read each camera. Blocks for some seconds a camera.

    :param folder: where the configuration is.
    """
    for name, camera in cameras.items():
        label = f'camera {name}'
        try:
            rate_hz = _rate(name, camera, folder)
        except ReflexError as exc:
            yield failed(label, str(exc), 'doc/cameras.md says what to do when one does not work')
            continue
        if rate_hz < SLOW_HZ:
            yield (warning if rate_hz else failed)(
                label, f'{rate_hz:.1f} Hz', f'At least {SLOW_HZ:g} Hz: less light, a slow link or '
                'a wrong mode?')
        else:
            yield passed(label, f'{rate_hz:.1f} Hz')


def _rate(name: str, camera: Camera, folder: Path) -> float:
    """Return the rate of a camera [1/s]; 0 when fewer than two frames came."""
    from reflex_ros.runner.connect.cameras import make_source

    return try_camera(name, make_source(name, camera, folder)(lambda: None), LISTEN_S).rate_hz
