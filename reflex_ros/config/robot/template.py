# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robot.yaml that ``reflex init`` writes, and the schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
import json

from reflex_ros.config.robot.model import RobotConfig

_HEAD = """\
# One robot, and the policy that moves it. doc/robot-yaml.md explains every key.
#   reflex connect --config {name} --check    check this file, start nothing
#   reflex connect --config {name}            run in one process, without ROS
#   reflex up --config {name}                 run as a ROS graph
# The API key does not belong here: use `reflex login`, or set REFLEX_API_KEY.

mode: dry_run              # apply_actions moves the robot, once every check is green
prompt: {prompt}

target:
  kind: stream             # also infer, edge (a policy server of your own), package.module:Class
  base_model: pi0.5

hardware:
  kind: so101              # also sim, subprocess (commands of your own), package.module:Class
  config:
    port: {port}  # empty: search, as `reflex so101 find` does
    calibration_file: ""   # LeRobot's file or id to compare with; empty: no comparison
    # limits.velocity: 1.0  # largest speed of a joint [rad/s]

deployment:
  id: {deployment}  # empty: REFLEX_DEPLOYMENT_ID
  robot_id: ""             # empty: what `reflex robots claim` wrote on this machine
"""
_CAMERA = """\
  {name}:
    kind: v4l2             # also shm, topic (for the graph), package.module:Class
    device: {device}
    # send_width: 224      # size of the picture that the policy gets [px]
    # send_height: 224
"""


def robot_yaml(*, name: str = 'robot.yaml', port: str = '', prompt: str = '',
               deployment: str = '', cameras: Mapping[str, str] | None = None) -> str:
    """
    Make the text of a robot.yaml for an SO-101.

    :param name: of the file, for the commands in its comments.
    :param cameras: name -> device.
    """
    text = _HEAD.format(name=name, port=json.dumps(port), deployment=json.dumps(deployment),
                        prompt=json.dumps(prompt or RobotConfig.model_fields['prompt'].default,
                                          ensure_ascii=False))
    if not cameras:
        return f'{text}\ncameras: {{}}                # without cameras the policy sees nothing\n'
    return f'{text}\ncameras:\n' + ''.join(
        _CAMERA.format(name=camera, device=json.dumps(device))
        for camera, device in cameras.items())


def schema() -> str:
    """Return the JSON schema of robot.yaml, for editors."""
    found = RobotConfig.model_json_schema()
    head = {'$schema': 'https://json-schema.org/draft/2020-12/schema'}
    return json.dumps({**found, **head, 'title': 'robot.yaml'}, indent=2, sort_keys=True) + '\n'
