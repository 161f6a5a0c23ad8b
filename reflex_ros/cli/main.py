# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The ``reflex`` command: global options, lazily imported commands, exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted. Results go to stdout, progress to stderr.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

import click

from reflex_ros import __version__
from reflex_ros.cli.lazy import LazyGroup
from reflex_ros.errors import ReflexError

# As in reflex_ros.nodes: commands that move an arm have the same control loop.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

COMMANDS = {
    'artifacts': ('models', 'List and show models (the service calls them artifacts).'),
    'cameras': ('cameras', 'Find the cameras of this machine, and look at what one delivers.'),
    'completion': ('completion', 'Print the completion script for a shell.'),
    'connect': ('connect', 'Run a robot with its policy in one process, without ROS.'),
    'datasets': ('datasets', 'Register, upload, validate and list datasets.'),
    'demo': ('demo', 'Run a policy on a simulated arm and a simulated service.'),
    'demote': ('graph', 'Stop the arm as planned and go back to dry_run.'),
    'deploy': ('deployments', 'Create a deployment (short for `deployments create`).'),
    'deployments': ('deployments', 'Create, list and show deployments.'),
    'doctor': ('doctor', 'Check whether a deployment may apply actions, or check this '
               'machine.'),
    'gate': ('graph', 'List every check of the promotion gate.'),
    'hand-back': ('graph', 'Let the policy move the arm again, after `reflex take-over`.'),
    'infer': ('policy', 'Send one observation to a policy and print the actions.'),
    'init': ('init', 'Write a robot.yaml by asking.'),
    'keys': ('models', 'Choose the model that an API key uses.'),
    'login': ('login', 'Get an API key by approving a link in the browser.'),
    'logout': ('account', 'Delete the saved API key.'),
    'models': ('models', 'Import, upload, list and delete models.'),
    'park': ('graph', 'Move the arm slowly to its rest pose, then switch torque off.'),
    'promote': ('graph', 'Let the policy move the arm, if the gate is green.'),
    'record': ('record', 'Record demonstrations as a LeRobot data set.'),
    'recordings': ('recordings', 'Look at recorded runs, play them on the arm, upload or delete '
                   'them.'),
    'receipts': ('receipts', 'List deployment receipts, the records of what happened.'),
    'reset': ('graph', 'Clear a latched stop after its cause is repaired.'),
    'robots': ('robots', 'Register, pair and list robots.'),
    'sessions': ('sessions', 'Authorize, list, promote and close inference sessions.'),
    'signup': ('account', 'Create a Reflex account.'),
    'sim': ('sim', 'Run the simulated service, arm or camera.'),
    'so101': ('so101', 'Find, inspect, calibrate and move an SO-101 arm without ROS.'),
    'status': ('graph', 'Show the state of the running graph and why nothing moves.'),
    'stop': ('graph', 'Stop the arm and latch the stop.'),
    'stops': ('stops', 'Look at the last seconds before each stop.'),
    'stream': ('policy', 'Open an action stream, send observations and print chunks.'),
    'take-over': ('graph', 'Guide the arm with a leader arm or keys, in place of the policy.'),
    'training': ('training', 'Start, watch and stop training runs.'),
    'up': ('up', 'Start driver, stream and supervisor and show their state.'),
    'view': ('view', 'Serve a page that shows the running graph.'),
    'whoami': ('account', 'Show the organization that the API key belongs to.'),
}
"""Command -> module in this package and first line of its help; --help imports no command."""


@click.group(cls=LazyGroup, table=COMMANDS,
             context_settings={'help_option_names': ['-h', '--help']})
@click.version_option(__version__, prog_name='reflex (reflex_ros)')
# As in options, which would import dataclasses: 3 ms of the 60 that --help takes.
@click.option('--json', 'as_json', is_flag=True, help='Print the result as JSON on stdout.')
@click.option('-v', '--verbose', is_flag=True,
              help='Show tracebacks and what is sent and received, on stderr.')
def reflex(as_json: bool, verbose: bool) -> None:
    """
    Run hosted Reflex robot policies on ROS 2.

    To try it without an arm and without an account, run `reflex demo`.
    """


def entry() -> NoReturn:
    """
    Run the command as a process of its own.

    The outputs are flushed by then. A command that has visited the graph ends without the end of
    the interpreter: there the middleware, whose threads still run, once crashed and once hung.
    """
    code = 0
    try:
        main()
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    if 'rclpy' in sys.modules:
        os._exit(code)
    sys.exit(code)


def main() -> None:
    """Run the command and exit; the only place that turns errors into text and exit codes."""
    _open_missing_outputs()
    argv = sys.argv[1:]
    as_json, is_verbose = '--json' in argv, '-v' in argv or '--verbose' in argv
    code = 0
    try:
        with _logs(is_verbose):
            code = _run(argv, as_json=as_json, is_verbose=is_verbose)
        sys.stdout.flush()
    except OSError as exc:
        # The output cannot be written: a pipe whose reader is gone, a full disk, a closed stdout.
        if (code == 0 or as_json) and not isinstance(exc, BrokenPipeError):
            with contextlib.suppress(OSError):
                _write_error(f'the output cannot be written: {exc.strerror or exc}')
        code = 1
        # The interpreter flushes stdout again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    with contextlib.suppress(OSError):
        sys.stderr.flush()
        sys.exit(code)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(code)


def _open_missing_outputs() -> None:
    """
    Give the numbers of closed outputs to files, so that no socket or port gets them.

    Writing to stdout then fails, as it should: its text is lost. What stderr says is only dropped.
    """
    for number, name, mode in ((0, 'stdin', os.O_RDONLY), (1, 'stdout', os.O_RDONLY),
                               (2, 'stderr', os.O_WRONLY)):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.fstat(number)
                continue
            # The lowest free number, which is this one.
            os.open(os.devnull, mode)
            stream = open(number, 'w' if number else 'r', closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _logs(is_verbose: bool) -> contextlib.AbstractContextManager[None]:
    if not is_verbose:
        return contextlib.nullcontext()
    # Not imported at the top, so that help appears at once.
    from reflex_ros.cli import verbose

    return verbose.logs()


def _run(argv: list[str], *, as_json: bool, is_verbose: bool) -> int:
    try:
        code = reflex.main(argv, prog_name=program(), standalone_mode=False)
    except click.UsageError as exc:
        exc = _with_nearest_command(exc)
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
            # Not imported at the top, so that help appears at once; json neither.
            import traceback

            from reflex_ros.client.credentials import hide_known

            print(hide_known(traceback.format_exc()), end='', file=sys.stderr)
        expected = isinstance(exc, (ReflexError, click.ClickException, OSError))
        _fail(str(exc) if expected else _unexpected(exc), as_json=as_json)
        return 1
    return code if isinstance(code, int) else 0


def _with_nearest_command(exc: click.UsageError) -> click.UsageError:
    """Name the command that is meant most likely; click does not know those of lazy groups."""
    group = exc.ctx.command if exc.ctx is not None else None
    text = exc.format_message()
    _, quote, rest = text.partition("No such command '")
    if not quote or exc.ctx is None or not isinstance(group, click.Group) or 'you mean' in text:
        return exc
    # Not imported at the top, so that help appears at once.
    from reflex_ros.config.problems import nearest_key

    nearest = nearest_key(rest.partition("'")[0], group.list_commands(exc.ctx))
    return click.UsageError(f'{text} Did you mean {nearest!r}?', exc.ctx) if nearest else exc


def _ignore_interrupts() -> None:
    # A second Ctrl-C would print a traceback in the middle of the error message.
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def program() -> str:
    """Return the name that the command was called by: it is installed under two names."""
    name = os.path.basename(sys.argv[0])
    return name if name in ('reflex', 'reflex-ros') else 'reflex'


def _fail(message: str, *, as_json: bool, usage: click.UsageError | None = None) -> None:
    # Without a command, print the help to stdout, where results go; old versions of click do so.
    is_help = isinstance(usage, getattr(click.exceptions, 'NoArgsIsHelpError', ()))
    if as_json and is_help:
        message = 'Missing command.'
    if as_json:
        import json

        print(json.dumps({'error': message, 'ok': False}, indent=2, sort_keys=True))
    elif is_help:
        click.echo(message)
    elif usage is not None:
        usage.show()
    else:
        _write_error(message)


def _write_error(message: str) -> None:
    # A file name, for example, can contain control sequences of the terminal.
    escaped = ''.join(char if char.isprintable() or char == '\n' else repr(char)[1:-1]
                      for char in message)
    print(f'Reflex command failed\n\nError: {escaped}', file=sys.stderr)


def _unexpected(exc: Exception) -> str:
    # Not imported at the top: it imports pydantic.
    from reflex_ros.client.texts import printable

    return (f'unexpected {type(exc).__name__}: {printable(str(exc))}; run again with -v and '
            'report the output')


if __name__ == '__main__':
    entry()
