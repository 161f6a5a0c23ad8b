# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Deployments: which model may move which kind of robot (protocol i.3)."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.resources.robots import SIM_SCHEMA, UNPAIRED_SCHEMA
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.storage.table import new_id, Row, Table

READY = 'ready'
BLOCKED = 'blocked'
UNCHECKED = 'draft'


@dataclass
class Deployment(Row):
    """One deployment; empty texts were not given."""

    id: str
    name: str
    model_id: str
    mode: str
    created_ms: int
    robot_schema_id: str = ''
    runtime: str = ''
    spec_json: str = ''
    status: str = UNCHECKED

    def to_json(self, status: str) -> dict[str, object]:
        """Return the row of the lists, with the status that the caller decided on."""
        row = ids('deploymentId', self.id) | {
            'name': self.name,
            'modelId': self.model_id, 'mode': self.mode, 'status': status,
            'createdAt': self.created_ms,
        }
        return row | given({
            'robotSchemaId': self.robot_schema_id, 'runtime': self.runtime,
            'specJson': self.spec_json,
        })


class Deployments:
    """
    Every deployment, oldest first.

    :param clock: stamps the creation.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start with the two presets: one that is ready, one whose robot was never paired."""
        self._clock = clock
        self.table = Table(Deployment, Reason.DEPLOYMENT_NOT_FOUND)
        self.table.add(Deployment(
            'deploy_sim', 'Simulated SO-101', 'model_sim', 'apply_actions', clock.now_ms(),
            robot_schema_id=SIM_SCHEMA, runtime='cloud', status=READY,
        ))
        self.table.add(Deployment(
            'deploy_blocked', 'Robot never paired', 'model_sim', 'apply_actions', clock.now_ms(),
            robot_schema_id=UNPAIRED_SCHEMA, runtime='cloud', status=BLOCKED,
        ))

    def create(
        self, *, name: str, model_id: str, mode: str, robot_schema_id: str = '',
        runtime: str = '', spec_json: str = '',
    ) -> Deployment:
        """Add a deployment that nobody has checked yet."""
        return self.table.add(Deployment(
            new_id('deploy'), name, model_id, mode, self._clock.now_ms(),
            robot_schema_id=robot_schema_id, runtime=runtime, spec_json=spec_json,
        ))
