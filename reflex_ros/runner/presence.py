# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The robot as the service sees it: heartbeats, and whether its deployment may apply actions.

A robot exists for the service from *configure* on, long before it has a session: its heartbeat is
one of the checks that make a deployment ready. A deployment that is not ready bars promotion (the
gate shows why), and never the dry run. Nothing here stops the arm: a lost heartbeat has no effect
on a running session.

``identify`` and ``run`` belong to one event loop; ``status`` may be read from any thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
import logging
from typing import NamedTuple

from reflex_ros.client import names, readiness
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.client.credentials import Secret
from reflex_ros.client.messages.robots import Robot
from reflex_ros.client.readiness import Facts
from reflex_ros.client.resources import deployments, robots
from reflex_ros.client.texts import printable
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.heartbeats import Readiness
from reflex_ros.errors import ConfigurationError, ReflexError, ServiceUnavailable
from reflex_ros.runner import policy_fit

_log = logging.getLogger(__name__)

BEAT_S = 10.0
"""Time between two heartbeats (protocol reference, section i.4)."""
SILENT_S = 25.0
"""A robot without a heartbeat for 30 s is not ready; a person should know before."""
LOOK_S = 3.0
"""Time between two checks of a deployment that is not ready."""
CALL_S = 4.0
TRANSPORT = 'websocket'
NO_DEPLOYMENT = ('no deployment is set, so nobody has checked that the policy fits this robot. '
                 'Set {0.deployment} (`reflex deployments list`), or set {0.allow_unchecked} to '
                 'true')
NO_ROBOT = ('no robot is set on this machine, so no heartbeat is sent. Run `reflex robots setup '
            '--so101 --name bench`, or set {0.robot} (`reflex robots list`)')


@dataclass(frozen=True, slots=True)
class SettingNames:
    """What a person calls the settings of a presence, for texts that say what to set."""

    robot: str = 'service.robot'
    deployment: str = 'service.deployment'
    allow_unchecked: str = 'service.allow_unchecked'


IN_ROBOT_YAML = SettingNames('deployment.robot_id', 'deployment.id',
                             'target.service.allow_unchecked')


class Doing(NamedTuple):
    """What the robot does now, for its heartbeat."""

    session_id: str
    message: str


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """
    Who this robot is.

    :param rpc_url: base URL of the RPC backend.
    :param robot: id or name of the robot; empty takes the one that was claimed here.
    :param deployment: id or name of the deployment; empty for none.
    :param claimed: returns the robot that ``reflex robots claim`` wrote on this machine; read
        again while there is none.
    :param allow_unchecked: whether actions may be applied without a deployment.
    :param names: what these settings are called where a person sets them.
    """

    rpc_url: str
    robot: str = ''
    deployment: str = ''
    claimed: Callable[[], ClaimedRobot | None] = lambda: None
    allow_unchecked: bool = False
    names: SettingNames = SettingNames()
    beat_s: float = BEAT_S
    look_s: float = LOOK_S


@dataclass(frozen=True, slots=True)
class PresenceStatus:
    """
    What is known; the presence replaces the whole value.

    :param robot_id: empty without a robot.
    :param deployment_id: empty without a deployment.
    :param beats: heartbeats that the service has accepted.
    :param unready: each check that bars ``apply_actions`` -> message and next step.
    """

    robot_id: str = ''
    deployment_id: str = ''
    beats: int = 0
    readiness: Readiness = Readiness.UNKNOWN
    unready: Mapping[str, str] = field(default_factory=dict)


class Presence:
    """
    Sends the heartbeats of one robot, and follows the readiness of its deployment.

    :param arm: compared with the schema that the deployment expects; None: nobody knows it.
    :param doing: returns what the robot does now; called in the loop.
    """

    def __init__(self, settings: PresenceSettings, key: Secret, arm: ArmDescription | None,
                 doing: Callable[[], Doing]) -> None:
        self.settings = settings
        self.status = PresenceStatus()
        """The newest status; replaced by the loop alone."""
        self._key = key
        self._arm = arm
        self._doing = doing
        self._claimed: ClaimedRobot | None = None
        self.facts: Facts | None = None
        """The deployment and its schema; None without one, and before ``identify``."""
        self._robot: Robot | None = None
        self._beat_at = 0.0
        self._beat_problem = ''
        self._is_checked = False
        self._robot_problem = ''

    async def identify(self, service: AsyncReflex) -> None:
        """
        Find robot and deployment, and compare it with the arm; errors as in ``RpcClient.call``.

        A claimed robot that no longer exists is no error: only promotion needs a robot.

        :raises ConfigurationError: if a name fits several resources, or no robot.
        :raises PolicyMisfit: if the robot schema of the deployment is not that of the arm.
        """
        settings = self.settings
        self._claimed = settings.claimed() if not settings.robot else None
        listed = await robots.list_all(service)
        deployment_id = await _find(service, 'deployment', settings.deployment,
                                    settings.names.deployment)
        robot_id = await _find(service, 'robot', settings.robot, settings.names.robot) or (
            self._claimed.robot_id if self._claimed else '')
        self._robot = next((row for row in listed.robots if row.robot_id == robot_id), None)
        if robot_id and self._robot is None:
            if settings.robot:
                raise ConfigurationError(f'{settings.names.robot}: there is no robot '
                                         f'{settings.robot}. Run `reflex robots list`')
            self._robot_problem = (f'the robot {self._claimed} that this machine claimed does '
                                   'not exist any more. Run `reflex robots setup --so101 '
                                   '--name bench`')
            robot_id = ''
        self.facts = await readiness.facts(service, deployment_id) if deployment_id else None
        if self._arm is not None:
            policy_fit.check_deployment(self._arm, self.facts)
        self.status = replace(self.status, robot_id=robot_id, deployment_id=deployment_id)
        # What was checked was another pair of robot and deployment.
        self._is_checked = False
        self._show({})

    async def run(self) -> None:
        """Send heartbeats and check the deployment until cancelled; ``identify`` comes first."""
        now = asyncio.get_running_loop().time
        async with AsyncReflex(self._key, convex_url=self.settings.rpc_url,
                               window_s=CALL_S) as service:
            beat_due = now()
            while True:
                if await self._is_claimed_now(service) or now() >= beat_due:
                    beat_due = now() + self.settings.beat_s
                    await self._beat(service, now)
                await self._check(service, now)
                is_settled = self.status.readiness is not Readiness.BLOCKED
                await asyncio.sleep(max(0.0, beat_due - now()) if is_settled
                                    else min(self.settings.look_s, max(0.0, beat_due - now())))

    async def _is_claimed_now(self, service: AsyncReflex) -> bool:
        """Return whether a robot was claimed on this machine since we looked for one."""
        if self.status.robot_id or self.settings.robot:
            return False
        try:
            if self.settings.claimed() == self._claimed:
                return False
            self._robot_problem = ''
            await self.identify(service)
        except ReflexError as exc:
            _log.warning('the claimed robot: %s', exc)
        return bool(self.status.robot_id)

    async def _beat(self, service: AsyncReflex, now: Callable[[], float]) -> None:
        status = self.status
        if not status.robot_id:
            return
        doing = self._doing()
        try:
            await robots.heartbeat(
                service, status.robot_id, session_id=doing.session_id or None,
                deployment_id=status.deployment_id or None, transport=TRANSPORT,
                message=doing.message or None)
        except ReflexError as exc:
            level = logging.DEBUG if self._beat_problem else logging.WARNING
            _log.log(level, 'no heartbeat: %s', exc)
            self._beat_problem = str(exc)
            return
        if self._beat_problem:
            _log.info('heartbeats reach the service again')
        self._beat_at, self._beat_problem = now(), ''
        self.status = replace(status, beats=status.beats + 1)

    async def _check(self, service: AsyncReflex, now: Callable[[], float]) -> None:
        """Ask whether the deployment is ready, and show it."""
        failed: dict[str, str] = {}
        known = self.facts
        if known is not None:
            try:
                failed = await self._failed_checks(service, known)
            except ServiceUnavailable as exc:
                # What was seen last still stands; the session says that the service is gone.
                _log.debug('readiness: %s', exc)
                failed = dict(self.status.unready)
                if not self._is_checked:
                    failed = {'deployment': f'its readiness is not known: {exc}'}
            except ReflexError as exc:
                failed = {'deployment': str(exc)}
        if self._beat_problem and now() - self._beat_at > SILENT_S:
            failed['heartbeat'] = f'no heartbeat reaches the service: {self._beat_problem}'
        self._show(failed)

    async def _failed_checks(self, service: AsyncReflex, known: Facts) -> dict[str, str]:
        identity = known.deployment_id
        if self._is_checked:
            # Reading is cheap, and a check is not; the service keeps the result of the last one.
            if (await deployments.get(service, identity)).status == 'ready':
                return {}
        found = await deployments.check(service, identity)
        self._is_checked = True
        if found.passed or found.status == 'ready':
            return {}
        failed = {printable(row.name, 40): readiness.line(row, self._remedy(row.name, known))
                  for row in found.failed}
        return failed or {'deployment': f'{known.deployment.name or identity} is {found.status}. '
                          f'Run `reflex doctor {identity}`'}

    def _remedy(self, check: str, known: Facts) -> str:
        if check == 'robot_heartbeat_recent':
            # "Start the robot" would be no help: it is running.
            if not self.status.robot_id:
                return self._no_robot()
            if not self._beat_problem:
                return f'Heartbeats of {self.status.robot_id} are sent every ' \
                       f'{self.settings.beat_s:g} s: wait a moment'
        return readiness.remedy(check, known, self.status.robot_id)

    def _no_robot(self) -> str:
        text = self._robot_problem or NO_ROBOT.format(self.settings.names)
        schema_id = self.facts.schema_id if self.facts else ''
        return text.replace('--so101', f'--schema-id {schema_id}') if schema_id else text

    def _show(self, failed: Mapping[str, str]) -> None:
        """Publish the checks that bar promotion: those of the service, and our own."""
        known = self.facts
        if known is None:
            is_allowed = self.settings.allow_unchecked
            self.status = replace(
                self.status,
                readiness=Readiness.UNCHECKED if is_allowed else Readiness.BLOCKED,
                unready={} if is_allowed else {
                    'deployment': NO_DEPLOYMENT.format(self.settings.names)})
            return
        arm = self._arm
        unready = dict(failed) if arm is None else {
            **readiness.mismatches(known, self._robot, kind=arm.wire.robot), **failed}
        state = Readiness.BLOCKED if unready else (
            Readiness.READY if self._is_checked else Readiness.UNKNOWN)
        if unready != self.status.unready:
            for name, text in unready.items():
                _log.info('not ready to apply actions: %s: %s', name, text)
            if not unready and self._is_checked:
                _log.info('deployment %s is ready to apply actions',
                          known.deployment_id)
        self.status = replace(self.status, readiness=state, unready=unready)


async def _find(service: AsyncReflex, kind: str, text: str, setting: str) -> str:
    """Return the id that a setting means; empty for an empty setting."""
    try:
        return await names.resolve(service, kind, text) if text else ''
    except ConfigurationError as exc:
        raise ConfigurationError(f'{setting}: {exc}') from exc
