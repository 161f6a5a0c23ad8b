# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options that commands share, and the object that carries their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import click

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """
    Values of the options that commands share.

    ``--json`` and ``-v`` also count when they stand before the command. If a command does not
    declare ``--api-key`` or ``--convex-url``, the value is None.
    """

    as_json: bool = False
    is_verbose: bool = False
    api_key: str | None = field(default=None, repr=False)
    convex_url: str | None = None


def local(command: Command) -> Command:
    """Declare ``--json`` and ``-v``; pass the shared options as the first argument."""
    @wraps(command)
    def call(*, as_json: bool, verbose: bool, api_key: str | None = None,
             convex_url: str | None = None, **values: Any) -> Any:
        before = click.get_current_context().find_root().params
        common = CommonOptions(as_json or bool(before.get('as_json')),
                               verbose or bool(before.get('verbose')), api_key, convex_url)
        return command(common, **values)

    declared = click.option('--json', 'as_json', is_flag=True,
                            help='Print one JSON document on stdout.')(call)
    return click.option('-v', '--verbose', is_flag=True,
                        help='Show tracebacks and transport logs on stderr.')(declared)


def remote(command: Command) -> Command:
    """Declare ``--api-key`` and ``--convex-url``, and the options of :func:`local`."""
    command = click.option('--api-key', help='API key; prefer REFLEX_API_KEY, '
                           'which other users cannot read.')(command)
    return local(click.option('--convex-url', help='Backend URL '
                              '(default: REFLEX_CONVEX_URL, then the saved login).')(command))


def example(*lines: str) -> str:
    """Return the epilog of a help page: example calls, one per line."""
    # The backspace prevents click from joining the lines.
    return '\b\nExample:\n' + '\n'.join(f'  {line}' for line in lines)
