# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
RPC functions and REST routes, declared on the methods that answer them.

The keyword parameters of such a method are the arguments of the call. Their types say what is
accepted, as strictly as the real backend's validators. A parameter with a default may be left
out; null is accepted only where the type says so. An argument of another type is an error of the
call; one of the right type with a value that is not accepted is refused: ``invalid_parameters``.

Three kinds of parameters are not arguments: ``key`` is the caller's key, ``query`` the query
string of a REST request, and a name in braces in the path is that part of the path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
import inspect
import json
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, create_model, ValidationError
from pydantic.alias_generators import to_camel

from reflex_ros.sim.service.refusals import invalid
from reflex_ros.sim.service.storage.table import Row

Method = TypeVar('Method', bound=Callable[..., Any])
Json = dict[str, object]

# The default of an argument when leaving it out means something else than every value.
ABSENT: Any = None

_NOT_ARGUMENTS = ('key', 'query')
# Method -> its path, and whether ``apiKey`` is one of its arguments.
_DECLARED: dict[Callable[..., Any], tuple[str, bool]] = {}


class ArgumentError(Exception):
    """The call cannot run with these arguments: ``status: error`` of RPC, a 400 of REST."""


class Strict(BaseModel):
    """Base of the objects inside arguments."""

    model_config = ConfigDict(strict=True, extra='forbid', defer_build=True)


class StrictCamel(Strict):
    """Base of objects whose fields travel in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)


def rpc(path: str, *, needs_key: bool = True) -> Callable[[Method], Method]:
    """
    Declare a method as the RPC function ``module:function``.

    Arguments have the camelCase name of the parameter. The method returns the value, to which
    ``ok: true`` is added, or None for null; it raises ``Refusal`` to say no.

    :param needs_key: whether ``apiKey`` is a required argument and is checked.
    """
    def declare(method: Method) -> Method:
        _DECLARED[method] = path, needs_key
        return method

    return declare


def rest(path: str) -> Callable[[Method], Method]:
    """Declare a method as a REST route: ``POST /v1/datasets``; its arguments are the body."""
    return rpc(path, needs_key=False)


def calls_of(resource: object) -> Iterator[Call]:
    """Yield the calls that the methods of a resource are declared as."""
    for name, member in vars(type(resource)).items():
        if inspect.isfunction(member) and member in _DECLARED:
            yield Call(getattr(resource, name), *_DECLARED[member])


@dataclass(frozen=True)
class Call:
    """One RPC function or REST route."""

    handler: Callable[..., Json | None]
    path: str
    needs_key: bool

    @property
    def is_rest(self) -> bool:
        """Whether it is a REST route."""
        return ' ' in self.path

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of the handler by name."""
        # Not get_type_hints: before Python 3.11, a default of None makes it accept null.
        return inspect.signature(self.handler, eval_str=True).parameters

    @cached_property
    def names(self) -> dict[str, str]:
        """Name of an argument on the wire -> name of the parameter."""
        return {
            name if self.is_rest else to_camel(name): name for name in self.parameters
            if name not in _NOT_ARGUMENTS and f'{{{name}}}' not in self.path}

    @cached_property
    def model(self) -> type[BaseModel]:
        """The pydantic model of the arguments; made at the first call, as that takes 1 ms."""
        fields: dict[str, Any] = {'apiKey': (str, ...)} if self.needs_key else {}
        for argument, name in self.names.items():
            parameter = self.parameters[name]
            is_required = parameter.default is inspect.Parameter.empty
            fields[argument] = (parameter.annotation, ... if is_required else None)
        config = ConfigDict(strict=True, extra='forbid')
        return create_model(self.handler.__name__, __config__=config, **fields)

    def check(self, arguments: Mapping[str, object]) -> Json:
        """
        Check the arguments.

        :returns: parameter of the handler -> value, without those that were left out.
        :raises ArgumentError: naming an argument that is missing, unknown or mistyped.
        :raises Refusal: ``invalid_parameters``, naming an argument whose value is not accepted.
        """
        try:
            checked = self.model.model_validate(arguments)
        except ValidationError as exc:
            mistake = _mistake(exc)
            if mistake is not None:
                raise ArgumentError(f'ArgumentValidationError: {mistake}') from exc
            raise invalid(complaint(exc)) from exc
        return {name: getattr(checked, argument) for argument, name in self.names.items()
                if argument in checked.model_fields_set}


def _mistake(exc: ValidationError) -> str | None:
    """Return which argument is missing, unknown or mistyped, in the words of the real backend."""
    errors = [each for each in exc.errors(include_url=False) if len(each['loc']) < 2]
    for error in sorted(errors, key=lambda each: each['type'] != 'missing'):
        name = '.'.join(str(part)[:100] for part in error['loc'])
        if error['type'] == 'missing':
            return f'Object is missing the required field `{name}`.'
        if error['type'] == 'extra_forbidden':
            return f'Object contains extra field `{name}` that is not in the validator.'
        is_other = error['type'] == 'literal_error' and not isinstance(error['input'], str)
        if is_other or error['type'].endswith(('_type', 'assertion_error')):
            return f'Value of field `{name}` does not match validator: {error["msg"]}.'
    return None


def complaint(exc: Exception) -> str:
    """Return in one line what is wrong with a value, and where if pydantic has checked it."""
    if not isinstance(exc, ValidationError):
        return str(exc)
    error = exc.errors(include_url=False)[0]
    where = '.'.join(str(part)[:100] for part in error['loc'])
    return f'{where}: {error["msg"].removeprefix("Value error, ")}'


def parse_object(text: str | bytes) -> Json:
    """Parse a JSON object; anything else is a ``ValueError`` that says why."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f'not JSON: {type(exc).__name__}') from exc
    if not isinstance(value, dict):
        raise ValueError('must be a JSON object')
    return value


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError('must not be empty')
    return text


def _check_json_text(text: str) -> str:
    parse_object(text)
    return text


def _check_plain(value: Json) -> Json:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        # No ValueError: then it would be an object with a value that is not accepted.
        raise AssertionError('not plain JSON') from exc
    return value


# A text that is more than white space.
Text = Annotated[str, AfterValidator(_check_not_blank)]
# A text that holds a JSON object.
JsonText = Annotated[str, AfterValidator(_check_json_text)]
# An object that is kept as it came; NaN and bytes, which other encodings carry, are refused.
JsonObject = Annotated[Json, AfterValidator(_check_plain)]


class WireRow(Row):
    """
    A row that clients see.

    Its fields travel in camelCase, except those that are private, and those that are unknown: None
    or an empty text. Clients look for the id under three names (i.1).
    """

    ID_NAME: ClassVar[str]
    PRIVATE: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> Json:
        """Return the row as it travels."""
        return self.ids() | known({
            _camel(name): value for name, value in vars(self).items()
            if name not in self.PRIVATE and not name.startswith('_')})

    def ids(self, *names: str) -> Json:
        """Return the id and some fields, the short form of the row."""
        return {'_id': self.id, 'id': self.id, self.ID_NAME: self.id} | {
            name: getattr(self, name) for name in names}


def known(fields: Mapping[str, object]) -> Json:
    """Return the fields that are known: neither None nor an empty text."""
    return {name: value for name, value in fields.items() if value not in ('', None)}


_camel = cache(to_camel)
