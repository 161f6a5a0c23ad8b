# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From robot.yaml to a run: which loop, with which robot, policy and cameras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
import logging
import os
from pathlib import Path
from typing import Any, Protocol

from reflex_ros.cameras.settings import observation_bounds
from reflex_ros.client import access, claimed_robot, endpoints, retry
from reflex_ros.client.edge import EdgeSettings
from reflex_ros.config.parameters.mapping import adapted
from reflex_ros.config.robot import file as robot_file
from reflex_ros.config.robot.hardware import (
    SimHardware,
    So101Hardware,
    SubprocessHardware,
    UserHardware,
)
from reflex_ros.config.robot.model import RobotConfig
from reflex_ros.config.robot.targets import EdgeTarget, InferTarget, StreamTarget, UserTarget
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.motion_guard import GuardBounds
from reflex_ros.domain.outlook import SendPrefix
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arms import ARMS
from reflex_ros.runner.connect import user_class
from reflex_ros.runner.connect.arm_plan import ArmPlan
from reflex_ros.runner.connect.arm_run import ArmRun
from reflex_ros.runner.connect.arm_steps import ArmSteps
from reflex_ros.runner.connect.cameras import (
    check_packages,
    make_source,
    picture_settings,
    ReadCamera,
)
from reflex_ros.runner.connect.records import Records
from reflex_ros.runner.connect.result import RunResult
from reflex_ros.runner.connect.service_place import ServicePlace
from reflex_ros.runner.connect.signals import StopRequest
from reflex_ros.runner.connect.step_run import StepRun, StepSettings
from reflex_ros.runner.connect.steps import StepConnector, StepTransport
from reflex_ros.runner.connect.subprocess_connector import SubprocessConnector
from reflex_ros.runner.connect.transports import (
    EdgeTransport,
    InferTransport,
    StreamTransport,
)
from reflex_ros.runner.connectors import connector_factory
from reflex_ros.runner.presence import BEAT_S, IN_ROBOT_YAML, PresenceSettings
from reflex_ros.runner.session_status import SessionSettings
from reflex_ros.runner.supervisor import GateSettings

_log = logging.getLogger(__name__)

OnHeartbeat = Callable[[dict[str, int]], object]


class Run(Protocol):
    """A run of either loop."""

    result: RunResult

    def run(self) -> RunResult:
        """Run until the end."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """
    What is not in the file.

    :param api_key: instead of that of the environment and of the login.
    :param convex_url: backend, instead of that of the environment and of the login.
    :param records: what is kept of the run; None: nothing.
    """

    api_key: str | None = field(default=None, repr=False)
    convex_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    records: Records | None = None


def run_from_config(path: str | Path, on_heartbeat: OnHeartbeat | None = None, *,
                    api_key: str | None = None, convex_url: str | None = None) -> RunResult:
    """
    Run the robot of a robot.yaml, as ``reflex connect`` does; blocks until the end.

    :param on_heartbeat: called with ``step``, ``applied_steps`` and ``safe_stops`` every
        ``heartbeat_interval_s``.
    :returns: counters, and the errors that were survived or ended the run.
    :raises ConfigurationError: for a file with mistakes, each with its line.
    :raises ReflexError: when the run could not begin.
    """
    return make_run(read_config(Path(path)), Path(path).parent,
                    RunOptions(api_key, convex_url), StopRequest(), on_heartbeat).run()


def read_config(path: Path) -> RobotConfig:
    """
    Read a robot.yaml; what has no effect in it is logged.

    :raises ConfigurationError: with every mistake of the file, each with its line.
    """
    read = robot_file.read(path)
    for warning in read.warnings:
        _log.warning('%s', warning)
    return read.config


def make_run(config: RobotConfig, folder: Path, options: RunOptions, stop: StopRequest,
             on_heartbeat: OnHeartbeat | None = None) -> Run:
    """
    Make the run of a configuration; nothing is opened yet.

    :param folder: where the configuration is; classes of the user are searched there too.
    :param stop: ends the run.
    :raises ConfigurationError: for what does not go together, or cannot be imported.
    """
    check_packages(config.cameras)
    if isinstance(config.hardware, (So101Hardware, SimHardware)) \
            and isinstance(config.target, StreamTarget):
        plan = _arm_plan(config, folder, options)
        recorder = options.records.arm(plan.bounds.arm.joint_names) if options.records else None
        return ArmRun(plan, stop, on_heartbeat, recorder)
    settings = StepSettings(
        config.mode, config.max_steps, config.control_period_s, config.stop_on_error,
        config.pipeline_inference, config.heartbeat_interval_s or 10.0)
    cameras = {name: ReadCamera(name, make_source(name, camera, folder)(lambda: None))
               for name, camera in config.cameras.items()}
    steps = options.records.steps({
        'mode': config.mode, 'max_steps': config.max_steps,
        'control_period_s': config.control_period_s, 'cameras': list(config.cameras),
        'pipeline_inference': config.pipeline_inference}) if options.records else None
    return StepRun(_step_connector(config, folder), _transport(config, folder, options), cameras,
                   settings, stop, on_heartbeat, steps)


def _arm_plan(config: RobotConfig, folder: Path, options: RunOptions) -> ArmPlan:
    target, hardware = config.target, config.hardware
    assert isinstance(target, StreamTarget)
    assert isinstance(hardware, (So101Hardware, SimHardware))
    own: dict[str, Any] = hardware.config.values()
    environment = options.environment
    found = access.resolve(environment, api_key=options.api_key,
                           convex_url=endpoints.given(options.convex_url, '--convex-url')
                           or endpoints.given(target.rpc_url, 'target.rpc_url'))
    rpc_url = found.rpc_url
    actions_url = endpoints.actions_url(endpoints.given(target.url, 'target.url'), environment,
                                        rpc_url)
    key = found.only_key(actions_url)
    assert key is not None
    pictures = picture_settings(config.cameras)
    claimed_file = claimed_robot.path(environment)
    presence = PresenceSettings(
        rpc_url, _robot(config, options), _deployment(config, options),
        lambda: claimed_robot.load(claimed_file, rpc_url),
        allow_unchecked=any(value for name, value in target.values().items()
                            if name.endswith('allow_unchecked')),
        names=IN_ROBOT_YAML, beat_s=config.heartbeat_interval_s or BEAT_S)
    session = SessionSettings(
        rpc_url=rpc_url, actions_url=actions_url,
        prompt=config.prompt, model=target.base_model,
        cameras=tuple(camera.wire_key for camera in pictures), rate_hz=target.rate_hz,
        chunk_size=target.chunk_size, execute_horizon=target.execute_horizon,
        send_prefix=SendPrefix(target.send_prefix),
        send_arrival_state=target.send_arrival_state,
        rules=RequestRules(max(target.replan_s, config.control_period_s), target.parallel,
                           target.max_in_flight, not config.pipeline_inference),
        window_s=target.open_window_s
        if 'REFLEX_WS_CONNECT_RETRY_SECONDS' not in environment else retry.window(environment))
    factory = connector_factory(hardware.kind)
    # Both kinds drive the arm that the graph's node of this name drives.
    arm = adapted(ARMS['so101'].with_velocity(own['limits.velocity']), target.wire())
    return ArmPlan(
        session=session, key=key, open_connector=lambda guard: factory.open(own, guard),
        close_robot=getattr(factory, 'close', lambda: None),
        bounds=ChunkBounds(arm, own['limits.chunk_age_s'], own['limits.jump'],
                           clamp=own['limits.clamp']),
        presence=presence, applies=config.mode == 'apply_actions',
        cameras=[(camera, make_source(camera.name, config.cameras[camera.name], folder))
                 for camera in pictures],
        observation=observation_bounds(pictures, target.camera_age_s, target.camera_frozen_s),
        guard=_guard_bounds(own),
        gate=GateSettings(config.gate.dry_run_s, config.gate.chunk_age_s,
                          config.gate.min_expiry_s),
        max_steps=config.max_steps, stop_on_error=config.stop_on_error,
        heartbeat_s=config.heartbeat_interval_s or 10.0)


def _guard_bounds(own: Mapping[str, Any]) -> GuardBounds:
    soft, hard = own['stop.soft_s'], own['stop.hard_s']
    return GuardBounds(permit_soft_s=soft, permit_hard_s=hard, beat_soft_s=soft, beat_hard_s=hard,
                       starved_s=own['stop.starved_s'])


def _step_connector(config: RobotConfig, folder: Path) -> StepConnector:
    hardware = config.hardware
    if isinstance(hardware, SubprocessHardware):
        own = hardware.config
        if config.mode == 'apply_actions' and not own.action_command:
            raise ConfigurationError('action_command is required for apply_actions mode: set '
                                     'hardware.config.action_command')
        return SubprocessConnector(
            own.observe_command, own.action_command, own.safe_stop_command,
            own.command_timeout_s, own.safe_stop_timeout_s, own.persistent)
    if isinstance(hardware, (So101Hardware, SimHardware)):
        values: dict[str, Any] = hardware.config.values()
        factory = connector_factory(hardware.kind)
        return ArmSteps(lambda guard: factory.open(values, guard), _guard_bounds(values),
                        waits=not config.pipeline_inference,
                        close_robot=getattr(factory, 'close', lambda: None))
    if isinstance(hardware, UserHardware):
        made: StepConnector = user_class.make(hardware.kind, hardware.config.values(),
                                              'hardware.kind', folder)
        return made
    raise ConfigurationError(f'hardware.kind {hardware.kind} is not driven here')


def _transport(config: RobotConfig, folder: Path, options: RunOptions) -> StepTransport:
    target = config.target
    pictures = {camera.name: camera for camera in picture_settings(config.cameras)}
    if isinstance(target, EdgeTarget):
        return EdgeTransport(EdgeSettings(**target.model_dump(exclude={'kind'})), config.prompt,
                             cameras=pictures)
    if isinstance(target, UserTarget):
        made: StepTransport = user_class.make(target.kind, target.arguments, 'target.kind', folder)
        return made
    if isinstance(target, InferTarget):
        place = replace(_place(config, options, target.rpc_url), infer_url=target.url or None)
        # A robot of the user's own takes the rows of whatever model is bound to the key.
        wire = ARMS['so101'].wire if isinstance(
            config.hardware, (So101Hardware, SimHardware)) else None
        return InferTransport(config.prompt, place, timeout_s=target.timeout_s, cameras=pictures,
                              action_adapter=wire.adapter if wire else None,
                              robot=wire.robot if wire else None)
    if isinstance(target, StreamTarget):
        place = replace(_place(config, options, target.rpc_url), actions_url=target.url or None)
        window = None if 'REFLEX_WS_CONNECT_RETRY_SECONDS' in options.environment \
            else target.open_window_s
        return StreamTransport(
            config.prompt, place, cameras=pictures, model=target.base_model,
            robot=target.robot or None, action_adapter=target.action_adapter or None,
            hz=target.rate_hz, chunk_size=target.chunk_size, connect_retry_seconds=window)
    raise ConfigurationError(f'target.kind {target.kind} is not driven here')


def _place(config: RobotConfig, options: RunOptions, rpc_url: str) -> ServicePlace:
    return ServicePlace(
        options.api_key, options.convex_url or rpc_url or None,
        deployment_id=_deployment(config, options), robot_id=_robot(config, options),
        heartbeat_s=config.heartbeat_interval_s or BEAT_S, environment=options.environment)


def _deployment(config: RobotConfig, options: RunOptions) -> str:
    return config.deployment.id or options.environment.get('REFLEX_DEPLOYMENT_ID', '')


def _robot(config: RobotConfig, options: RunOptions) -> str:
    own, environment = config.deployment, options.environment
    return (own.robot_id or environment.get('REFLEX_ROBOT_ID') or own.robot_name
            or environment.get('REFLEX_ROBOT_NAME', ''))
