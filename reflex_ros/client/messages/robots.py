# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages about robots, their schemas and their pairing tokens (section i.4)."""

from __future__ import annotations

from collections.abc import Mapping
import json

from pydantic import AliasChoices, Field

from reflex_ros.client.messages import Row, Text


class RobotSchema(Row):
    """Observations and actions of a kind of robot."""

    name: Text = ''
    robot_kind: Text | None = Field(None, alias='robotKind')

    @property
    def schema_id(self) -> str:
        """The id, from any of its field names; empty if there is none."""
        return self.first_text('robotSchemaId', 'schemaId', 'id', '_id')

    @property
    def content(self) -> Mapping[str, object]:
        """
        The schema as it was registered, or what the row says of it where that is missing.

        The shape is that of ``robot_schema.v1``; nothing in it was checked.
        """
        fields = self.as_sent()
        try:
            found = json.loads(fields.get('schemaJson') or '{}')
        except (ValueError, TypeError, RecursionError):
            found = {}
        if isinstance(found, dict) and found:
            return found
        size = fields.get('actionDim')
        return {'actions': {'action': {'shape': [size]}}} if size else {}


class RobotSchemaList(Row):
    """Answer of ``publicApi:listRobotSchemas``."""

    schemas: tuple[RobotSchema, ...] = Field(
        (), validation_alias=AliasChoices('robotSchemas', 'schemas'),
        serialization_alias='robotSchemas')


class Robot(Row):
    """One robot."""

    name: Text = ''
    status: Text | None = None

    @property
    def robot_id(self) -> str:
        """The id, from any of its field names; empty if there is none."""
        return self.first_text('robotId', 'id', '_id')


class RobotList(Row):
    """Answer of ``publicApi:listRobots``."""

    robots: tuple[Robot, ...] = ()


class Pairing(Row):
    """
    Answer of ``publicApi:createRobotPairingToken``.

    :param token: token to claim at the robot, once.
    :param expires_at: end of the token [ms since 1970].
    """

    token: str = Field('', repr=False)
    expires_at: int | float | None = Field(None, alias='expiresAt')
