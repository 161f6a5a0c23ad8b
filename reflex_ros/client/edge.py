# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Inference by a server of your own: one POST per step, no key and no session (section g).

Arrays travel as the public ``json-numpy`` package writes them, or not at all (``json``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflex_ros.client.texts import printable
from reflex_ros.client.transport import Request, Transport
from reflex_ros.errors import ConfigurationError, ServiceProtocolError, ServiceUnavailable

ENCODINGS = ('json_numpy', 'json')
ARRAY = '__numpy__'
_KINDS = 'biuf'


def _default_map() -> dict[str, str]:
    return {'top': 'top_cam', 'left': 'left_cam', 'right': 'right_cam'}


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """
    How a server wants to be asked (section f.2); an empty field name: that field is not sent.

    :param url: posted to as it is.
    :param camera_field_map: camera -> field of its picture.
    :param actions_path: names of the keys that lead to the rows, with dots between them.
    :param auto_timestamp_field: gets the time, in seconds since 1970.
    :param extra_payload: further fields; they override the others.
    :param timeout_s: longest time for one request [s].
    :raises ConfigurationError: for an unknown encoding.
    """

    url: str
    state_field: str = 'state'
    instruction_field: str = 'instruction'
    camera_field_map: Mapping[str, str] = field(default_factory=_default_map)
    actions_path: str = 'actions'
    encoding: str = 'json_numpy'
    auto_timestamp_field: str = 'timestamp'
    extra_payload: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigurationError(f"Unknown encoding {self.encoding!r}; expected 'json_numpy' "
                                     "or 'json'")


async def infer(transport: Transport, settings: EdgeSettings, state: Sequence[float],
                instruction: str = '', cameras: Mapping[str, Any] | None = None,
                ) -> tuple[list[list[float]], dict[str, Any]]:
    """
    Get the actions for one observation.

    :param cameras: camera -> array, or for ``json`` a value that JSON can hold.
    :returns: the rows as the server wrote them, and its whole answer.
    :raises ServiceUnavailable: if the server does not answer, or with another status than 200.
    :raises ServiceProtocolError: if the answer has no rows.
    """
    fields: dict[str, Any] = {}
    if settings.state_field:
        fields[settings.state_field] = (
            np.asarray(state, dtype=np.float32) if settings.encoding == 'json_numpy'
            else list(state))
    if settings.instruction_field:
        fields[settings.instruction_field] = instruction
    for name, key in settings.camera_field_map.items():
        if cameras is not None and name in cameras:
            fields[key] = cameras[name]
    if settings.auto_timestamp_field:
        fields[settings.auto_timestamp_field] = time.time()
    answer = await transport.send(Request(
        'POST', settings.url, content=encode({**fields, **settings.extra_payload}),
        headers={'Content-Type': 'application/json', **settings.headers},
        limit_s=settings.timeout_s, quiet_s=settings.timeout_s,
        unreachable='Cannot reach the edge inference server at {url}',
        remedy='Start the server, or correct target.url', name='edge'))
    if answer.status != 200:
        raise ServiceUnavailable(f'Edge inference server {answer.place} returned {answer.status}: '
                                 f'{printable(answer.text[:200])}', answer.status)
    try:
        found = decode(json.loads(answer.content))
    except (ValueError, RecursionError) as exc:
        raise ServiceProtocolError(f'Edge inference server {answer.place} answered with no '
                                   f'JSON: {exc}') from exc
    if not isinstance(found, dict):
        raise ServiceProtocolError(f'Edge inference server {answer.place} answered with '
                                   f'{type(found).__name__}, expected an object')
    return _rows(found, settings.actions_path), found


def encode(value: Mapping[str, Any]) -> bytes:
    """
    Write JSON in which arrays have the form of ``json-numpy``.

    :raises TypeError: for a value that JSON cannot hold.
    :raises ValueError: for a number that is not finite.
    """
    return json.dumps(value, default=_array_to_json, allow_nan=False,
                      separators=(',', ':')).encode()


def decode(value: Any) -> Any:
    """
    Return parsed JSON with its arrays.

    :raises ValueError: when an array is malformed.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return _array_from_json(value)
    return {key: decode(item) for key, item in value.items()}


def _array_to_json(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise TypeError(f'a field is a {type(value).__name__}, which JSON cannot hold')
    # In C order, whatever the order in memory is.
    return {ARRAY: base64.b64encode(np.ascontiguousarray(value).tobytes()).decode('ascii'),
            'dtype': value.dtype.str, 'shape': list(value.shape)}


def _array_from_json(value: Mapping[str, Any]) -> NDArray[Any]:
    try:
        kind = np.dtype(str(value.get('dtype')))
        if kind.kind not in _KINDS:
            raise ValueError(f'dtype {kind} is not a number')
        data = base64.b64decode(value[ARRAY], validate=True)
        return np.frombuffer(data, kind).reshape(value.get('shape') or ())
    except (TypeError, ValueError, binascii.Error) as exc:
        raise ValueError(f'an array of the answer is malformed: {exc}') from exc


def _rows(answer: Mapping[str, Any], path: str) -> list[list[float]]:
    found: Any = answer
    for name in path.split('.'):
        if not isinstance(found, Mapping) or name not in found:
            raise ServiceProtocolError(
                f"Edge inference response missing field at path '{path}'. Top-level keys: "
                f'{printable(str(sorted(answer)), 200)}')
        found = found[name]
    if isinstance(found, np.ndarray):
        found = found.tolist()
    if not isinstance(found, list):
        raise ServiceProtocolError("Edge inference 'actions' must be a list, got "
                                   f'{type(found).__name__}')
    rows = found if found and isinstance(found[0], (list, np.ndarray)) else [found]
    try:
        return [[float(number) for number in row] for row in rows]
    except (TypeError, ValueError) as exc:
        raise ServiceProtocolError(f"Edge inference 'actions' must hold numbers: {exc}") from exc
