# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Arrays inside JSON, as the public ``json-numpy`` package writes them (protocol g), without numpy.

    {"__numpy__": base64 of the raw bytes, "dtype": "<f4", "shape": [2, 3]}
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
import math
import re
import struct

KEY = '__numpy__'

# Kind and size of a numpy descriptor -> the letter of the struct module.
_LETTERS = {
    'b1': '?', 'i1': 'b', 'u1': 'B', 'i2': 'h', 'u2': 'H', 'i4': 'i', 'u4': 'I', 'i8': 'q',
    'u8': 'Q', 'f2': 'e', 'f4': 'f', 'f8': 'd',
}


@dataclass(frozen=True, slots=True)
class Array:
    """One array: its bytes in C order, and their format in the words of the struct module."""

    layout: str
    data: bytes

    def numbers(self) -> list[float]:
        """Return every item, flat."""
        return [float(item) for item in struct.unpack(self.layout, self.data)]


def decode(value: object) -> object:
    """Return parsed JSON with its arrays as ``Array``; ``ValueError`` on a malformed one."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if KEY in value:
        return _array(value)
    return {key: decode(item) for key, item in value.items()}


def encode(rows: list[list[float]]) -> dict[str, object]:
    """Write (T, D) rows of equal length as an array of ``<f4``."""
    flat = [value for row in rows for value in row]
    data = base64.b64encode(struct.pack(f'<{len(flat)}f', *flat)).decode()
    return {KEY: data, 'dtype': '<f4', 'shape': [len(rows), len(rows[0])]}


def _array(value: dict[str, object]) -> Array:
    packed, descriptor, shape = value[KEY], value.get('dtype'), value.get('shape')
    match = re.fullmatch(r'([<>|=])([biuf]\d)', str(descriptor))
    letter = _LETTERS.get(match[2]) if match else None
    if match is None or letter is None:
        raise ValueError(f'unknown dtype {str(descriptor)[:40]!r}')
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError('an array needs a shape')
    try:
        data = base64.b64decode(packed, validate=True) if isinstance(packed, str) else None
    except binascii.Error:
        data = None
    if data is None:
        raise ValueError('an array holds no valid base64')
    count = len(data) // struct.calcsize(letter)
    if len(data) != math.prod(shape) * struct.calcsize(letter):
        raise ValueError(f'{len(data)} bytes do not fill an array of {descriptor} {shape}')
    return Array(f'{">" if match[1] == ">" else "<"}{count}{letter}', data)
