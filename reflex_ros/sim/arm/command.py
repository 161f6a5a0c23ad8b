# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated arm."""

from __future__ import annotations

from collections.abc import Sequence
import gc
from pathlib import Path
from typing import Any

import click

from reflex_ros.sim.arm.emulator import run
from reflex_ros.sim.arm.joints import parse_pose
from reflex_ros.sim.arm.settings import Model, OverloadClears, Settings, Usb

_DEFAULTS = Settings()


@click.command(context_settings={'show_default': True})
@click.option('--link', type=click.Path(path_type=Path), help='Stable name for the port.')
@click.option('--control', type=click.Path(path_type=Path), help='Path of the control socket.')
@click.option('--image', type=click.Path(path_type=Path), help='File that keeps the EEPROM.')
@click.option('--linger-s', type=click.FloatRange(0, 60), default=0.0,
              help='How long to stay after the first signal; a second one ends at once.')
@click.option('--seed', type=int, default=0, help='Of all randomness.')
@click.option('--speed', type=float, default=1.0,
              help='Simulated seconds per real second, up to 50.')
@click.option('--fast', is_flag=True, help='Answer at once instead of at 1 Mbit/s.')
@click.option('--model', type=click.Choice([m.value for m in Model]), default='identified',
              help='How a joint follows its goal.')
@click.option('--dead-time-ms', type=float, default=_DEFAULTS.dead_time_s * 1e3)
@click.option('--lag-ms', type=float, default=_DEFAULTS.lag_s * 1e3)
@click.option('--turnaround-us', type=float, default=_DEFAULTS.turnaround_us)
@click.option('--supply-v', type=float, default=_DEFAULTS.supply_v)
@click.option('--pose', default='rest', help='Name, or six angles in radians with commas.')
@click.option('--usb', type=click.Choice([u.value for u in Usb]), default='none',
              help='How the adapter hands replies over.')
@click.option('--torque-on-goal-write/--no-torque-on-goal-write', default=True)
@click.option('--latch-goal-on-torque', is_flag=True,
              help='Torque on keeps the pose instead of going to a stale goal.')
@click.option('--overload-clears', type=click.Choice([o.value for o in OverloadClears]),
              default='torque_off')
@click.option('--chain-stops', is_flag=True,
              help='A missing servo silences those after it in a sync read.')
def command(link: Path | None, control: Path | None, image: Path | None, linger_s: float,
            **chosen: Any) -> None:
    """Simulate an SO-101 arm; print one line of JSON when it is ready."""
    try:
        settings = _settings(**chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    # The log keeps hundreds of thousands of entries, none of them cyclic: looking through them for
    # garbage would hold up replies by milliseconds.
    gc.freeze()
    gc.disable()
    try:
        run(settings, announce=click.echo, link=link, control=control, image=image,
            linger_s=linger_s)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _settings(*, model: str, dead_time_ms: float, lag_ms: float, pose: str, usb: str,
              overload_clears: str, **others: Any) -> Settings:
    """
    Make the settings; options that need no translation have the names of their fields.

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
