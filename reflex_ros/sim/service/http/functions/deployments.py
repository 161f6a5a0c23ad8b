# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Create, list, read and check deployments, read their receipts (protocol c.4, i.3)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.http.functions.nested import json_object_text
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.deployments import BLOCKED, Deployment, READY
from reflex_ros.sim.service.resources.readiness import examine
from reflex_ros.sim.service.resources.sessions import Mode
from reflex_ros.sim.service.state import ServiceState


def create(state: ServiceState, args: Args) -> Value:
    """Add a deployment of a known model and schema; the doctor has yet to make it ready."""
    if args.text('mode') not in {mode.value for mode in Mode}:
        raise Refusal(Reason.INVALID_PARAMETERS, 'mode must be dry_run or apply_actions')
    if not args.text('name') or not args.text('modelId'):
        raise Refusal(Reason.INVALID_PARAMETERS, 'name and modelId must not be empty')
    model = state.models.table.get(args.text('modelId'))
    schema_id = args.text('robotSchemaId')
    if schema_id:
        state.robots.schemas.get(schema_id)
    deployment = state.deployments.create(
        name=args.text('name'), model_id=model.id, mode=args.text('mode'),
        robot_schema_id=schema_id, runtime=args.text('runtime'),
        spec_json=json_object_text(args, 'specJson') if args.text('specJson') else '',
    )
    return _row(state, deployment) | {'deployment': _row(state, deployment)}


def list_deployments(state: ServiceState, args: Args) -> Value:
    """Return every deployment, oldest first."""
    return {'deployments': [_row(state, each) for each in state.deployments.table.all()]}


def get(state: ServiceState, args: Args) -> Value:
    """Return one deployment with its status."""
    return {'deployment': _row(state, state.deployments.table.get(args.text('deploymentId')))}


def check(state: ServiceState, args: Args) -> Value:
    """Run the readiness check; a failed check is an answer with ``ok: true``."""
    deployment = state.deployments.table.get(args.text('deploymentId'))
    readiness = examine(state, deployment)
    deployment.status = READY if readiness.passed else BLOCKED
    state.notify()
    return readiness.to_json()


def list_receipts(state: ServiceState, args: Args) -> Value:
    """Return what happened, oldest first, under one deployment or under all."""
    wanted = args.text('deploymentId')
    if wanted:
        state.deployments.table.get(wanted)
    # A session may have expired since anybody looked.
    state.sessions.all()
    rows = [
        receipt.to_json() for receipt in state.receipts.table.all()
        if wanted in ('', receipt.deployment_id)]
    return {'receipts': rows}


def _row(state: ServiceState, deployment: Deployment) -> Value:
    return deployment.to_json(state.deployment_status(deployment))


FUNCTIONS = (
    Function(
        'publicApi:createDeployment', create,
        required={'name': str, 'modelId': str, 'mode': str},
        optional={'robotSchemaId': str, 'runtime': str, 'specJson': str},
    ),
    Function('publicApi:listDeployments', list_deployments),
    Function('publicApi:getDeployment', get, required={'deploymentId': str}),
    Function('publicApi:runReadinessCheck', check, required={'deploymentId': str}),
    Function('publicApi:listDeploymentReceipts', list_receipts,
             optional={'deploymentId': str}),
)
