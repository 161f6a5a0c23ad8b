# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex init``: write a robot.yaml by asking."""

from __future__ import annotations

import os
from pathlib import Path
import re
import sys

import click

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.cli.output_file import writing
from reflex_ros.errors import ConfigurationError


@local_command('reflex init', 'reflex init --yes --camera front=/dev/video0 --prompt "pick up"',
               'reflex init --schema > robot.schema.json')
@click.option('--file', '-f', default='robot.yaml', show_default=True,
              type=click.Path(dir_okay=False, path_type=Path), help='File to write.')
@click.option('--port', help='Serial port of the arm (default: search at each start).')
@click.option('--camera', 'cameras', metavar='NAME=DEVICE', multiple=True,
              help='A camera, for example front=/dev/video0; repeat it for each.')
@click.option('--prompt', help='Task text for the policy (default: hold).')
@click.option('--deployment', help='Id of the deployment (default: REFLEX_DEPLOYMENT_ID).')
@click.option('--yes', is_flag=True, help='Ask nothing; take the defaults.')
@click.option('--force', is_flag=True, help='Replace a file that exists.')
@click.option('--schema', is_flag=True, help='Print the JSON schema of robot.yaml for editors, '
              'and write nothing.')
def init(common: CommonOptions, file: Path, port: str | None, cameras: tuple[str, ...],
         prompt: str | None, deployment: str | None, yes: bool, force: bool,
         schema: bool) -> None:
    """
    Write a robot.yaml by asking.

    The file is for an SO-101, with comments. The command asks for what no option gives. The same
    file starts `reflex connect` and `reflex up`.
    """
    from reflex_ros.config.robot import file as robot_file
    from reflex_ros.config.robot import template

    if schema:
        click.echo(template.schema(), nl=False)
        return
    # Looked at before the questions.
    if file.exists() and not force:
        raise ConfigurationError(f'{file} exists already. Choose another --file, or replace it '
                                 'with --force')
    if not yes:
        _need_terminal()
        port = port if port is not None else _ask('Serial port of the arm (empty: search)')
        if not cameras:
            answer = _ask('Cameras as name=device, with commas (empty: none)')
            cameras = tuple(filter(None, map(str.strip, answer.split(','))))
        prompt = prompt if prompt is not None else _ask('Task for the policy (empty: hold)')
        deployment = (deployment if deployment is not None
                      else _ask('Id of the deployment (empty: later)'))
    content = template.robot_yaml(
        name=file.name, port=port or '', prompt=prompt or '', deployment=deployment or '',
        cameras=dict(map(camera_of, cameras)))
    _write(file, content, force=force)
    robot_file.read(file)
    following = [f'reflex connect --config {file} --check', f'reflex connect --config {file}']
    text.report(common, {'ok': True, 'file': str(file), 'next': following}, f'Wrote {file}',
                *text.next_lines(following))


def _ask(question: str) -> str:
    answer: str = click.prompt(question, default='', show_default=False, err=True)
    return answer.strip()


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError('there is no terminal to ask at: give --yes, and the options that '
                               'differ from the defaults')


def camera_of(words: str) -> tuple[str, str]:
    """Split NAME=DEVICE, as it is given for a camera."""
    name, is_given, device = words.partition('=')
    if not (is_given and device and re.fullmatch(r'[A-Za-z_]\w*', name, re.ASCII)):
        raise click.UsageError(f'camera {words!r}: expected NAME=DEVICE, such as '
                               'front=/dev/video0')
    return name, device


def _write(file: Path, content: str, *, force: bool) -> None:
    # Exclusive, so that a file that appears while the questions are asked is not lost.
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    with writing(file, '--file'), os.fdopen(
            os.open(file, flags, 0o644), 'w', encoding='utf-8') as stream:
        stream.write(content)
