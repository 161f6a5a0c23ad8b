# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import sys
from typing import Any, TypeVar

import click

from reflex_ros.sim.service.faults.kinds import FaultKind, HTTP_FAMILIES, HTTP_ROWS, ROWS
from reflex_ros.sim.service.settings import Settings

Command = TypeVar('Command', bound=Callable[..., Any])


def _setting_options(command: Command) -> Command:
    """Add an option for each setting that is a number; the key has its own."""
    for name, field in reversed(Settings.model_fields.items()):
        if name != 'key':
            command = click.option(
                f'--{name.replace("_", "-")}', type=type(field.default), default=field.default,
                show_default=True, help=field.description)(command)
    return command


@click.command(context_settings={'help_option_names': ['-h', '--help']})
@click.option('--port', type=click.IntRange(0, 65535), default=0, show_default=True,
              help='Port on 127.0.0.1; 0 chooses a free port.')
@click.option('--key', default='rfx_sim', show_default=True, envvar='REFLEX_SIM_KEY',
              help='API key that the service accepts; prefer the variable REFLEX_SIM_KEY.')
@_setting_options
@click.option('--state', 'directory', metavar='DIR', type=click.Path(path_type=Path),
              help='Folder that keeps the state across restarts (default: memory only).')
@click.option('--fault', 'faults', multiple=True, metavar='NAME[=VALUE][*TIMES]',
              help='Fault to switch on; repeatable (--list-faults shows all).')
@click.option('--list-faults', is_flag=True, help='Print the table of faults and exit.')
def main(
    port: int, directory: Path | None, faults: tuple[str, ...], list_faults: bool,
    **values: Any,
) -> None:
    """
    Serve a simulated Reflex service on 127.0.0.1.

    The command prints one line of JSON with its URLs when it is ready, and stays in the
    foreground. It exits with 0 on SIGINT or SIGTERM.

    Requests to the admin URL of that line switch faults, advance the clock, approve logins and
    create keys: see doc/simulated_service.md.
    """
    if list_faults:
        click.echo(_fault_list())
        return
    # Not needed for --help, and 0.2 s to import.
    from reflex_ros.sim.service.calls import complaint
    from reflex_ros.sim.service.server import run
    from reflex_ros.sim.service.storage import StateError

    try:
        # Every other option is a setting of the same name.
        settings = Settings(**values)
        code = run(settings, port=port, faults=faults, directory=directory)
    except ValueError as exc:
        raise click.UsageError(complaint(exc)) from exc
    except StateError as exc:
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise click.ClickException(f'cannot listen on port {port}: {exc.strerror}') from exc
    sys.exit(code)


def _fault_list() -> str:
    """Return a line per fault; those of HTTP once, and the families that they go with."""
    def line(kind: FaultKind, name: str) -> str:
        return f'{name:22} {kind.usage()}; {kind.what}'

    families = (f'{family:22} {where}' for family, where in HTTP_FAMILIES.items())
    return '\n'.join((
        *(line(kind, kind.name) for kind in ROWS),
        '', 'For each HTTP exchange, as FAMILY_NAME (rpc_slow=500, infer_status=408x2):',
        *(line(kind, f'FAMILY_{kind.name}') for kind in HTTP_ROWS),
        '', 'FAMILY is one of:', *families))
