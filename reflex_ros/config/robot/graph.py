# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From robot.yaml to the parameters of the ROS graph, and what only ``reflex connect`` can do.

Only what the file says is passed on; for the rest the nodes have their own defaults, which are
the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reflex_ros.config.parameters import action_stream
from reflex_ros.config.parameters import camera as camera_table
from reflex_ros.config.problems import Problem, WrongFile
from reflex_ros.config.robot import cameras, targets
from reflex_ros.config.robot.cameras import Picture, ShmCamera, SimCamera, TopicCamera, V4l2Camera
from reflex_ros.config.robot.file import RobotFile
from reflex_ros.config.robot.hardware import SimHardware, So101Hardware
from reflex_ros.config.robot.model import GATE, RobotConfig
from reflex_ros.config.robot.targets import StreamTarget
from reflex_ros.config.yaml_lines import Place

Parameters = dict[str, dict[str, Any]]
"""Name of a node -> name and value of its parameters."""

_STREAM = {row.name: row for row in action_stream.TABLE}
_PICTURE = {key: parameter for parameter, key in cameras.NAMES.items()}
_TARGET = {key: parameter for parameter, key in targets.NAMES.items()}
CAMERA = 'camera_'
"""Before the name of a camera: the node that publishes it."""
CONNECT = 'use `reflex connect`'


def parameters(found: RobotFile, environment: Mapping[str, str], *, sim: bool) -> Parameters:
    """
    Translate a robot.yaml into the parameters of the nodes.

    :param environment: with REFLEX_DEPLOYMENT_ID and REFLEX_ROBOT_ID.
    :param sim: whether a simulated arm takes the place of the hardware.
    :raises WrongFile: with every key that the graph does not drive, and what to use instead.
    """
    config = found.config
    problems = [Problem.at(found.file, place, reason)
                for place, reason in _not_driven(config, sim=sim)]
    if problems:
        raise WrongFile(problems)
    # _not_driven has refused the others.
    assert isinstance(config.target, StreamTarget)
    assert isinstance(config.hardware, (So101Hardware, SimHardware))
    arm = config.hardware.config.given()
    stream = {_TARGET.get(key, key): value for key, value in config.target.given().items()
              if _TARGET.get(key, key) in _STREAM}
    if 'adapter' in stream or config.target.mapping_joints:
        stream |= config.target.wire()
    # The stream checks a chunk before it is sent, with the limits of the arm.
    stream |= {key: value for key, value in arm.items() if key.startswith('limits.')
               and key in _STREAM}
    stream |= {'prompt': config.prompt, 'cameras': list(config.cameras) or ['']}
    if not config.pipeline_inference:
        stream['schedule'] = 'sync'
    if config.control_period_s:
        stream['replan_s'] = max(config.control_period_s, config.target.replan_s)
    for key, own, variable in (
            ('service.deployment', config.deployment.id, 'REFLEX_DEPLOYMENT_ID'),
            ('service.robot', config.deployment.robot_id, 'REFLEX_ROBOT_ID')):
        value = own or environment.get(variable, '')
        if value and key in _STREAM:
            stream[key] = value
    for name, camera in config.cameras.items():
        stream |= dict(_camera(name, camera))
    gate = {f'{GATE}{key}': value for key, value in config.gate.given().items()}
    publishers = {f'{CAMERA}{name}': _publisher(name, camera)
                  for name, camera in config.cameras.items()
                  if isinstance(camera, (V4l2Camera, ShmCamera))}
    return {'so101': arm, 'action_stream': stream, 'supervisor': gate, **publishers}


def _camera(name: str, camera: Any) -> Iterator[tuple[str, Any]]:
    given = camera.given() if isinstance(camera, Picture) else {}
    for key, value in given.items():
        if key in _PICTURE:
            yield _PICTURE[key].replace('<name>', name), value
    if isinstance(camera, TopicCamera) and camera.topic:
        yield f'camera.{name}.topic', camera.topic


def _publisher(name: str, camera: V4l2Camera | ShmCamera) -> dict[str, Any]:
    """Return the parameters of the node that publishes a camera."""
    own = {row.name for row in camera_table.TABLE}
    values = {key: value for key, value in camera.given().items() if key in own}
    if isinstance(camera, ShmCamera):
        return {**values, 'camera': name, 'kind': 'shm'}
    return {**values, 'camera': name, 'kind': 'v4l2', 'device': str(camera.device)}


def published(config: RobotConfig) -> tuple[str, ...]:
    """Return the names of the cameras that need a node which publishes them."""
    return tuple(name for name, camera in config.cameras.items()
                 if not isinstance(camera, TopicCamera))


def warnings(found: RobotFile) -> Iterator[Problem]:
    """Say what the graph does in another way than ``reflex connect``."""
    config = found.config
    if config.mode == 'apply_actions':
        yield Problem.at(found.file, ('mode',), 'the graph begins in dry_run; nothing moves '
                         'before it is promoted: `reflex promote`')
    if 'heartbeat_interval_s' in config.model_fields_set:
        yield Problem.at(found.file, ('heartbeat_interval_s',), 'has no effect on the graph')


def _not_driven(config: RobotConfig, *, sim: bool) -> Iterator[tuple[Place, str]]:
    """Name what the graph does not drive."""
    if not isinstance(config.target, StreamTarget):
        yield ('target', 'kind'), f'the graph drives only kind stream: {CONNECT}'
    if isinstance(config.hardware, SimHardware) and not sim:
        yield ('hardware', 'kind'), ('start the graph with a simulated arm: `reflex up --sim '
                                     f'--config FILE`, or {CONNECT}')
    elif not isinstance(config.hardware, (So101Hardware, SimHardware)):
        yield ('hardware', 'kind'), f'the graph drives only kind so101: {CONNECT}'
    for name, camera in config.cameras.items():
        if isinstance(camera, SimCamera) and not sim:
            yield ('cameras', name, 'kind'), (
                'only `reflex up --sim` has a simulated camera in the graph. Start it with --sim, '
                f'or {CONNECT}')
        if not isinstance(camera, Picture):
            yield ('cameras', name, 'kind'), (
                'the graph reads topics: publish the frames from a ROS node and use kind: topic, '
                f'or {CONNECT}')
    if config.max_steps:
        yield ('max_steps',), f'the graph runs until it is stopped: {CONNECT}'
    longest = _STREAM['replan_s'].high or 0.0
    if config.control_period_s > longest:
        yield ('control_period_s',), f'the graph allows {longest:g} s at most: {CONNECT}'
    if not config.stop_on_error:
        yield ('stop_on_error',), ('the graph stops at every error, until `reflex reset`: '
                                   f'{CONNECT}')
    if config.recording.directory:
        yield ('recording', 'directory'), (
            f'the graph keeps no files of a run: use `ros2 bag record`, or {CONNECT}')
