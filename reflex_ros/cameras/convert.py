# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From a frame to the picture that is sent: untouched where it fits, else decoded and encoded anew.

``refuse_unfit`` is cheap and looks at every frame; ``convert`` does the work, for the frames that
are sent only. Both go by the bytes of a compressed frame, never by what it is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass
import io
import os

from PIL import Image

from reflex_ros.cameras.frame import Frame, FrameRefused, Picture
from reflex_ros.cameras.pixels import refuse_if_wrong, refuse_size, to_picture
from reflex_ros.cameras.settings import Box, CameraSettings

QUALITY = 85
"""Of a JPEG that is made here, when nothing else is set."""
LARGEST_INPUT = 8 * 2 ** 20
LARGEST_OUTPUT = 2 ** 20
"""[bytes] An observation of three such pictures needs seconds on a usual uplink already."""

_SOI, _EOI = b'\xff\xd8\xff', b'\xff\xd9'
_PNG, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND\xaeB`\x82'
# Pillow turns the other way round. Its enums for these numbers came after Ubuntu 22.04.
_ROTATIONS = {90: Image.ROTATE_270, 180: Image.ROTATE_180,  # type: ignore[attr-defined]
              270: Image.ROTATE_90}  # type: ignore[attr-defined]
_BILINEAR = Image.BILINEAR  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the bytes of a compressed frame are; ``is_plain``: the policy can read it as it is."""

    format: str
    width: int
    height: int
    is_plain: bool


def refuse_unfit(frame: Frame) -> None:
    """
    Check all that can be checked of a frame without decoding it.

    :raises FrameRefused: with the reason and the next step.
    """
    if frame.is_compressed:
        _inspect(frame)
    else:
        refuse_if_wrong(frame)


def size_of(frame: Frame) -> tuple[int, int]:
    """
    Return width and height of a frame [pixels], without decoding it.

    :raises FrameRefused: when its bytes do not say it.
    """
    if not frame.is_compressed:
        return frame.width, frame.height
    kind = _inspect(frame)
    return kind.width, kind.height


def convert(frame: Frame, camera: CameraSettings) -> Picture:
    """
    Make the picture that is sent.

    Pillow and numpy let other threads run meanwhile.

    :raises FrameRefused: with the reason and the next step.
    """
    refuse_unfit(frame)
    try:
        picture = _convert_compressed(frame, camera) if frame.is_compressed \
            else _finish(to_picture(frame), camera)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        # Pillow raises all of these for bytes that it cannot decode.
        raise FrameRefused(f'{_label(frame)} cannot be decoded: {exc}. Check the camera and its '
                           'cable') from exc
    if len(picture.data) > LARGEST_OUTPUT:
        raise FrameRefused(
            f'the picture has {len(picture.data) / 1e6:.1f} MB, at most '
            f'{LARGEST_OUTPUT / 1e6:.1f} MB are sent. Set camera.<name>.width, for example to 640')
    return picture


def _convert_compressed(frame: Frame, camera: CameraSettings) -> Picture:
    kind = _inspect(frame)
    turned = (kind.height, kind.width) if camera.rotation in (90, 270) \
        else (kind.width, kind.height)
    is_whole = not (camera.rotation or camera.quality) \
        and _crop_box(camera, kind.width, kind.height) is None
    if kind.is_plain and is_whole and camera.final_size(*turned) == turned:
        _refuse_undecodable(frame)
        data = bytes(frame.data)
        return Picture(kind.format, data if data.endswith((_EOI, _PNG_END)) else _unpadded(data))
    return _finish(_open(frame, camera), camera)


def _open(frame: Frame, camera: CameraSettings) -> Image.Image:
    file = Image.open(io.BytesIO(frame.data), formats=('JPEG', 'PNG'))
    if file.format == 'JPEG' and not camera.crop:
        # Decode no more than what is left after scaling, and keep YUV: the target is a JPEG too.
        width, height = file.size
        if camera.rotation in (90, 270):
            width, height = height, width
        wanted = camera.final_size(width, height)
        if camera.rotation in (90, 270):
            wanted = wanted[1], wanted[0]
        file.draft('YCbCr' if file.mode == 'RGB' else file.mode, wanted)
    image: Image.Image = file
    if image.mode in ('I', 'F') or image.mode.startswith('I;'):
        raise FrameRefused(_deep_reason(frame))
    if image.mode not in ('RGB', 'L', 'YCbCr'):
        if image.mode in ('LA', 'PA', 'RGBA', 'P'):
            # What is transparent has no meaning in a camera picture.
            image = image.convert('RGBA')
        image = image.convert('RGB')
    return image


def _finish(image: Image.Image, camera: CameraSettings) -> Picture:
    """Crop, rotate, scale and encode."""
    box = _crop_box(camera, *image.size)
    if box is not None:
        image = image.crop(box)
    if camera.rotation:
        image = image.transpose(_ROTATIONS[camera.rotation])
    size = camera.final_size(*image.size)
    if size != image.size:
        image = image.resize(size, _BILINEAR)
    return Picture('jpeg', _encode(image, camera.quality or QUALITY))


def _encode(image: Image.Image, quality: int) -> bytes:
    if not hasattr(os, 'memfd_create'):
        buffer = io.BytesIO()
        image.save(buffer, 'JPEG', quality=quality)
        return buffer.getvalue()
    # Pillow keeps the GIL while it encodes into an object of Python, and lets it go while it
    # encodes into a file: a file in memory costs 0.3 ms more and stops no other thread.
    with os.fdopen(os.memfd_create('frame'), 'w+b', buffering=0) as file:
        image.save(file, 'JPEG', quality=quality)
        file.seek(0)
        return file.read()


def _crop_box(camera: CameraSettings, width: int, height: int) -> Box | None:
    try:
        return camera.crop_box(width, height)
    except ValueError as exc:
        raise FrameRefused(f'{exc}. Correct camera.<name>.crop') from exc


def _inspect(frame: Frame) -> _Kind:
    """Tell what a compressed frame is, by its bytes."""
    data = frame.data
    if not len(data):
        raise FrameRefused('the frame has no data. Check the camera driver')
    if len(data) > LARGEST_INPUT:
        raise FrameRefused(f'the frame has {len(data) / 1e6:.1f} MB, at most '
                           f'{LARGEST_INPUT / 1e6:.1f} MB are read. Choose a smaller picture at '
                           'the camera driver')
    if 'compresseddepth' in frame.encoding.lower():
        raise FrameRefused(f'{frame.encoding!r:.60} is a depth image; the policy needs colours. '
                           'Name a colour topic with camera.<name>.topic')
    if data[:3] == _SOI:
        kind = _inspect_jpeg(frame)
    elif data[:8] == _PNG:
        kind = _inspect_png(frame)
    else:
        raise FrameRefused(f'{_label(frame)} is neither JPEG nor PNG: it begins with '
                           f'{bytes(data[:12])!r}. Check the publisher of the camera')
    refuse_size(kind.width, kind.height)
    return kind


def _inspect_jpeg(frame: Frame) -> _Kind:
    data = frame.data
    if data[-2:] != _EOI and not _unpadded(data).endswith(_EOI):
        raise FrameRefused(f'{_label(frame)} is half a JPEG: {len(data)} bytes without the marker '
                           'of its end. Check the camera, its cable, and the load of its USB bus')
    at = 2
    while at + 10 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:
            # Fill bytes, and markers without a segment.
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            # Start of frame: precision, height, width, number of colours.
            height = int.from_bytes(data[at + 5:at + 7], 'big')
            width = int.from_bytes(data[at + 7:at + 9], 'big')
            return _Kind('jpeg', width, height, data[at + 4] == 8 and data[at + 9] in (1, 3))
        at += 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    raise FrameRefused(f'{_label(frame)} begins as a JPEG and does not say its size. Check the '
                       'publisher of the camera')


def _inspect_png(frame: Frame) -> _Kind:
    data = frame.data
    # Signature; then length, type, width, height, bits per value and colour type of IHDR.
    if len(data) < 33 or bytes(data[12:16]) != b'IHDR' or not _unpadded(data).endswith(_PNG_END):
        raise FrameRefused(f'{_label(frame)} is half a PNG: {len(data)} bytes without its end. '
                           'Check the publisher of the camera')
    width = int.from_bytes(data[16:20], 'big')
    height = int.from_bytes(data[20:24], 'big')
    bits, colours = data[24], data[25]
    if bits == 16:
        raise FrameRefused(_deep_reason(frame))
    # Colour types: 0 grey, 2 RGB. A palette or transparency is made plain first.
    return _Kind('png', width, height, bits == 8 and colours in (0, 2))


def _unpadded(data: bytes | memoryview) -> bytes:
    """Cut the zeros behind a file: some drivers publish the whole buffer of the camera."""
    return bytes(data).rstrip(b'\0')


def _refuse_undecodable(frame: Frame) -> None:
    """Decode a frame that goes out untouched, a JPEG to an eighth of its size and grey."""
    image = Image.open(io.BytesIO(frame.data), formats=('JPEG', 'PNG'))
    if image.format == 'JPEG':
        image.draft('L', (max(image.size[0] // 8, 1), max(image.size[1] // 8, 1)))
    image.load()


def _label(frame: Frame) -> str:
    if not frame.is_compressed:
        return f'a frame in {frame.encoding!r:.40}'
    return f'a frame that is labelled {frame.encoding!r:.40}'


def _deep_reason(frame: Frame) -> str:
    return (f'{_label(frame)} is a PNG of 16 bits per value, as for depth; the policy needs '
            'colours of 8 bits. Name a colour topic with camera.<name>.topic')
