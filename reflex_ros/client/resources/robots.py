# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robots: schemas, registration, pairing, heartbeats (protocol reference, section i.4)."""

from __future__ import annotations

from collections.abc import Mapping
import json
from typing import TYPE_CHECKING

from reflex_ros import __version__
from reflex_ros.client import robot_schema
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import parse, Row
from reflex_ros.client.messages.robots import (
    Pairing,
    Robot,
    RobotList,
    RobotSchema,
    RobotSchemaList,
)
from reflex_ros.errors import ServiceProtocolError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex


async def register_schema(service: AsyncReflex, name: str, schema: Mapping[str, object], *,
                          robot_kind: str | None = None) -> RobotSchema:
    """
    Register a robot schema; errors as in :meth:`.RpcClient.call`.

    :param schema: observations and actions of a kind of robot, as ``robot_schema.v1``; sent
        unchanged.
    :param robot_kind: None uses the kind in the schema.
    :raises ConfigurationError: as in :func:`.robot_schema.check`; nothing is sent.
    """
    fields = robot_schema.check(schema, robot_kind)
    value = await service.rpc.call(
        'mutation', 'publicApi:registerRobotSchema', 'Unable to register robot schema', name=name,
        schemaVersion=fields.version, schemaJson=json.dumps(schema, sort_keys=True),
        hasExplicitSafeStop=True, robotKind=fields.robot_kind, actionDim=fields.action_dim,
        safeStopMode=fields.safe_stop_mode or None)
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


async def claim_pairing_token(service: AsyncReflex, token: Secret) -> Robot:
    """Pair the robot of a token; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:claimRobotPairingToken', 'Unable to claim robot pairing token',
        token=token)
    return parse(Robot, value, 'publicApi:claimRobotPairingToken')


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
