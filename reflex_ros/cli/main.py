# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The ``reflex`` command: global options, lazily imported commands, one map to exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted. Results go to stdout, progress to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback

import click

from reflex_ros import __version__
from reflex_ros.cli.lazy import LazyGroup
from reflex_ros.errors import ReflexError

COMMANDS = {
    'artifacts': ('models', 'List and show models, under the name that the service uses.'),
    'completion': ('completion', 'Print the script that completes commands in a shell.'),
    'datasets': ('datasets', 'Bring datasets to the service, and see which are there.'),
    'demo': ('demo', 'Watch a hosted policy move a simulated arm.'),
    'deploy': ('deployments', 'Create a deployment; short for deployments create.'),
    'deployments': ('deployments', 'Create and look at deployments.'),
    'doctor': ('deployments', 'Check whether a deployment may apply actions.'),
    'infer': ('policy', 'Ask a policy for the actions that answer one observation.'),
    'keys': ('models', 'Choose which model an API key serves.'),
    'login': ('login', 'Get an API key: open a link, approve it, done.'),
    'logout': ('account', 'Forget the saved API key.'),
    'models': ('models', 'Bring models to the service, list them, delete them.'),
    'receipts': ('receipts', 'List what has happened under deployments.'),
    'robots': ('robots', 'Register, pair and list robots.'),
    'sessions': ('sessions', 'Authorize, list, promote and close inference sessions.'),
    'signup': ('account', 'Make a Reflex account.'),
    'sim': ('sim', 'Run the simulated service or the simulated arm.'),
    'so101': ('so101', 'Find, look at, calibrate and move an SO-101 arm, without ROS.'),
    'stream': ('policy', 'Open an action stream, send observations, show what comes.'),
    'training': ('training', 'Start training runs, watch them, stop them.'),
    'up': ('up', 'Start driver, stream and supervisor, and show what they do.'),
    'whoami': ('account', 'Show whom the API key belongs to.'),
}
"""Command -> module in this package and short help: --help imports none of them."""


@click.group(cls=LazyGroup, table=COMMANDS,
             context_settings={'help_option_names': ['-h', '--help']})
@click.version_option(__version__, prog_name='reflex (reflex_ros)')
# As in options, which would import dataclasses: 3 ms of the 60 that --help takes.
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON document on stdout.')
@click.option('-v', '--verbose', is_flag=True, help='Show tracebacks and transport logs.')
def reflex(as_json: bool, verbose: bool) -> None:
    """
    Run hosted Reflex robot policies on ROS 2.

    First look, with no arm and no account:  reflex demo
    """


def main() -> None:
    """Run the command; the only place that turns errors into text and exit codes."""
    argv = sys.argv[1:]
    as_json, is_verbose = '--json' in argv, '-v' in argv or '--verbose' in argv
    try:
        with _logs(is_verbose):
            code = _run(argv, as_json=as_json, is_verbose=is_verbose)
        sys.stdout.flush()
    except BrokenPipeError:
        # As in `reflex ... | head`. The interpreter flushes again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _logs(is_verbose: bool) -> contextlib.AbstractContextManager[None]:
    if not is_verbose:
        return contextlib.nullcontext()
    # Not at the top: help should be there at once.
    from reflex_ros.cli import verbose

    return verbose.logs()


def _run(argv: list[str], *, as_json: bool, is_verbose: bool) -> int:
    try:
        code = reflex.main(argv, prog_name=program(), standalone_mode=False)
    except click.UsageError as exc:
        _fail(exc.format_message(), as_json=as_json, usage=exc)
        return 2
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    except (click.Abort, KeyboardInterrupt):
        _ignore_interrupts()
        _fail('interrupted', as_json=as_json)
        return 130
    except Exception as exc:
        if is_verbose:
            traceback.print_exc()
        expected = isinstance(exc, (ReflexError, click.ClickException, OSError))
        _fail(str(exc) if expected else _unexpected(exc), as_json=as_json)
        return 1
    return code if isinstance(code, int) else 0


def _ignore_interrupts() -> None:
    # A second Ctrl-C would end us with a traceback while we say that the first one was heard.
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def program() -> str:
    """Name the command as it was called: it is installed under two names."""
    name = os.path.basename(sys.argv[0])
    return name if name in ('reflex', 'reflex-ros') else 'reflex'


def _fail(message: str, *, as_json: bool, usage: click.UsageError | None = None) -> None:
    # Whoever asks for nothing gets the help where he looks for results; old clicks do it alone.
    is_help = isinstance(usage, getattr(click.exceptions, 'NoArgsIsHelpError', ()))
    if as_json and is_help:
        message = 'Missing command.'
    if as_json:
        print(json.dumps({'error': message, 'ok': False}, indent=2, sort_keys=True))
    elif is_help:
        click.echo(message)
    elif usage is not None:
        usage.show()
    else:
        # A file name, e.g., may hold what steers a terminal.
        shown = ''.join(char if char.isprintable() or char == '\n' else repr(char)[1:-1]
                        for char in message)
        print(f'Reflex command failed\n\nError: {shown}', file=sys.stderr)


def _unexpected(exc: Exception) -> str:
    # Not at the top: this brings pydantic along.
    from reflex_ros.client.messages import printable

    return (f'unexpected {type(exc).__name__}: {printable(str(exc))}; run again with -v and '
            'report it')


if __name__ == '__main__':
    main()
