# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Deployments: which model may move which kind of robot (protocol c.4, i.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from pydantic import AfterValidator

from reflex_ros.sim.service.calls import ABSENT, Json, JsonText, rpc, Text, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.resources.models import Models
from reflex_ros.sim.service.resources.readiness import examine
from reflex_ros.sim.service.resources.robots import Robots, SIM_SCHEMA, UNPAIRED_SCHEMA
from reflex_ros.sim.service.storage.table import new_id

READY = 'ready'
BLOCKED = 'blocked'
UNCHECKED = 'draft'


class Mode(str, Enum):
    """What the robot's owner allows the actions to do."""

    DRY_RUN = 'dry_run'
    APPLY_ACTIONS = 'apply_actions'


# Not the class itself: pydantic cannot read the signature of an enum on Python 3.12.
ModeName = Annotated[str, AfterValidator(lambda name: Mode(name))]


@dataclass
class Deployment(WireRow):
    """One deployment; empty texts were not sent."""

    ID_NAME = 'deploymentId'

    id: str
    name: str
    model_id: str
    mode: str
    status: str
    created_at: int
    robot_schema_id: str = ''
    runtime: str = ''
    spec_json: str = ''


class Deployments:
    """Every deployment; at the start one that is ready, and one whose robot is not paired."""

    def __init__(self, context: Context, models: Models, robots: Robots) -> None:
        self._context = context
        self._models = models
        self._robots = robots
        self.table = context.add_table(
            'deployments', Deployment, Reason.DEPLOYMENT_NOT_FOUND)
        now_ms = context.clock.now_ms()
        for deployment_id, name, schema_id, status in (
            ('deploy_sim', 'Simulated SO-101', SIM_SCHEMA, READY),
            ('deploy_blocked', 'Robot never paired', UNPAIRED_SCHEMA, BLOCKED),
        ):
            self.table.add(Deployment(
                deployment_id, name, 'model_sim', Mode.APPLY_ACTIONS.value, status, now_ms,
                robot_schema_id=schema_id, runtime='cloud'))

    @rpc('publicApi:createDeployment')
    def create(
        self, *, name: Text, model_id: Text, mode: ModeName, robot_schema_id: str = '',
        runtime: str = '', spec_json: JsonText = ABSENT,
    ) -> Json:
        """Add a deployment of a known model and schema; the readiness check makes it ready."""
        self._models.table.get(model_id)
        if robot_schema_id:
            self._robots.schemas.get(robot_schema_id)
        row = self.to_json(self.table.add(Deployment(
            new_id('deploy'), name, model_id, Mode(mode).value, UNCHECKED,
            self._context.clock.now_ms(), robot_schema_id, runtime, spec_json or '')))
        return row | {'deployment': row}

    @rpc('publicApi:listDeployments')
    def list_rows(self) -> Json:
        """Return every deployment, oldest first."""
        return {'deployments': [self.to_json(each) for each in self.table.all()]}

    @rpc('publicApi:getDeployment')
    def get(self, *, deployment_id: str) -> Json:
        """Return one deployment with its status."""
        return {'deployment': self.to_json(self.table.get(deployment_id))}

    @rpc('publicApi:runReadinessCheck')
    def check(self, *, deployment_id: str) -> Json:
        """Run the readiness check; a failed check is an answer with ``ok: true``."""
        deployment = self.table.get(deployment_id)
        checks = examine(
            self._context, self._models.table.find(deployment.model_id),
            self._robots.schemas.find(deployment.robot_schema_id),
            self._robots.paired(deployment.robot_schema_id))
        has_passed = all(check['status'] == 'passed' for check in checks)
        deployment.status = READY if has_passed else BLOCKED
        self._context.notify()
        return {
            'deploymentId': deployment.id, 'status': deployment.status, 'passed': has_passed,
            'checks': checks,
        }

    def status(self, deployment: Deployment) -> str:
        """Return the status that clients see."""
        is_blocked = self._context.faults.is_on('deployment_not_ready')
        return BLOCKED if is_blocked else deployment.status

    def is_ready(self, deployment_id: str) -> bool:
        """Return whether a deployment may apply actions; an empty id means no deployment."""
        if not deployment_id:
            return not self._context.faults.is_on('deployment_not_ready')
        return self.status(self.table.get(deployment_id)) == READY

    def to_json(self, deployment: Deployment) -> Json:
        """Return the row of the lists."""
        return deployment.to_json() | {'status': self.status(deployment)}
