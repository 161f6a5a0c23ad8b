# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference sessions: authorize, list, promote, close (protocol reference, section i.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reflex_ros.client.messages import Grant, parse, Session, SessionList
from reflex_ros.client.modes import require_mode
from reflex_ros.errors import ServiceProtocolError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex


async def authorize(service: AsyncReflex, *, base_model: str = 'pi0.5', mode: str = 'dry_run',
                    deployment_id: str | None = None, robot_id: str | None = None,
                    model_id: str | None = None, runtime: str | None = None,
                    client_session_id: str | None = None) -> Grant:
    """
    Request a session; errors as in :meth:`.RpcClient.call`.

    :param model_id: id of an own model, instead of the base model.
    :param client_session_id: name of the session, chosen by the caller.
    :raises ConfigurationError: if the mode does not exist; nothing is sent.
    :raises ServiceProtocolError: also if the answer has no session id.
    """
    value = await service.rpc.call(
        'mutation', 'publicApi:authorizeSession', 'Unable to authorize session',
        baseModel=base_model, mode=require_mode(mode, '--mode'), modelId=model_id,
        deploymentId=deployment_id, robotId=robot_id, runtime=runtime,
        clientSessionId=client_session_id)
    grant = parse(Grant, value, 'publicApi:authorizeSession')
    if not grant.session_id:
        raise ServiceProtocolError('publicApi:authorizeSession answered without a session')
    return grant


async def promote(service: AsyncReflex, session_id: str,
                  mode: str = 'apply_actions') -> Session:
    """
    Change the mode of a session; errors as in :meth:`.RpcClient.call`.

    :raises ConfigurationError: if the mode does not exist; nothing is sent.
    """
    value = await service.rpc.call(
        'mutation', 'publicApi:promoteSession', 'Unable to promote session', sessionId=session_id,
        mode=require_mode(mode, '--to'))
    return parse(Session, value, 'publicApi:promoteSession')


async def close(service: AsyncReflex, session_id: str, reason: str = 'sdk_closed') -> Session:
    """Close a session; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:closeSession', 'Unable to close inference session',
        sessionId=session_id, reason=reason)
    return parse(Session, value, 'publicApi:closeSession')


async def list_all(service: AsyncReflex, status: str | None = None) -> list[Session]:
    """List sessions, all or with one status (active, closed, expired, failed)."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listInferenceSessions', 'Unable to list inference sessions',
        is_read=True, rows='sessions', status=status)
    return list(parse(SessionList, value, 'publicApi:listInferenceSessions').sessions)
