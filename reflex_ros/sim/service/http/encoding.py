# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The special values of the format ``convex_encoded_json`` (protocol c.1).

    {"$integer": base64 of 8 bytes, little endian, signed}
    {"$float":   base64 of a little-endian double}
    {"$bytes":   base64}

Ordinary numbers, texts, lists and objects are plain JSON. Pure functions, no JSON text here.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct

# Integers up to here survive a trip through a double, and travel as plain numbers.
_EXACT = 2**53


def decode(value: object) -> object:
    """Turn a parsed body into values; ``ValueError`` on a malformed special value."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(key, packed)] = value.items()
        if key.startswith('$'):
            return _decode_special(key, packed)
    for key in value:
        if key.startswith('$'):
            raise ValueError(f'field name {key!r} is reserved')
    return {key: decode(item) for key, item in value.items()}


def encode(value: object) -> object:
    """Turn values into what can be written as JSON, integers of at most 64 bits."""
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, bytes):
        return {'$bytes': base64.b64encode(value).decode()}
    # JavaScript would write minus zero as 0.
    if isinstance(value, float) and (not math.isfinite(value) or str(value) == '-0.0'):
        return {'$float': base64.b64encode(struct.pack('<d', value)).decode()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        if not -2**63 <= value < 2**63:
            raise ValueError(f'{value} does not fit into 64 bits')
        return {'$integer': base64.b64encode(value.to_bytes(8, 'little', signed=True)).decode()}
    return value


def _decode_special(key: str, packed: object) -> object:
    if key not in ('$integer', '$float', '$bytes'):
        raise ValueError(f'unknown special value {key!r}')
    if not isinstance(packed, str):
        raise ValueError(f'{key} must hold a base64 text')
    try:
        raw = base64.b64decode(packed, validate=True)
    except binascii.Error as exc:
        raise ValueError(f'{key} holds no valid base64') from exc
    if key == '$bytes':
        return raw
    if len(raw) != 8:
        raise ValueError(f'{key} must hold 8 bytes, got {len(raw)}')
    if key == '$integer':
        return int.from_bytes(raw, 'little', signed=True)
    number: float = struct.unpack('<d', raw)[0]
    return number
