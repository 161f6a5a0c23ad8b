# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole of robot.yaml (protocol reference, section f.1)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reflex_ros.config.parameters import action_stream, supervisor
from reflex_ros.config.robot.cameras import Camera
from reflex_ros.config.robot.fields import Part, settings_of
from reflex_ros.config.robot.hardware import Hardware
from reflex_ros.config.robot.targets import StreamTarget, Target

RecordFormat = Literal['lerobot', 'jsonl', 'mcap', 'rerun']
GATE = 'gate.'
_PROMPT = next(str(row.default) for row in action_stream.TABLE if row.name == 'prompt')


class Deployment(Part):
    """What the service knows this robot as."""

    id: str = Field(default='', description='Id of the deployment. Empty: REFLEX_DEPLOYMENT_ID.')
    robot_id: str = Field(
        default='', description='Id of the robot. Empty: REFLEX_ROBOT_ID, then what `reflex '
        'robots claim` wrote.')
    robot_name: str = Field(default='', description='Name of the robot. Empty: REFLEX_ROBOT_NAME.')


class Gate(settings_of(  # type: ignore[misc]  # a class made of a table
        (row for row in supervisor.TABLE if row.name.startswith(GATE)),
        {row.name: row.name[len(GATE):] for row in supervisor.TABLE})):
    """What must hold before the policy may move the robot."""


class Recording(Part):
    """What is kept of a run (section f.8)."""

    directory: str = Field(
        default='', description='Folder; each format has its own subfolder. Empty: nothing is '
        'kept.')
    formats: list[RecordFormat] = Field(
        default=['jsonl'], min_length=1, description='Formats of the files.')


class Streaming(Part):
    """The vendor's live video, which its own client does not send: read, without effect."""

    cameras: list[str] = []
    extra: dict[str, Any] = {}
    fps: float = Field(default=15.0, gt=0.0)
    pixel_format: str = 'bgr24'
    relay_url: str = ''


class RobotConfig(Part):
    """One robot and the policy that moves it."""

    mode: Literal['dry_run', 'apply_actions'] = Field(
        default='dry_run', description='dry_run never writes an action to the hardware.')
    prompt: str = Field(default=_PROMPT, description='Task text for the policy, unless the '
                        'connector gives one.')
    max_steps: int = Field(default=0, ge=0, description='Number of steps. 0: until interrupted.')
    control_period_s: float = Field(
        default=0.0, ge=0.0, le=60.0, description='Shortest time for one step [s]')
    stop_on_error: bool = Field(
        default=True, description='End after a failed step. With false, the run goes on after the '
        'safe stop, unless the arm itself has stopped it.')
    pipeline_inference: bool = Field(
        default=True, description='Ask for the next chunk while the present one is played.')
    heartbeat_interval_s: float = Field(
        default=10.0, ge=0.0, le=3600.0, description='Time between two heartbeats [s]. 0 counts '
        'as 10.')
    target: Target = Field(default=StreamTarget(), description='Who infers the actions.')
    hardware: Hardware = Field(description='What moves.')
    cameras: dict[str, Camera] = Field(default={}, description='Name of each camera and where its '
                                       'pictures come from.')
    deployment: Deployment = Field(default=Deployment(), description='What the service '
                                   'knows this robot as.')
    gate: Gate = Field(default=Gate(), description='What must hold before the policy may '
                       'move the robot.')
    recording: Recording = Field(default=Recording(), description='What is kept of a run.')
    streaming: Streaming | None = Field(
        default=None, description="The vendor's live video: without effect, as in its own client.")
