# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex deployments``, ``reflex deploy`` and ``reflex doctor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import sys
from typing import Any, TypeVar

import click

from reflex_ros.cli import options, text
from reflex_ros.cli.remote import ask, remote
from reflex_ros.client import mapping_file
from reflex_ros.client.messages import Readiness
from reflex_ros.client.resources import deployments as calls
from reflex_ros.client.resources.deployments import DeploymentSpec
from reflex_ros.errors import ConfigurationError

IDS = ('deploymentId', '_id')
Command = TypeVar('Command', bound=Callable[..., Any])


@click.group()
def deployments() -> None:
    """Create and look at deployments."""


def _create_options(command: Command) -> Command:
    for option in (
            click.option('--mode', help='dry_run or apply_actions; dry_run when not given.'),
            click.option('--runtime', help='Where it runs.'),
            click.option('--robot-schema', help='Schema of the robots it is for.'),
            click.option('--artifact', help='The model.'),
            click.option('--name', help='What the deployment is called.'),
            click.option('--file', '-f', type=click.Path(path_type=Path),
                         help='All of it in a JSON or YAML file.')):
        command = option(command)
    return remote(command)


@deployments.command(epilog=options.example(
    'reflex deployments create --name pick --artifact model_abc123 --robot-schema schema_abc123',
    'reflex deployments create --file deployment.yaml'))
@_create_options
def create(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool,
           **wanted: Any) -> None:
    """Create a deployment, from flags or from a file."""
    _create(wanted, api_key, convex_url, options.wants_json(as_json))


@click.command(epilog=options.example('reflex deploy --file deployment.yaml'))
@_create_options
def deploy(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool,
           **wanted: Any) -> None:
    """Create a deployment; short for `reflex deployments create`."""
    _create(wanted, api_key, convex_url, options.wants_json(as_json))


def _create(wanted: dict[str, Any], api_key: str | None, convex_url: str | None,
            as_json: bool) -> None:
    spec = _spec(**wanted)
    found = ask(lambda service: calls.create(service, spec), api_key, convex_url)
    text.show_record('Deployment created', found.as_sent(), as_json=as_json, field='deployment',
                     inner='deployment', ids=IDS,
                     next=[f'reflex doctor {found.deployment_id or "<deployment-id>"}'])


def _spec(file: Path | None, name: str | None, artifact: str | None, robot_schema: str | None,
          runtime: str | None, mode: str | None) -> DeploymentSpec:
    if file is None:
        for option, value in (('name', name), ('artifact', artifact)):
            if not value:
                raise ConfigurationError(f'--{option} is required when --file is not provided.')
        return DeploymentSpec(name or '', artifact or '', mode or 'dry_run', robot_schema, runtime)
    if any((name, artifact, robot_schema, runtime, mode)):
        # Which of the two should win would have to be guessed.
        raise click.UsageError('--file holds name, artifact, robot schema, runtime and mode: give '
                               'either the file or the flags.')
    return calls.spec_of(mapping_file.read(file, 'deployment spec'))


@deployments.command('list', epilog=options.example('reflex deployments list'))
@remote
def list_(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """List deployments."""
    found = ask(calls.list_all, api_key, convex_url)
    text.show_rows('Deployments', [row.as_sent() for row in found.deployments],
                   ('deploymentId', 'name', 'status', 'mode', 'modelId', 'createdAt'),
                   value=found.as_sent(), as_json=options.wants_json(as_json),
                   field='deployments')


@deployments.command(epilog=options.example('reflex deployments get deploy_abc123'))
@click.argument('deployment_id')
@remote
def get(deployment_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
        verbose: bool) -> None:
    """Show one deployment."""
    found = ask(lambda service: calls.get(service, deployment_id), api_key, convex_url)
    text.show_record('Deployment', found.as_sent(), as_json=options.wants_json(as_json),
                     field='deployment', inner='deployment', ids=IDS)


@click.command(epilog=options.example('reflex doctor deploy_abc123'))
@click.argument('deployment_id')
@remote
def doctor(deployment_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
           verbose: bool) -> None:
    """Check whether a deployment may apply actions; exit 1 when it may not."""
    found = ask(lambda service: calls.check(service, deployment_id), api_key, convex_url)
    if options.wants_json(as_json):
        text.document({'ok': True, 'readiness': _with_remedies(found, deployment_id)})
    else:
        _tell(found, deployment_id)
    if not found.passed:
        sys.exit(1)


def _with_remedies(found: Readiness, deployment_id: str) -> dict[str, Any]:
    checks = [row.as_sent() | ({'remedy': calls.remedy(row.name, deployment_id)}
                               if row.status == 'failed' else {}) for row in found.checks]
    return found.as_sent() | {'passed': found.passed, 'checks': checks}


def _tell(found: Readiness, deployment_id: str) -> None:
    click.echo('Readiness check\n')
    for row in found.checks:
        click.echo(f'{row.status:<8} {row.name:<28} {row.message}'.rstrip())
        if row.status == 'failed':
            click.echo(f'{"":8} -> {calls.remedy(row.name, deployment_id)}')
    click.echo(f'\nStatus: {found.status}')
