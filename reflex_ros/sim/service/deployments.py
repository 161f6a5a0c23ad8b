# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Deployments and the readiness check ("doctor") of protocol section i.3.

The names of the checks are the reference's proposal; nobody has seen the real ones. Robots and
schemas come with a later issue: until then one schema, ``schema_sim``, has a paired robot.
"""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.tables import new_id, Table

READY = 'ready'
BLOCKED = 'blocked'
UNCHECKED = 'draft'

PAIRED_SCHEMA = 'schema_sim'

# What a failed check tells the user to do; the order is the order of the report.
REMEDIES = {
    'model_ready': 'The model is not ready yet; wait for it or choose another.',
    'robot_schema_present': 'Register a robot schema and name it in the deployment.',
    'action_dim_matches': 'The actions of model and schema differ in length.',
    'explicit_safe_stop': 'The schema names no safe stop.',
    'robot_paired': 'The robot has never been paired; claim a pairing token on it.',
    'robot_heartbeat_recent': 'No recent heartbeat; start the connector on the robot.',
    'inference_node_available': 'No worker is live for the base model.',
    'balance_sufficient': 'The balance is below 5 USD; top it up.',
}


@dataclass(slots=True)
class Deployment:
    """One deployment; empty texts were not given."""

    id: str
    name: str
    model_id: str
    mode: str
    created_ms: int
    robot_schema_id: str = ''
    runtime: str = ''
    spec_json: str = ''
    status: str = UNCHECKED

    def failing_checks(self) -> dict[str, str]:
        """Return the checks that do not pass by its own data: name -> failed or skipped."""
        if not self.robot_schema_id:
            return {
                'robot_schema_present': 'failed', 'action_dim_matches': 'skipped',
                'explicit_safe_stop': 'skipped', 'robot_paired': 'failed',
                'robot_heartbeat_recent': 'failed',
            }
        if self.robot_schema_id != PAIRED_SCHEMA:
            return {'robot_paired': 'failed', 'robot_heartbeat_recent': 'failed'}
        return {}

    def to_json(self, status: str) -> dict[str, object]:
        """Return the row of the lists, with the status that the caller decided on."""
        row: dict[str, object] = {
            '_id': self.id, 'id': self.id, 'deploymentId': self.id, 'name': self.name,
            'modelId': self.model_id, 'mode': self.mode, 'status': status,
            'createdAt': self.created_ms,
        }
        optional = {
            'robotSchemaId': self.robot_schema_id, 'runtime': self.runtime,
            'specJson': self.spec_json,
        }
        return row | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the doctor found."""

    deployment_id: str
    checks: tuple[tuple[str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed; a skipped one counts as not passed."""
        return all(status == 'passed' for _, status in self.checks)

    def to_json(self) -> dict[str, object]:
        """Return the value of ``runReadinessCheck`` without its ``ok``."""
        return {
            'deploymentId': self.deployment_id,
            'status': READY if self.passed else BLOCKED,
            'passed': self.passed,
            'checks': [
                {'name': name, 'status': status,
                 'message': 'ok' if status == 'passed' else REMEDIES[name]}
                for name, status in self.checks
            ],
        }


class Deployments:
    """
    Every deployment, oldest first.

    :param clock: stamps the creation.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start with the two presets: one that is ready, one whose robot was never paired."""
        self._clock = clock
        self.table = Table(Deployment, Reason.DEPLOYMENT_NOT_FOUND)
        self.table.add(Deployment(
            'deploy_sim', 'Simulated SO-101', 'model_sim', 'apply_actions', clock.now_ms(),
            robot_schema_id=PAIRED_SCHEMA, runtime='cloud', status=READY,
        ))
        self.table.add(Deployment(
            'deploy_blocked', 'Robot never paired', 'model_sim', 'apply_actions', clock.now_ms(),
            robot_schema_id='schema_unpaired', runtime='cloud', status=BLOCKED,
        ))

    def create(
        self, *, name: str, model_id: str, mode: str, robot_schema_id: str = '',
        runtime: str = '', spec_json: str = '',
    ) -> Deployment:
        """Add a deployment that nobody has checked yet."""
        return self.table.add(Deployment(
            new_id('deploy'), name, model_id, mode, self._clock.now_ms(),
            robot_schema_id=robot_schema_id, runtime=runtime, spec_json=spec_json,
        ))

    def check(self, deployment_id: str, also_failing: dict[str, str]) -> Readiness:
        """
        Run the readiness check and set the deployment's status by its outcome.

        :param also_failing: what the rest of the service adds: check name -> status.
        :raises Refusal: ``deployment_not_found``.
        """
        deployment = self.table.get(deployment_id)
        failing = deployment.failing_checks() | also_failing
        readiness = Readiness(
            deployment_id, tuple((name, failing.get(name, 'passed')) for name in REMEDIES)
        )
        deployment.status = READY if readiness.passed else BLOCKED
        return readiness
