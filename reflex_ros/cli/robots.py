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
from reflex_ros.cli.options import CommonOptions, remote
from reflex_ros.cli.remote import ask
from reflex_ros.client import mapping_file
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import printable
from reflex_ros.client.resources import robots as calls
from reflex_ros.errors import ConfigurationError, ServiceUnavailable


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
def register_schema(common: CommonOptions, name: str, schema: Path,
                    robot_kind: str | None) -> None:
    """Register what a kind of robot observes and does."""
    content = mapping_file.read(schema, 'robot schema')
    found = ask(common, calls.register_schema, name, content, robot_kind=robot_kind)
    schema_id = found.schema_id or '<schema-id>'
    text.show_record(common, 'Robot schema registered', found, 'robotSchema', ids=['schemaId'],
                     next=[f'reflex robots register <name> --schema-id {schema_id}'])


@robots.command(epilog=options.example('reflex robots schemas'))
@remote
def schemas(common: CommonOptions) -> None:
    """List schemas."""
    found = ask(common, calls.list_schemas)
    rows: list[dict[str, Any]] = [
        row.as_sent() | {'id': row.schema_id} for row in found.schemas]
    text.show_rows(common, 'Robot schemas', rows, (
        'id', 'name', 'robotKind', 'actionDim', 'safeStopMode', 'createdAt'),
        value=found.as_sent(), field='robotSchemas')


@robots.command(epilog=options.example(
    'reflex robots register bench-arm --schema-id schema_abc123'))
@click.argument('name')
@click.option('--schema-id', required=True, help='What it observes and does.')
@click.option('--robot-kind', help='As in the schema when not given.')
@click.option('--calibration-id', help='Which calibration it runs with.')
@remote
def register(common: CommonOptions, name: str, schema_id: str, robot_kind: str | None,
             calibration_id: str | None) -> None:
    """Register a robot; pair it next."""
    found = ask(common, calls.register, name, schema_id, robot_kind=robot_kind,
                calibration_id=calibration_id)
    text.show_record(common, 'Robot registered', found, 'robot',
                     next=[f'reflex robots pair {found.robot_id or "<robot-id>"}'])


@robots.command('list', epilog=options.example('reflex robots list'))
@remote
def list_(common: CommonOptions) -> None:
    """List robots."""
    found = ask(common, calls.list_all)
    rows: list[dict[str, Any]] = [row.as_sent() | {'id': row.robot_id} for row in found.robots]
    text.show_rows(common, 'Robots', rows, (
        'id', 'name', 'status', 'robotKind', 'robotSchemaId', 'pairedAt', 'lastHeartbeatAt'),
        value=found.as_sent(), field='robots')


@robots.command(epilog=options.example('reflex robots pair robot_xyz789 --ttl-seconds 600'))
@click.argument('robot_id')
@click.option('--ttl-seconds', type=click.IntRange(1), default=3600, show_default=True,
              help='How long the token can be claimed.')
@remote
def pair(common: CommonOptions, robot_id: str, ttl_seconds: int) -> None:
    """Make a token that pairs a robot, once; type it in at the robot."""
    found = ask(common, calls.create_pairing_token, robot_id, ttl_seconds)
    following = 'reflex robots claim'
    # The one secret that is shown: it is what was asked for, and it works once (m 19).
    rest = {key: value for key, value in found.as_sent().items() if key not in ('ok', 'token')}
    text.report(common, {'ok': True, 'pairing': found.as_sent(), 'next': [following]},
                'Robot pairing token\n', f'Token: {printable(found.token)}', *text.lines(rest),
                f'\nNext:\n  {following}     (at the robot; it asks for the token)')


@robots.command(epilog=options.example(
    'reflex robots claim', 'reflex robots claim - < token.txt'))
@click.argument('token', required=False)
@remote
def claim(common: CommonOptions, token: str | None) -> None:
    """
    Pair this robot with the TOKEN that `reflex robots pair` has printed.

    Without a token it is asked for; - reads it from standard input.
    """
    is_piped = token == '-'  # noqa: S105 (the customary name of stdin)
    if is_piped:
        token = sys.stdin.readline(1000)
    elif token is None and not common.as_json and sys.stdin.isatty():
        token = click.prompt('Pairing token', hide_input=True, err=True)
    secret = Secret((token or '').strip())
    if not secret.reveal():
        raise ConfigurationError('TOKEN is required.')
    found = ask(common, calls.claim_pairing_token, secret)
    text.show_record(common, 'Robot paired', found, 'robot')


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
def heartbeat(common: CommonOptions, robot_id: str, every_s: float | None, session: str | None,
              deployment: str | None, transport: str | None, message: str | None) -> None:
    """
    Tell the service that a robot lives, once or every so often.

    With --every, a service that cannot be reached is noted and does not end it.
    """
    def beat() -> None:
        found = ask(common, calls.heartbeat, robot_id, session_id=session,
                    deployment_id=deployment, transport=transport, message=message)
        text.show_record(common, 'Robot heartbeat sent', found, 'robot', field='heartbeat')
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
