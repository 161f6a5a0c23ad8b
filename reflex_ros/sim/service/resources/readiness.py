# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The readiness check ("doctor") of a deployment (protocol i.3).

The names of the checks are the reference's proposal; nobody has seen the real ones. What a check
says when it fails is what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reflex_ros.sim.service.policy.adapters import ADAPTERS
from reflex_ros.sim.service.resources.capacity import has_worker, is_balance_low
from reflex_ros.sim.service.resources.deployments import BLOCKED, Deployment, READY
from reflex_ros.sim.service.resources.models import Model, Status
from reflex_ros.sim.service.resources.robots import RobotSchema

if TYPE_CHECKING:
    from reflex_ros.sim.service.state import ServiceState

# Rows of these lengths can be made from any model, by an adapter.
_DIMS = sorted(adapter.action_dim for adapter in ADAPTERS.values())


@dataclass(frozen=True, slots=True)
class Check:
    """
    One line of the report.

    :param status: passed, failed, or skipped because an earlier one failed.
    """

    name: str
    status: str
    message: str

    def to_json(self) -> dict[str, object]:
        """Return the line."""
        return {'name': self.name, 'status': self.status, 'message': self.message}


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the doctor found."""

    deployment_id: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed; a skipped one counts as not passed."""
        return all(check.status == 'passed' for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """Return the value of ``runReadinessCheck`` without its ``ok``."""
        return {
            'deploymentId': self.deployment_id,
            'status': READY if self.passed else BLOCKED,
            'passed': self.passed,
            'checks': [check.to_json() for check in self.checks],
        }


def examine(state: ServiceState, deployment: Deployment) -> Readiness:
    """Run every check; the deployment's status is not changed."""
    model = state.models.table.find(deployment.model_id)
    base_model = model.base_model if model is not None else ''
    return Readiness(deployment.id, (
        _verdict('model_ready', _model_problem(model)),
        *_schema_checks(state.robots.schemas.find(deployment.robot_schema_id)),
        *_robot_checks(state, deployment.robot_schema_id),
        _verdict(
            'inference_node_available', '' if has_worker(state, base_model) else
            f'No worker is live for {base_model or "the model"}; try again later.'),
        _verdict(
            'balance_sufficient', 'The balance is below 5 USD; top it up.'
            if is_balance_low(state) else ''),
    ))


def _model_problem(model: Model | None) -> str:
    if model is None:
        return 'The model is gone; create a deployment of another.'
    if model.status is Status.READY:
        return ''
    why = f': {model.failure_reason}' if model.failure_reason else ''
    return f'The model is {model.status.value}{why}; wait for it or choose another.'


def _verdict(name: str, problem: str) -> Check:
    return Check(name, 'failed', problem) if problem else Check(name, 'passed', 'ok')


def _schema_checks(schema: RobotSchema | None) -> Iterator[Check]:
    if schema is None:
        yield _verdict('robot_schema_present',
                       'Register a robot schema and name it in the deployment.')
        for name in ('action_dim_matches', 'explicit_safe_stop'):
            yield Check(name, 'skipped', 'There is no schema to look at.')
        return
    yield _verdict('robot_schema_present', '')
    known = ', '.join(map(str, _DIMS))
    yield _verdict(
        'action_dim_matches', '' if schema.action_dim in _DIMS else
        f'The schema has {schema.action_dim or "no"} actions; the model can make {known}.')
    yield _verdict(
        'explicit_safe_stop', '' if schema.has_safe_stop else
        'The schema names no safe stop; add actions.action.safe_stop and register it again.')


def _robot_checks(state: ServiceState, schema_id: str) -> Iterator[Check]:
    paired = [
        robot for robot in state.robots.of_schema(schema_id) if robot.paired_ms is not None]
    yield _verdict(
        'robot_paired', '' if paired else
        'No robot of this schema is paired; claim a pairing token on it.')
    now_ms = state.clock.now_ms()
    is_alive = any(robot.is_alive(now_ms) for robot in paired)
    if state.faults.is_on('deployment_not_ready'):
        is_alive = False
    yield _verdict(
        'robot_heartbeat_recent', '' if is_alive else
        'No heartbeat in the last 30 s; start the connector on the robot.')
