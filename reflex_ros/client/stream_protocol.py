# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The action stream without a socket: values to frames, frames to events (section d).

Every frame is one text message with one JSON object. What comes in is not trusted: its nesting
and size are bounded, names may not repeat, numbers must be numbers. An unknown message type is
an event of its own, to be counted and skipped.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math
from typing import Any, NoReturn

from reflex_ros.client.adapters import ROW_KEYS
from reflex_ros.errors import ChunkRejected

MAX_FRAME = 2 ** 20
MAX_ROWS = 1000
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """
    What a stream is opened with (section d.1).

    :param hz: rate of the rows that we want [1/s].
    :param chunk_size: rows per chunk that we want.
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


@dataclass(frozen=True, slots=True)
class Ready:
    """The service accepted the session."""

    session_id: str


@dataclass(frozen=True, slots=True)
class ChunkFrame:
    """
    One action chunk as it came: finite numbers in a rectangle, in the adapter's units.

    :param rows: (horizon, joints), units of the adapter that was asked for.
    :param infer_ms: time of the inference on the server [ms], None when it does not say.
    """

    seq: int
    rows: tuple[tuple[float, ...], ...]
    infer_ms: float | None = None
    total_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ServerError:
    """
    The service reports an error; the stream ends after it.

    :param code: its slug, empty when it names none.
    """

    detail: str
    code: str = ''


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a type that this version does not know."""

    type: str


Event = Ready | ChunkFrame | ServerError | Unknown


def open_frame(request: OpenRequest) -> str:
    """Make the first frame."""
    return _dump({
        'type': 'session.open', 'session_id': request.session_id, 'prompt': request.prompt,
        'model': request.model, 'lora': request.lora, 'robot': request.robot,
        'action_adapter': request.action_adapter, 'cameras': list(request.cameras),
        'hz': request.hz, 'chunk_size': request.chunk_size,
        'max_gpu_seconds': request.max_gpu_seconds})


def observation_frame(seq: int, state: Sequence[float], images: Mapping[str, bytes], *,
                      prompt: str | None = None, capture_time_ns: int | None = None,
                      extra: Mapping[str, object] | None = None) -> str:
    """
    Make the frame of one observation.

    :param state: in the adapter's units.
    :param images: JPEG bytes by camera.
    :param capture_time_ns: wall clock of the capture [ns].
    :param extra: further top-level fields, e.g. ``state_units``.
    :raises ValueError: for a state that is not finite.
    """
    if not all(map(math.isfinite, state)):
        raise ValueError(f'observation {seq}: the state is not finite: {list(state)}')
    return _dump({
        'type': 'observation', 'seq': seq, 'state': list(state),
        'images': {name: {'encoding': 'jpeg_base64', 'data': base64.b64encode(data).decode()}
                   for name, data in images.items()},
        'prompt': prompt, 'capture_time_ns': capture_time_ns, **(extra or {})})


def close_frame(session_id: str) -> str:
    """Make the last frame."""
    return _dump({'type': 'session.close', 'session_id': session_id})


def parse_frame(data: str | bytes) -> Event:
    """
    Read one frame.

    :raises ChunkRejected: BAD_FRAME for what is no JSON object at all, BAD_SHAPE or BAD_NUMBER
        for a chunk that is none; the frame is skipped then, whole.
    """
    message = _load(data)
    kind = message.get('type')
    if kind == 'session.ready':
        session_id = message.get('session_id')
        return Ready(session_id if isinstance(session_id, str) else '')
    if kind == 'action_chunk':
        return _chunk(message)
    if kind == 'error':
        code = message.get('code')
        return ServerError(_error_text(message), code[:MAX_TEXT] if isinstance(code, str) else '')
    return Unknown(str(kind)[:MAX_TEXT])


def _load(data: str | bytes) -> dict[str, Any]:
    if isinstance(data, bytes):
        raise ChunkRejected('BAD_FRAME', f'a binary frame of {len(data)} bytes')
    try:
        message = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as exc:
        # The parser gives up on deep nesting by itself, long before the stack does.
        raise ChunkRejected('BAD_FRAME', f'a frame that is not JSON: {exc}') from exc
    if not isinstance(message, dict):
        raise ChunkRejected('BAD_FRAME', 'a frame that is not a JSON object')
    return message


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f'{name} is not a number')


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) != len(pairs):
        raise ValueError('a name stands twice in one object')
    return message


def _chunk(message: Mapping[str, Any]) -> ChunkFrame:
    seq = message.get('seq')
    if type(seq) is not int or not 0 <= seq < 2 ** 63:
        raise ChunkRejected('BAD_SHAPE', f'a chunk without a whole number for seq: {seq!r:.50}')
    rows = next((message[key] for key in ROW_KEYS if message.get(key)), None)
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_ROWS:
        raise ChunkRejected('BAD_SHAPE', f'chunk {seq}: no list of 1 to {MAX_ROWS} rows in '
                            f'{" or ".join(ROW_KEYS)}')
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width or not width:
            raise ChunkRejected('BAD_SHAPE', f'chunk {seq}: row {index} is no list of {width} '
                                'numbers')
        for value in row:
            # bool is an int to Python, and 1e999 is read as infinity: both are no positions.
            if type(value) not in (int, float) or not abs(value) <= 1e6:
                raise ChunkRejected('BAD_NUMBER', f'chunk {seq}: row {index} holds '
                                    f'{value!r:.50}')
    return ChunkFrame(seq, tuple(tuple(map(float, row)) for row in rows),
                      _milliseconds(message, 'infer_ms'), _milliseconds(message, 'total_ms'))


def _milliseconds(message: Mapping[str, Any], name: str) -> float | None:
    value = message.get(name)
    if isinstance(value, (int, float)) and 0.0 <= value <= 1e9:
        return float(value)
    return None


def _error_text(message: Mapping[str, Any]) -> str:
    parts = [str(message[name]) for name in ('code', 'detail', 'message') if message.get(name)]
    text = ': '.join(parts) or json.dumps(message, sort_keys=True)
    return ''.join(char for char in text if char.isprintable())[:MAX_TEXT]


def _dump(message: Mapping[str, object]) -> str:
    return json.dumps({name: value for name, value in message.items() if value is not None},
                      separators=(',', ':'))
