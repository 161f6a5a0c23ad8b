# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The ``reflex`` command: global options, lazily imported commands, one map to exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted. Results go to stdout, progress to stderr.
"""

from __future__ import annotations

from importlib import import_module
import json
import sys
import traceback
from typing import Any

import click

from reflex_ros import __version__
from reflex_ros.errors import ReflexError

COMMANDS = {
    'artifacts': ('models', 'List and show models, under the name that the service uses.'),
    'datasets': ('datasets', 'Bring datasets to the service, and see which are there.'),
    'demo': ('demo', 'Watch a hosted policy move a simulated arm.'),
    'doctor': ('service', 'Check whether a deployment may apply actions.'),
    'keys': ('models', 'Choose which model an API key serves.'),
    'models': ('models', 'Bring models to the service, list them, delete them.'),
    'sessions': ('service', 'List, promote and close inference sessions.'),
    'sim': ('sim', 'Run the simulated service or the simulated arm.'),
    'training': ('training', 'Start training runs, watch them, stop them.'),
    'up': ('up', 'Start driver, stream and supervisor, and show what they do.'),
    'whoami': ('service', 'Show whom the API key belongs to.'),
}
"""Command -> module in this package and short help: --help imports none of them."""


class LazyGroup(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f'reflex_ros.cli.{COMMANDS[cmd_name][0]}')
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table."""
        with formatter.section('Commands'):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


@click.group(cls=LazyGroup, context_settings={'help_option_names': ['-h', '--help']})
@click.version_option(__version__, prog_name='reflex (reflex_ros)')
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON document on stdout.')
@click.option('-v', '--verbose', is_flag=True, help='Show tracebacks and transport logs.')
@click.pass_context
def reflex(ctx: click.Context, as_json: bool, verbose: bool) -> None:
    """
    Run hosted Reflex robot policies on ROS 2.

    First look, with no arm and no account:  reflex demo
    """
    ctx.ensure_object(dict).update(as_json=as_json, verbose=verbose)


def main() -> None:
    """Run the command; the only place that turns errors into text and exit codes."""
    argv = sys.argv[1:]
    as_json, verbose = '--json' in argv, '-v' in argv or '--verbose' in argv
    try:
        reflex.main(argv, standalone_mode=False)
    except click.UsageError as exc:
        _fail(exc.format_message(), as_json=as_json, usage=exc)
        sys.exit(2)
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail('interrupted', as_json=as_json)
        sys.exit(130)
    except (ReflexError, click.ClickException, OSError) as exc:
        if verbose:
            traceback.print_exc()
        _fail(str(exc), as_json=as_json)
        sys.exit(1)


def _fail(message: str, *, as_json: bool, usage: click.UsageError | None = None) -> None:
    if as_json:
        print(json.dumps({'error': message, 'ok': False}, indent=2, sort_keys=True))
    elif usage is not None:
        usage.show()
    else:
        print(f'Reflex command failed\n\nError: {message}', file=sys.stderr)


def settings(ctx: click.Context) -> dict[str, Any]:
    """Return the global options."""
    found: dict[str, Any] = ctx.ensure_object(dict)
    return found


if __name__ == '__main__':
    main()
