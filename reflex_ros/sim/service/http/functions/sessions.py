# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Authorize, list, promote and close inference sessions (protocol c.4, i.2)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.capacity import has_worker, is_balance_low
from reflex_ros.sim.service.resources.rows import ids
from reflex_ros.sim.service.resources.sessions import ENDED, Mode, Session, SessionRequest, Status
from reflex_ros.sim.service.state import ServiceState

PRODUCT_MODEL = 'pi0.5'


def authorize(state: ServiceState, args: Args) -> Value:
    """
    Open a session and grant a token for it.

    The product form is told from the connect form by its ``mode``; it knows one base model.
    """
    model = args.text('baseModel')
    is_product_form = args.has('mode')
    mode = _mode(args) if is_product_form else Mode.DRY_RUN
    if is_product_form and model != PRODUCT_MODEL:
        raise Refusal(Reason.INVALID_PARAMETERS, f'Only base model {PRODUCT_MODEL} is supported.')
    if is_balance_low(state):
        raise Refusal(Reason.BALANCE_TOO_LOW)
    if not model or not has_worker(state, model):
        raise Refusal(Reason.NO_INFERENCE_NODE)
    deployment_id = args.text('deploymentId')
    if deployment_id:
        state.deployments.table.get(deployment_id)
    if mode is Mode.APPLY_ACTIONS and not state.is_ready(deployment_id):
        raise Refusal(Reason.DEPLOYMENT_NOT_READY)
    session = state.sessions.open(
        SessionRequest(
            base_model=model, mode=mode, robot_type=args.text('robotType'),
            model_id=args.text('modelId'), deployment_id=deployment_id,
            robot_id=args.text('robotId'), runtime=args.text('runtime'),
            client_session_id=args.text('clientSessionId'),
        ),
        state.settings.expiry_s,
    )
    return _ids(session) | {
        'token': session.token, 'primeUrl': state.base_url, 'workerUrl': state.base_url,
        'expiresAt': session.expires_ms, 'model': model,
    }


def list_sessions(state: ServiceState, args: Args) -> Value:
    """Return the sessions, newest last, optionally those in one status."""
    wanted: Status | None = None
    if args.has('status'):
        try:
            wanted = Status(args.text('status'))
        except ValueError as exc:
            raise Refusal(Reason.INVALID_PARAMETERS, 'unknown status') from exc
    return {'sessions': [session.to_json() for session in state.sessions.all(wanted)]}


def promote(state: ServiceState, args: Args) -> Value:
    """Set the mode, in either direction; up only when the deployment is ready."""
    mode = _mode(args)
    session = state.sessions.get(args.text('sessionId'))
    if session.status is not Status.ACTIVE and mode is Mode.APPLY_ACTIONS:
        raise state.sessions.refuse_promotion(session, ENDED[session.status])
    if mode is Mode.APPLY_ACTIONS and not state.is_ready(session.request.deployment_id):
        raise state.sessions.refuse_promotion(session, Reason.DEPLOYMENT_NOT_READY)
    if mode is Mode.APPLY_ACTIONS and state.faults.take('session_dry_run'):
        raise state.sessions.refuse_promotion(session, Reason.SESSION_DRY_RUN)
    session = state.sessions.promote(session.id, mode)
    state.notify()
    return _ids(session)


def close(state: ServiceState, args: Args) -> Value:
    """End a session; a stream that runs on it ends too."""
    session = state.sessions.close(args.text('sessionId'), args.text('reason'))
    state.notify()
    return _ids(session)


def _mode(args: Args) -> Mode:
    try:
        return Mode(args.text('mode'))
    except ValueError as exc:
        raise Refusal(
            Reason.INVALID_PARAMETERS, 'mode must be dry_run or apply_actions'
        ) from exc


def _ids(session: Session) -> Value:
    return ids('sessionId', session.id) | {
        'status': session.status.value, 'mode': session.mode.value}


FUNCTIONS = (
    Function(
        'publicApi:authorizeSession', authorize, required={'baseModel': str},
        optional=dict.fromkeys(
            ('robotType', 'clientRegion', 'actionAdapter', 'mode', 'modelId', 'deploymentId',
             'robotId', 'runtime', 'clientSessionId'),
            str,
        ),
    ),
    Function('publicApi:listInferenceSessions', list_sessions, optional={'status': str}),
    Function('publicApi:promoteSession', promote, required={'sessionId': str, 'mode': str}),
    Function('publicApi:closeSession', close, required={'sessionId': str, 'reason': str}),
)
