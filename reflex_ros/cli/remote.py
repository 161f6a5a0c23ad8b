# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Requests to the service, the way every command sends them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
import sys
from typing import Any, Concatenate, ParamSpec, TYPE_CHECKING, TypeVar

import click

from reflex_ros.cli import dotenv, named
from reflex_ros.cli.options import CommonOptions
from reflex_ros.client.endpoints import given
from reflex_ros.client.retry import Attempt

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

Result = TypeVar('Result')
Arguments = ParamSpec('Arguments')


def ask(common: CommonOptions, request: Callable[Concatenate[AsyncReflex, Arguments],
                                                 Awaitable[Result]],
        *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """
    Send one request to the service and return the answer; errors as the request.

    :param request: function whose first argument is the open client; the others follow here.
        A name among them becomes its id.
    """
    async def run(service: AsyncReflex) -> Result:
        return await _call(service, request, args, kwargs)

    return ask_at(common, run)


def ask_next(common: CommonOptions, request: Callable[Concatenate[AsyncReflex, Arguments],
                                                      Awaitable[Result]],
             following: Callable[[AsyncReflex, Result], Awaitable[list[str]]],
             *args: Arguments.args, **kwargs: Arguments.kwargs) -> tuple[Result, list[str]]:
    """Send one request as :func:`ask`; return the answer, and the commands that follow it."""
    async def run(service: AsyncReflex) -> tuple[Result, list[str]]:
        found = await _call(service, request, args, kwargs)
        return found, await following(service, found)

    return ask_at(common, run)


async def _call(service: AsyncReflex, request: Callable[..., Awaitable[Result]],
                args: Sequence[Any], kwargs: Mapping[str, Any]) -> Result:
    given = [await named.resolved(service, value) for value in args]
    more = {name: await named.resolved(service, value) for name, value in kwargs.items()}
    return await request(service, *given, **more)


def ask_at(common: CommonOptions, request: Callable[[AsyncReflex], Awaitable[Result]],
           **addresses: Any) -> Result:
    """
    Send one request to the service, at other addresses or without a key.

    :param addresses: further arguments of :class:`AsyncReflex`.
    """
    # Not imported at the top: both take long, and help and completion need neither.
    import asyncio

    from reflex_ros.client.async_client import AsyncReflex

    async def run() -> Result:
        async with AsyncReflex(
                common.api_key, convex_url=given(common.convex_url, '--convex-url'),
                on_retry=report_retry, environment=dotenv.environment(), **addresses) as service:
            return await request(service)

    return asyncio.run(run())


def report_retry(attempt: Attempt) -> None:
    """Print on a terminal why the command is waiting."""
    if sys.stderr.isatty():
        click.echo(f'{attempt.reason}; retrying in {attempt.wait_s:.1f} s '
                   f'(attempt {attempt.number + 1})', err=True)
