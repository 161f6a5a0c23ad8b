# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A command group that imports a command only when it is used; --help imports none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """
    A group whose commands are listed in a table.

    :param table: command -> module in this package, and first line of the command's help. The
        function in the module has the name of the command, with ``_`` instead of ``-``.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self._table:
            return None
        module = import_module(f'reflex_ros.cli.{self._table[cmd_name][0]}')
        command: click.Command = getattr(module, cmd_name.replace('-', '_'))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section('Commands'):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(self._table.items())])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command from the table."""
        if incomplete.startswith('-'):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        return [CompletionItem(name, help=text)
                for name, (_, text) in sorted(self._table.items()) if name.startswith(incomplete)]
