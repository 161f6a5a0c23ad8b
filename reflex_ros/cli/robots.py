# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex robots``: schemas, registration, pairing, heartbeats."""

from __future__ import annotations

from pathlib import Path
import sys
import time
from typing import Any, TYPE_CHECKING

import click

from reflex_ros.bringup.process_table import share_folder
from reflex_ros.cli import dotenv, next_steps, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.named import id_argument, IdOf, real, resolved
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask, ask_next
from reflex_ros.client import claimed_robot, mapping_file, private_file
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages import Row
from reflex_ros.client.messages.robots import Robot, RobotList
from reflex_ros.client.resources import robots as calls
from reflex_ros.client.texts import printable
from reflex_ros.errors import ConfigurationError, ServiceUnavailable

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex
    from reflex_ros.client.robot_setup import SetUp

SO101_NAME = 'SO-101'


@click.group()
def robots() -> None:
    """Register, pair and list robots."""


@service_command('reflex robots register-schema --so101',
                 'reflex robots register-schema "My arm" --schema arm.json', group=robots)
@click.argument('name', required=False)
@click.option('--schema', type=click.Path(path_type=Path),
              help='JSON or YAML file that describes observations and actions '
                   '(doc/robot_files.md).')
@click.option('--so101', is_flag=True, help='Use the schema of the SO-101 of this package.')
@click.option('--robot-kind', help='Kind of robot (default: robot_kind of the file).')
def register_schema(common: CommonOptions, name: str | None, schema: Path | None, so101: bool,
                    robot_kind: str | None) -> None:
    """
    Register the schema of a kind of robot.

    A schema describes the observations and the actions of a robot. It is checked before it is
    sent.
    """
    own_name, content = _schema(schema, so101=so101)
    found = ask(common, calls.register_schema, name or own_name, content, robot_kind=robot_kind)
    schema_id = found.schema_id or '<schema-id>'
    text.show_record(common, 'Robot schema registered', found, 'robotSchema', ids=['schemaId'],
                     next=[f'reflex robots setup --name bench --schema-id {schema_id}'])


def _schema(file: Path | None, *, so101: bool) -> tuple[str, dict[str, object]]:
    """Return name and content of the schema that two options choose."""
    if (file is None) is not so101:
        raise click.UsageError('Pass either --schema FILE or --so101.')
    if so101:
        file = share_folder() / 'config' / 'so101.schema.json'
    assert file is not None
    return SO101_NAME if so101 else file.stem, mapping_file.read(file, 'robot schema')


@service_command('reflex robots setup --so101 --name bench',
                 'reflex robots setup --schema arm.json --name left', group=robots)
@click.option('--name', required=True, help='Name of the robot.')
@click.option('--so101', is_flag=True, help='The robot is an SO-101.')
@click.option('--schema', type=click.Path(path_type=Path),
              help='File with the schema of another kind of robot.')
@click.option('--schema-id', type=IdOf('schema'),
              help='Id or name of a schema that is registered already.')
def setup(common: CommonOptions, name: str, so101: bool, schema: Path | None,
          schema_id: str | None) -> None:
    """
    Register, pair and claim this robot in one go.

    Run the command on the machine of the robot: from then on, `reflex up` sends the heartbeats of
    this robot. Existing entries are used again, so a second run does no harm.
    """
    schema_name, content = '', None
    if schema_id is None:
        schema_name, content = _schema(schema, so101=so101)
    elif so101 or schema is not None:
        raise click.UsageError('Pass one of --so101, --schema and --schema-id.')

    # Not imported at the top: completion needs none of the network libraries.
    from reflex_ros.client import robot_setup

    async def request(service: AsyncReflex) -> SetUp:
        # The file first: a token must not be spent when nobody can remember what it was for.
        file = claimed_robot.path(dotenv.environment())
        private_file.prepare(file, claimed_robot.WHAT)
        done = await robot_setup.set_up(
            service, name, schema=content, schema_name=schema_name, schema_id=schema_id or '',
            own=next_steps.own_robot(service))
        claimed_robot.save(file, service.rpc.url, done.robot)
        return done

    async def following(service: AsyncReflex, done: SetUp) -> list[str]:
        return await next_steps.to_deployment(service, schema_id=done.robot.schema_id)

    done, commands = ask_next(common, request, following)
    value = {'id': done.robot.robot_id, 'name': done.robot.name,
             'robotSchemaId': done.robot.schema_id, **done.steps}
    text.show(common, 'Robot is set up', value, 'robot', next=commands)


@service_command('reflex robots schemas', group=robots)
def schemas(common: CommonOptions) -> None:
    """List all robot schemas."""
    found = ask(common, calls.list_schemas)
    rows: list[dict[str, Any]] = [
        row.as_sent() | {'id': row.schema_id} for row in found.schemas]
    text.show_rows(common, 'Robot schemas', rows, (
        'id', 'name', 'robotKind', 'actionDim', 'safeStopMode', 'createdAt'),
        value=found.as_sent(), field='robotSchemas', next=[
            f'reflex robots setup --name bench --schema-id {rows[-1]["id"]}'
            if rows else next_steps.SET_UP])


@service_command('reflex robots register bench-arm --schema-id schema_abc123', group=robots)
@click.argument('name')
@click.option('--schema-id', required=True, type=IdOf('schema'),
              help='Id or name of the robot schema.')
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
    found, following = ask_next(common, calls.list_all, _after_list)
    rows: list[dict[str, Any]] = [row.as_sent() | {'id': row.robot_id} for row in found.robots]
    text.show_rows(common, 'Robots', rows, (
        'id', 'name', 'status', 'robotKind', 'robotSchemaId', 'pairedAt', 'lastHeartbeatAt'),
        value=found.as_sent(), field='robots', next=following)


async def _after_list(service: AsyncReflex, found: RobotList) -> list[str]:
    own = next_steps.own_robot(service)
    if own is None or all(row.robot_id != own.robot_id for row in found.robots):
        return [next_steps.SET_UP]
    return await next_steps.after_pairing(service, own.robot_id)


@service_command('reflex robots pair robot_xyz789 --ttl-seconds 600', group=robots)
@id_argument('robot_id', 'robot')
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
@click.option('--robot', type=IdOf('robot'),
              help='Id or name of the robot, if the answer of the service does not name it.')
def claim(common: CommonOptions, token: str | None, robot: str | None) -> None:
    """
    Pair this robot with a token of `reflex robots pair`.

    Without TOKEN, the command prompts for it. With - as TOKEN, it reads the
    token from standard input. The machine remembers the robot: from then on, `reflex up` sends
    its heartbeats.
    """
    is_piped = token == '-'  # noqa: S105 (the usual name of stdin)
    if is_piped:
        token = sys.stdin.readline(1000)
    elif token is None and not common.as_json and sys.stdin.isatty():
        token = click.prompt('Pairing token', hide_input=True, err=True)
    secret = Secret((token or '').strip())
    if not secret.reveal():
        raise ConfigurationError('TOKEN is required. Make one with `reflex robots pair '
                                 '<robot-id>`')

    async def request(service: AsyncReflex) -> Robot:
        file = claimed_robot.path(dotenv.environment())
        private_file.prepare(file, claimed_robot.WHAT)
        answer = await calls.claim_pairing_token(service, secret)
        robot_id = await resolved(service, robot) or answer.robot_id
        if robot_id:
            claimed_robot.save(file, service.rpc.url, ClaimedRobot(
                robot_id, answer.name, answer.first_text('robotSchemaId')))
        else:
            click.echo('The service did not say which robot was paired. Set service.robot, or '
                       'run `reflex robots setup`', err=True)
        return answer

    async def following(service: AsyncReflex, answer: Robot) -> list[str]:
        return await next_steps.after_pairing(service, answer.robot_id)

    found, commands = ask_next(common, request, following)
    text.show_record(common, 'Robot paired', found, 'robot', next=commands)


@service_command(
    'reflex robots heartbeat robot_xyz789', 'reflex robots heartbeat robot_xyz789 --every 10',
    group=robots)
@id_argument('robot_id', 'robot')
@click.option('--every', 'every_s', type=FiniteRange(1.0, 3600.0), metavar='N',
              help='Repeat every N seconds until Ctrl-C (10 is usual).')
@click.option('--session', type=IdOf('session'),
              help='Id or name of the session that the robot runs.')
@click.option('--deployment', type=IdOf('deployment'),
              help='Id or name of the deployment that the robot runs.')
@click.option('--transport', help='Transport between robot and policy, as free text.')
@click.option('--message', help='Status of the robot in a few words.')
def heartbeat(common: CommonOptions, robot_id: str, every_s: float | None, session: str | None,
              deployment: str | None, transport: str | None, message: str | None) -> None:
    """
    Send a heartbeat of a robot, once or repeatedly.

    With --every, an unreachable service is reported, and the heartbeats continue.
    """
    async def following(service: AsyncReflex, _: Row) -> list[str]:
        # A repeated heartbeat does not ask again and again what comes next.
        return [] if every_s else await next_steps.after_pairing(service, real(robot_id))

    def beat() -> None:
        found, commands = ask_next(
            common, calls.heartbeat, following, robot_id, session_id=session,
            deployment_id=deployment, transport=transport, message=message)
        text.show_record(common, 'Robot heartbeat sent', found, 'robot', field='heartbeat',
                         **({'next': commands} if commands else {}))
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
