# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Robots, their schemas, how they are paired and their heartbeats (protocol c.4, i.4).

Names of row fields that no client of the vendor reads are our choice; fields that clients send
keep their name.
"""

from __future__ import annotations

from dataclasses import dataclass
import json
import secrets
from typing import Annotated

from pydantic import Field

from reflex_ros.sim.service.calls import Json, JsonText, parse_object, rpc, Text, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row

# Connectors send one every 10 s; three may be lost.
HEARTBEAT_MS = 30_000

SIM_SCHEMA, UNPAIRED_SCHEMA = 'schema_sim', 'schema_unpaired'
_SIM_SCHEMA_JSON = json.dumps({
    'actions': {'action': {'safe_stop': [0] * 6, 'safe_stop_mode': 'hold', 'shape': [6]}},
    'observations': {'state': {'shape': [6]}}, 'robot_kind': 'so101',
    'schema_version': 'robot_schema.v1',
})


@dataclass(frozen=True)
class RobotSchema(WireRow):
    """What a kind of robot observes and does; empty texts and None were not sent."""

    ID_NAME = 'robotSchemaId'

    id: str
    name: str
    schema_version: str
    schema_json: str
    has_explicit_safe_stop: bool
    created_at: int
    robot_kind: str = ''
    action_dim: int | None = None
    safe_stop_mode: str = ''


@dataclass
class Robot(WireRow):
    """
    One robot, and what its last heartbeat said; empty texts were not sent.

    :param paired_at: when a pairing token was first claimed for it.
    :param is_simulated: it needs no heartbeat to count as alive.
    """

    ID_NAME = 'robotId'
    PRIVATE = ('is_simulated',)

    id: str
    name: str
    robot_schema_id: str
    created_at: int
    robot_kind: str = ''
    calibration_id: str = ''
    paired_at: int | None = None
    is_simulated: bool = False
    last_heartbeat_at: int | None = None
    session_id: str = ''
    deployment_id: str = ''
    connector_version: str = ''
    transport: str = ''
    message: str = ''

    def is_alive(self, now_ms: int) -> bool:
        """Return whether a heartbeat came in the last 30 s."""
        beat_at = self.last_heartbeat_at
        return self.is_simulated or (beat_at is not None and now_ms - beat_at <= HEARTBEAT_MS)

    def row(self, now_ms: int) -> Json:
        """Return the row of ``listRobots``."""
        status = 'online' if self.is_alive(now_ms) else 'paired'
        return self.ids('name') | {
            'robotSchemaId': self.robot_schema_id,
            'status': 'unpaired' if self.paired_at is None else status,
        } | self.to_json()


@dataclass
class PairingToken(Row):
    """A token that pairs one robot, once; its id is the token."""

    id: str
    robot_id: str
    created_at: int
    expires_at: int
    claimed_at: int | None = None


class Robots:
    """Every robot, schema and pairing token; at the start two robots, one of them unpaired."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self.schemas = context.add_table('robot_schemas', RobotSchema, Reason.SCHEMA_NOT_FOUND)
        self.table = context.add_table('robots', Robot, Reason.ROBOT_NOT_FOUND)
        self.tokens = context.add_table('pairing_tokens', PairingToken)
        now_ms = self._clock.now_ms()
        for schema_id, name in ((SIM_SCHEMA, 'SO-101'), (UNPAIRED_SCHEMA, 'SO-101, unpaired')):
            self.schemas.add(RobotSchema(
                schema_id, name, 'robot_schema.v1', _SIM_SCHEMA_JSON, True, now_ms, 'so101', 6,
                'hold'))
        self.table.add(Robot(
            'robot_sim', 'Simulated SO-101', SIM_SCHEMA, now_ms, robot_kind='so101',
            paired_at=now_ms, is_simulated=True))
        self.table.add(Robot(
            'robot_unpaired', 'Never paired', UNPAIRED_SCHEMA, now_ms, robot_kind='so101'))

    @rpc('publicApi:registerRobotSchema')
    def register_schema(
        self, *, name: Text, schema_version: Text, schema_json: JsonText,
        has_explicit_safe_stop: bool, robot_kind: str = '',
        action_dim: Annotated[int, Field(ge=0)] = 0, safe_stop_mode: str = '',
    ) -> Json:
        """Add a schema; without an action dimension, that in the schema itself counts."""
        action_dim = action_dim or _action_dim(parse_object(schema_json))
        row = self.schemas.add(RobotSchema(
            new_id('schema'), name, schema_version, schema_json, has_explicit_safe_stop,
            self._clock.now_ms(), robot_kind=robot_kind,
            action_dim=action_dim or None, safe_stop_mode=safe_stop_mode,
        )).to_json()
        return row | {'robotSchema': row}

    @rpc('publicApi:listRobotSchemas')
    def list_schemas(self) -> Json:
        """Return every schema, oldest first."""
        return {'robotSchemas': [schema.to_json() for schema in self.schemas.all()]}

    @rpc('publicApi:registerRobot')
    def register(
        self, *, name: Text, robot_schema_id: str, robot_kind: str = '', calibration_id: str = ''
    ) -> Json:
        """Add a robot that is not paired yet."""
        schema = self.schemas.get(robot_schema_id)
        return self._answer(self.table.add(Robot(
            new_id('robot'), name, schema.id, self._clock.now_ms(),
            robot_kind=robot_kind or schema.robot_kind, calibration_id=calibration_id)))

    @rpc('publicApi:listRobots')
    def list_rows(self) -> Json:
        """Return every robot, oldest first."""
        now_ms = self._clock.now_ms()
        return {'robots': [robot.row(now_ms) for robot in self.table.all()]}

    @rpc('publicApi:createRobotPairingToken')
    def create_token(
        self, *, robot_id: str, ttl_seconds: Annotated[int, Field(ge=1, le=30 * 86_400)] = 3600
    ) -> Json:
        """Make a pairing token; this answer is the only one that shows it."""
        robot = self.table.get(robot_id)
        now_ms = self._clock.now_ms()
        token = self.tokens.add(PairingToken(
            f'pair_{secrets.token_urlsafe(24)}', robot.id, now_ms, now_ms + ttl_seconds * 1000))
        return {'token': token.id, 'robotId': robot.id, 'expiresAt': token.expires_at}

    @rpc('publicApi:claimRobotPairingToken')
    def claim(self, *, token: str) -> Json:
        """Pair the robot that a token was made for."""
        pairing = self.tokens.find(token)
        if pairing is None:
            raise invalid('no such pairing token')
        if pairing.claimed_at is not None:
            raise Refusal(Reason.PAIRING_CLAIMED)
        now_ms = self._clock.now_ms()
        if now_ms >= pairing.expires_at:
            raise Refusal(Reason.PAIRING_EXPIRED)
        robot = self.table.get(pairing.robot_id)
        pairing.claimed_at = now_ms
        robot.paired_at = robot.paired_at or now_ms
        return self._answer(robot)

    @rpc('publicApi:robotHeartbeat')
    def heartbeat(
        self, *, robot_id: str, session_id: str = '', deployment_id: str = '',
        connector_version: str = '', transport: str = '', message: str = '',
    ) -> Json:
        """Record that a robot is alive; this has no effect on sessions (m.1)."""
        robot = self.table.get(robot_id)
        robot.last_heartbeat_at = self._clock.now_ms()
        robot.session_id, robot.deployment_id = session_id, deployment_id
        robot.connector_version, robot.transport = connector_version, transport
        robot.message = message[:500]
        return {'robotId': robot.id, 'lastHeartbeatAt': robot.last_heartbeat_at}

    def paired(self, schema_id: str) -> list[Robot]:
        """Return the paired robots of a schema."""
        return [robot for robot in self.table.all()
                if robot.robot_schema_id == schema_id and robot.paired_at is not None]

    def _answer(self, robot: Robot) -> Json:
        row = robot.row(self._clock.now_ms())
        return row | {'robot': row}


def _action_dim(schema: Json) -> int:
    """Return ``actions.action.shape[0]``, 0 when there is none."""
    value: object = schema
    for name in ('actions', 'action', 'shape'):
        value = value.get(name) if isinstance(value, dict) else None
    first = value[0] if isinstance(value, list) and value else None
    return first if type(first) is int and first > 0 else 0
