# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of ``hardware``: what moves, and how (protocol reference, sections f.3 to f.5)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from reflex_ros.config.parameters.so101 import TABLE
from reflex_ros.config.robot.fields import CLASS_PATH, Part, settings_of

_OF_A_PORT = ('port', 'baud', 'profile', 'calibration_file', 'accept_range')
Command = str | list[str]


class So101Config(settings_of(TABLE)):  # type: ignore[misc]  # a class made of a table
    """The arm and its limits: the parameters of the node ``so101``."""


class So101Hardware(Part):
    """An SO-101 on a serial port."""

    kind: Literal['so101']
    config: So101Config = Field(default=So101Config(), description='The arm.')


class SimConfig(settings_of(  # type: ignore[misc]  # a class made of a table
        row for row in TABLE if row.name not in _OF_A_PORT and not row.name.startswith('trim.'))):
    """The limits of a simulated arm: those of an SO-101."""


class SimHardware(Part):
    """A simulated SO-101, started and ended with the run."""

    kind: Literal['sim']
    config: SimConfig = Field(default=SimConfig(), description='The arm.')


class SubprocessConfig(Part):
    """The commands of a robot, without a shell (section f.5)."""

    observe_command: Command = Field(description='Prints the observation as one JSON object. A '
                                     'text is split into words as a shell does; a list holds the '
                                     'words.')
    action_command: Command = Field(
        default='', description='Gets an action chunk on its input. Needed for apply_actions.')
    safe_stop_command: Command = Field(
        default='', description='Gets the reason of a safe stop on its input.')
    command_timeout_s: float = Field(
        default=2.0, gt=0.0, le=600.0, description='Limit for observe_command and action_command '
        '[s]')
    safe_stop_timeout_s: float = Field(default=5.0, gt=0.0, le=600.0, description='Limit for '
                                       'safe_stop_command [s]')
    persistent: bool = Field(
        default=False, description='Start each command once and talk with it line by line, '
        'instead of once per step.')

    @field_validator('observe_command')
    @classmethod
    def _is_not_empty(cls, value: Command) -> Command:
        if not (value.strip() if isinstance(value, str) else value):
            raise ValueError('command must not be empty')
        return value


class SubprocessHardware(Part):
    """A robot behind commands."""

    kind: Literal['subprocess', 'shell']
    config: SubprocessConfig = Field(description='The commands.')


class YamArm(Part):
    """One arm of the vendor's pair."""

    channel: str
    gripper: Literal['linear_4310', 'no_gripper', 'yam_teaching_handle'] = 'linear_4310'


class YamConfig(Part):
    """The vendor's pair of arms (section f.4)."""

    left: YamArm
    right: YamArm
    hz: float = Field(default=30.0, gt=0.0)
    action_step_delay_s: float = Field(default=0.0, ge=0.0)
    instruction: str = ''
    zero_gravity_mode: bool = False
    home_pose: list[float] = Field(default=[0.0] * 6 + [1.0], min_length=7, max_length=7)
    home_duration_s: float = Field(default=4.0, ge=0.0)
    chunk_boundary_max_delta: float = Field(default=0.02, gt=0.0)
    chunk_apply_horizon: int = Field(default=0, ge=0)
    keep_motors_on_after_stop: bool = False
    robot_type: str = 'yam_bimanual'


class YamHardware(Part):
    """The vendor's pair of arms: read, and explained."""

    kind: Literal['yam_bimanual']
    config: YamConfig


class UserArguments(Part, extra='allow'):
    """Keyword arguments of a class of the user."""

    def values(self) -> dict[str, object]:
        """Return the arguments."""
        return dict(self.model_extra or {})


class UserHardware(Part):
    """A connector class of the user."""

    kind: str = Field(pattern=CLASS_PATH, description='Class to import: package.module:Class.')
    config: UserArguments = Field(default=UserArguments(), description='Keyword '
                                  'arguments of the constructor.')


Hardware = So101Hardware | SimHardware | SubprocessHardware | YamHardware | UserHardware
KINDS: dict[str, type[Part]] = {
    'so101': So101Hardware, 'sim': SimHardware, 'subprocess': SubprocessHardware,
    'shell': SubprocessHardware, 'yam_bimanual': YamHardware}
