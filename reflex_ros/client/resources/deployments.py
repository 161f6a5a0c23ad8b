# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Deployments and their readiness (protocol reference, section i.3)."""

from __future__ import annotations

from reflex_ros.client.messages import Deployment, parse, Readiness
from reflex_ros.client.service import AsyncReflex
from reflex_ros.errors import ServiceRefused


async def get(service: AsyncReflex, deployment_id: str) -> Deployment:
    """Read one deployment; errors as :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:getDeployment', 'Unable to get deployment', is_read=True,
        deploymentId=deployment_id)
    return parse(Deployment, value.get('deployment', value), 'publicApi:getDeployment')


async def check(service: AsyncReflex, deployment_id: str) -> Readiness:
    """Run the readiness check; errors as :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:runReadinessCheck', 'Unable to run readiness check',
        deploymentId=deployment_id)
    return parse(Readiness, value, 'publicApi:runReadinessCheck')


async def require_ready(service: AsyncReflex, deployment_id: str) -> None:
    """
    Make sure that a deployment may apply actions.

    :raises ServiceRefused: naming each check that failed, and the command that tells more.
    """
    deployment = await get(service, deployment_id)
    if deployment.status == 'ready':
        return
    readiness = await check(service, deployment_id)
    if readiness.passed or readiness.status == 'ready':
        return
    failed = '; '.join(f'{row.name}: {row.message}'.strip(': ') for row in readiness.failed)
    raise ServiceRefused(
        f'Deployment {deployment_id} is not ready for apply_actions ({failed or "no details"}). '
        f'Run `reflex doctor {deployment_id}`, fix each failed check, then try again',
        'deployment_not_ready')
