# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robots: schemas, registration, pairing, heartbeats (protocol reference, section i.4)."""

from __future__ import annotations

from collections.abc import Mapping
import json
from typing import TYPE_CHECKING

from reflex_ros import __version__
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import parse, Row
from reflex_ros.client.messages.robots import (
    Pairing,
    Robot,
    RobotList,
    RobotSchema,
    RobotSchemaList,
)
from reflex_ros.errors import ConfigurationError, ServiceProtocolError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

DEFAULT_VERSION = 'robot_schema.v1'


async def register_schema(service: AsyncReflex, name: str, schema: Mapping[str, object], *,
                          robot_kind: str | None = None) -> RobotSchema:
    """
    Register a robot schema; errors as in :meth:`.RpcClient.call`.

    :param schema: observations and actions of a kind of robot, as ``robot_schema.v1``; sent
        unchanged.
    :param robot_kind: None uses the kind in the schema.
    :raises ConfigurationError: if a field of the schema has a wrong type; nothing is sent.
    """
    action = _inside(schema, 'actions', 'action')
    kind = robot_kind or _text(schema, 'robot_kind')
    version = _text(schema, 'schema_version') or _text(schema, 'schemaVersion')
    safe_stop = action.get('safe_stop')
    value = await service.rpc.call(
        'mutation', 'publicApi:registerRobotSchema', 'Unable to register robot schema', name=name,
        schemaVersion=version or DEFAULT_VERSION, schemaJson=json.dumps(schema, sort_keys=True),
        hasExplicitSafeStop=isinstance(safe_stop, list) and bool(safe_stop), robotKind=kind,
        actionDim=_action_dim(action), safeStopMode=_text(action, 'safe_stop_mode'))
    return parse(RobotSchema, value, 'publicApi:registerRobotSchema')


async def list_schemas(service: AsyncReflex) -> RobotSchemaList:
    """List robot schemas; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listRobotSchemas', 'Unable to list robot schemas', is_read=True,
        rows='robotSchemas')
    return parse(RobotSchemaList, value, 'publicApi:listRobotSchemas')


async def register(service: AsyncReflex, name: str, schema_id: str, *,
                   robot_kind: str | None = None, calibration_id: str | None = None) -> Robot:
    """Register a robot, without pairing it; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:registerRobot', 'Unable to register robot', name=name,
        robotSchemaId=schema_id, robotKind=robot_kind, calibrationId=calibration_id)
    return parse(Robot, value, 'publicApi:registerRobot')


async def list_all(service: AsyncReflex) -> RobotList:
    """List robots; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listRobots', 'Unable to list robots', is_read=True, rows='robots')
    return parse(RobotList, value, 'publicApi:listRobots')


async def create_pairing_token(service: AsyncReflex, robot_id: str,
                               ttl_s: int | None = None) -> Pairing:
    """
    Create a token that pairs a robot once; errors as in :meth:`.RpcClient.call`.

    :param ttl_s: lifetime of the token [s]; None lets the service decide.
    :raises ServiceProtocolError: also if the answer has no token.
    """
    value = await service.rpc.call(
        'mutation', 'publicApi:createRobotPairingToken', 'Unable to create robot pairing token',
        robotId=robot_id, ttlSeconds=ttl_s)
    pairing = parse(Pairing, value, 'publicApi:createRobotPairingToken')
    if not pairing.token:
        raise ServiceProtocolError('publicApi:createRobotPairingToken answered without a token')
    return pairing


async def claim_pairing_token(service: AsyncReflex, token: Secret) -> Row:
    """Pair the robot of a token; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:claimRobotPairingToken', 'Unable to claim robot pairing token',
        token=token)
    return parse(Row, value, 'publicApi:claimRobotPairingToken')


async def heartbeat(service: AsyncReflex, robot_id: str, *, session_id: str | None = None,
                    deployment_id: str | None = None, transport: str | None = None,
                    message: str | None = None) -> Row:
    """
    Tell the service that a robot is running; errors as in :meth:`.RpcClient.call`.

    A repeated heartbeat does no harm, so the call may be retried.
    """
    value = await service.rpc.call(
        'mutation', 'publicApi:robotHeartbeat', 'Unable to send robot heartbeat', is_read=True,
        robotId=robot_id, sessionId=session_id, deploymentId=deployment_id,
        connectorVersion=f'reflex-ros/{__version__}', transport=transport, message=message)
    return parse(Row, value, 'publicApi:robotHeartbeat')


def _inside(schema: Mapping[str, object], *names: str) -> Mapping[str, object]:
    found: Mapping[str, object] = schema
    for depth, name in enumerate(names, start=1):
        value = found.get(name, {})
        if not isinstance(value, Mapping):
            raise ConfigurationError(f'Robot schema requires a mapping: {".".join(names[:depth])}')
        found = value
    return found


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f'Robot schema requires a text: {name}')
    return value or None


def _action_dim(action: Mapping[str, object]) -> int | None:
    shape = action.get('shape')
    if shape is None:
        return None
    first = shape[0] if isinstance(shape, list) and shape else None
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        raise ConfigurationError('Robot schema requires a list that begins with the number of '
                                 'joints: actions.action.shape')
    return first
