# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The command that follows another one, with real ids: the lines under ``Next:``.

The road is: data set, training, model, robot, deployment, ``reflex doctor``, ``reflex up``. What a
line needs beside the answer at hand is asked for; when that fails, the line has a placeholder,
because the command itself has succeeded.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from reflex_ros.cli import dotenv
from reflex_ros.client import claimed_robot
from reflex_ros.errors import ReflexError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex
    from reflex_ros.client.claimed_robot import ClaimedRobot

DATASETS = 'reflex datasets upload <folder-or-file>'
VALIDATE = 'reflex datasets validate {}'
TRAIN = 'reflex training start --dataset {}'
WATCH = 'reflex training status {} --watch'
DOCTOR = 'reflex doctor {}'
SET_UP = 'reflex robots setup --so101 --name bench'
STREAM = 'reflex stream --robot so101 --state 0,-30,40,30,0,30'
UP = 'reflex up --config robot.yaml'
RECEIPTS = 'reflex receipts list --deployment {}'


def own_robot(service: AsyncReflex) -> ClaimedRobot | None:
    """Return the robot that this machine is at the service; None without a readable one."""
    try:
        return claimed_robot.load(claimed_robot.path(dotenv.environment()), service.rpc.url)
    except ReflexError:
        return None


async def to_deployment(service: AsyncReflex, *, model_id: str = '',
                        schema_id: str = '') -> list[str]:
    """
    Return the next step for somebody who has a model, a robot or both.

    :param model_id: the model at hand; empty takes the newest one that is ready.
    :param schema_id: the schema at hand; empty takes that of the robot of this machine.
    """
    own = own_robot(service)
    schema_id = schema_id or (own.schema_id if own else '')
    if not schema_id:
        return [SET_UP]
    name, found = 'pick', model_id or '<model-id>'
    try:
        from reflex_ros.client.resources import deployments, models

        rows = [row for row in (await deployments.list_all(service)).deployments
                if row.first_text('robotSchemaId') == schema_id
                and model_id in ('', row.model_id)]
        if rows:
            return [DOCTOR.format(rows[-1].deployment_id)]
        for model in (await models.list_all(service)).rows:
            if model.model_id == model_id or (not model_id and model.status == 'ready'):
                found, name = model.model_id, model.name or name
    except ReflexError:
        pass
    return [f'reflex deployments create --name {shlex.quote(name)} --artifact {found} '
            f'--robot-schema {schema_id}']


async def after_pairing(service: AsyncReflex, robot_id: str) -> list[str]:
    """Return the next step after a robot was paired: its deployment, or the way to one."""
    try:
        from reflex_ros.client.resources import robots

        rows = (await robots.list_all(service)).robots
        schema_id = next((row.first_text('robotSchemaId') for row in rows
                          if row.robot_id == robot_id), '')
    except ReflexError:
        schema_id = ''
    return await to_deployment(service, schema_id=schema_id)


def after_doctor(deployment_id: str) -> list[str]:
    """Return what follows when every check has passed: the graph, with this deployment."""
    return [f'service.deployment: "{deployment_id}"     (put this line into robot.yaml, below '
            'action_stream)', UP]
