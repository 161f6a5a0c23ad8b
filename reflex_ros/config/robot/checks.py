# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with values that are right one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reflex_ros.config.parameters.mapping import adapted
from reflex_ros.config.robot.cameras import Picture, V4l2Camera
from reflex_ros.config.robot.hardware import (
    SimHardware,
    So101Hardware,
    SubprocessHardware,
)
from reflex_ros.config.robot.model import RobotConfig
from reflex_ros.config.robot.targets import EdgeTarget, StreamTarget
from reflex_ros.config.yaml_lines import Place
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arms import ARMS


@dataclass(frozen=True, slots=True)
class Finding:
    """A combination that cannot work, or (a warning) that may not do what it looks like."""

    place: Place
    reason: str
    is_warning: bool = False


def findings(config: RobotConfig) -> Iterator[Finding]:
    """Check what the parts of a robot.yaml say together."""
    yield from _hardware(config)
    yield from _target(config)
    yield from _cameras(config)
    if config.streaming is not None:
        yield Finding(('streaming',), 'has no effect: no live video is sent, as with the '
                      "vendor's client", is_warning=True)


def _hardware(config: RobotConfig) -> Iterator[Finding]:
    hardware = config.hardware
    place: Place = ('hardware', 'config')
    if isinstance(hardware, SubprocessHardware):
        if config.mode == 'apply_actions' and not hardware.config.action_command:
            yield Finding((*place, 'action_command'),
                          'action_command is required for apply_actions mode')
    elif isinstance(hardware, (So101Hardware, SimHardware)):
        values = hardware.config.values()
        if values['stop.soft_s'] >= values['stop.hard_s']:
            yield Finding((*place, 'stop.soft_s'), 'must be less than stop.hard_s, which is '
                          f'{values["stop.hard_s"]:g}')
        if config.mode == 'apply_actions' and values.get('profile') == 'leader':
            yield Finding((*place, 'profile'), 'a leader is measured and never moved: use mode: '
                          'dry_run, or profile: follower')


def _target(config: RobotConfig) -> Iterator[Finding]:
    target = config.target
    has_own_layout = isinstance(config.hardware, (So101Hardware, SimHardware))
    if isinstance(target, StreamTarget) and has_own_layout:
        if target.robot:
            yield Finding(('target', 'robot'), 'delete it: hardware.kind '
                          f'{config.hardware.kind} says what the service is told')
        yield from _wire(target)
    if isinstance(target, EdgeTarget) and has_own_layout:
        for name in config.cameras.keys() - target.camera_field_map.keys():
            yield Finding(('cameras', name), 'is not sent: it is not in target.camera_field_map',
                          is_warning=True)


def _wire(target: StreamTarget) -> Iterator[Finding]:
    for joint in target.mapping_changes.keys() - set(target.mapping_joints):
        yield Finding(('target', 'mapping.changes', joint), 'has no effect: the joint is not in '
                      'mapping.joints')
    try:
        # Both kinds drive the arm of this name.
        adapted(ARMS['so101'], target.wire())
    except ConfigurationError as exc:
        key = 'mapping.joints' if target.mapping_joints else 'action_adapter'
        yield Finding(('target', key), str(exc))


def _cameras(config: RobotConfig) -> Iterator[Finding]:
    keys: dict[str, str] = {}
    devices: dict[str, str] = {}
    for name, camera in config.cameras.items():
        place: Place = ('cameras', name)
        if isinstance(camera, V4l2Camera):
            device = (camera.device if isinstance(camera.device, str)
                      else f'/dev/video{camera.device}')
            other = devices.setdefault(device, name)
            if other != name:
                yield Finding((*place, 'device'), f'camera {other} opens {device} too')
        if not isinstance(camera, Picture):
            continue
        if camera.longest_side and (camera.send_width or camera.send_height):
            yield Finding((*place, 'longest_side'), 'is set beside send_width or send_height. '
                          'Keep one of the two ways')
            continue
        try:
            key = camera.picture(name).wire_key
        except ConfigurationError as exc:
            # The text begins with the name that the parameter has in the graph.
            parameter, _, reason = str(exc).partition("' ")
            yield Finding((*place, parameter.rpartition('.')[2]), reason)
            continue
        other = keys.setdefault(key, name)
        if other != name:
            yield Finding((*place, 'key'), f'camera {other} has the key {key!r} too: the service '
                          'tells cameras apart by it')
