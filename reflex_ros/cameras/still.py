# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One picture, in the form in which somebody wants it: JPEG, base64, or an array."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reflex_ros.cameras.convert import convert
from reflex_ros.cameras.frame import Frame, FrameRefused
from reflex_ros.cameras.settings import CameraSettings


def frame_of(value: Any) -> Frame:
    """
    Return a picture as a frame.

    :param value: a frame, the bytes of a JPEG or PNG, or an array of uint8: (height, width, 3) in
        RGB, or (height, width).
    :raises FrameRefused: for anything else.
    """
    if isinstance(value, Frame):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Frame(0, 'jpeg', memoryview(value))
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and (
            value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (1, 3, 4))):
        kinds = {1: ('mono8', 1), 3: ('rgb8', 3), 4: ('rgba8', 4)}
        encoding, pixel = kinds[1 if value.ndim == 2 else value.shape[2]]
        height, width = value.shape[:2]
        data = memoryview(value.tobytes())
        return Frame(0, encoding, data, False, width, height, width * pixel)
    shape = getattr(value, 'shape', '')
    raise FrameRefused(f'a picture is a {type(value).__name__} {shape}'.rstrip() + '; return JPEG '
                       'bytes, or an array of uint8 (height, width, 3) in RGB')


def to_wire(value: Any, settings: CameraSettings) -> Any:
    """
    Return a picture as the service takes it: JPEG bytes, or what it takes already.

    :raises FrameRefused: when it is no picture.
    """
    if isinstance(value, (str, Mapping)):
        return value
    return convert(frame_of(value), settings).data


def to_jpeg(value: Any, settings: CameraSettings) -> bytes:
    """
    Return a picture as the bytes of a JPEG or PNG.

    :raises FrameRefused: when it is no picture.
    """
    if isinstance(value, Mapping):
        value = value.get('data')
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error) as exc:
            raise FrameRefused(f'a picture is a text that is not base64: {exc}') from exc
    return convert(frame_of(value), settings).data


def to_base64(value: Any, settings: CameraSettings) -> str:
    """
    Return a picture as base64 text of a JPEG.

    :raises FrameRefused: when it is no picture.
    """
    wire = to_wire(value, settings)
    if isinstance(wire, Mapping):
        wire = wire.get('data')
    return wire if isinstance(wire, str) else base64.b64encode(bytes(wire)).decode('ascii')


def to_array(value: Any, settings: CameraSettings) -> NDArray[np.uint8]:
    """
    Return a picture as an array of uint8 (height, width, 3), RGB.

    :raises FrameRefused: when it is no picture.
    """
    if isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] == 3 \
            and settings == CameraSettings(settings.name):
        return value
    with Image.open(io.BytesIO(to_jpeg(value, settings))) as picture:
        return np.asarray(picture.convert('RGB'))
