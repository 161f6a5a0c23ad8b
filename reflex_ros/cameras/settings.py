# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a user may set for one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import re

from reflex_ros.domain.observation import ObservationBounds
from reflex_ros.errors import ConfigurationError

Box = tuple[int, int, int, int]

ROTATIONS = (0, 90, 180, 270)
_CROP = re.compile(r'\s*(\d{1,5})\s*,\s*(\d{1,5})\s*,\s*(\d{1,5})\s*,\s*(\d{1,5})\s*')


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """
    One camera: where its frames come from, and what the policy gets of them.

    A picture is cropped, then rotated, then scaled.

    :param topic: empty: found by the name of the camera.
    :param key: name of the picture at the service; empty: the name of the camera.
    :param width: of the picture that is sent [pixels]; 0: follows the height, or stays.
    :param height: of the picture that is sent [pixels]; 0: follows the width, or stays.
    :param longest_side: larger pictures are scaled down to it, smaller ones stay [pixels]; 0: off.
    :param quality: of the JPEG, 1 to 100; 0: a JPEG that needs no change is sent untouched.
    :param crop: empty, ``square`` (the largest one in the middle) or ``x,y,width,height``.
    :param rotation: clockwise [degrees].
    :param rate_hz: frames that come faster are skipped; 0: none is.
    :param min_rate_hz: rate of frames that the promotion gate asks for; 0: none.
    :param age_s: oldest frame that is sent [s]; 0: as for all cameras.
    :raises ConfigurationError: naming the parameter and what is allowed.
    """

    name: str
    topic: str = ''
    key: str = ''
    width: int = 0
    height: int = 0
    longest_side: int = 0
    quality: int = 0
    crop: str = ''
    rotation: int = 0
    rate_hz: float = 0.0
    min_rate_hz: float = 0.0
    age_s: float = 0.0

    def __post_init__(self) -> None:
        if self.longest_side and (self.width or self.height):
            raise ConfigurationError(
                f"parameter 'camera.{self.name}.longest_side' is set beside width or height. Keep "
                'one of the two ways')
        if self.rotation not in ROTATIONS:
            raise ConfigurationError(
                f"parameter 'camera.{self.name}.rotation' is {self.rotation}, allowed are "
                f'{", ".join(map(str, ROTATIONS))} (degrees, clockwise)')
        if self.crop not in ('', 'square') and self._box() is None:
            raise ConfigurationError(
                f"parameter 'camera.{self.name}.crop' is {self.crop!r}, allowed is square, or "
                'x,y,width,height in pixels with a width and height above 0')

    @property
    def wire_key(self) -> str:
        """Name of the picture at the service."""
        return self.key or self.name

    def crop_box(self, width: int, height: int) -> Box | None:
        """
        Return the part of a picture to keep as left, top, right, bottom; None: all of it.

        :raises ValueError: when the crop does not lie inside the picture.
        """
        box = self._box()
        if self.crop == 'square':
            side = min(width, height)
            left, top = (width - side) // 2, (height - side) // 2
            box = (left, top, left + side, top + side)
        if box is None or box == (0, 0, width, height):
            return None
        if box[2] > width or box[3] > height:
            raise ValueError(f'the crop {self.crop} does not fit into {width} x {height} pixels')
        return box

    def final_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size to send for a picture of this size after crop and rotation."""
        if self.width and self.height:
            return self.width, self.height
        if self.width:
            return self.width, max(1, round(height * self.width / width))
        if self.height:
            return max(1, round(width * self.height / height)), self.height
        longest = max(width, height)
        if self.longest_side and longest > self.longest_side:
            scale = self.longest_side / longest
            return max(1, round(width * scale)), max(1, round(height * scale))
        return width, height

    def _box(self) -> Box | None:
        found = _CROP.fullmatch(self.crop)
        if found is None:
            return None
        left, top, width, height = map(int, found.groups())
        return (left, top, left + width, top + height) if width and height else None


def observation_bounds(cameras: Sequence[CameraSettings], age_s: float,
                       frozen_s: float) -> ObservationBounds:
    """
    Return the bounds that these cameras ask for.

    :param age_s: oldest frame of a camera that names no age of its own [s].
    :param frozen_s: how long a camera may repeat one frame [s]; 0: for ever.
    """
    return ObservationBounds(
        camera_age_s=age_s, frozen_s=frozen_s,
        camera_ages_s={camera.name: camera.age_s for camera in cameras if camera.age_s},
        camera_rates_hz={camera.name: camera.min_rate_hz for camera in cameras
                         if camera.min_rate_hz})


def check_keys(cameras: tuple[CameraSettings, ...]) -> None:
    """
    Make sure that each camera has its own key at the service.

    :raises ConfigurationError: naming the two cameras.
    """
    seen: dict[str, str] = {}
    for camera in cameras:
        other = seen.setdefault(camera.wire_key, camera.name)
        if other != camera.name:
            raise ConfigurationError(f'cameras {other} and {camera.name} have the same key '
                                     f'{camera.wire_key!r} at the service. Change '
                                     f"'camera.{camera.name}.key'")
