# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex sessions``: authorize, list, promote and close inference sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TYPE_CHECKING, TypeVar

import click

from reflex_ros.cli import text
from reflex_ros.cli.named import id_argument, IdOf, real, resolved
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client.messages import Grant, Session
from reflex_ros.client.resources import deployments
from reflex_ros.client.resources import sessions as calls
from reflex_ros.client.texts import printable
from reflex_ros.domain.heartbeats import SessionMode
from reflex_ros.errors import ServiceRefused
from reflex_ros.runner import running_graphs

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

PROMOTE = 'reflex sessions promote {} --to apply_actions'
CLOSE = 'reflex sessions close {}'
ENDED = frozenset({'session_closed', 'session_expired', 'session_failed'})
EXPLAINED = ENDED | {'deployment_not_ready', 'session_dry_run'}
"""Reasons of refusals whose next step needs the ids of the session."""
Result = TypeVar('Result')


@click.group()
def sessions() -> None:
    """Authorize, list, promote and close inference sessions."""


@service_command('reflex sessions authorize --deployment deploy_abc123', group=sessions)
@click.option('--base-model', default='pi0.5', show_default=True, help='Base model to run.')
@click.option('--artifact', type=IdOf('model'), help='Id or name of one of your own models.')
@click.option('--deployment', type=IdOf('deployment'),
              help='Id or name of the deployment that the session belongs to.')
@click.option('--robot', type=IdOf('robot'),
              help='Id or name of the robot that the session is for.')
@click.option('--runtime', help='Runtime of the policy; the service defines the values.')
@click.option('--mode', default='dry_run', show_default=True,
              help='Mode: dry_run or apply_actions.')
@click.option('--client-session-id', help='Your own name for the session.')
def authorize(common: CommonOptions, base_model: str, artifact: str | None, deployment: str | None,
              robot: str | None, runtime: str | None, mode: str,
              client_session_id: str | None) -> None:
    """
    Authorize a new inference session.

    Only --json prints the token of the session.
    """
    async def request(service: AsyncReflex) -> Grant:
        deployment_id = await resolved(service, deployment)
        return await _explained(service, calls.authorize(
            service, base_model=base_model, mode=mode, deployment_id=deployment_id,
            robot_id=await resolved(service, robot), model_id=await resolved(service, artifact),
            runtime=runtime, client_session_id=client_session_id), deployment_id=deployment_id)

    found = ask(common, request)
    following = [(PROMOTE if mode == 'dry_run' else CLOSE).format(found.session_id)]
    text.show_record(common, 'Session authorized', found, 'session', next=following)


@service_command('reflex sessions list --status active', group=sessions)
@click.option('--status', type=click.Choice(['active', 'closed', 'expired', 'failed']),
              help='Only sessions with this status.')
def list_(common: CommonOptions, status: str | None) -> None:
    """List inference sessions."""
    rows = [row.as_sent() for row in ask(common, calls.list_all, status)]
    text.show_rows(common, 'Inference sessions', rows, (
        'sessionId', 'status', 'mode', 'deploymentId', 'robotId', 'expiresAt'),
        value={'ok': True, 'sessions': rows}, field='inferenceSessions',
        next=_after_list(rows))


@service_command('reflex sessions promote sess_01', group=sessions)
@id_argument('session_id', 'session')
@click.option('--to', 'mode', default='apply_actions', show_default=True,
              help='New mode: apply_actions or dry_run.')
def promote(common: CommonOptions, session_id: str, mode: str) -> None:
    """
    Change the mode of a session at the service.

    The promotion gate of the robot still applies: an arm moves by `reflex promote` alone.
    """
    async def request(service: AsyncReflex, session_id: str) -> Session:
        return await _explained(service, calls.promote(service, session_id, mode), session_id)

    found = ask(common, request, session_id)
    graph = running_graphs.holder(real(session_id))
    if graph is None:
        text.show_record(common, 'Session promoted', found, 'session',
                         next=[CLOSE.format(real(session_id))])
        return
    is_up = mode == SessionMode.APPLY_ACTIONS.value
    text.show_record(
        common, 'Session promoted' if is_up else 'Session demoted', found, 'session',
        note=f'The graph in {graph} holds this session. ' + (
            'The arm does not move by this: it waits for `reflex promote`, unless its parameter '
            'allow_remote_promotion is true' if is_up else
            'If its arm moves, it comes to rest as planned within seconds; `reflex demote` does '
            'that at once'),
        next=['reflex promote' if is_up else 'reflex status'])


@service_command('reflex sessions close sess_01', group=sessions)
@id_argument('session_id', 'session')
@click.option('--reason', default='cli_closed', show_default=True,
              help='Reason for the records of the service.')
def close(common: CommonOptions, session_id: str, reason: str) -> None:
    """Close one session."""
    async def request(service: AsyncReflex, session_id: str) -> Session:
        return await _explained(service, calls.close(service, session_id, reason), session_id)

    found = ask(common, request, session_id)
    graph = running_graphs.holder(real(session_id))
    more = {} if graph is None else {
        'note': f'The graph in {graph} held this session. It opens another one in dry_run; if its '
                'arm moved, it has latched a stop first'}
    text.show_record(common, 'Inference session closed', found, 'session',
                     field='inferenceSession', **more,
                     next=['reflex receipts list' if graph is None else 'reflex status'])


def _after_list(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to do with the newest open session: close it, or open one."""
    active = [row for row in rows if row.get('status') == 'active']
    if not active:
        return ['reflex sessions authorize --deployment @last']
    return [CLOSE.format(active[-1].get('sessionId', '<session-id>'))]


async def _explained(service: AsyncReflex, call: Awaitable[Result], session_id: str = '', *,
                     deployment_id: str | None = None) -> Result:
    """Await a call; if the service refuses it, name the next step with the ids of the session."""
    try:
        return await call
    except ServiceRefused as exc:
        rows = await calls.list_all(service) if session_id and exc.reason in EXPLAINED else []
        session = next((row for row in rows if row.session_id == session_id), None)
        if session is not None:
            deployment_id = session.deployment_id
        if exc.reason == 'deployment_not_ready' and deployment_id:
            await deployments.require_ready(service, deployment_id)
        if exc.reason == 'session_dry_run':
            raise exc.with_next_step(
                f'Session {session_id} is still in dry_run: the service refuses its promotion. '
                f'Run `reflex doctor {deployment_id or "<deployment-id>"}`, fix what it names, '
                f'then run `{PROMOTE.format(session_id)}` again') from exc
        if session is not None and exc.reason in ENDED:
            robot_id = session.as_sent().get('robotId')
            options = [f' --{name} {value}' for name, value in (
                ('deployment', deployment_id), ('robot', robot_id)) if value]
            raise exc.with_next_step('Start a fresh session: `reflex sessions authorize'
                                     f'{printable("".join(options))}`') from exc
        raise
