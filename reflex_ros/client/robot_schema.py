# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a robot schema must hold, checked before it is sent; ``doc/robot_files.md`` explains it.

A schema without an action size or a safe stop is accepted by the service, and found out much
later, when the deployment is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math

from reflex_ros.errors import ConfigurationError

DEFAULT_VERSION = 'robot_schema.v1'
EXAMPLE = 'Compare it with config/so101.schema.json; doc/robot_files.md explains each field'


@dataclass(frozen=True, slots=True)
class SchemaFields:
    """
    What the service is told beside the schema itself.

    :param action_dim: numbers in a row of actions.
    :param safe_stop_mode: empty when the schema names none.
    """

    version: str
    robot_kind: str
    action_dim: int
    safe_stop_mode: str


def check(schema: Mapping[str, object], robot_kind: str | None = None) -> SchemaFields:
    """
    Check a schema, and return the fields that the service is told.

    :param robot_kind: kind of robot; None takes that of the schema.
    :raises ConfigurationError: if a field is missing or has a wrong type; names all that are
        missing.
    """
    action = _inside(schema, 'actions', 'action')
    observations = _inside(schema, 'observations')
    kind = robot_kind or _text(schema, 'robot_kind')
    dim = _dimension(action)
    stop = action.get('safe_stop')
    missing = [name for name, is_there in (
        ('robot_kind', kind), ('observations', observations), ('actions.action.shape', dim),
        ('actions.action.safe_stop', stop)) if not is_there]
    if missing:
        raise ConfigurationError(f'Robot schema requires {", ".join(missing)}. {EXAMPLE}')
    if not isinstance(stop, list) or len(stop) != dim or not all(map(_is_number, stop)):
        raise ConfigurationError(f'Robot schema requires a list of {dim} numbers, one for each '
                                 f'action: actions.action.safe_stop. {EXAMPLE}')
    version = _text(schema, 'schema_version') or _text(schema, 'schemaVersion')
    return SchemaFields(version or DEFAULT_VERSION, kind or '', dim or 0,
                        _text(action, 'safe_stop_mode', 'actions.action.safe_stop_mode') or '')


def _inside(schema: Mapping[str, object], *names: str) -> Mapping[str, object]:
    found: Mapping[str, object] = schema
    for depth, name in enumerate(names, start=1):
        value = found.get(name, {})
        if not isinstance(value, Mapping):
            raise ConfigurationError(f'Robot schema requires a mapping: {".".join(names[:depth])}')
        found = value
    return found


def _text(fields: Mapping[str, object], name: str, path: str = '') -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f'Robot schema requires a text: {path or name}')
    return value or None


def _dimension(action: Mapping[str, object]) -> int | None:
    shape = action.get('shape')
    if shape is None:
        return None
    first = shape[0] if isinstance(shape, list) and shape else None
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        raise ConfigurationError('Robot schema requires a list that begins with the number of '
                                 'joints: actions.action.shape')
    return first


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
