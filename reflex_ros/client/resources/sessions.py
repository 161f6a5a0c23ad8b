# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference sessions: authorize, list, promote, close (protocol reference, section i.2)."""

from __future__ import annotations

from reflex_ros.client.messages import Grant, parse, Session
from reflex_ros.client.service import AsyncReflex
from reflex_ros.errors import ConfigurationError, ServiceProtocolError

MODES = ('dry_run', 'apply_actions')


async def authorize(service: AsyncReflex, *, base_model: str = 'pi0.5', mode: str = 'dry_run',
                    deployment_id: str | None = None, robot_id: str | None = None) -> Grant:
    """
    Ask for a session; errors as :meth:`.RpcClient.call`.

    :raises ServiceProtocolError: also when the answer names no session: no grant, no session.
    """
    value = await service.rpc.call(
        'mutation', 'publicApi:authorizeSession', 'Unable to authorize session',
        baseModel=base_model, mode=mode, deploymentId=deployment_id, robotId=robot_id)
    grant = parse(Grant, value, 'publicApi:authorizeSession')
    if not grant.session_id:
        raise ServiceProtocolError('publicApi:authorizeSession answered without a session')
    return grant


async def promote(service: AsyncReflex, session_id: str, mode: str = 'apply_actions') -> None:
    """
    Change the mode of a session.

    :raises ConfigurationError: for a mode that does not exist; nothing is sent then.
    """
    if mode not in MODES:
        raise ConfigurationError('--to must be dry_run or apply_actions.')
    await service.rpc.call(
        'mutation', 'publicApi:promoteSession', 'Unable to promote session', sessionId=session_id,
        mode=mode)


async def close(service: AsyncReflex, session_id: str, reason: str = 'sdk_closed') -> None:
    """Close a session; errors as :meth:`.RpcClient.call`."""
    await service.rpc.call(
        'mutation', 'publicApi:closeSession', 'Unable to close session', sessionId=session_id,
        reason=reason)


async def list_all(service: AsyncReflex, status: str | None = None) -> list[Session]:
    """List sessions, all or those of one status (active, closed, expired, failed)."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listInferenceSessions', 'Unable to list sessions', is_read=True,
        status=status)
    rows: list[object] = next((value[name] for name in ('sessions', 'inferenceSessions')
                 if isinstance(value.get(name), list)), [])
    return [parse(Session, row, 'publicApi:listInferenceSessions') for row in rows]
