# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The readiness check ("doctor") of a deployment (protocol i.3).

The names of the checks are the reference's proposal; those of the real service are not known. A
failed check says what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflex_ros.sim.service.calls import Json
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.policy.adapters import ADAPTERS
from reflex_ros.sim.service.resources.models import Model
from reflex_ros.sim.service.resources.robots import Robot, RobotSchema

# An adapter makes rows of each of these lengths from any model.
ACTION_DIMS = sorted(adapter.action_dim for adapter in ADAPTERS.values())


def examine(
    context: Context, model: Model | None, schema: RobotSchema | None, paired: Sequence[Robot]
) -> list[Json]:
    """Run every check; each is passed, failed, or skipped because an earlier one failed."""
    base_model = model.base_model if model is not None else ''
    now_ms = context.clock.now_ms()
    is_alive = any(robot.is_alive(now_ms) for robot in paired)
    return [
        _check('model_ready', _model_problem(model)),
        *_check_schema(schema),
        _check('robot_paired', '' if paired else
               'No robot of this schema is paired; claim a pairing token on it.'),
        _check('robot_heartbeat_recent',
               '' if is_alive and not context.faults.is_on('deployment_not_ready') else
               'No heartbeat in the last 30 s; start the connector on the robot.'),
        _check('inference_node_available', '' if context.has_worker(base_model) else
               f'No worker is live for {base_model or "the model"}; try again later.'),
        _check('balance_sufficient', 'The balance is below 5 USD; top it up.'
               if context.is_balance_low() else ''),
    ]


def _check(name: str, problem: str) -> Json:
    status = 'failed' if problem else 'passed'
    return {'name': name, 'status': status, 'message': problem or 'ok'}


def _model_problem(model: Model | None) -> str:
    if model is None:
        return 'The model is gone; create a deployment of another.'
    if model.status == 'ready':
        return ''
    why = f': {model.failure_reason}' if model.failure_reason else ''
    return f'The model is {model.status}{why}; wait for it or choose another.'


def _check_schema(schema: RobotSchema | None) -> list[Json]:
    if schema is None:
        problem = 'Register a robot schema and name it in the deployment.'
        skipped: Json = {'status': 'skipped', 'message': 'There is no schema to check.'}
        return [_check('robot_schema_present', problem),
                {'name': 'action_dim_matches'} | skipped, {'name': 'explicit_safe_stop'} | skipped]
    return [
        _check('robot_schema_present', ''),
        _check('action_dim_matches', '' if schema.action_dim in ACTION_DIMS else
               f'The schema has {schema.action_dim or "no"} actions; the model can make '
               f'{", ".join(map(str, ACTION_DIMS))}.'),
        _check('explicit_safe_stop', '' if schema.has_explicit_safe_stop else
               'The schema names no safe stop; add actions.action.safe_stop and register it '
               'again.'),
    ]
