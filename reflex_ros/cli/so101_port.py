# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all commands for an arm share: options, opening the bus, asking before something moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import sys

import click

from reflex_ros.cli import options
from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.discovery import Candidate, find_arm, not_found_message, probe
from reflex_ros.hardware.lerobot_file import DEFAULT_ID
from reflex_ros.hardware.port import latency_warning, SerialPort

yes_option = click.option('--yes', is_flag=True, help='Do not ask.')


def arm_options(command: options.Command) -> options.Command:
    """Add ``--port`` and what every command has."""
    command = click.option('--port', metavar='PATH', help='Serial port of the arm; looked for '
                           'when not given, at REFLEX_SO101_PORT first.')(command)
    return options.local(command)


def id_option(command: options.Command) -> options.Command:
    """Add ``--id``, LeRobot's name of the arm."""
    return click.option('--id', 'arm_id', metavar='ID', envvar='REFLEX_SO101_ID',
                        default=DEFAULT_ID, show_default=True,
                        help="LeRobot's id of the arm: the name of its calibration file.")(command)


def locate(port: str | None) -> tuple[str, int]:
    """
    Find port and baud rate of an arm, whole or not.

    :raises ConfigurationError: when no servo answers there, or anywhere.
    """
    if not port:
        return find_arm(os.environ, partial=True)
    finding = probe(Candidate(port, '--port'))
    if finding.problem:
        raise ConfigurationError(finding.problem)
    if not finding.models:
        raise ConfigurationError(not_found_message([finding]))
    return port, finding.baud


@contextmanager
def open_bus(port: str | None) -> Iterator[Bus]:
    """Open the arm's bus; a slow adapter is warned of on stderr."""
    path, baud = locate(port)
    if warning := latency_warning(path):
        click.echo(f'Warning: {warning}', err=True)
    bus = Bus(SerialPort(path, baud))
    try:
        bus.detect_echo(1)
        yield bus
    finally:
        bus.close()


def ask(what: str, *, yes: bool) -> None:
    """
    Let a person agree to something that moves or drops the arm, or changes it for good.

    :raises click.UsageError: when there is nobody to ask and no ``--yes``.
    :raises ReflexError: when the answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f'{what} Nobody can be asked here: say --yes')
    if not click.confirm(f'{what} Go on?', err=True):
        raise ReflexError('nothing was done')
