# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Why a deployment may not apply actions, and the next step for each failed check, with real ids.

The names of the checks are proposals of the protocol reference (section i.3); a check with
another name is shown with its own message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reflex_ros.client.messages import Check, Deployment
from reflex_ros.client.messages.robots import Robot, RobotSchema
from reflex_ros.client.resources import deployments, robots

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

REMEDIES = {
    'model_ready': 'Wait until `reflex models get {model}` shows the model as ready, or deploy '
                   'another model',
    'robot_schema_present': 'Run `reflex robots register-schema`, then deploy with '
                            '--robot-schema <schema-id>',
    'action_dim_matches': 'Register a schema whose actions.action.shape matches the model, '
                          'then deploy with that schema',
    'explicit_safe_stop': 'Set actions.action.safe_stop in the schema, register it, then deploy '
                          'with that schema',
    'robot_paired': 'Run `reflex robots pair {robot}`, then `reflex robots claim` at the robot',
    'robot_heartbeat_recent': 'Start the robot: `reflex up`, or `reflex robots heartbeat '
                              '{robot} --every 10`',
    'inference_node_available': 'Wait a few minutes, or deploy a model that a worker runs',
    'balance_sufficient': 'Top up the balance at the dashboard, under Billing',
}
"""Failed check -> next step; ``Facts`` fills the ids in."""
SET_UP = '`reflex robots setup --name bench --schema-id {schema}` on the machine of the robot'
NEEDS_ROBOT = ('robot_paired', 'robot_heartbeat_recent')


@dataclass(frozen=True, slots=True)
class Facts:
    """
    A deployment and the robots that could run it; what is not known is None.

    :param schema: the schema that the deployment names.
    :param robots: the robots with that schema, oldest first.
    """

    deployment_id: str
    deployment: Deployment
    schema: RobotSchema | None = None
    robots: tuple[Robot, ...] = ()

    @property
    def schema_id(self) -> str:
        """Id of the schema that the deployment names; empty if it names none."""
        return self.deployment.first_text('robotSchemaId')


async def facts(service: AsyncReflex, deployment_id: str) -> Facts:
    """
    Ask for a deployment, its schema and its robots; errors as in :meth:`.RpcClient.call`.

    :param deployment_id: its id, not its name.
    """
    deployment = await deployments.get(service, deployment_id)
    schemas = await robots.list_schemas(service)
    found = await robots.list_all(service)
    schema_id = deployment.first_text('robotSchemaId')
    return Facts(
        deployment_id, deployment,
        next((row for row in schemas.schemas if row.schema_id == schema_id), None),
        tuple(row for row in found.robots
              if schema_id and row.first_text('robotSchemaId') == schema_id))


def remedy(check: str, known: Facts, robot_id: str = '') -> str:
    """
    Return the next step for a failed check, also for an unknown one.

    :param robot_id: the robot of this machine; empty takes the newest one of the schema.
    """
    robot = robot_id or (known.robots[-1].robot_id if known.robots else '')
    if check in NEEDS_ROBOT and not robot and known.schema_id:
        return f'Run {SET_UP.format(schema=known.schema_id)}'
    text = REMEDIES.get(
        check, f'Follow the message, then run `reflex doctor {known.deployment_id}` again')
    return text.format(robot=robot or '<robot-id>', model=known.deployment.model_id or
                       '<model-id>', schema=known.schema_id or '<schema-id>')


def mismatches(known: Facts, robot: Robot | None, *, kind: str) -> Mapping[str, str]:
    """
    Compare what this machine runs with what the deployment expects.

    States and rows are compared before that (``runner.policy_fit``).

    :param robot: the robot of this machine; None is not compared.
    :param kind: kind of robot that is named to the service.
    :returns: name of each mismatch -> what differs, and the next step.
    """
    found = {}
    name, wanted = known.deployment.name or known.deployment_id, known.schema_id
    own = robot.first_text('robotSchemaId') if robot is not None else ''
    if robot is not None and own and wanted and own != wanted:
        others = ' or '.join(row.robot_id for row in known.robots)
        found['robot_schema'] = (
            f'robot {robot.name or robot.robot_id} has the schema {own}, deployment {name} '
            f'expects {wanted}. Deploy with --robot-schema {own}, or '
            + (f'set service.robot to {others}' if others else
               f'run {SET_UP.format(schema=wanted)}'))
    schema = known.schema
    if schema is None:
        return found
    kind_there = schema.robot_kind
    if kind_there and kind_there != kind:
        found['robot_kind'] = (f'the schema of deployment {name} is for {kind_there}, this arm is '
                               f'{kind}. Deploy with the schema of this arm')
    return found


def line(check: Check, next_step: str) -> str:
    """Return a failed check as one line: its message, then the next step."""
    message = check.message.rstrip('. ')
    return f'{message}. {next_step}' if message else next_step
