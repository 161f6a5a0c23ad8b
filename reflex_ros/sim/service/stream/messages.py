# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The JSON messages of the action stream (protocol d.3): parse the client's, build ours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
import json
import math

# Close codes of RFC 6455, section 7.4.1, and of its registry.
GOING_AWAY = 1001
UNSUPPORTED = 1003
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


class BadInput(Exception):
    """
    The client sent what no client may send: an error frame, then Close.

    :param code: slug for the error frame.
    :param close_code: of the Close that follows.
    """

    def __init__(self, code: str, message: str, close_code: int = POLICY_VIOLATION) -> None:
        """Keep the three."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class SessionOpen:
    """The first frame; None where the client said nothing."""

    session_id: str
    prompt: str
    model: str | None
    lora: str | None
    robot: str | None
    action_adapter: str | None
    hz: float | None
    chunk_size: int | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation, without its images; None where the client said nothing."""

    seq: int | None
    state: tuple[float, ...]
    prompt: str | None
    request_id: str | None
    capture_time_ns: int | None


@dataclass(frozen=True, slots=True)
class SessionClose:
    """The client's goodbye."""

    session_id: str


def parse(text: str) -> SessionOpen | Observation | SessionClose:
    """
    Turn one text frame into a message; unknown fields are ignored.

    :raises BadInput: saying what is wrong with it.
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadInput('invalid_json', f'not JSON: {type(exc).__name__}') from exc
    if not isinstance(frame, dict):
        raise BadInput('invalid_message', 'a message must be a JSON object')
    kind = frame.get('type')
    if kind == 'observation':
        return parse_observation(frame)
    if kind == 'session.open':
        return _session_open(frame)
    if kind == 'session.close':
        return SessionClose(_text(frame, 'session_id') or '')
    raise BadInput('unknown_type', f'unknown message type {str(kind)[:100]!r}')


def ready_frame(session_id: str, **extra: object) -> dict[str, object]:
    """Build ``session.ready``."""
    return {'type': 'session.ready', 'session_id': session_id} | extra


def error_frame(code: str, message: str, session_id: str = '') -> dict[str, object]:
    """Build an ``error``; the schema is a guess (d.3), so all three known keys are there."""
    frame: dict[str, object] = {
        'type': 'error', 'code': code, 'message': message, 'detail': message,
    }
    return frame | ({'session_id': session_id} if session_id else {})


def _session_open(frame: dict[str, object]) -> SessionOpen:
    prompt = _text(frame, 'prompt')
    if prompt is None:
        raise BadInput('invalid_session_open', "'prompt' is missing")
    cameras = frame.get('cameras')
    if cameras is not None and not (
        isinstance(cameras, list) and all(isinstance(name, str) for name in cameras)
    ):
        raise BadInput('invalid_session_open', "'cameras' must be a list of texts")
    hz = frame.get('hz')
    if hz is not None and not 0.1 <= (_finite(hz) or 0.0) <= 1000.0:
        raise BadInput('invalid_session_open', "'hz' must be a number in 0.1..1000")
    rows = _integer(frame, 'chunk_size')
    if rows is not None and not 1 <= rows <= 1000:
        raise BadInput('invalid_session_open', "'chunk_size' must be in 1..1000")
    return SessionOpen(
        session_id=_text(frame, 'session_id') or '', prompt=prompt, model=_text(frame, 'model'),
        lora=_text(frame, 'lora'), robot=_text(frame, 'robot'),
        action_adapter=_text(frame, 'action_adapter'),
        hz=None if hz is None else _finite(hz), chunk_size=rows,
    )


def parse_observation(frame: dict[str, object]) -> Observation:
    """
    Turn a parsed observation into a value; its ``type`` is not looked at.

    :raises BadInput: saying what is wrong with it.
    """
    seq = _integer(frame, 'seq')
    if seq is not None and seq < 0:
        raise BadInput('invalid_observation', "'seq' must not be negative")
    state = frame.get('state')
    if not isinstance(state, list):
        raise BadInput('invalid_state', "'state' must be a list of numbers")
    numbers = [_finite(value) for value in state]
    if any(value is None for value in numbers):
        raise BadInput('invalid_state', "'state' must hold finite numbers only")
    _check_images(frame.get('images'))
    return Observation(
        seq=seq, state=tuple(value for value in numbers if value is not None),
        prompt=_text(frame, 'prompt'), request_id=_text(frame, 'request_id'),
        capture_time_ns=_integer(frame, 'capture_time_ns'),
    )


def _check_images(images: object) -> None:
    """Accept an absent map, bare base64 texts and objects with ``encoding`` and ``data``."""
    if images is None:
        return
    if not isinstance(images, dict):
        raise BadInput('invalid_images', "'images' must be an object")
    for name, image in images.items():
        if isinstance(image, str):
            continue
        encoding = image.get('encoding') if isinstance(image, dict) else None
        wanted = {'jpeg_base64': str, 'png_base64': str, 'raw': list}.get(str(encoding))
        if wanted is None or not isinstance(image.get('data'), wanted):
            raise BadInput('invalid_images', f'image {name[:100]!r} has no known encoding')


def _text(frame: dict[str, object], name: str) -> str | None:
    value = frame.get(name)
    if value is not None and not isinstance(value, str):
        raise BadInput('invalid_message', f'{name!r} must be a text')
    return value


def _integer(frame: dict[str, object], name: str) -> int | None:
    value = frame.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput('invalid_message', f'{name!r} must be an integer')
    return value


def _finite(value: object) -> float | None:
    """Return a finite float, or None for anything else; a bool is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
