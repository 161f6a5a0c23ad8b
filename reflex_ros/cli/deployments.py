# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex deployments``, ``reflex deploy`` and ``reflex doctor``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

import click

from reflex_ros.cli import next_steps, text
from reflex_ros.cli.named import id_argument, IdOf, real, Reference
from reflex_ros.cli.options import CommonOptions, example, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client import mapping_file, readiness
from reflex_ros.client.messages import Deployment, Readiness
from reflex_ros.client.modes import require_mode
from reflex_ros.client.resources import deployments as calls
from reflex_ros.client.resources.deployments import DeploymentSpec
from reflex_ros.errors import ConfigurationError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex


@click.group()
def deployments() -> None:
    """Create, list and show deployments."""


@service_command(
    'reflex deployments create --name pick --artifact model_abc123 --robot-schema schema_abc123',
    'reflex deployments create --file deployment.yaml', group=deployments)
@click.option('--file', '-f', type=click.Path(path_type=Path),
              help='JSON or YAML file with the deployment, instead of the options below.')
@click.option('--name', help='Name of the deployment.')
@click.option('--artifact', type=IdOf('model'), help='Id or name of the model.')
@click.option('--robot-schema', type=IdOf('schema'), help='Id or name of the robot schema.')
@click.option('--runtime', help='Runtime of the policy; the service defines the values.')
@click.option('--mode', help='Mode: dry_run or apply_actions (default: dry_run).')
def create(common: CommonOptions, **wanted: Any) -> None:
    """Create a deployment from options or from a file."""
    spec = _spec(**wanted)

    async def request(service: AsyncReflex) -> Deployment:
        return await calls.create(service, replace(
            spec, model_id=await Reference(spec.model_id, 'model').resolve(service),
            robot_schema_id=spec.robot_schema_id and await Reference(
                spec.robot_schema_id, 'schema').resolve(service)))

    found = ask(common, request)
    text.show_record(common, 'Deployment created', found, 'deployment',
                     next=[f'reflex doctor {found.deployment_id or "<deployment-id>"}'])


deploy = copy(create)
deploy.name = 'deploy'
deploy.help = 'Create a deployment (short for `deployments create`).'
deploy.epilog = example('reflex deploy --file deployment.yaml')


def _spec(file: Path | None, name: str | None, artifact: str | None, robot_schema: str | None,
          runtime: str | None, mode: str | None) -> DeploymentSpec:
    if file is None:
        for option, value in (('name', name), ('artifact', artifact)):
            if not value:
                raise ConfigurationError(f'--{option} is required when --file is not provided.')
        return DeploymentSpec(name or '', artifact or '',
                              require_mode(mode or 'dry_run', '--mode'), robot_schema, runtime)
    if any((name, artifact, robot_schema, runtime, mode)):
        # Two values for one field would be ambiguous.
        raise click.UsageError('--file holds name, artifact, robot schema, runtime and mode: pass '
                               'either --file or the other options.')
    return calls.spec_of(mapping_file.read(file, 'deployment spec'))


@service_command('reflex deployments list', group=deployments)
def list_(common: CommonOptions) -> None:
    """List all deployments."""
    found = ask(common, calls.list_all)
    rows = found.deployments
    following = [next_steps.DOCTOR.format(rows[-1].deployment_id)] if rows else [
        'reflex deployments create --name pick --artifact @last --robot-schema @last']
    text.show_rows(common, 'Deployments', [row.as_sent() for row in found.deployments],
                   ('deploymentId', 'name', 'status', 'mode', 'modelId', 'createdAt'),
                   value=found.as_sent(), field='deployments', next=following)


@service_command('reflex deployments get deploy_abc123', group=deployments)
@id_argument('deployment_id', 'deployment')
def get(common: CommonOptions, deployment_id: str) -> None:
    """Show one deployment."""
    found = ask(common, calls.get, deployment_id)
    text.show_record(common, 'Deployment', found, 'deployment',
                     next=[next_steps.DOCTOR.format(real(deployment_id))])


@service_command('reflex doctor deploy_abc123')
@id_argument('deployment_id', 'deployment')
def doctor(common: CommonOptions, deployment_id: str) -> None:
    """
    Check whether a deployment is ready for apply_actions.

    The command prints a remedy for each failed check. It exits with 1 when a check failed.
    """
    async def request(service: AsyncReflex,
                      deployment_id: str) -> tuple[Readiness, Mapping[str, str]]:
        found = await calls.check(service, deployment_id)
        return found, await _remedies(service, found, deployment_id)

    found, remedies = ask(common, request, deployment_id)
    identity = real(deployment_id)
    following = (next_steps.after_doctor(identity) if found.passed
                 else [next_steps.DOCTOR.format(identity)])
    failure = {} if found.passed else {'error': calls.failure(found, identity)}
    text.report(common, {'ok': found.passed, 'readiness': _with_remedies(found, remedies),
                         'next': following, **failure},
                *_report_lines(found, remedies), *text.next_lines(following))
    if not found.passed:
        sys.exit(1)


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
