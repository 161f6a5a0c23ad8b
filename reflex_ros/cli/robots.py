# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex robots``: schemas, registration, pairing, heartbeats."""

from __future__ import annotations

from pathlib import Path
import sys
import time
from typing import Any

import click

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client import mapping_file
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import printable
from reflex_ros.client.resources import robots as calls
from reflex_ros.errors import ConfigurationError, ServiceUnavailable


@click.group()
def robots() -> None:
    """Register, pair and list robots."""


@service_command('reflex robots register-schema "SO-101" --schema so101.json', group=robots)
@click.argument('name')
@click.option('--schema', required=True, type=click.Path(path_type=Path),
              help='JSON or YAML file that describes observations and actions.')
@click.option('--robot-kind', help='Kind of robot (default: robot_kind of the file).')
def register_schema(common: CommonOptions, name: str, schema: Path,
                    robot_kind: str | None) -> None:
    """
    Register the schema of a kind of robot.

    A schema describes the observations and the actions of a robot.
    """
    content = mapping_file.read(schema, 'robot schema')
    found = ask(common, calls.register_schema, name, content, robot_kind=robot_kind)
    schema_id = found.schema_id or '<schema-id>'
    text.show_record(common, 'Robot schema registered', found, 'robotSchema', ids=['schemaId'],
                     next=[f'reflex robots register <name> --schema-id {schema_id}'])


@service_command('reflex robots schemas', group=robots)
def schemas(common: CommonOptions) -> None:
    """List all robot schemas."""
    found = ask(common, calls.list_schemas)
    rows: list[dict[str, Any]] = [
        row.as_sent() | {'id': row.schema_id} for row in found.schemas]
    text.show_rows(common, 'Robot schemas', rows, (
        'id', 'name', 'robotKind', 'actionDim', 'safeStopMode', 'createdAt'),
        value=found.as_sent(), field='robotSchemas')


@service_command('reflex robots register bench-arm --schema-id schema_abc123', group=robots)
@click.argument('name')
@click.option('--schema-id', required=True, help='Id of the robot schema.')
@click.option('--robot-kind', help='Kind of robot (default: kind of the schema).')
@click.option('--calibration-id', help='Id of the calibration that the robot uses.')
def register(common: CommonOptions, name: str, schema_id: str, robot_kind: str | None,
             calibration_id: str | None) -> None:
    """
    Register a robot with a schema.

    Then run `reflex robots pair` to pair the robot.
    """
    found = ask(common, calls.register, name, schema_id, robot_kind=robot_kind,
                calibration_id=calibration_id)
    text.show_record(common, 'Robot registered', found, 'robot',
                     next=[f'reflex robots pair {found.robot_id or "<robot-id>"}'])


@service_command('reflex robots list', group=robots)
def list_(common: CommonOptions) -> None:
    """List all robots."""
    found = ask(common, calls.list_all)
    rows: list[dict[str, Any]] = [row.as_sent() | {'id': row.robot_id} for row in found.robots]
    text.show_rows(common, 'Robots', rows, (
        'id', 'name', 'status', 'robotKind', 'robotSchemaId', 'pairedAt', 'lastHeartbeatAt'),
        value=found.as_sent(), field='robots')


@service_command('reflex robots pair robot_xyz789 --ttl-seconds 600', group=robots)
@click.argument('robot_id')
@click.option('--ttl-seconds', type=click.IntRange(1), default=3600, show_default=True,
              help='Seconds until the token expires.')
def pair(common: CommonOptions, robot_id: str, ttl_seconds: int) -> None:
    """
    Create a token that pairs one robot.

    Run `reflex robots claim` on the robot and enter the token there. A token works
    once.
    """
    found = ask(common, calls.create_pairing_token, robot_id, ttl_seconds)
    following = 'reflex robots claim'
    # The only secret that text output shows: the command exists to get it, and it works once
    # (protocol reference, m 19).
    rest = {key: value for key, value in found.as_sent().items() if key not in ('ok', 'token')}
    text.report(common, {'ok': True, 'pairing': found.as_sent(), 'next': [following]},
                'Robot pairing token\n', f'Token: {printable(found.token)}', *text.lines(rest),
                f'\nNext:\n  {following}     (on the robot; the command prompts for the token)')


@service_command('reflex robots claim', 'reflex robots claim - < token.txt', group=robots)
@click.argument('token', required=False)
def claim(common: CommonOptions, token: str | None) -> None:
    """
    Pair this robot with a token of `reflex robots pair`.

    Without TOKEN, the command prompts for it. With - as TOKEN, it reads the
    token from standard input.
    """
    is_piped = token == '-'  # noqa: S105 (the usual name of stdin)
    if is_piped:
        token = sys.stdin.readline(1000)
    elif token is None and not common.as_json and sys.stdin.isatty():
        token = click.prompt('Pairing token', hide_input=True, err=True)
    secret = Secret((token or '').strip())
    if not secret.reveal():
        raise ConfigurationError('TOKEN is required.')
    found = ask(common, calls.claim_pairing_token, secret)
    text.show_record(common, 'Robot paired', found, 'robot')


@service_command(
    'reflex robots heartbeat robot_xyz789', 'reflex robots heartbeat robot_xyz789 --every 10',
    group=robots)
@click.argument('robot_id')
@click.option('--every', 'every_s', type=click.FloatRange(1.0, 3600.0), metavar='N',
              help='Repeat every N seconds until Ctrl-C (10 is usual).')
@click.option('--session', help='Id of the session that the robot runs.')
@click.option('--deployment', help='Id of the deployment that the robot runs.')
@click.option('--transport', help='Transport between robot and policy, as free text.')
@click.option('--message', help='Status of the robot in a few words.')
def heartbeat(common: CommonOptions, robot_id: str, every_s: float | None, session: str | None,
              deployment: str | None, transport: str | None, message: str | None) -> None:
    """
    Send a heartbeat of a robot, once or repeatedly.

    With --every, an unreachable service is reported, and the heartbeats continue.
    """
    def beat() -> None:
        found = ask(common, calls.heartbeat, robot_id, session_id=session,
                    deployment_id=deployment, transport=transport, message=message)
        text.show_record(common, 'Robot heartbeat sent', found, 'robot', field='heartbeat')
        sys.stdout.flush()

    beat()
    due = time.monotonic()
    while every_s is not None:
        # Missed heartbeats are not sent later.
        due = max(due + every_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            beat()
        except ServiceUnavailable as exc:
            click.echo(f'{exc}; retrying in {every_s:g} s', err=True)
