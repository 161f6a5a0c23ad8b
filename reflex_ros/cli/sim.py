# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex sim``: the simulated service, arm and camera, each in the foreground."""

from __future__ import annotations

from copy import copy
from importlib import import_module
from importlib.util import find_spec

import click

from reflex_ros.bringup import packages
from reflex_ros.cli import options


class _Simulation(click.Group):
    """The simulated parts, imported by name: no module imports them statically."""

    _PARTS = {
        'arm': ('reflex_ros.sim.arm.command', 'command',
                'reflex sim arm --link /tmp/arm --fault sag:volts=3'),
        'camera': ('reflex_ros.cli.sim_camera', 'camera', ''),
        'service': ('reflex_ros.sim.service.command', 'main',
                    'reflex sim service --port 8900 --fault handshake_status=503x3')}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the parts."""
        return sorted(self._PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of one part."""
        if cmd_name not in self._PARTS:
            return None
        module, name, example = self._PARTS[cmd_name]
        if cmd_name == 'service' and find_spec('aiohttp') is None:
            return click.Command(cmd_name, callback=_refuse, help='Needs the extra sim.',
                                 context_settings={'ignore_unknown_options': True},
                                 params=[click.Argument(['rest'], nargs=-1, expose_value=False)])
        if not example:
            # This one starts a ROS node. The others are programs without ROS, with their own help.
            own: click.Command = getattr(import_module(module), name)
            return own
        # A copy, because the parts also run without `reflex`, and without its options.
        command: click.Command = copy(getattr(import_module(module), name))
        command.epilog = options.example(example)
        command.params = [*command.params, *(
            click.Option(names, is_flag=True, expose_value=False, help=text) for names, text in (
                (['--json'], 'Print errors as JSON too; the ready line always is.'),
                (['-v', '--verbose'], 'Show tracebacks on stderr.')))]
        return command


def _refuse() -> None:
    packages.check_packages(sim=True, ros=False)


@click.group(cls=_Simulation, epilog=options.example(
    'reflex sim service --port 8900', 'reflex sim arm --link /tmp/arm', 'reflex sim camera'))
def sim() -> None:
    """
    Run the simulated service, arm or camera.

    Each command prints one line of JSON when it is ready, and stays in the foreground.
    """
