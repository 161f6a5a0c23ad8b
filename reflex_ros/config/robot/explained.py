# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the vendor's runner drives and ours does not: each with what to use instead."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from reflex_ros.config.problems import Problem
from reflex_ros.config.yaml_lines import Place, YamlFile

WEBRTC = {
    'kind': "'webrtc' is not driven: reflex_ros has no WebRTC data channel. Use kind: stream, "
            'the same hosted policies over a WebSocket, and change the keys that are named here',
    'url': 'delete it: the stream finds its host by itself (target.url of kind stream is a '
           'WebSocket URL)',
    'timeout_s': 'delete it: the stream has limits of its own',
    'connect_timeout_s': 'call it open_window_s, which kind stream has for opening the stream [s]',
    'img_size': 'use send_width and send_height of each camera',
    'camera_field_map': 'use key of each camera',
    'state_field': 'delete it: the action stream has a fixed name for the state',
    'instruction_field': 'delete it: the action stream has a fixed name for the task',
    'extra_payload': 'delete it: the action stream carries no other fields',
    'streaming': 'delete it: kind stream always runs continuously',
    'auth_token': 'delete it: the key comes from REFLEX_API_KEY or `reflex login`',
    'session_id': 'delete it: each run has a session of its own',
    'deployment_id': 'use deployment.id',
    'robot_id': 'use deployment.robot_id',
    'robot_name': 'use deployment.robot_name',
}
PLATFORM = {
    'kind': "'platform' needs a side-car program that its vendor does not distribute. Use kind: "
            'stream, and change the keys that are named here',
    'deployment': 'use deployment.id',
    'robot': 'use deployment.robot_id',
    'mode': 'use mode at the top of the file',
    'api_key': 'delete it: the key comes from REFLEX_API_KEY or `reflex login`',
    'convex_url': 'call it rpc_url',
    'pairing_token': 'delete it: `reflex robots claim` uses it once, and stores what it brings',
    'sidecar_binary': 'delete it',
    'allow_unchecked': 'delete it: without a green `reflex doctor` nothing moves',
}
YAM = {
    'kind': "'yam_bimanual' is not driven: it needs the vendor's drivers for CAN. Write a "
            "connector class around them (kind: 'pkg.module:Class', doc/python.md), or use kind: "
            'subprocess',
}
REALSENSE = {
    'kind': "'realsense' needs the library pyrealsense2, which is not installed: pip install "
            'pyrealsense2. Or use kind: v4l2 with the colour device of the camera '
            '(/dev/v4l/by-id/...)',
}


def problems(file: YamlFile) -> Iterator[Problem]:
    """Explain each key of a robot.yaml that is known and not driven."""
    for place, section in _sections(file.tree):
        kind = section.get('kind')
        table = {}
        if place == ('target',):
            table = {'webrtc': WEBRTC, 'platform': PLATFORM}.get(str(kind), {})
        elif place == ('hardware',) and kind == 'yam_bimanual':
            table = YAM
        elif place[0] == 'cameras' and kind == 'realsense' and not has_realsense():
            table = REALSENSE
        for key, reason in table.items():
            if key in section:
                yield Problem.at(file, (*place, key), reason)


def has_realsense() -> bool:
    """Tell whether the library of RealSense cameras is installed."""
    return find_spec('pyrealsense2') is not None


def _sections(tree: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    cameras = tree.get('cameras')
    named: dict[Place, Any] = {
        ('target',): tree.get('target'), ('hardware',): tree.get('hardware'),
        **{('cameras', name): source
           for name, source in (cameras if isinstance(cameras, dict) else {}).items()}}
    for place, section in named.items():
        if isinstance(section, dict):
            yield place, section
