# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex robots``: schemas, registration, pairing, heartbeats."""

from __future__ import annotations

from pathlib import Path
import sys
import time
from typing import Any

import click

from reflex_ros.cli import options, text
from reflex_ros.cli.remote import ask, remote
from reflex_ros.client import mapping_file
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import printable, Row
from reflex_ros.client.resources import robots as calls
from reflex_ros.errors import ConfigurationError, ServiceUnavailable

SCHEMA_IDS, ROBOT_IDS = ('robotSchemaId', 'schemaId', '_id'), ('robotId', '_id')


@click.group()
def robots() -> None:
    """Register, pair and list robots."""


@robots.command('register-schema', epilog=options.example(
    'reflex robots register-schema "SO-101" --schema so101.json'))
@click.argument('name')
@click.option('--schema', required=True, type=click.Path(path_type=Path),
              help='JSON or YAML file that says what the robot observes and does.')
@click.option('--robot-kind', help='What the file says when not given.')
@remote
def register_schema(name: str, schema: Path, robot_kind: str | None, api_key: str | None,
                    convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """Register what a kind of robot observes and does."""
    content = mapping_file.read(schema, 'robot schema')
    found = ask(lambda service: calls.register_schema(
        service, name, content, robot_kind=robot_kind), api_key, convex_url)
    schema_id = found.schema_id or '<schema-id>'
    text.show_record('Robot schema registered', found.as_sent(),
                     as_json=options.wants_json(as_json), field='robotSchema',
                     inner='robotSchema', ids=SCHEMA_IDS,
                     next=[f'reflex robots register <name> --schema-id {schema_id}'])


@robots.command(epilog=options.example('reflex robots schemas'))
@remote
def schemas(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """List schemas."""
    found = ask(calls.list_schemas, api_key, convex_url)
    rows: list[dict[str, Any]] = [
        row.as_sent() | {'id': row.schema_id} for row in found.schemas]
    text.show_rows('Robot schemas', rows, (
        'id', 'name', 'robotKind', 'actionDim', 'safeStopMode', 'createdAt'),
        value=found.as_sent(), as_json=options.wants_json(as_json), field='robotSchemas')


@robots.command(epilog=options.example(
    'reflex robots register bench-arm --schema-id schema_abc123'))
@click.argument('name')
@click.option('--schema-id', required=True, help='What it observes and does.')
@click.option('--robot-kind', help='As in the schema when not given.')
@click.option('--calibration-id', help='Which calibration it runs with.')
@remote
def register(name: str, schema_id: str, robot_kind: str | None, calibration_id: str | None,
             api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """Register a robot; pair it next."""
    found = ask(lambda service: calls.register(
        service, name, schema_id, robot_kind=robot_kind, calibration_id=calibration_id),
        api_key, convex_url)
    _show('Robot registered', found, as_json, 'robot',
          next=[f'reflex robots pair {found.robot_id or "<robot-id>"}'])


@robots.command('list', epilog=options.example('reflex robots list'))
@remote
def list_(api_key: str | None, convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """List robots."""
    found = ask(calls.list_all, api_key, convex_url)
    rows: list[dict[str, Any]] = [row.as_sent() | {'id': row.robot_id} for row in found.robots]
    text.show_rows('Robots', rows, (
        'id', 'name', 'status', 'robotKind', 'robotSchemaId', 'pairedAt', 'lastHeartbeatAt'),
        value=found.as_sent(), as_json=options.wants_json(as_json), field='robots')


@robots.command(epilog=options.example('reflex robots pair robot_xyz789 --ttl-seconds 600'))
@click.argument('robot_id')
@click.option('--ttl-seconds', type=click.IntRange(1), default=3600, show_default=True,
              help='How long the token can be claimed.')
@remote
def pair(robot_id: str, ttl_seconds: int, api_key: str | None, convex_url: str | None,
         as_json: bool, verbose: bool) -> None:
    """Make a token that pairs a robot, once; type it in at the robot."""
    found = ask(lambda service: calls.create_pairing_token(service, robot_id, ttl_seconds),
                api_key, convex_url)
    following = 'reflex robots claim'
    if options.wants_json(as_json):
        text.document({'ok': True, 'pairing': found.as_sent(), 'next': [following]})
        return
    # The one secret that is shown: it is what was asked for, and it works once (m 19).
    rest = {key: value for key, value in found.as_sent().items() if key not in ('ok', 'token')}
    lines = [f'Token: {printable(found.token)}', *text.lines(rest)]
    click.echo('Robot pairing token\n\n' + '\n'.join(lines))
    click.echo(f'\nNext:\n  {following}     (at the robot; it asks for the token)')


@robots.command(epilog=options.example(
    'reflex robots claim', 'reflex robots claim - < token.txt'))
@click.argument('token', required=False)
@remote
def claim(token: str | None, api_key: str | None, convex_url: str | None, as_json: bool,
          verbose: bool) -> None:
    """
    Pair this robot with the TOKEN that `reflex robots pair` has printed.

    Without a token it is asked for; - reads it from standard input.
    """
    as_json = options.wants_json(as_json)
    is_piped = token == '-'  # noqa: S105 (the customary name of stdin)
    if is_piped:
        token = sys.stdin.readline(1000)
    elif token is None and not as_json and sys.stdin.isatty():
        token = click.prompt('Pairing token', hide_input=True, err=True)
    secret = Secret((token or '').strip())
    if not secret.reveal():
        raise ConfigurationError('TOKEN is required.')
    found = ask(lambda service: calls.claim_pairing_token(service, secret), api_key, convex_url)
    _show('Robot paired', found, as_json, 'robot')


@robots.command(epilog=options.example(
    'reflex robots heartbeat robot_xyz789', 'reflex robots heartbeat robot_xyz789 --every 10'))
@click.argument('robot_id')
@click.option('--every', 'every_s', type=click.FloatRange(1.0, 3600.0), metavar='SECONDS',
              help='Go on until Ctrl-C; 10 is customary.')
@click.option('--session', help='The session that it runs.')
@click.option('--deployment', help='The deployment that it runs under.')
@click.option('--transport', help='How it reaches the policy.')
@click.option('--message', help='What it does, in a few words.')
@remote
def heartbeat(robot_id: str, every_s: float | None, session: str | None, deployment: str | None,
              transport: str | None, message: str | None, api_key: str | None,
              convex_url: str | None, as_json: bool, verbose: bool) -> None:
    """
    Tell the service that a robot lives, once or every so often.

    With --every, a service that cannot be reached is noted and does not end it.
    """
    def beat() -> None:
        found = ask(lambda service: calls.heartbeat(
            service, robot_id, session_id=session, deployment_id=deployment, transport=transport,
            message=message), api_key, convex_url)
        _show('Robot heartbeat sent', found, as_json, 'heartbeat')
        sys.stdout.flush()

    beat()
    due = time.monotonic()
    while every_s is not None:
        # What was missed is not caught up.
        due = max(due + every_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            beat()
        except ServiceUnavailable as exc:
            click.echo(f'{exc}; trying again in {every_s:g} s', err=True)


def _show(title: str, found: Row, as_json: bool, field: str, **more: object) -> None:
    text.show_record(title, found.as_sent(), as_json=options.wants_json(as_json), field=field,
                     inner='robot', ids=ROBOT_IDS, **more)
