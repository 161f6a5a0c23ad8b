# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of ``target``: who infers the actions (protocol reference, section f.2)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reflex_ros.config.parameters import mapping
from reflex_ros.config.parameters.action_stream import TABLE
from reflex_ros.config.robot.fields import Part, settings_of, UserClass
from reflex_ros.domain.wire_adapters import PADDING

NAMES = {
    'service.rpc_url': 'rpc_url',
    'service.actions_url': 'url',
    'service.model': 'base_model',
    'adapter': 'action_adapter',
    'service.open_window_s': 'open_window_s',
    'service.parallel': 'parallel',
}
"""Parameter of action_stream -> key in ``target``, where the two differ."""
ELSEWHERE = frozenset({'arm', 'service.deployment', 'service.robot', 'prompt', 'cameras',
                       'schedule', 'limits.velocity', 'limits.jump', 'limits.chunk_age_s',
                       'limits.clamp'})
"""Parameters of action_stream that robot.yaml has in other parts."""

_ROWS = [row for row in TABLE if not row.per and row.name not in ELSEWHERE]
_PER_JOINT = [row for row in mapping.TABLE if row.per]
_JOINT = {row.name: row.name.rpartition('.')[2] for row in _PER_JOINT}



class JointOnWire(settings_of(_PER_JOINT, _JOINT)):  # type: ignore[misc]  # made of a table
    """How one joint is written at the service, where the adapter differs."""


class StreamTarget(settings_of(_ROWS, NAMES)):  # type: ignore[misc]  # a class made of a table
    """The hosted policy over its action stream, a WebSocket."""

    kind: Literal['stream'] = 'stream'
    robot: str = Field(
        default='', description='Kind of robot that the service is told. Empty: that of the '
        'hardware (so101).')
    mapping_changes: dict[str, JointOnWire] = Field(
        default={}, alias='mapping.changes', description='Joint of mapping.joints -> how it is '
        'written, where that differs from the adapter: unit, sign, offset, closed, open, name.')

    def wire(self) -> dict[str, Any]:
        """Return adapter and mapping as parameters of ``action_stream``."""
        joints = {joint: self.mapping_changes.get(joint, JointOnWire())
                  for joint in self.mapping_joints if joint != PADDING}
        return {'adapter': self.action_adapter, mapping.LIST: self.mapping_joints, **{
            f'mapping.{joint}.{key}': value for joint, changes in joints.items()
            for key, value in changes.values().items()}}


class InferTarget(Part):
    """The hosted policy over one HTTP request per chunk (POST /v1/infer)."""

    kind: Literal['infer']
    url: str = Field(default='', description='URL of the endpoint. Empty: REFLEX_INFER_URL, then '
                     '/v1/infer on the host of the backend.')
    rpc_url: str = Field(
        default='', description='Base URL of the RPC backend. Empty: REFLEX_CONVEX_URL, then the '
        'saved login, then the hosted service.')
    timeout_s: float = Field(
        default=30.0, gt=0.0, le=600.0, description='Limit for one request [s]')


class EdgeTarget(Part):
    """A policy server of your own: one POST per chunk (section g of the reference)."""

    kind: Literal['edge']
    url: str = Field(pattern=r'^https?://[^\s/]+', description='Full URL of the endpoint, for '
                     'example http://host:8000/act.')
    state_field: str = Field(
        default='state', description='Key of the state. Empty: it is not sent.')
    instruction_field: str = Field(
        default='instruction', description='Key of the task text. Empty: it is not sent.')
    camera_field_map: dict[str, str] = Field(
        default={'top': 'top_cam', 'left': 'left_cam', 'right': 'right_cam'},
        description='Camera -> key of its picture. Other cameras are not sent.')
    actions_path: str = Field(
        default='actions', min_length=1, description='Where the rows are in the answer: keys with '
        'dots between them.')
    encoding: Literal['json_numpy', 'json'] = Field(
        default='json_numpy', description='How arrays are written: as base64 with dtype and shape '
        '(json_numpy), or as plain JSON.')
    auto_timestamp_field: str = Field(
        default='timestamp', description='Key of the time [unix seconds]. Empty: it is not sent.')
    extra_payload: dict[str, Any] = Field(
        default={}, description='Merged into each request at last.')
    headers: dict[str, str] = Field(default={}, repr=False, description='HTTP headers, over '
                                    'Content-Type: application/json.')
    timeout_s: float = Field(
        default=30.0, gt=0.0, le=600.0, description='Limit for one request [s]')


class UserTarget(UserClass):
    """A transport class of the user."""


class WebrtcTarget(Part):
    """The vendor's hosted worker over a WebRTC data channel: read, and explained."""

    kind: Literal['webrtc']
    url: str = ''
    base_model: str = ''
    timeout_s: float = Field(default=60.0, gt=0.0)
    connect_timeout_s: float = Field(default=60.0, gt=0.0)
    img_size: int = Field(default=256, gt=0)
    camera_field_map: dict[str, str] = {'top': 'top', 'left': 'left', 'right': 'right'}
    state_field: str = 'state'
    instruction_field: str = 'prompt'
    extra_payload: dict[str, Any] = {}
    streaming: bool = False
    auth_token: str = Field(default='', repr=False)
    session_id: str = ''
    deployment_id: str = ''
    robot_id: str = ''
    robot_name: str = ''


class PlatformTarget(Part):
    """The vendor's side-car, which nobody can get: read, and explained."""

    kind: Literal['platform']
    deployment: str
    robot: str
    mode: Literal['dry_run', 'apply_actions'] = 'dry_run'
    api_key: str = Field(default='', repr=False)
    convex_url: str = ''
    pairing_token: str = Field(default='', repr=False)
    sidecar_binary: str = ''
    allow_unchecked: bool = False
    base_model: str = 'pi0.5'


Target = StreamTarget | InferTarget | EdgeTarget | WebrtcTarget | PlatformTarget | UserTarget
KINDS: dict[str, type[Part]] = {
    'stream': StreamTarget, 'infer': InferTarget, 'edge': EdgeTarget, 'webrtc': WebrtcTarget,
    'platform': PlatformTarget}
