# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated service."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

import click

from reflex_ros.sim.service.faults.kinds import FaultKind, HTTP_FAMILIES, HTTP_ROWS, ROWS
from reflex_ros.sim.service.settings import Settings


@click.command(context_settings={'help_option_names': ['-h', '--help']})
@click.option('--port', type=click.IntRange(0, 65535), default=0, show_default=True,
              help='Port on 127.0.0.1; 0 chooses a free port.')
@click.option('--key', default='rfx_sim', show_default=True, envvar='REFLEX_SIM_KEY',
              help='API key that the service accepts; prefer the variable REFLEX_SIM_KEY.')
@click.option('--latency-ms', type=float, default=20.0, show_default=True,
              help='Duration of one inference in milliseconds.')
@click.option('--jitter-ms', type=float, default=0.0, show_default=True,
              help='Largest random extra duration of an inference in milliseconds.')
@click.option('--hz', type=float, default=30.0, show_default=True,
              help='Rows per second, if the client requests no rate.')
@click.option('--chunk-size', type=int, default=50, show_default=True,
              help='Rows per chunk, if the client requests no size.')
@click.option('--expiry-s', type=float, default=1800.0, show_default=True,
              help='Seconds until a session expires.')
@click.option('--seed', type=int, default=0, show_default=True,
              help='Seed of the random generator for jitter and policies.')
@click.option('--ping-s', type=float, default=0.0, show_default=True,
              help='Seconds between pings on the action stream; 0 sends none.')
@click.option('--queue-s', type=float, default=5.0, show_default=True,
              help='Seconds for which a training run is queued.')
@click.option('--provision-s', type=float, default=15.0, show_default=True,
              help='Seconds for which a training run is provisioned.')
@click.option('--train-s', type=float, default=100.0, show_default=True,
              help='Seconds for which a training run is running.')
@click.option('--pull-s', type=float, default=10.0, show_default=True,
              help='Seconds that the import of a model takes.')
@click.option('--balance-usd', type=float, default=100.0, show_default=True,
              help='Balance of the organisation in USD; below 5 nothing starts.')
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
    from reflex_ros.sim.service.server import run
    from reflex_ros.sim.service.storage import StateError

    try:
        # Every other option is a setting of the same name.
        settings = Settings(**values)
        code = run(settings, port=port, faults=faults, directory=directory)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
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
        '', 'Of any HTTP exchange, as FAMILY_NAME (rpc_slow=500, infer_status=408x2):',
        *(line(kind, f'FAMILY_{kind.name}') for kind in HTTP_ROWS),
        '', 'FAMILY is one of:', *families,
    ))
