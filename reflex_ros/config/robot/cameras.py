# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of ``cameras``: where pictures come from (protocol reference, section f.6)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.config.parameters.cameras import TABLE
from reflex_ros.config.robot.fields import Part, settings_of, UserClass

NAMES = {f'camera.<name>.{key}': {'width': 'send_width', 'height': 'send_height'}.get(key, key)
         for key in ('key', 'width', 'height', 'longest_side', 'quality', 'crop', 'rotation',
                     'rate_hz', 'min_rate_hz', 'age_s')}
"""Parameter of action_stream -> key of a camera: width and height are those of the device."""


class Picture(settings_of(  # type: ignore[misc]  # a class made of a table
        (row for row in TABLE if row.name in NAMES), NAMES)):
    """What the policy gets of a camera's picture."""

    def picture(self, name: str) -> CameraSettings:
        """
        Return the settings of the picture.

        :param name: of the camera.
        :raises ConfigurationError: for values that exclude each other.
        """
        return CameraSettings(name, **{
            parameter.rpartition('.')[2]: getattr(self, key) for parameter, key in NAMES.items()})


class V4l2Camera(Picture):
    """A camera that Linux knows as /dev/video*."""

    kind: Literal['v4l2', 'webcam']
    device: str | int = Field(description='Path of the device (/dev/v4l/by-id/... stays the same '
                              'after a reboot), or its number.')
    width: int = Field(default=640, ge=16, le=8192, description='Width to ask the camera for [px]')
    height: int = Field(
        default=480, ge=16, le=8192, description='Height to ask the camera for [px]')
    warmup_frames: int = Field(
        default=5, ge=0, le=1000, description='Frames to drop at the start, while the exposure '
        'settles.')
    fourcc: str = Field(
        default='MJPG', pattern=r'^[A-Z0-9 ]{4}$', description='Format to ask the camera for. '
        'MJPG is handed on without decoding.')


class ShmCamera(Picture):
    """Frames that another process writes into shared memory."""

    kind: Literal['shm']
    name: str = Field(pattern=r'^[\w.-]+$', description='Name of the segment: '
                      '/dev/shm/reflex_cam_NAME.')
    max_attach_retries: int = Field(
        default=20, ge=0, le=10_000, description='How often a missing segment is looked for.')
    attach_retry_delay_s: float = Field(
        default=0.5, gt=0.0, le=60.0, description='Time between two looks [s]')


class SimCamera(Picture):
    """A rendered camera that shows the pose of the arm."""

    kind: Literal['sim']
    fps: float = Field(default=15.0, ge=1.0, le=60.0, description='Frames per second.')


class TopicCamera(Picture):
    """A camera that a ROS node publishes; only the graph can read it."""

    kind: Literal['topic']
    topic: str = Field(
        default='', description='Topic of the frames. Empty: found by the name of the camera, as '
        'front/image_raw/compressed.')


class RealSenseCamera(Part):
    """The colour stream of an Intel RealSense: read, and explained."""

    kind: Literal['realsense']
    serial: str
    width: int = Field(default=640, ge=16, le=8192)
    height: int = Field(default=480, ge=16, le=8192)
    fps: int = Field(default=30, ge=1, le=120)
    warmup_frames: int = Field(default=5, ge=0, le=1000)


class UserCamera(UserClass):
    """A camera class of the user."""


Camera = V4l2Camera | ShmCamera | SimCamera | TopicCamera | RealSenseCamera | UserCamera
KINDS: dict[str, type[Part]] = {
    'v4l2': V4l2Camera, 'webcam': V4l2Camera, 'shm': ShmCamera, 'sim': SimCamera,
    'topic': TopicCamera, 'realsense': RealSenseCamera}
