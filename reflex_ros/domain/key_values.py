# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Dataclasses as pairs of text and back: how beats, permits and the safety state travel.

The fields of the dataclass are the keys, and their types say how each value is written:

========================  =============================================================
type                      text
========================  =============================================================
str, int                  as it is
float                     at most four decimals
bool                      ``true`` or ``false``
Enum                      its value when that is text, else its name
Cause or None             two keys: ``NAME`` holds the code, ``NAME_text`` the text;
                          both are empty for None
float or None             no key when it is None
tuple of GateItem         one key an item: ``NAME.ITEM`` holds ``ok`` or what is missing
other tuple, Mapping      JSON
========================  =============================================================

Writer and reader share this module, so a key stands in one place: the dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
import dataclasses
from enum import Enum
import json
import math
from operator import attrgetter
import types
from typing import Any, get_args, get_origin, get_type_hints, TypeVar, Union

from reflex_ros.domain.cause import Cause, one_line
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import GateItem

Value = TypeVar('Value')
_Convert = Callable[[Any], Any]

MAX_DIGITS = 18
"""Digits of the longest whole number that is read. No counter of this package is longer."""
GREEN = 'ok'
"""Text of a gate item that is green."""


def encode(value: object, *, with_empty: bool = True) -> dict[str, str]:
    """
    Write a dataclass as pairs of text.

    :param with_empty: whether an empty text has a key too.
    """
    plan = _plan(type(value))
    pairs: dict[str, str] = {}
    for (name, to_text, form), item in zip(plan.writers, plan.values(value), strict=True):
        if to_text is None:
            pairs.update((key, text) for key, text in form.write(name, item)
                         if text or with_empty)
        elif item is not None:
            text = to_text(item)
            if text or with_empty:
                pairs[name] = text
    return pairs


def decode(kind: type[Value], pairs: Mapping[str, str]) -> Value:
    """
    Read a dataclass whose fields all have defaults.

    A field gets its default when its key is missing or its text does not fit its type. Unknown
    keys are ignored. Line breaks and control characters become blanks. Raises nothing, whatever
    the texts are.
    """
    return kind(**_read(kind, pairs))


def decode_complete(kind: type[Value], pairs: Mapping[str, str]) -> Value | None:
    """Read a dataclass; return None when a key is missing or a value does not fit."""
    values = _read(kind, pairs)
    if len(values) < len(_plan(kind).fields):
        return None
    try:
        return kind(**values)
    except ValueError:
        return None


def to_plain(value: object) -> Any:
    """Turn a dataclass into JSON data (dicts, lists, text, numbers), by the same rules."""
    return _json_functions(type(value))[0](value)


def from_plain(kind: type[Value], data: object) -> Value:
    """
    Make a dataclass from JSON data.

    :raises ValueError: if the data does not fit the fields.
    """
    value: Value = _json_functions(kind)[1](data)
    return value


def to_line(value: object) -> str:
    """Write a dataclass of numbers as one line: ``key=value key=value``."""
    return ' '.join(f'{key}={text}' for key, text in encode(value).items())


def from_line(kind: type[Value], line: str) -> Value | None:
    """Read a line that ``to_line`` wrote; return None for any other text."""
    words = [word.partition('=') for word in line.split(' ')]
    if [key for key, _, _ in words] != [name for name, _ in _plan(kind).fields]:
        return None
    return decode_complete(kind, {key: text for key, _, text in words})


def to_text(value: object) -> str:
    """Write one value as it stands in a pair."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, bool):
        return _bool_text(value)
    if isinstance(value, Enum):
        return _enum_text(value)
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else str(value)


class _Form:
    """
    How one field travels: as one key with one text.

    ``Any`` stands for the type that the hint of the field names.

    :param parse: makes the value from its text, or raises ValueError.
    :param to_text: makes the text of a value; None for a field that has several keys.
    """

    def __init__(self, parse: Callable[[str], Any],
                 to_text: Callable[[Any], str] | None = None) -> None:
        self.parse = parse
        self.to_text = to_text

    def write(self, name: str, value: Any) -> Iterable[tuple[str, str]]:
        """Return the pairs of a value; only for a field that has several keys."""
        raise NotImplementedError(name)

    def read(self, name: str, text: str | None, pairs: Mapping[str, str]) -> Any:
        """
        Make the value of a field.

        :param text: text of the key ``name``; None when the key is missing.
        :raises ValueError: if there is no value, or the text does not fit.
        """
        if text is None:
            raise ValueError(name)
        return self.parse(text)


class _CauseForm(_Form):
    """A cause: the key has the fault code, a second key its text."""

    def write(self, name: str, value: Any) -> Iterable[tuple[str, str]]:
        code, text = (value.code.name, value.text) if value else ('', '')
        return (name, code), (f'{name}_text', text)

    def read(self, name: str, text: str | None, pairs: Mapping[str, str]) -> Any:
        return Cause.named(text, pairs.get(f'{name}_text', '')) if text else None


class _GateForm(_Form):
    """The gate: one key for each item."""

    def write(self, name: str, value: Any) -> Iterable[tuple[str, str]]:
        return [(f'{name}.{item.name}', GREEN if item.is_green else item.text) for item in value]

    def read(self, name: str, text: str | None, pairs: Mapping[str, str]) -> Any:
        start = f'{name}.'
        return tuple(
            GateItem(one_line(key[len(start):]), found == GREEN,
                     '' if found == GREEN else one_line(found))
            for key, found in pairs.items() if key.startswith(start))


def _read(kind: type[Any], pairs: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, form in _plan(kind).fields:
        try:
            values[name] = form.read(name, pairs.get(name), pairs)
        except (ValueError, RecursionError):
            continue
    return values


class _Plan:
    """
    How to write and read one dataclass, worked out once.

    :param values: returns the values of all fields of an object, in the order of ``fields``.
    """

    def __init__(self, kind: type[Any]) -> None:
        hints = get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        self.fields = tuple((name, _form(hints[name])) for name in names)
        # One look-up less for each field of each beat.
        self.writers = tuple((name, form.to_text, form) for name, form in self.fields)
        self.values: Callable[[object], tuple[Any, ...]] = attrgetter(*names)


_plans: dict[type[Any], _Plan] = {}


def _plan(kind: type[Any]) -> _Plan:
    plan = _plans.get(kind)
    if plan is None:
        plan = _plans[kind] = _Plan(kind)
    return plan


def _form(hint: Any) -> _Form:
    if get_origin(hint) in (Union, types.UnionType):
        [kind] = (part for part in get_args(hint) if part is not type(None))
        return _CauseForm(str) if kind is Cause else _form(kind)
    if hint == tuple[GateItem, ...]:
        return _GateForm(str)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _Form(_member_finder(hint), _enum_text)
    simple = {str: _Form(one_line, str), int: _Form(_to_int, str),
              float: _Form(_to_float, _float_text), bool: _Form(_to_bool, _bool_text)}
    if hint in simple:
        return simple[hint]
    dump, build = _json_functions(hint)
    return _Form(lambda text: build(json.loads(text)), lambda value: json.dumps(dump(value)))


def _float_text(value: float) -> str:
    return f'{value:.4f}'.rstrip('0').rstrip('.')


def _bool_text(value: bool) -> str:
    return 'true' if value else 'false'


def _enum_text(member: Enum) -> str:
    value = member.value
    return value if isinstance(value, str) else member.name


def _to_bool(text: str) -> bool:
    if text not in ('true', 'false'):
        raise ValueError(text)
    return text == 'true'


def _to_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(text)
    return int(text)


def _to_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _member_finder(kind: type[Enum]) -> Callable[[object], Enum]:
    by_text = {_enum_text(member): member for member in kind}

    def find(text: object) -> Enum:
        found = by_text.get(text) if isinstance(text, str) else None
        if found is None and kind is FaultCode:
            # As in Cause.named: an unknown code, from another version, is still a fault.
            return FaultCode.INTERNAL
        if found is None:
            raise ValueError(text)
        return found
    return find


def _json_functions(hint: Any) -> tuple[_Convert, _Convert]:
    """
    Return two functions: from a value of the hinted type to JSON data, and back.

    The second one raises ValueError if the data does not fit the type. The hint is analysed once;
    the functions run with every beat.
    """
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if hint == tuple[float, ...]:
        # A setpoint is in every beat of the driver.
        return (lambda value: [round(item, 4) for item in value],
                lambda data: tuple(map(_build_float, _expect(list, data))))
    if kind is tuple and arguments[-1] is Ellipsis:
        dump, build = _json_functions(arguments[0])
        return (lambda value: [dump(item) for item in value],
                lambda data: tuple(map(build, _expect(list, data))))
    if kind is tuple:
        dumps, builds = zip(*map(_json_functions, arguments), strict=True)
        return (lambda value: [dump(item) for dump, item in zip(dumps, value, strict=True)],
                lambda data: tuple(build(item) for build, item in zip(
                    builds, _expect(list, data), strict=True)))
    if kind is Mapping:
        (dump_key, build_key), (dump, build) = map(_json_functions, arguments)
        return (lambda value: {dump_key(key): dump(item) for key, item in value.items()},
                lambda data: {build_key(key): build(item)
                              for key, item in _expect(dict, data).items()})
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _json_of_dataclass(kind)
    if issubclass(kind, Enum):
        return _enum_text, _member_finder(kind)
    if kind is float:
        return lambda value: round(value, 4), _build_float
    return lambda value: value, lambda data: _expect(kind, data)


def _json_of_dataclass(kind: type[Any]) -> tuple[_Convert, _Convert]:
    hints = get_type_hints(kind)
    parts = {field.name: _json_functions(hints[field.name])
             for field in dataclasses.fields(kind)}
    return (lambda value: {name: dump(getattr(value, name))
                           for name, (dump, _) in parts.items()},
            lambda data: kind(**{name: build(_expect(dict, data).get(name))
                                 for name, (_, build) in parts.items()}))


def _build_float(data: Any) -> float:
    if type(data) not in (int, float):
        raise ValueError(data)
    try:
        value = float(data)
    except OverflowError as exc:
        # A whole number of more than 308 digits.
        raise ValueError('too large') from exc
    if not math.isfinite(value):
        raise ValueError(data)
    return value


def _expect(kind: type[Value], data: object) -> Value:
    if type(data) is not kind:
        raise ValueError(data)
    return data
