# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every command that talks to the service shares: its options, and the way to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
import sys
from typing import Any, TYPE_CHECKING, TypeVar

import click

from reflex_ros.cli import dotenv, options
from reflex_ros.client.retry import Attempt

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

Result = TypeVar('Result')
Command = TypeVar('Command', bound=Callable[..., Any])


def remote(command: Command) -> Command:
    """Add the options of every command that talks to the service."""
    command = click.option('--api-key', help='API key; better in REFLEX_API_KEY.')(command)
    command = click.option('--convex-url', help='Address of the backend.')(command)
    return options.common(command)


def ask(question: Callable[[AsyncReflex], Awaitable[Result]], api_key: str | None,
        convex_url: str | None, **addresses: Any) -> Result:
    """
    Open the service with key and address as documented, and ask one question.

    :param addresses: more arguments of :class:`AsyncReflex`.
    """
    # Not at the top: help and completion need neither, and both take long to import.
    import asyncio

    from reflex_ros.client.async_client import AsyncReflex

    async def run() -> Result:
        async with AsyncReflex(api_key, convex_url=convex_url, on_retry=note_retry,
                               environment=dotenv.environment(), **addresses) as service:
            return await question(service)

    return asyncio.run(run())


def note_retry(attempt: Attempt) -> None:
    """Say on a terminal why nothing happens."""
    if sys.stderr.isatty():
        click.echo(f'{attempt.reason}; retrying in {attempt.wait_s:.1f} s '
                   f'(attempt {attempt.number + 1})', err=True)
