# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Deployments and their readiness checks (protocol reference, section i.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
import json
from typing import TYPE_CHECKING

from reflex_ros.client.messages import Deployment, parse, Readiness
from reflex_ros.client.messages.deployments import DeploymentList
from reflex_ros.client.modes import require_mode
from reflex_ros.errors import ConfigurationError, ServiceRefused

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex


FIELDS = ('name', 'modelId', 'model_id', 'artifact', 'mode', 'robotSchemaId', 'robot_schema_id',
          'runtime')
"""Fields of a deployment file that are read; the service gets all others as they are."""


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """
    What to deploy, and how.

    :param spec: more fields for the service; sent as JSON.
    """

    name: str
    model_id: str
    mode: str = 'dry_run'
    robot_schema_id: str | None = None
    runtime: str | None = None
    spec: Mapping[str, object] | None = None


def spec_of(content: Mapping[str, object]) -> DeploymentSpec:
    """
    Read a deployment spec; its whole content is sent along (``doc/robot_files.md``).

    :raises ConfigurationError: if a field is missing, not a text, or misspelt; names the field.
    """
    for key in content:
        near = get_close_matches(key, FIELDS, 1, 0.8)
        if near and key not in FIELDS:
            raise ConfigurationError(f'Deployment spec has the unknown field {key}. Did you mean '
                                     f'{near[0]}?')
    name = _text(content, 'name')
    model_id = _text(content, 'modelId', 'model_id', 'artifact')
    for field, value in (('name', name), ('modelId', model_id)):
        if not value:
            raise ConfigurationError(f'Deployment spec requires string field: {field}.')
    return DeploymentSpec(
        name or '', model_id or '', mode=_text(content, 'mode') or 'dry_run',
        robot_schema_id=_text(content, 'robotSchemaId', 'robot_schema_id'),
        runtime=_text(content, 'runtime'), spec=content)


def _text(content: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        value = content.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f'Deployment spec requires string field: {names[0]}.')
        if value and value.strip():
            return value.strip()
    return None


async def create(service: AsyncReflex, wanted: DeploymentSpec) -> Deployment:
    """
    Create a deployment; errors as in :meth:`.RpcClient.call`.

    :raises ConfigurationError: if the mode does not exist; nothing is sent.
    """
    value = await service.rpc.call(
        'mutation', 'publicApi:createDeployment', 'Unable to create deployment', name=wanted.name,
        modelId=wanted.model_id, mode=require_mode(wanted.mode, '--mode'),
        robotSchemaId=wanted.robot_schema_id, runtime=wanted.runtime,
        specJson=None if wanted.spec is None else json.dumps(wanted.spec, sort_keys=True))
    return parse(Deployment, value, 'publicApi:createDeployment')


async def list_all(service: AsyncReflex) -> DeploymentList:
    """List deployments; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listDeployments', 'Unable to list deployments', is_read=True,
        rows='deployments')
    return parse(DeploymentList, value, 'publicApi:listDeployments')


async def get(service: AsyncReflex, deployment_id: str) -> Deployment:
    """Read one deployment; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:getDeployment', 'Unable to get deployment', is_read=True,
        deploymentId=deployment_id)
    return parse(Deployment, value.get('deployment', value), 'publicApi:getDeployment')


async def check(service: AsyncReflex, deployment_id: str) -> Readiness:
    """Run the readiness checks; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:runReadinessCheck', 'Unable to run readiness check',
        deploymentId=deployment_id)
    return parse(Readiness, value, 'publicApi:runReadinessCheck')


async def require_ready(service: AsyncReflex, deployment_id: str) -> None:
    """
    Check that a deployment is ready for ``apply_actions``.

    :raises ServiceRefused: if it is not; names each failed check, and the command for details.
    """
    deployment = await get(service, deployment_id)
    if deployment.status == 'ready':
        return
    readiness = await check(service, deployment_id)
    if readiness.passed or readiness.status == 'ready':
        return
    raise ServiceRefused(
        failure(readiness, deployment_id), 'deployment_not_ready',
        f'Run `reflex doctor {deployment_id}`, fix each failed check, then try again')


def failure(readiness: Readiness, deployment_id: str) -> str:
    """Say that a deployment is not ready, with each failed check; without a next step."""
    failed = '; '.join(f'{row.name}: {row.message}'.strip(': ') for row in readiness.failed)
    return (f'Deployment {deployment_id} is not ready for apply_actions '
            f'({failed or "no details"})')
