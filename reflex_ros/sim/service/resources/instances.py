# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GPU instances (protocol c.5, i.8): a legacy interface that knows only the latest of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from reflex_ros.sim.service.calls import Json, rest
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.keys import Key
from reflex_ros.sim.service.storage.table import new_id, Row

_Count = Annotated[int, Field(ge=1, le=1_000_000)]


@dataclass
class Instance(Row):
    """
    One instance.

    :param key_id: of the key that asked for it.
    :param ready_at: epoch [ms] at which it is provisioned.
    :param options: what it was asked for, without secrets.
    """

    id: str
    key_id: str
    created_at: int
    ready_at: int
    options: Json
    is_terminated: bool = False

    def to_json(self, now_ms: int) -> Json:
        """Return the object of every answer."""
        status = 'running' if now_ms >= self.ready_at else 'provisioning'
        return {
            'deployment_id': self.id, 'instance_id': self.id, 'id': self.id,
            'status': 'terminated' if self.is_terminated else status,
            'created_at': self.created_at,
        } | self.options


class Instances:
    """Every instance, oldest first."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table = context.add_table('instances', Instance, Reason.INSTANCE_NOT_FOUND)

    @rest('POST /deployments/provision')
    def provision(
        self, *, key: Key, region: str = 'auto', instance_type: str = 'auto',
        allowed_ssh_cidrs: list[str] | None = None,
        allowed_webrtc_cidrs: list[str] | None = None, spot: bool = False,
        volume_size: _Count = 200, robot_id: str = '', billing_max_gpu_seconds: _Count = 3600,
        hf_token: str = '',
    ) -> Json:
        """Begin to make an instance; the token is not kept."""
        options: Json = {
            'region': region, 'instance_type': instance_type,
            'allowed_ssh_cidrs': allowed_ssh_cidrs or [],
            'allowed_webrtc_cidrs':
                ['0.0.0.0/0'] if allowed_webrtc_cidrs is None else allowed_webrtc_cidrs,
            'spot': spot, 'volume_size': volume_size, 'robot_id': robot_id,
            'billing_max_gpu_seconds': billing_max_gpu_seconds,
        }
        now_ms = self._context.clock.now_ms()
        ready_at = now_ms + round(self._context.settings.provision_s * 1e3)
        return self.table.add(Instance(
            new_id('instance'), key.id, now_ms, ready_at, options)).to_json(now_ms)

    @rest('GET /deployments/status')
    def status(self, *, key: Key) -> Json:
        """Return the latest instance; the status is ``none`` when there never was one."""
        instance = self._latest(key)
        if instance is None:
            return {'status': 'none'}
        return instance.to_json(self._context.clock.now_ms())

    @rest('POST /deployments/teardown')
    def tear_down(self, *, key: Key) -> Json:
        """End the latest instance; repeating it is no error."""
        instance = self._latest(key)
        if instance is None:
            raise Refusal(Reason.INSTANCE_NOT_FOUND)
        instance.is_terminated = True
        return instance.to_json(self._context.clock.now_ms())

    def _latest(self, key: Key) -> Instance | None:
        rows = [row for row in self.table.all() if row.key_id == key.id]
        return rows[-1] if rows else None
