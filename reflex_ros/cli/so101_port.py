# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared by all commands for an arm: options, opening the bus, the confirmation prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import sys
from typing import Any

import click

from reflex_ros.cli.options import declare, Function, JSON, VERBOSE
from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.discovery import Candidate, find_arm, not_found_message, OPTION, probe
from reflex_ros.hardware.lerobot_file import DEFAULT_ID
from reflex_ros.hardware.port import latency_warning, SerialPort

YES = click.Option(['--yes'], is_flag=True, help='Skip the confirmation prompt.')
PORT = click.Option(['--port'], metavar='PATH',
                    help='Serial port of the arm (default: REFLEX_SO101_PORT, then a search).')
ID = click.Option(['--id', 'arm_id'], metavar='ID', envvar='REFLEX_SO101_ID', default=DEFAULT_ID,
                  show_default=True, help="LeRobot's id of the arm, the name of its calibration "
                  'file.')


def arm_command(*calls: str, asks: bool = False, has_id: bool = False,
                **attributes: Any) -> Callable[[Function], click.Command]:
    """
    Declare a command that also has ``--port``; further arguments as for :func:`declare`.

    :param asks: add ``--yes``.
    :param has_id: add ``--id``.
    """
    shared = [*([YES] if asks else []), VERBOSE, JSON, PORT, *([ID] if has_id else [])]
    return declare(calls, shared, **attributes)


def locate(port: str | None) -> tuple[str, int]:
    """
    Return port and baud rate of an arm, even if some servos do not answer.

    :raises ConfigurationError: if no servo answers on the port, or on any port.
    """
    if not port:
        return find_arm(os.environ, partial=True)
    finding = probe(Candidate(port, OPTION))
    if finding.problem or not finding.models:
        raise ConfigurationError(not_found_message([finding]))
    return port, finding.baud


@contextmanager
def open_bus(port: str | None) -> Iterator[Bus]:
    """Open the bus of an arm; warn on stderr about a slow USB adapter."""
    path, baud = locate(port)
    if warning := latency_warning(path):
        click.echo(f'Warning: {warning}', err=True)
    bus = Bus(SerialPort(path, baud))
    try:
        bus.detect_echo(1)
        yield bus
    finally:
        bus.close()


def confirm(action: str, *, yes: bool) -> None:
    """
    Ask a person to confirm an action that moves the arm, drops it or writes to its EEPROM.

    :raises click.UsageError: if there is neither a terminal nor ``--yes``.
    :raises ReflexError: if the answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f'{action} There is no terminal to confirm this: pass --yes')
    if not click.confirm(f'{action} Continue?', err=True):
        raise ReflexError('not confirmed, nothing was done')
