# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex demo``: the whole system, simulated, in one terminal."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import sys

import click

from reflex_ros.bringup import run_folders
from reflex_ros.bringup.demo import Demo, fault_named, FAULTS
from reflex_ros.cli import render, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.interrupt import interruptible, shielded
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.runner import running_graphs


@local_command('reflex demo --seconds 15', 'reflex demo --fault kill_stream --recover --json')
@click.option('--seconds', type=FiniteRange(1.0, 3600.0), default=15.0, show_default=True,
              help='Seconds for which the arm moves.')
@click.option('--fault', metavar='NAME', help='Inject a fault while the arm moves and measure how '
              f'the arm comes to rest: {", ".join(FAULTS)}.')
@click.option('--recover', is_flag=True,
              help='After the fault, repair, reset, promote and move again.')
@click.option('--prompt', default='wave', show_default=True,
              help='Task for the simulated policy: hold, wave, reach, sweep or pick.')
@click.option('--latency-ms', type=FiniteRange(0.0, 5000.0), default=80.0, show_default=True,
              help='Duration of one inference in milliseconds.')
@click.option('--jitter-ms', type=FiniteRange(0.0, 5000.0), default=40.0, show_default=True,
              help='Largest random extra duration in milliseconds.')
@click.option('--logs', type=click.Path(file_okay=False, path_type=Path),
              help='Folder for the log of each process (default: a temporary folder).')
def demo(common: CommonOptions, seconds: float, fault: str | None, recover: bool, prompt: str,
         latency_ms: float, jitter_ms: float, logs: Path | None) -> None:
    """
    Run a policy on a simulated arm and a simulated service.

    The demo starts the simulated service, arm and camera and the real nodes. It runs the policy in
    dry_run, passes the gate, promotes, moves the arm, stops and parks. Nothing outside this
    machine is touched.
    """
    chosen = fault_named(fault) if fault else None
    folder = logs or run_folders.make('demo')
    activity = ['']

    def report(line: str) -> None:
        activity[0] = line
        if not sys.stderr.isatty() and not common.as_json:
            click.echo(line, err=True)

    with interruptible():
        run = Demo(folder, report, prompt=prompt, latency_ms=latency_ms, jitter_ms=jitter_ms)
        try:
            with running_graphs.starting(
                    running_graphs.DEMO, '', {**os.environ, **run.environment}), \
                    render.live_display(run.system.view, lambda: activity[0],
                                        quiet=common.as_json):
                result = run.run(seconds, chosen, recover=recover)
        finally:
            with shielded():
                killed = run.close()
    if killed:
        click.echo(f'killed because they did not exit: {", ".join(killed)}', err=True)
        result['ok'] = False
    if not result['ok']:
        result['error'] = f'the demo did not end as it should: {next(_summary(result, folder))}'
    text.report(common, result, *_summary(result, folder))
    if not result['ok']:
        sys.exit(1)


def _summary(result: dict[str, object], folder: Path) -> Iterator[str]:
    yield (f'{"ok" if result["ok"] else "NOT OK"}: {result["final_state"]}, torque '
           f'{"on" if result["torque_on"] else "off"}, {result["chunks_accepted"]} chunks '
           f'accepted, largest joint travel {result["moved_rad"]} rad, bus '
           f'{result["bus_rate_hz"]:.1f} Hz')
    if isinstance(fault := result.get('fault'), dict):
        yield (f'{fault["name"]}: goals constant after {fault["goals_constant_ms"]} ms, '
               f'joints at rest after {fault["held_ms"]} ms (servo model 85 ms dead time + '
               f'30 ms lag), cause {fault["cause"]}')
    yield f'Logs: {folder}'
