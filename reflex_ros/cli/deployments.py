# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex deployments`` and ``reflex deploy``."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

import click

from reflex_ros.cli import next_steps, text
from reflex_ros.cli.named import id_argument, IdOf, real, Reference
from reflex_ros.cli.options import CommonOptions, example, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client import mapping_file
from reflex_ros.client.messages import Deployment
from reflex_ros.client.modes import require_mode
from reflex_ros.client.resources import deployments as calls
from reflex_ros.client.resources import training
from reflex_ros.client.resources.deployments import DeploymentSpec
from reflex_ros.errors import ConfigurationError, ServiceError, ServiceRefused

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
        complete = replace(
            spec, model_id=await Reference(spec.model_id, 'model').resolve(service),
            robot_schema_id=spec.robot_schema_id and await Reference(
                spec.robot_schema_id, 'schema').resolve(service))
        try:
            return await calls.create(service, complete)
        except ServiceRefused as exc:
            following = exc.reason == 'model_not_found' and await _wait_for_model(
                service, spec.model_id)
            if not following:
                raise
            raise exc.with_next_step(following) from exc

    found = ask(common, request)
    text.show_record(common, 'Deployment created', found, 'deployment',
                     next=[f'reflex doctor {found.deployment_id or "<deployment-id>"}'])


async def _wait_for_model(service: AsyncReflex, name: str) -> str:
    """Return how to wait for a model that is being trained; empty without such a run."""
    try:
        runs = (await training.list_all(service, None)).runs
    except ServiceError:
        # What the caller wanted has failed already, and that says why.
        return ''
    for run in reversed(runs):
        if run.is_active and run.first_text('modelName') == name:
            done = '' if run.fraction is None else f', {run.fraction:.0%} done'
            return (f'A training run for a model of this name is on its way ({run.status}{done}). '
                    f'Wait for it: `{next_steps.WATCH.format(run.run_id)}`')
    return ''


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
