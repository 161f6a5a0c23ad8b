# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated arm."""

from __future__ import annotations

from collections.abc import Sequence
import gc
from pathlib import Path
from typing import Any

import click

from reflex_ros.sim.arm.client import ArmControl, ArmControlError, Json
from reflex_ros.sim.arm.emulator import run
from reflex_ros.sim.arm.faults import fault_arguments, FAULTS
from reflex_ros.sim.arm.joints import parse_pose
from reflex_ros.sim.arm.parts import PARTS
from reflex_ros.sim.arm.settings import Model, OverloadClears, Settings, Usb

_DEFAULTS = Settings()


@click.command(context_settings={'show_default': True, 'help_option_names': ['-h', '--help']})
@click.option('--link', type=click.Path(path_type=Path),
              help='Symbolic link to the port; its name stays the same from run to run.')
@click.option('--control', type=click.Path(path_type=Path), help='Path of the control socket.')
@click.option('--image', type=click.Path(path_type=Path),
              help="File that keeps the servos' EEPROM between runs.")
@click.option('--at', type=click.Path(path_type=Path),
              help='Apply --fault, --clear and --chain to the running arm with this control '
                   'socket.')
@click.option('--fault', 'faults', multiple=True, metavar='NAME[:KEY=N,...]',
              help='Fault to switch on, for example drop:ids=2+3,probability=0.1,duration_s=5.')
@click.option('--clear', is_flag=True, help='Switch all faults off first; needs --at.')
@click.option('--list-faults', is_flag=True, help='Print the table of faults and exit.')
@click.option('--chain', metavar='JOINT,...',
              help='Joints whose servos are connected to the bus; an empty text means none.')
@click.option('--factory', is_flag=True,
              help='Start with six new servos: all with id 1, not calibrated.')
@click.option('--linger-s', type=click.FloatRange(0, 60), default=0.0,
              help='Seconds to keep running after the first signal; a second signal ends at '
                   'once.')
@click.option('--with-parent', is_flag=True, help='End with the process that has started it.')
@click.option('--seed', type=int, default=0, help='Seed of the random generator.')
@click.option('--speed', type=float, default=1.0,
              help='Simulated seconds per real second, up to 50.')
@click.option('--fast', is_flag=True, help='Reply at once, without the delays of a 1 Mbit/s line.')
@click.option('--model', type=click.Choice([m.value for m in Model]), default='identified',
              help='Model of how a joint follows its goal.')
@click.option('--dead-time-ms', type=float, default=_DEFAULTS.dead_time_s * 1e3,
              help='Time from a goal to the first motion.')
@click.option('--lag-ms', type=float, default=_DEFAULTS.lag_s * 1e3,
              help='Time constant with which a joint follows its speed profile.')
@click.option('--turnaround-us', type=float, default=_DEFAULTS.turnaround_us,
              help='Time between a request and the reply of a servo.')
@click.option('--part', type=click.Choice(list(PARTS)), default='c018',
              help='Servo type: 12 V (c018), 7.4 V (c001), or 7.4 V with measured constants '
                   '(c001_bam).')
@click.option('--supply-v', type=float,
              help='Supply voltage at the bus (default: 12.1 or 7.4, depending on --part).')
@click.option('--noise-ticks', type=int, default=0, help='Amplitude of the encoder noise.')
@click.option('--pose', default='rest',
              help='Pose at the start: a name, or six angles in radians, separated by commas.')
@click.option('--hand', is_flag=True,
              help='Let a hand move the joints all the time, as those of a leader arm.')
@click.option('--usb', type=click.Choice([u.value for u in Usb]), default='none',
              help='How the USB adapter delays and groups replies.')
@click.option('--torque-on-goal-write/--no-torque-on-goal-write', default=True,
              help='Switch torque on when a goal away from the present position is written.')
@click.option('--latch-goal-on-torque', is_flag=True,
              help='Keep the pose when torque is switched on, instead of moving to an old goal.')
@click.option('--overload-clears', type=click.Choice([o.value for o in OverloadClears]),
              default='torque_off', help='What ends an overload trip.')
@click.option('--power-on-speed', type=int, default=0,
              help='Goal speed after power-on in ticks/s; newer firmware has 3400.')
@click.option('--mode-change-under-torque/--no-mode-change-under-torque', default=True,
              help='Accept writes of operating mode and homing offset also under torque.')
@click.option('--chain-stops', is_flag=True,
              help='In a sync read, let a missing servo silence all servos after it.')
def command(link: Path | None, control: Path | None, image: Path | None, at: Path | None,
            faults: tuple[str, ...], clear: bool, list_faults: bool, chain: str | None,
            linger_s: float, with_parent: bool, **chosen: Any) -> None:
    """
    Simulate an SO-101 arm.

    The command prints one line of JSON when the arm is ready.
    """
    if list_faults:
        click.echo(_table())
        return
    if clear and at is None:
        raise click.UsageError('--clear needs --at: a new arm has no faults to switch off')
    try:
        settings, requests = _settings(**chosen), _requests(faults, clear, chain)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        if at is not None:
            _apply(at, requests)
            return
        # The log keeps hundreds of thousands of entries, none of them cyclic: a run of the
        # garbage collector would delay replies by milliseconds.
        gc.freeze()
        gc.disable()
        run(settings, announce=click.echo, link=link, control=control, image=image,
            requests=requests, linger_s=linger_s, with_parent=with_parent)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _requests(faults: Sequence[str], clear: bool, chain: str | None) -> list[Json]:
    """
    Build control requests from the options.

    :raises ValueError: when a fault is not written as NAME:KEY=N,...
    """
    requests: list[Json] = [{'op': 'clear'}] if clear else []
    if chain is not None:
        requests.append({'op': 'chain', 'joints': [name for name in chain.split(',') if name]})
    return requests + [{'op': 'fault', **fault_arguments(text)} for text in faults]


def _apply(path: Path, requests: Sequence[Json]) -> None:
    """Send requests to a running arm."""
    try:
        with ArmControl(path) as control:
            for request in requests:
                control.call(**request)
    except ArmControlError as error:
        raise ValueError(str(error)) from error
    except OSError as error:
        raise OSError(f'{path}: no simulated arm listens there ({error}). The ready line of '
                      '`reflex sim arm` names its control socket') from error


def _table() -> str:
    """Return the table of faults as text: name, layer, description, parameters with defaults."""
    rows = [f'{name:15}{kind.layer:7}{kind.text}' + ''.join(
        f'; {key}={param.default:g} ({param.low:g} to {param.high:g})'
        for key, param in kind.params.items()) for name, kind in FAULTS.items()]
    return '\n'.join((*rows, '', 'Every fault accepts ids (1+2), after_s and duration_s; faults '
                      'of the layer reply and request_loss also accept probability.'))


def _settings(*, model: str, dead_time_ms: float, lag_ms: float, pose: str, usb: str,
              overload_clears: str, **others: Any) -> Settings:
    """
    Build the settings from the options; `others` have the names of the fields.

    :raises ValueError: naming the option and what is allowed.
    """
    return Settings(
        model=Model(model), dead_time_s=0.0 if model == 'instant' else dead_time_ms / 1e3,
        lag_s=lag_ms / 1e3, pose=parse_pose(pose), usb=Usb(usb),
        overload_clears=OverloadClears(overload_clears), **others)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 usage."""
    try:
        command.main(list(argv) if argv is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        return 1
    return 0
