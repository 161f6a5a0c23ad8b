# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that take the id or the name of a resource, or ``@last``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

Function = Callable[..., Any]

LAST = '@last'
NOUNS = {'dataset': 'dataset', 'deployment': 'deployment', 'model': 'model', 'robot': 'robot',
         'schema': 'robot schema', 'session': 'session', 'run': 'training run'}
"""Kind of ``client.names`` -> noun; not imported from there, so that help appears at once."""


class Reference(str):
    """
    What a person typed for a resource; ``remote.ask`` turns it into the id.

    :param id: the id, once it is known.
    """

    kind: str
    id: str

    def __new__(cls, text: str, kind: str) -> Reference:
        """Make a reference to a resource of a kind of ``client.names``."""
        made = super().__new__(cls, text)
        made.kind, made.id = kind, text
        return made

    async def resolve(self, service: AsyncReflex) -> str:
        """Return the id; errors as in :func:`.names.resolve`."""
        # Not imported at the top: it takes long, and help does not need it.
        from reflex_ros.client import names

        self.id = await names.resolve(service, self.kind, str(self))
        return self.id


class IdOf(click.ParamType):  # type: ignore[type-arg]
    """Type of an option that names a resource."""

    name = 'text'

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None,
                ctx: click.Context | None) -> Reference:
        """Make the reference."""
        return value if isinstance(value, Reference) else Reference(value, self.kind)


async def resolved(service: AsyncReflex, value: Any) -> Any:
    """Return the id for a reference, and any other value as it is."""
    return await value.resolve(service) if isinstance(value, Reference) else value


def real(value: str | None) -> str:
    """Return the id of a reference that was resolved, for texts; empty for None."""
    return value.id if isinstance(value, Reference) else value or ''


def id_argument(parameter: str, kind: str, metavar: str = '', *,
                is_optional: bool = False) -> Callable[[Function], Function]:
    """
    Declare an argument that names a resource, and the option ``--last``.

    :param kind: a key of ``NOUNS``.
    :param is_optional: whether the command works without it.
    """
    shown = metavar or parameter.upper()

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, last: bool, **values: Any) -> Any:
            if last and values[parameter] is not None:
                raise click.UsageError(f'Pass either {shown} or --last.')
            if last:
                values[parameter] = Reference(LAST, kind)
            elif values[parameter] is None and not is_optional:
                raise click.UsageError(f"Missing argument '{shown}': an id, a name, or --last.")
            return function(*args, **values)

        call = click.option('--last', is_flag=True, help=f'Use the newest {NOUNS[kind]}.')(call)
        return click.argument(parameter, required=False, type=IdOf(kind),
                              metavar=f'[{shown}]' if is_optional else shown)(call)

    return decorate
