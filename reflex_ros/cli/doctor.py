# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex doctor``: check a deployment at the service, and this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
from typing import Any, TYPE_CHECKING

import click

from reflex_ros.bringup import configuration
from reflex_ros.cli import next_steps, text
from reflex_ros.cli.checks import account, arm, check, devices, machine, ros
from reflex_ros.cli.checks.check import Check
from reflex_ros.cli.named import id_argument, real
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client import readiness
from reflex_ros.client.messages import Readiness
from reflex_ros.client.resources import deployments as calls

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

DEFAULT_CAMERA = 'front'


@service_command('reflex doctor deploy_abc123', 'reflex doctor --local',
                 'reflex doctor pick --local --config robot.yaml')
@id_argument('deployment_id', 'deployment', is_optional=True)
@click.option('--local', is_flag=True, help='Check this machine: the way to the service, the arm, '
              'ROS 2, cameras, disk.')
@click.option('--config', type=click.Path(dir_okay=False, path_type=Path),
              help='Configuration of the robot, for --local: robot.yaml or a ROS parameter file. '
              'Its port and cameras must be present.')
def doctor(common: CommonOptions, deployment_id: str | None, local: bool,
           config: Path | None) -> None:
    """
    Check whether a deployment may apply actions, or check this machine.

    The command prints a remedy for each failed check. It exits with 1 when a check failed.
    --local skips a part that is neither present nor configured.
    """
    if deployment_id is None and not local:
        raise click.UsageError("Missing argument 'DEPLOYMENT_ID': an id, a name, or --last. For "
                               'this machine, pass --local.')
    document: dict[str, Any] = {}
    lines: list[str] = []
    errors, following = [], []
    if deployment_id is not None:
        found, remedies = ask(common, _check, deployment_id)
        identity = real(deployment_id)
        following = (next_steps.after_doctor(identity) if found.passed
                     else [next_steps.DOCTOR.format(identity)])
        errors += [] if found.passed else [calls.failure(found, identity)]
        document['readiness'] = _with_remedies(found, remedies)
        lines += _report_lines(found, remedies)
    if local:
        checks = _local(common, config)
        failed = [row for row in checks if row.is_failed]
        errors += ['This machine: ' + '; '.join(f'{row.name}: {row.message}' for row in failed)
                   ] if failed else []
        document['local'] = [row.document() for row in checks]
        lines += [*([''] if lines else []), 'This machine\n', *check.lines(checks)]
        if not following:
            following = ['reflex doctor --local' if failed else 'reflex doctor --last']
    failure = {'error': '. '.join(errors)} if errors else {}
    text.report(common, {'ok': not errors, **document, 'next': following, **failure},
                *lines, *text.next_lines(following))
    if errors:
        raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class _Parts:
    """
    What a configuration names on this machine.

    :param port: of the arm; empty when it is to be searched.
    :param topics: name and topic of each camera of the graph.
    :param devices: cameras that this process opens itself.
    """

    port: str = ''
    topics: Sequence[Mapping[str, str]] = ()
    devices: Mapping[str, Any] = field(default_factory=dict)


def _local(common: CommonOptions, config: Path | None) -> list[Check]:
    """Run every check of this machine; the arm and the cameras that a file names must be there."""
    parts = _configured(config)
    return [
        *check.guarded('address', lambda: account.checks(common)),
        *check.guarded('port', lambda: arm.checks(parts.port)),
        *check.guarded('ROS distribution', lambda: ros.checks(
            parts.topics, is_configured=config is not None, is_needed=not parts.devices)),
        *check.guarded('cameras', lambda: devices.checks(
            parts.devices, config.parent if config else Path())),
        *check.guarded('disk', lambda: machine.checks(os.environ))]


def _configured(config: Path | None) -> _Parts:
    """
    Return what a ROS parameter file or a robot.yaml names; without a file, the usual camera.

    :raises ConfigurationError: if the file cannot be read.
    """
    if config is None:
        return _Parts(topics=[{'name': DEFAULT_CAMERA, 'topic': ''}])
    # Not imported at the top: it imports pydantic.
    from reflex_ros.config import yaml_lines
    from reflex_ros.config.robot import file as robot_yaml

    content = yaml_lines.read(config)
    if robot_yaml.is_robot_yaml(content.tree):
        robot = robot_yaml.check(content).config
        arm_config = getattr(robot.hardware, 'config', None)
        return _Parts(str(getattr(arm_config, 'port', '') or ''), devices=robot.cameras)
    configuration.read(config)
    stream, driver = (_parameters(content.tree, node) for node in ('action_stream', 'so101'))
    return _Parts(str(driver.get('port') or ''), [
        {'name': str(name), 'topic': str(stream.get(f'camera.{name}.topic') or '')}
        for name in stream.get('cameras', [DEFAULT_CAMERA])])


def _parameters(tree: Mapping[str, Any], node: str) -> dict[str, Any]:
    """Return the parameters of a node, as flat names, from wherever they stand in the file."""
    found: dict[str, Any] = {}
    for name, below in tree.items():
        if not isinstance(below, Mapping):
            continue
        if name.rpartition('/')[2] in (node, '**') and 'ros__parameters' in below:
            found |= _flat(below['ros__parameters'])
        elif 'ros__parameters' not in below:
            found |= _parameters(below, node)
    return found


def _flat(values: Mapping[str, Any], start: str = '') -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f'{start}{name}.') if isinstance(value, Mapping) else {
            f'{start}{name}': value}
    return found


async def _check(service: AsyncReflex,
                 deployment_id: str) -> tuple[Readiness, Mapping[str, str]]:
    found = await calls.check(service, deployment_id)
    return found, await _remedies(service, found, deployment_id)


async def _remedies(service: AsyncReflex, found: Readiness,
                    deployment_id: str) -> Mapping[str, str]:
    """Return the next step for each failed check; asks for the ids in it only if one failed."""
    if not found.failed:
        return {}
    known = await readiness.facts(service, deployment_id)
    return {row.name: readiness.remedy(row.name, known) for row in found.failed}


def _with_remedies(found: Readiness, remedies: Mapping[str, str]) -> dict[str, Any]:
    checks = [row.as_sent() | ({'remedy': remedies[row.name]} if row.status == 'failed' else {})
              for row in found.checks]
    return found.as_sent() | {'passed': found.passed, 'checks': checks}


def _report_lines(found: Readiness, remedies: Mapping[str, str]) -> Iterator[str]:
    yield 'Readiness check\n'
    for row in found.checks:
        yield f'{row.status:<8} {row.name:<28} {row.message}'.rstrip()
        if row.status == 'failed':
            yield f'{"":8} -> {remedies[row.name]}'
    yield f'\nStatus: {found.status}'
