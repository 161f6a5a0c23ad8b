# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Register robots and their schemas, pair them, hear their heartbeats (protocol c.4, i.4)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.robots import Heartbeat
from reflex_ros.sim.service.state import ServiceState

DEFAULT_TTL_S = 3600


def register_schema(state: ServiceState, args: Args) -> Value:
    """Add a schema."""
    _require(args, 'name', 'schemaVersion')
    schema = state.robots.register_schema(
        name=args.text('name'), version=args.text('schemaVersion'),
        schema_json=args.text('schemaJson'), has_safe_stop=args.flag('hasExplicitSafeStop'),
        robot_kind=args.text('robotKind'), action_dim=args.integer('actionDim'),
        safe_stop_mode=args.text('safeStopMode'),
    )
    return schema.to_json() | {'robotSchema': schema.to_json()}


def list_schemas(state: ServiceState, args: Args) -> Value:
    """Return every schema, oldest first."""
    return {'robotSchemas': [schema.to_json() for schema in state.robots.schemas.all()]}


def register(state: ServiceState, args: Args) -> Value:
    """Add a robot."""
    _require(args, 'name')
    robot = state.robots.register(
        name=args.text('name'), schema_id=args.text('robotSchemaId'),
        robot_kind=args.text('robotKind'), calibration_id=args.text('calibrationId'),
    )
    row = robot.to_json(state.clock.now_ms())
    return row | {'robot': row}


def list_robots(state: ServiceState, args: Args) -> Value:
    """Return every robot, oldest first."""
    now_ms = state.clock.now_ms()
    return {'robots': [robot.to_json(now_ms) for robot in state.robots.table.all()]}


def create_token(state: ServiceState, args: Args) -> Value:
    """Make a pairing token; it is shown only now."""
    ttl_s = args.integer('ttlSeconds', DEFAULT_TTL_S)
    token = state.robots.create_token(args.text('robotId'), ttl_s)
    return {'token': token.id, 'robotId': token.robot_id, 'expiresAt': token.expires_ms}


def claim_token(state: ServiceState, args: Args) -> Value:
    """Pair the robot that a token was made for."""
    row = state.robots.claim(args.text('token')).to_json(state.clock.now_ms())
    return row | {'robot': row}


def heartbeat(state: ServiceState, args: Args) -> Value:
    """Note that a robot lives; it has no effect on sessions (m.1)."""
    robot = state.robots.table.get(args.text('robotId'))
    robot.heartbeat = Heartbeat(
        state.clock.now_ms(), session_id=args.text('sessionId'),
        deployment_id=args.text('deploymentId'),
        connector_version=args.text('connectorVersion'), transport=args.text('transport'),
        message=args.text('message')[:500],
    )
    return {'robotId': robot.id, 'lastHeartbeatAt': robot.heartbeat.at_ms}


def _require(args: Args, *names: str) -> None:
    for name in names:
        if not args.text(name).strip():
            raise Refusal(Reason.INVALID_PARAMETERS, f'{name} must not be empty')


FUNCTIONS = (
    Function(
        'publicApi:registerRobotSchema', register_schema,
        required={
            'name': str, 'schemaVersion': str, 'schemaJson': str, 'hasExplicitSafeStop': bool},
        optional={'robotKind': str, 'actionDim': int, 'safeStopMode': str},
    ),
    Function('publicApi:listRobotSchemas', list_schemas),
    Function(
        'publicApi:registerRobot', register, required={'name': str, 'robotSchemaId': str},
        optional={'robotKind': str, 'calibrationId': str},
    ),
    Function('publicApi:listRobots', list_robots),
    Function(
        'publicApi:createRobotPairingToken', create_token, required={'robotId': str},
        optional={'ttlSeconds': int},
    ),
    Function('publicApi:claimRobotPairingToken', claim_token, required={'token': str}),
    Function(
        'publicApi:robotHeartbeat', heartbeat, required={'robotId': str},
        optional=dict.fromkeys(
            ('sessionId', 'deploymentId', 'connectorVersion', 'transport', 'message'), str),
    ),
)
