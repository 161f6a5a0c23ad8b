# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex whoami``, ``reflex doctor``, ``reflex sessions``: ask the service."""

from __future__ import annotations

import sys

import click

from reflex_ros.cli import options, text
from reflex_ros.cli.remote import ask, remote
from reflex_ros.client.resources import account, deployments
from reflex_ros.client.resources import sessions as session_calls


@click.command(epilog=options.example('reflex whoami --json'))
@remote
def whoami(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """Show whom the API key belongs to."""
    found = ask(account.whoami, api_key, convex_url)
    if options.wants_json(as_json):
        text.document({'ok': True, 'account': found.model_dump(by_alias=True,
                                                                 exclude_none=True)})
        return
    click.echo('Logged in to Reflex\n')
    if found.organization is not None:
        click.echo(f'Organization: {found.organization.name or "not available"}')
    click.echo(f'API key: {found.key_name or "not available"}')


@click.command(epilog=options.example('reflex doctor deploy_abc123'))
@click.argument('deployment_id')
@remote
def doctor(deployment_id: str, api_key: str | None, convex_url: str | None, as_json: bool,
           verbose: bool) -> None:
    """Check whether a deployment may apply actions; exit 1 when it may not."""
    found = ask(lambda service: deployments.check(service, deployment_id), api_key, convex_url)
    if options.wants_json(as_json):
        text.document({'ok': True, 'readiness': found.model_dump(mode='json')})
    else:
        click.echo('Readiness check\n')
        for row in found.checks:
            click.echo(f'{row.status:<8} {row.name:<28} {row.message}'.rstrip())
        click.echo(f'\nStatus: {found.status}')
    if not found.passed:
        sys.exit(1)


@click.group()
def sessions() -> None:
    """List, promote and close inference sessions."""


@sessions.command('list', epilog=options.example('reflex sessions list --status active'))
@click.option('--status', type=click.Choice(['active', 'closed', 'expired', 'failed']))
@remote
def list_(status: str | None, api_key: str | None, convex_url: str | None, as_json: bool,
          verbose: bool) -> None:
    """List inference sessions."""
    found = ask(lambda service: session_calls.list_all(service, status), api_key, convex_url)
    if options.wants_json(as_json):
        text.document({'ok': True, 'inferenceSessions': {
            'ok': True, 'sessions': [row.model_dump(by_alias=True) for row in found]}})
        return
    click.echo('Inference sessions\n')
    for row in found:
        click.echo(f'{row.session_id}  {row.status:<8} {row.mode:<14} {row.deployment_id or ""}')


@sessions.command(epilog=options.example('reflex sessions promote sess_01'))
@click.argument('session_id')
@click.option('--to', 'mode', default='apply_actions', show_default=True)
@remote
def promote(session_id: str, mode: str, api_key: str | None, convex_url: str | None,
            as_json: bool, verbose: bool) -> None:
    """Change the mode of a session at the service; the robot's own gate stays in force."""
    ask(lambda service: session_calls.promote(service, session_id, mode), api_key, convex_url)
    _done('Session promoted', 'session', session_id, as_json)


@sessions.command(epilog=options.example('reflex sessions close sess_01'))
@click.argument('session_id')
@click.option('--reason', default='cli_closed', show_default=True)
@remote
def close(session_id: str, reason: str, api_key: str | None, convex_url: str | None,
          as_json: bool, verbose: bool) -> None:
    """Close a session."""
    ask(lambda service: session_calls.close(service, session_id, reason), api_key, convex_url)
    _done('Inference session closed', 'inferenceSession', session_id, as_json)


def _done(title: str, field: str, session_id: str, as_json: bool) -> None:
    if options.wants_json(as_json):
        text.document({'ok': True, field: {'ok': True, 'sessionId': session_id}})
    else:
        click.echo(f'{title}\n\nSession: {session_id}')
