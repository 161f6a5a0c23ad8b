# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The robot that this machine is, for each address of the service.

``reflex robots claim`` writes it beside the credentials, as ``robots.json`` with mode 0600.
Whatever runs the robot reads it, and sends heartbeats and opens sessions in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reflex_ros.client import credentials, private_file

WHAT = 'Claimed robots'


@dataclass(frozen=True, slots=True)
class ClaimedRobot:
    """
    One robot.

    :param name: as it was registered; empty when unknown.
    :param schema_id: id of its schema; empty when unknown.
    """

    robot_id: str
    name: str = ''
    schema_id: str = ''

    def __str__(self) -> str:
        return f'{self.name} ({self.robot_id})' if self.name else self.robot_id


def path(environment: Mapping[str, str]) -> Path:
    """Return the path of the file: in the folder of the credentials file."""
    return credentials.path(environment).with_name('robots.json')


def load(file: Path, address: str) -> ClaimedRobot | None:
    """
    Return the robot of this machine at a service; None without one.

    :param address: base URL of the RPC backend.
    :raises ConfigurationError: as in :func:`private_file.read`; also for damaged content.
    """
    row = _read(file).get(address)
    if not isinstance(row, dict):
        return None
    robot_id, name, schema_id = (
        value if isinstance(value := row.get(key), str) else ''
        for key in ('robotId', 'name', 'robotSchemaId'))
    return ClaimedRobot(robot_id, name, schema_id) if robot_id else None


def save(file: Path, address: str, robot: ClaimedRobot) -> None:
    """
    Make a robot that of this machine at a service; robots at other services stay.

    :raises ConfigurationError: as in :func:`private_file.write`.
    """
    try:
        rows = _read(file)
    except private_file.BrokenFile:
        rows = {}
    private_file.write(file, {'robots': {**rows, address: {
        'robotId': robot.robot_id, 'name': robot.name, 'robotSchemaId': robot.schema_id}}}, WHAT)


def _read(file: Path) -> dict[str, object]:
    try:
        content = private_file.read(file, WHAT) or {}
        rows = content.get('robots', {})
        if not isinstance(rows, dict):
            raise private_file.BrokenFile('no mapping "robots"')
    except private_file.BrokenFile as exc:
        raise private_file.BrokenFile(
            f'{WHAT} at {file} cannot be read. Claim the robot again with `reflex robots claim`, '
            'or remove the file') from exc
    return rows

