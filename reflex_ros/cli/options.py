# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options that commands share, and the object that carries their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import click

from reflex_ros.client import core_dumps

Function = Callable[..., Any]

VERBOSE = click.Option(['-v', '--verbose'], is_flag=True,
                       help='Show tracebacks and what is sent and received, on stderr.')
JSON = click.Option(['--json', 'as_json'], is_flag=True,
                    help='Print the result as JSON on stdout.')
CONVEX_URL = click.Option(['--convex-url'], help='Backend URL (default: REFLEX_CONVEX_URL, then '
                          'the saved login).')
API_KEY = click.Option(['--api-key'], help='API key; prefer REFLEX_API_KEY, which other users '
                       'cannot read.')
site_url_option = click.option('--site-url', help='URL of the dashboard (default: '
                               'REFLEX_PLATFORM_URL, then the saved login).')


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


def local_command(*calls: str, **attributes: Any) -> Callable[[Function], click.Command]:
    """Declare a command with ``--json`` and ``-v``; arguments as for :func:`declare`."""
    return declare(calls, [VERBOSE, JSON], **attributes)


def service_command(*calls: str, **attributes: Any) -> Callable[[Function], click.Command]:
    """Declare a command that also has ``--api-key`` and ``--convex-url``, as :func:`declare`."""
    return declare(calls, [VERBOSE, JSON, CONVEX_URL, API_KEY], **attributes)


def declare(calls: Sequence[str], shared: Sequence[click.Option], *,
            group: click.Group | None = None,
            **attributes: Any) -> Callable[[Function], click.Command]:
    """
    Declare a command that gets :class:`CommonOptions` as its first argument.

    The name of the function is the name of the command, with ``-`` for ``_``.

    :param calls: example calls for the help page.
    :param shared: options that follow the command's own options on the help page.
    :param group: the group that the command is added to.
    :param attributes: further arguments of :class:`click.Command`.
    """
    takes_key = API_KEY in shared

    def decorate(function: Function) -> click.Command:
        @wraps(function)
        def call(*, as_json: bool, verbose: bool, api_key: str | None = None,
                 convex_url: str | None = None, **values: Any) -> Any:
            if takes_key:
                core_dumps.forbid()
            before = click.get_current_context().find_root().params
            common = CommonOptions(as_json or bool(before.get('as_json')),
                                   verbose or bool(before.get('verbose')), api_key, convex_url)
            return function(common, **values)

        name = function.__name__.strip('_').replace('_', '-')
        command = click.command(name, click.Command, epilog=example(*calls), **attributes)(call)
        command.params += shared
        if group is not None:
            group.add_command(command)
        return command

    return decorate


def example(*lines: str) -> str:
    """Return the epilog of a help page: example calls, one per line."""
    # The backspace prevents click from joining the lines.
    return '\b\nExample:\n' + '\n'.join(f'  {line}' for line in lines)
