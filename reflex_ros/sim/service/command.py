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
              help='Port on 127.0.0.1; 0 takes a free one.')
@click.option('--key', default='rfx_sim', show_default=True, envvar='REFLEX_SIM_KEY',
              help='The API key to accept; better given in the environment: REFLEX_SIM_KEY.')
@click.option('--latency-ms', type=float, default=20.0, show_default=True,
              help='Time that one inference takes.')
@click.option('--jitter-ms', type=float, default=0.0, show_default=True,
              help='Largest extra time per inference.')
@click.option('--hz', type=float, default=30.0, show_default=True,
              help='Rate of the rows when the client names none.')
@click.option('--chunk-size', type=int, default=50, show_default=True,
              help='Rows per chunk when the client names none.')
@click.option('--expiry-s', type=float, default=1800.0, show_default=True,
              help='Life of a session.')
@click.option('--seed', type=int, default=0, show_default=True,
              help='Of jitter and policies.')
@click.option('--ping-s', type=float, default=0.0, show_default=True,
              help='Period of pings on the action stream; 0 sends none.')
@click.option('--queue-s', type=float, default=5.0, show_default=True,
              help='How long a training run is queued.')
@click.option('--provision-s', type=float, default=15.0, show_default=True,
              help='How long it is provisioned after that.')
@click.option('--train-s', type=float, default=100.0, show_default=True,
              help='How long it runs after that.')
@click.option('--pull-s', type=float, default=10.0, show_default=True,
              help='How long the import of a model takes.')
@click.option('--balance-usd', type=float, default=100.0, show_default=True,
              help='Balance of the organisation; below 5 nothing is started.')
@click.option('--state', 'directory', metavar='DIR', type=click.Path(path_type=Path),
              help='Keep the state in DIR, so that it survives a restart.')
@click.option('--fault', 'faults', multiple=True, metavar='NAME[=VALUE][*TIMES]',
              help='Switch a fault on; may be repeated. See --list-faults.')
@click.option('--list-faults', is_flag=True, help='Show every fault and exit.')
def main(
    port: int, directory: Path | None, faults: tuple[str, ...], list_faults: bool,
    **values: Any,
) -> None:
    """
    Serve a simulated Reflex service on 127.0.0.1.

    One JSON line on stdout says where, as soon as it is ready. It stays in the foreground, and
    leaves with exit code 0 on SIGINT or SIGTERM.

    While it runs, requests to the admin address of that line throw faults, move its clock,
    approve logins and make keys; doc/simulated_service.md tells how.
    """
    if list_faults:
        click.echo(_fault_list())
        return
    # Not needed for --help, and 0.2 s to import.
    from reflex_ros.sim.service.server import run
    from reflex_ros.sim.service.storage.store import StateError

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
