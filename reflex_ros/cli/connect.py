# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex connect``: run the robot of a robot.yaml with its policy, without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
import logging
from pathlib import Path
import sys

import click

from reflex_ros.cli import dotenv, text, verbose
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.errors import ReflexError
from reflex_ros.runner.connect.result import RunResult

YES = ('1', 'true', 'True')
"""Values of REFLEX_NO_RECORD that mean yes (protocol reference, section b)."""
LINE = '%(asctime)s [%(levelname)s] %(name)s: %(message)s'
INTERRUPTED = 130


@service_command('reflex connect --config robot.yaml',
                 'reflex connect --config robot.yaml --record runs/monday --json')
@click.option('--config', metavar='PATH', required=True, type=click.Path(path_type=Path),
              help='Robot, policy and cameras (robot.yaml).')
@click.option('--check', is_flag=True, help='Check the configuration, and start nothing.')
@click.option('--record', metavar='DIR', type=click.Path(file_okay=False, path_type=Path),
              help='Folder of the recording (default: recording.directory of the configuration. '
              'Without it, only an arm that moves is kept, in ~/.reflex/recordings).')
@click.option('--format', 'formats', metavar='FORMAT',
              help='Formats of the recording, with commas: lerobot, jsonl, mcap, rerun (default: '
              'jsonl). An arm with a stream is always recorded as mcap. For lerobot and rerun, '
              'the command says what it writes instead.')
@click.option('--no-record', is_flag=True, help='Record nothing of this run.')
def connect(common: CommonOptions, config: Path, check: bool, record: Path | None,
            formats: str | None, no_record: bool) -> None:
    """
    Run a robot with its policy in one process, without ROS.

    The run ends after the last step, on an error, or on Ctrl-C. In dry_run nothing moves. In
    apply_actions the robot moves when the deployment has passed its checks, the policy has run in
    dry_run, and the session is promoted. The first Ctrl-C ends the run as planned, a second one at
    once; the robot is held in both cases.

    The exit code is 1 if any error occurred, even if the run went on after it.
    """
    from reflex_ros.runner.connect.assemble import make_run, read_config, RunOptions
    from reflex_ros.runner.connect.records import chosen
    from reflex_ros.runner.connect.signals import Interrupted, StopRequest

    if check:
        _check(common, config)
        return
    stop = StopRequest()
    with stop.on_signals(), _lines(common):
        found = read_config(config)
        folder = record or (Path(found.recording.directory).expanduser()
                            if found.recording.directory else None)
        environment = dotenv.environment()
        options = RunOptions(
            common.api_key, common.convex_url, environment,
            None if no_record or environment.get('REFLEX_NO_RECORD') in YES else chosen(
                folder, formats or ','.join(found.recording.formats), is_explicit=bool(
                    formats or 'formats' in found.recording.model_fields_set)))
        run = make_run(found, config.parent, options, stop)
        try:
            result = run.run()
        except Interrupted:
            # Before anything was opened.
            result = run.result
    text.report(common, result.document(str(config)), *_summary(result))
    if result.errors and not common.as_json:
        raise ReflexError(result.error)
    if result.errors:
        sys.exit(1)
    if stop.was_interrupted:
        sys.exit(INTERRUPTED)


def _check(common: CommonOptions, path: Path) -> None:
    """Read a configuration, and show what it holds in short and its warnings."""
    from reflex_ros.config.robot import file

    read = file.read(path)
    found, warnings = read.config, list(map(str, read.warnings))
    values = {'config': str(path), 'mode': found.mode, 'target': found.target.kind,
              'hardware': found.hardware.kind, 'cameras': list(found.cameras),
              'deployment': found.deployment.id}
    following = [f'reflex connect --config {path}', f'reflex up --config {path}']
    text.report(common, {'ok': True, **values, 'warnings': warnings, 'next': following},
                f'{path} is valid', '', *(
                    f'{key.capitalize()}: {", ".join(value) if isinstance(value, list) else value}'
                    for key, value in values.items() if value and key != 'config'), *(
                    f'Warning: {warning}' for warning in warnings), *text.next_lines(following))


def _summary(result: RunResult) -> Iterator[str]:
    yield (f'Connect session finished: {result.steps} steps, {result.applied_steps} applied, '
           f'{result.safe_stops} safe stops')
    if result.timing:
        yield ', '.join(f'{name} {value:g}' for name, value in result.timing.items())


def _lines(common: CommonOptions) -> AbstractContextManager[None]:
    """Write what the run does to stderr; ``-v`` does that already, and a script wants JSON."""
    if common.is_verbose:
        return nullcontext()
    # A script reads the errors from the JSON document.
    return verbose.logs(logging.INFO, LINE, logging.NullHandler() if common.as_json else None)
