# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Frames that the client sends on the action stream, made without a socket (sections d.1, d.3).

Every frame is one text message with one JSON object; fields that are None are left out.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math

Image = bytes | str | Mapping[str, object]
"""JPEG bytes, or the form on the wire: base64 text, or an object with encoding and data."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """
    Content of the frame that opens a session (section d.1).

    :param hz: requested rate of the rows [Hz].
    :param chunk_size: requested rows per chunk.
    """

    prompt: str
    session_id: str = ''
    model: str | None = None
    lora: str | None = None
    robot: str | None = None
    action_adapter: str | None = None
    cameras: tuple[str, ...] = ()
    hz: float | None = None
    chunk_size: int | None = None
    max_gpu_seconds: float | None = None


def open_frame(request: OpenRequest) -> str:
    """Make the first frame, which opens a session."""
    return _dump({
        'type': 'session.open', 'session_id': request.session_id, 'prompt': request.prompt,
        'model': request.model, 'lora': request.lora, 'robot': request.robot,
        'action_adapter': request.action_adapter, 'cameras': list(request.cameras),
        'hz': request.hz, 'chunk_size': request.chunk_size,
        'max_gpu_seconds': request.max_gpu_seconds})


def observation_frame(seq: int, state: Sequence[float], images: Mapping[str, Image], *,
                      prompt: str | None = None, capture_time_ns: int | None = None,
                      extra: Mapping[str, object] | None = None) -> str:
    """
    Make the frame of one observation.

    :param state: joint positions, in the units of the action adapter.
    :param images: camera name -> image.
    :param capture_time_ns: wall-clock time of the capture [ns since 1970].
    :param extra: more top-level fields, e.g. ``state_units``.
    :raises ValueError: if a number is not finite.
    :raises TypeError: if JSON cannot hold a value.
    """
    return raw_frame(seq, {'state': state, 'images': images, 'prompt': prompt,
                           'capture_time_ns': capture_time_ns, **(extra or {})})


def raw_frame(seq: int, fields: Mapping[str, object]) -> str:
    """
    Make the frame of one observation from its fields; errors as in :func:`observation_frame`.

    :param fields: ``state`` and ``images`` as in :func:`observation_frame`; any other field is
        sent as JSON, unless it is None.
    """
    rest = dict(fields)
    state, images = rest.pop('state', None), rest.pop('images', None)
    head: dict[str, object] = {'type': 'observation', 'seq': seq}
    if state is not None:
        head['state'] = _finite(seq, state)
    parts = [_dump(head)[1:-1]]
    if images is not None:
        parts.append(f'"images":{{{_images(images)}}}')
    parts.append(_dump({name: value for name, value in rest.items() if name not in head})[1:-1])
    return f'{{{",".join(filter(None, parts))}}}'


def _finite(seq: int, state: object) -> list[float]:
    if isinstance(state, (str, bytes, Mapping)):
        raise TypeError(f'observation {seq}: the state is a {type(state).__name__}, not numbers')
    # float() because json refuses numbers of numpy.
    numbers = [float(value) for value in state]  # type: ignore[attr-defined]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f'observation {seq}: the state is not finite: {numbers}')
    return numbers


def _images(images: object) -> str:
    if not isinstance(images, Mapping):
        raise TypeError(f'images must be a mapping of camera name to image, not a '
                        f'{type(images).__name__}')
    return ','.join(f'{json.dumps(str(name))}:{_image(name, image)}'
                    for name, image in images.items())


def _image(name: object, image: object) -> str:
    if isinstance(image, (bytes, bytearray, memoryview)):
        # Not through json: searching 160 kB of base64 for characters to escape takes as long as
        # the rest of the frame.
        data = binascii.b2a_base64(image, newline=False).decode('ascii')
        return f'{{"encoding":"jpeg_base64","data":"{data}"}}'
    if isinstance(image, (str, Mapping)):
        return json.dumps(image, separators=(',', ':'), allow_nan=False)
    raise TypeError(f'the image of {name} is a {type(image).__name__}; pass JPEG bytes, base64 '
                    'text, or an object with encoding and data')


def close_frame(session_id: str) -> str:
    """Make the last frame, which closes the session."""
    return _dump({'type': 'session.close', 'session_id': session_id})


def _dump(message: Mapping[str, object]) -> str:
    return json.dumps({name: value for name, value in message.items() if value is not None},
                      separators=(',', ':'), allow_nan=False)
