# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The JSON messages of the action stream (protocol d.3): parse the client's, build ours.

Fields that the models do not name are ignored, and null counts as absent.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

# Close codes of RFC 6455, section 7.4.1, and of its registry.
GOING_AWAY = 1001
UNSUPPORTED = 1003
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


class StreamEnd(Exception):
    """
    The service ends the stream.

    :param close_code: of the Close frame; None for a TCP reset.
    :param error: code and message of an error frame before it, if any.
    """

    def __init__(self, close_code: int | None, error: tuple[str, str] | None = None) -> None:
        super().__init__(error or close_code)
        self.close_code = close_code
        self.error = error


class BadInput(StreamEnd):
    """The client sent what no client may send: an error frame with this code, then Close."""

    def __init__(self, code: str, message: str, close_code: int = POLICY_VIOLATION) -> None:
        super().__init__(close_code, (code, message))
        self.code = code
        self.message = message


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, defer_build=True)


class SessionOpen(_Message):
    """The first frame."""

    type: Literal['session.open']
    session_id: str = ''
    prompt: str
    model: str | None = None
    lora: str | None = None
    robot: str | None = None
    action_adapter: str | None = None
    cameras: list[str] | None = None
    hz: Annotated[float, Field(ge=0.1, le=1000.0)] | None = None
    chunk_size: Annotated[int, Field(ge=1, le=1000)] | None = None


class EncodedImage(_Message):
    """A compressed camera image, as base64."""

    encoding: Literal['jpeg_base64', 'png_base64']
    data: str


class RawImage(_Message):
    """A camera image as nested lists, which are not checked."""

    encoding: Literal['raw']
    data: list[object]


# Without a discriminator: pydantic 2.0 cannot have one inside another.
Image = str | EncodedImage | RawImage


class Observation(_Message):
    """One observation."""

    type: Literal['observation'] = 'observation'
    seq: Annotated[int, Field(ge=0)] | None = None
    state: list[FiniteFloat]
    prompt: str | None = None
    request_id: str | None = None
    capture_time_ns: int | None = None
    images: dict[str, Image] | None = None
    # Not the vendor's: offered by ``accepts`` of ``session.ready``.
    action_prefix: Annotated[list[list[FiniteFloat]], Field(max_length=1000)] | None = None
    prefix_rows: Annotated[int, Field(ge=0, le=1000)] = 0


class SessionClose(_Message):
    """The last frame of a client."""

    type: Literal['session.close']
    session_id: str = ''


Message = SessionOpen | Observation | SessionClose
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator='type')])

# Field -> slug of the error frame. Every other mistyped field is an ``invalid_message``.
_SLUGS = {'state': 'invalid_state', 'images': 'invalid_images', 'cameras': 'invalid_session_open',
          'hz': 'invalid_session_open', 'action_prefix': 'invalid_action_prefix',
          'prefix_rows': 'invalid_action_prefix'}
# The same for fields that are missing or out of range.
_VALUE_SLUGS = {'prompt': 'invalid_session_open', 'chunk_size': 'invalid_session_open',
                'seq': 'invalid_observation'}


def parse(text: str) -> Message:
    """Parse one text frame; ``BadInput`` says what is wrong with it."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadInput('invalid_json', f'not JSON: {type(exc).__name__}') from exc
    if not isinstance(frame, dict):
        raise BadInput('invalid_message', 'a message must be a JSON object')
    return _parse(frame)


def parse_observation(frame: dict[str, object]) -> Observation:
    """Parse an observation that has no ``type``, as ``parse`` does."""
    message = _parse(frame | {'type': 'observation'})
    assert isinstance(message, Observation)
    return message


def error_frame(code: str, message: str, session_id: str = '') -> dict[str, object]:
    """Build an ``error``; the schema is a guess (d.3), so all three known keys are there."""
    frame: dict[str, object] = {
        'type': 'error', 'code': code, 'message': message, 'detail': message,
    }
    return frame | ({'session_id': session_id} if session_id else {})


def _parse(frame: dict[str, object]) -> Message:
    try:
        return _MESSAGES.validate_python(
            {name: value for name, value in frame.items() if value is not None})
    except ValidationError as exc:
        error = exc.errors(include_url=False)[0]
        if error['type'].startswith('union_tag'):
            raise BadInput('unknown_type',
                           f'unknown message type {str(frame.get("type"))[:100]!r}') from exc
        _, field, *_ = error['loc']
        values = {} if error['type'].endswith('_type') else _VALUE_SLUGS
        slug = _SLUGS.get(str(field)) or values.get(str(field), 'invalid_message')
        raise BadInput(slug, f'{field!r}: {error["msg"]}') from exc
