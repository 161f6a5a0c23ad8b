# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar('Command', bound=Callable[..., Any])


def common(command: Command) -> Command:
    """Add ``--json`` and ``-v``, which may also stand before the command."""
    command = click.option('--json', 'as_json', is_flag=True,
                           help='Print one JSON document on stdout.')(command)
    return click.option('-v', '--verbose', is_flag=True,
                        help='Show tracebacks and transport logs.')(command)


def wants_json(as_json: bool) -> bool:
    """Whether JSON was asked for, here or before the command."""
    return as_json or bool(click.get_current_context().find_root().params.get('as_json'))


def example(*lines: str) -> str:
    """Make the epilog of a command's help: how it is called, one call a line."""
    # The backspace keeps click from joining the lines.
    return '\b\nExample:\n' + '\n'.join(f'  {line}' for line in lines)
