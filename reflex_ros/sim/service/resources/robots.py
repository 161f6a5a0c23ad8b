# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Robots, what they look like, how they are paired and when they were last heard of (protocol i.4).

The row fields that no client of the vendor reads are ours; those it sends are kept by their name.
"""

from __future__ import annotations

from dataclasses import dataclass
import json
import secrets

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# Connectors send one every 10 s; three may be lost.
HEARTBEAT_MS = 30_000

SIM_SCHEMA, UNPAIRED_SCHEMA = 'schema_sim', 'schema_unpaired'
_SIM_SCHEMA_JSON = json.dumps({
    'actions': {'action': {'safe_stop': [0] * 6, 'safe_stop_mode': 'hold', 'shape': [6]}},
    'observations': {'state': {'shape': [6]}}, 'robot_kind': 'so101',
    'schema_version': 'robot_schema.v1',
})


@dataclass(frozen=True)
class RobotSchema(Row):
    """What a kind of robot observes and does; empty texts and 0 were not given."""

    id: str
    name: str
    version: str
    schema_json: str
    has_safe_stop: bool
    created_ms: int
    robot_kind: str = ''
    action_dim: int = 0
    safe_stop_mode: str = ''

    def to_json(self) -> dict[str, object]:
        """Return the row of ``listRobotSchemas``."""
        return ids('robotSchemaId', self.id) | {
            'name': self.name, 'schemaVersion': self.version, 'schemaJson': self.schema_json,
            'hasExplicitSafeStop': self.has_safe_stop, 'createdAt': self.created_ms,
        } | given({
            'robotKind': self.robot_kind, 'actionDim': self.action_dim or None,
            'safeStopMode': self.safe_stop_mode,
        })


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a robot said of itself last; empty texts were not given."""

    at_ms: int
    session_id: str = ''
    deployment_id: str = ''
    connector_version: str = ''
    transport: str = ''
    message: str = ''


@dataclass
class Robot(Row):
    """
    One robot; empty texts were not given.

    :param paired_ms: when a pairing token was first claimed for it, epoch [ms].
    :param is_simulated: it needs no heartbeat to count as alive.
    """

    id: str
    name: str
    schema_id: str
    created_ms: int
    robot_kind: str = ''
    calibration_id: str = ''
    paired_ms: int | None = None
    heartbeat: Heartbeat | None = None
    is_simulated: bool = False

    def is_alive(self, now_ms: int) -> bool:
        """Say whether it was heard of lately."""
        beat = self.heartbeat
        return self.is_simulated or (beat is not None and now_ms - beat.at_ms <= HEARTBEAT_MS)

    def to_json(self, now_ms: int) -> dict[str, object]:
        """Return the row of ``listRobots``."""
        status = 'unpaired' if self.paired_ms is None else 'paired'
        if self.paired_ms is not None and self.is_alive(now_ms):
            status = 'online'
        beat = self.heartbeat or Heartbeat(0)
        return ids('robotId', self.id) | {
            'name': self.name, 'robotSchemaId': self.schema_id, 'status': status,
            'createdAt': self.created_ms,
        } | given({
            'robotKind': self.robot_kind, 'calibrationId': self.calibration_id,
            'pairedAt': self.paired_ms, 'lastHeartbeatAt': beat.at_ms or None,
            'sessionId': beat.session_id, 'deploymentId': beat.deployment_id,
            'connectorVersion': beat.connector_version, 'transport': beat.transport,
            'message': beat.message,
        })


@dataclass
class PairingToken(Row):
    """A token that pairs one robot, once; its id is the token."""

    id: str
    robot_id: str
    created_ms: int
    expires_ms: int
    claimed_ms: int | None = None


class Robots:
    """
    Every robot, schema and pairing token.

    :param clock: decides about ages.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start with the simulated robot, and with one that was never paired."""
        self._clock = clock
        self.schemas = Table(RobotSchema, Reason.SCHEMA_NOT_FOUND)
        self.table = Table(Robot, Reason.ROBOT_NOT_FOUND)
        self.tokens = Table(PairingToken, Reason.INVALID_PARAMETERS)
        now_ms = clock.now_ms()
        for schema_id, name in ((SIM_SCHEMA, 'SO-101'), (UNPAIRED_SCHEMA, 'SO-101, nobody home')):
            self.schemas.add(RobotSchema(
                schema_id, name, 'robot_schema.v1', _SIM_SCHEMA_JSON, has_safe_stop=True,
                created_ms=now_ms, robot_kind='so101', action_dim=6, safe_stop_mode='hold',
            ))
        self.table.add(Robot(
            'robot_sim', 'Simulated SO-101', SIM_SCHEMA, now_ms, robot_kind='so101',
            paired_ms=now_ms, is_simulated=True,
        ))
        self.table.add(Robot(
            'robot_unpaired', 'Never paired', UNPAIRED_SCHEMA, now_ms, robot_kind='so101'))

    def register_schema(
        self, *, name: str, version: str, schema_json: str, has_safe_stop: bool,
        robot_kind: str = '', action_dim: int = 0, safe_stop_mode: str = '',
    ) -> RobotSchema:
        """
        Add a schema; a missing action dimension is looked up in the schema itself.

        :raises Refusal: ``invalid_parameters`` when the text is no JSON object.
        """
        try:
            schema = json.loads(schema_json)
        except (ValueError, RecursionError):
            schema = None
        if not isinstance(schema, dict):
            raise Refusal(Reason.INVALID_PARAMETERS, 'schemaJson must hold a JSON object')
        if action_dim < 0:
            raise Refusal(Reason.INVALID_PARAMETERS, 'actionDim must be positive')
        return self.schemas.add(RobotSchema(
            new_id('schema'), name, version, schema_json, has_safe_stop, self._clock.now_ms(),
            robot_kind=robot_kind, action_dim=action_dim or _action_dim(schema),
            safe_stop_mode=safe_stop_mode,
        ))

    def register(
        self, *, name: str, schema_id: str, robot_kind: str = '', calibration_id: str = ''
    ) -> Robot:
        """
        Add a robot that is not paired yet.

        :raises Refusal: ``schema_not_found``.
        """
        schema = self.schemas.get(schema_id)
        return self.table.add(Robot(
            new_id('robot'), name, schema_id, self._clock.now_ms(),
            robot_kind=robot_kind or schema.robot_kind, calibration_id=calibration_id,
        ))

    def of_schema(self, schema_id: str) -> list[Robot]:
        """Return the robots that look like this."""
        return [robot for robot in self.table.all() if robot.schema_id == schema_id]

    def create_token(self, robot_id: str, ttl_s: int) -> PairingToken:
        """
        Make a token that whoever sits at the robot can claim.

        :raises Refusal: ``robot_not_found``, or ``invalid_parameters`` for the time.
        """
        robot = self.table.get(robot_id)
        if not 1 <= ttl_s <= 30 * 86_400:
            raise Refusal(Reason.INVALID_PARAMETERS, 'ttlSeconds must be 1 second to 30 days')
        now_ms = self._clock.now_ms()
        return self.tokens.add(PairingToken(
            f'pair_{secrets.token_urlsafe(24)}', robot.id, now_ms, now_ms + ttl_s * 1000))

    def claim(self, token_id: str) -> Robot:
        """
        Pair the robot of a token.

        :raises Refusal: ``pairing_token_claimed``, ``pairing_token_expired``, or
            ``invalid_parameters`` for a token that never was.
        """
        token = self.tokens.find(token_id)
        if token is None:
            raise Refusal(Reason.INVALID_PARAMETERS, 'no such pairing token')
        if token.claimed_ms is not None:
            raise Refusal(Reason.PAIRING_CLAIMED)
        now_ms = self._clock.now_ms()
        if now_ms >= token.expires_ms:
            raise Refusal(Reason.PAIRING_EXPIRED)
        robot = self.table.get(token.robot_id)
        token.claimed_ms = now_ms
        robot.paired_ms = robot.paired_ms or now_ms
        return robot


def _action_dim(schema: dict[str, object]) -> int:
    """Return ``actions.action.shape[0]``, or 0."""
    value: object = schema
    for name in ('actions', 'action', 'shape'):
        value = value.get(name) if isinstance(value, dict) else None
    first = value[0] if isinstance(value, list) and value else 0
    return first if type(first) is int and first > 0 else 0
