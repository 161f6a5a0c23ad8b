# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Dataclasses to JSON values and back, for the state file.

A field may be a text, a number, a bool, an enum, a dataclass, ``object`` (any JSON value), or a
list, tuple, dict with text keys, or ``| None`` of such. Pure functions, no JSON text here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, MISSING
from enum import Enum
from functools import cache
import types
from typing import Any, get_args, get_origin, get_type_hints, TypeVar, Union

T = TypeVar('T')

_PLAIN = frozenset((str, int, float, bool, type(None)))


def to_record(value: object) -> object:
    """Turn a dataclass, and what is in it, into values that JSON can carry."""
    # Most values are plain, and every row is looked at after every call.
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [to_record(item) for item in value]
    if isinstance(value, dict):
        return {key: to_record(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_record(getattr(value, name)) for name in _names(type(value))}
    return value


def from_record(kind: type[T], record: object) -> T:
    """
    Build a dataclass from what ``to_record`` made of one.

    A field that is missing gets its default, so that an older file can still be read.

    :raises ValueError: naming the first field that is missing, unknown or mistyped.
    """
    row: T = _read_dataclass(kind, record)
    return row


def _read_dataclass(kind: Any, record: object) -> Any:
    if not isinstance(record, dict):
        raise ValueError(f'{kind.__name__} must be an object')
    hints = _hints(kind)
    unknown = sorted(str(name) for name in set(record) - set(hints))
    if unknown:
        raise ValueError(f'{kind.__name__} has no field {unknown[0][:100]!r}')
    values: dict[str, object] = {}
    for each in fields(kind):
        if each.name in record:
            try:
                values[each.name] = _read(hints[each.name], record[each.name])
            except ValueError as exc:
                raise ValueError(f'{kind.__name__}.{each.name}: {exc}') from exc
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f'{kind.__name__} lacks the field {each.name!r}')
    return kind(**values)


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        [kind] = [each for each in get_args(kind) if each is not type(None)]
        return _read(kind, value)
    if origin in (list, tuple):
        return origin(_read(get_args(kind)[0], item) for item in _expect(list, value))
    if origin is dict:
        return {key: _read(get_args(kind)[1], item) for key, item in _expect(dict, value).items()}
    if is_dataclass(kind):
        return _read_dataclass(kind, value)
    return _plain(kind)(value)


def _plain(kind: Any) -> Callable[[Any], Any]:
    """Return the check of a type without parts."""
    if kind is object:
        return lambda value: value
    if issubclass(kind, Enum):
        return lambda value: kind(value)
    if kind is float:
        return lambda value: float(_expect((int, float), value))
    return lambda value: _expect(kind, value)


def _expect(kind: Any, value: object) -> Any:
    # A bool is an int to Python, and only to Python.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f'{str(value)[:100]!r} is of the wrong type')
    return value
