# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a value of robot.yaml, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

from pydantic import BaseModel

from reflex_ros.config.problems import nearest_key


def keys_of(model: type[BaseModel]) -> list[str]:
    """List the keys of a part of the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def wrong_value(error: Mapping[str, Any]) -> str:
    """Say what is wrong with a value, for an error of pydantic."""
    kind, limits, value = str(error['type']), error.get('ctx', {}), error['input']
    given = shown(value)
    if kind == 'missing':
        return 'is required'
    if kind == 'value_error':
        return str(limits['error'])
    if kind in _BOUNDS:
        return f'must be {_BOUNDS[kind].format(**limits)}, got {given}'
    if kind == 'literal_error':
        allowed = [word.strip("'") for word in str(limits['expected']).replace(
            ' or ', ', ').split(', ')]
        nearest = nearest_key(str(value), allowed)
        hint = f'. Did you mean {nearest!r}?' if nearest else ''
        return f'must be {limits["expected"]}, got {given}{hint}'
    wanted = _TYPES.get(kind)
    if wanted is None:
        return f'{error["msg"]}, got {given}'
    hint = ''
    if kind in ('float_type', 'int_type') and isinstance(value, str) and _is_number(value):
        # YAML 1.1 reads 1e-3 as a text.
        hint = f'. Write {float(value)!r}, without quotes'
    elif kind == 'string_type' and not isinstance(value, (dict, list)) and value is not None:
        hint = '. Put it into quotes'
    return f'must be {wanted}, got {given}{hint}'


def shown(value: object) -> str:
    """Return a value as it stands in YAML, shortened."""
    if value is None:
        return 'nothing'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return 'a mapping'
    if isinstance(value, list):
        return 'a list'
    return f'{value!r:.60}'


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


_BOUNDS = {
    'greater_than': 'above {gt:g}',
    'greater_than_equal': 'at least {ge:g}',
    'less_than': 'below {lt:g}',
    'less_than_equal': 'at most {le:g}',
    'too_short': 'at least {min_length} values',
    'too_long': 'at most {max_length} values',
    'string_too_short': 'at least {min_length} characters',
}
_TYPES = {
    'bool_type': 'true or false',
    'dict_type': 'a mapping',
    'finite_number': 'a finite number',
    'float_type': 'a number',
    'int_from_float': 'a whole number',
    'int_type': 'a whole number',
    'list_type': 'a list',
    'model_type': 'a mapping',
    'string_type': 'text',
    'string_pattern_mismatch': 'of another form ({pattern})',
}
