# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From nothing to a paired robot: schema, registration, pairing and claim in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import json
from typing import TYPE_CHECKING

from reflex_ros.client import names
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages.robots import Robot, RobotSchema
from reflex_ros.client.resources import robots
from reflex_ros.errors import ConfigurationError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

NEW, KEPT = 'new', 'already there'


@dataclass(frozen=True, slots=True)
class SetUp:
    """
    What was done.

    :param steps: each step (schema, robot, pairing) -> ``new`` or ``already there``.
    """

    robot: ClaimedRobot
    steps: Mapping[str, str]


async def set_up(service: AsyncReflex, name: str, *, schema: Mapping[str, object] | None = None,
                 schema_name: str = '', schema_id: str = '',
                 own: ClaimedRobot | None = None) -> SetUp:
    """
    Make a robot that is registered and paired; what is there already is used.

    Errors as in :meth:`.RpcClient.call`. Repeating the call does no harm, also after a failure
    half-way.

    :param name: name of the robot.
    :param schema: its schema; registered unless the same one is there under ``schema_name``.
    :param schema_id: id or name of a schema, instead of ``schema``.
    :param own: the robot that this machine has claimed; it is not paired again.
    :raises ConfigurationError: also if the name belongs to a robot with another schema.
    """
    steps = {}
    if schema is not None:
        found = _same_schema((await robots.list_schemas(service)).schemas, schema_name, schema)
        steps['schema'] = KEPT if found else NEW
        schema_id = found or (
            await robots.register_schema(service, schema_name, schema)).schema_id
    else:
        schema_id = await names.resolve(service, 'schema', schema_id)
        steps['schema'] = KEPT
    robot = _same_robot((await robots.list_all(service)).robots, name, schema_id, own)
    steps['robot'] = KEPT if robot else NEW
    robot = robot or await robots.register(service, name, schema_id)
    is_ours = own is not None and own.robot_id == robot.robot_id
    steps['pairing'] = KEPT if is_ours and robot.status != 'unpaired' else NEW
    if steps['pairing'] is NEW:
        pairing = await robots.create_pairing_token(service, robot.robot_id)
        await robots.claim_pairing_token(service, Secret(pairing.token))
    return SetUp(ClaimedRobot(robot.robot_id, name, schema_id), steps)


def _same_schema(rows: Iterable[RobotSchema], name: str, schema: Mapping[str, object]) -> str:
    """Return the id of the newest registered schema that is the same; empty if none is."""
    wanted, found = json.dumps(schema, sort_keys=True), ''
    for row in rows:
        if row.name == name and row.as_sent().get('schemaJson', wanted) == wanted:
            found = row.schema_id
    return found


def _same_robot(rows: Iterable[Robot], name: str, schema_id: str,
                own: ClaimedRobot | None) -> Robot | None:
    same = [row for row in rows if row.name == name]
    fitting = [row for row in same
               if row.first_text('robotSchemaId') in ('', schema_id)]
    if own is not None:
        fitting = [row for row in fitting if row.robot_id == own.robot_id] or fitting
    if len(fitting) > 1:
        ids = ', '.join(row.robot_id for row in fitting)
        raise ConfigurationError(f'{len(fitting)} robots have the name {name!r}: {ids}. Choose '
                                 'another --name')
    if same and not fitting:
        raise ConfigurationError(
            f'robot {name!r} ({same[0].robot_id}) exists already, with the schema '
            f'{same[0].first_text("robotSchemaId")}. Choose another --name')
    return fitting[0] if fitting else None
