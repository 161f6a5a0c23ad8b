# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an RPC function is: its path, its arguments with their types, its handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import json
from numbers import Real
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from reflex_ros.sim.service.state import ServiceState

Value = dict[str, object]
# Argument name -> type; also a union, or NUMBER for what may or may not have a fraction.
Types = Mapping[str, Any]
NUMBER = Real


class ArgumentError(Exception):
    """The function cannot run with these arguments: ``status: error`` on the wire."""


class Args:
    """
    Arguments that have passed the check.

    :param values: argument name -> value.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        """Keep the values."""
        self._values = values

    def value(self, name: str) -> object:
        """Return an argument as it is, or None when it was not given."""
        return self._values.get(name)

    def text(self, name: str, default: str = '') -> str:
        """Return a text argument, or the default when it was not given."""
        value = self._values.get(name, default)
        assert isinstance(value, str)
        return value

    def text_or_null(self, name: str) -> str | None:
        """Return a text argument, or None when it is null or was not given."""
        value = self._values.get(name)
        assert value is None or isinstance(value, str)
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer argument, or the default when it was not given."""
        value = self._values.get(name, default)
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        """Return a truth value, False when it was not given."""
        return self._values.get(name) is True

    def number(self, name: str, default: float = 0.0) -> float:
        """Return a number, or the default when it was not given."""
        value = self._values.get(name, default)
        assert isinstance(value, (int, float))
        return value

    def items(self, name: str) -> list[object]:
        """Return a list argument, empty when it was not given."""
        value = self._values.get(name, [])
        assert isinstance(value, list)
        return value

    def mapping(self, name: str) -> dict[str, object]:
        """
        Return an object argument, empty when it was not given.

        :raises ArgumentError: when something in it is no JSON, as NaN or bytes.
        """
        value = self._values.get(name, {})
        assert isinstance(value, dict)
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as exc:
            raise ArgumentError(f'Value of field `{name}` is no plain JSON.') from exc
        return value

    def has(self, name: str) -> bool:
        """Say whether the argument was given."""
        return name in self._values


@dataclass(frozen=True, slots=True)
class Function:
    """
    One row of the function table.

    :param path: ``module:function`` as it travels.
    :param handler: makes the value; ``ok: true`` is added to it, and None is null. Raises
        ``Refusal`` to say no.
    :param required: argument name -> type.
    :param optional: argument name -> type. Null is refused: absent means absent (c.1).
    :param needs_key: whether ``apiKey`` is a required argument and is checked.
    """

    path: str
    handler: Callable[[ServiceState, Args], Value | None]
    required: Types = field(default_factory=dict)
    optional: Types = field(default_factory=dict)
    needs_key: bool = True

    def check(self, args: Mapping[str, object]) -> Args:
        """
        Hold the arguments against the table, as strictly as the real backend's validators.

        :raises ArgumentError: naming the first argument that is missing, unknown or mistyped.
        """
        required = ({'apiKey': str} if self.needs_key else {}) | dict(self.required)
        return check_args(args, required, self.optional)


def check_args(args: Mapping[str, object], required: Types, optional: Types) -> Args:
    """
    Hold arguments against their table.

    :raises ArgumentError: naming the first one that is missing, unknown or mistyped.
    """
    for name in required:
        if name not in args:
            raise ArgumentError(
                f'ArgumentValidationError: Object is missing the required field `{name}`.'
            )
    types = {**required, **optional}
    for name, value in args.items():
        if name not in types:
            raise ArgumentError(
                f'ArgumentValidationError: Object contains extra field `{name[:100]}` '
                'that is not in the validator.'
            )
        wanted = types[name]
        # A bool is an int to Python, and only to Python.
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            wants = getattr(wanted, '__name__', str(wanted))
            raise ArgumentError(
                f'ArgumentValidationError: Value of field `{name}` does not match validator: '
                f'{wants} expected.'
            )
    return Args(args)
