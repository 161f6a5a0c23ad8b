# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Provision, look at and tear down the GPU instance of a key (protocol c.5, i.8)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Value
from reflex_ros.sim.service.http.rest.base import Request, Route
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.instances import Instance
from reflex_ros.sim.service.state import ServiceState

_DEFAULTS: dict[str, object] = {
    'region': 'auto', 'instance_type': 'auto', 'allowed_ssh_cidrs': [],
    'allowed_webrtc_cidrs': ['0.0.0.0/0'], 'spot': False, 'volume_size': 200, 'robot_id': '',
    'billing_max_gpu_seconds': 3600,
}


def provision(state: ServiceState, request: Request) -> Value:
    """Begin to make an instance; the ``hf_token`` is not kept."""
    options = _DEFAULTS | {
        name: request.body.value(name) for name in _DEFAULTS if request.body.has(name)}
    for name in ('volume_size', 'billing_max_gpu_seconds'):
        if not 1 <= request.body.integer(name, 1) <= 1_000_000:
            raise Refusal(Reason.INVALID_PARAMETERS, f'{name} must be in 1..1000000')
    for name in ('allowed_ssh_cidrs', 'allowed_webrtc_cidrs'):
        if not all(isinstance(each, str) for each in request.body.items(name)):
            raise Refusal(Reason.INVALID_PARAMETERS, f'{name} must be a list of texts')
    provision_s = state.settings.provision_s
    return _row(state, state.instances.provision(request.key_id, options, provision_s))


def status(state: ServiceState, request: Request) -> Value:
    """Return the latest instance; the status is ``none`` when there never was one."""
    instance = state.instances.latest(request.key_id)
    return {'status': 'none'} if instance is None else _row(state, instance)


def tear_down(state: ServiceState, request: Request) -> Value:
    """End the latest instance."""
    return _row(state, state.instances.tear_down(request.key_id))


def _row(state: ServiceState, instance: Instance) -> Value:
    return {
        'deployment_id': instance.id, 'instance_id': instance.id, 'id': instance.id,
        'status': instance.status(state.clock.now_ms()).value,
        'created_at': instance.created_ms,
    } | instance.options


ROUTES = (
    Route('POST', '/deployments/provision', provision, optional={
        **{name: type(value) for name, value in _DEFAULTS.items()}, 'hf_token': str}),
    Route('GET', '/deployments/status', status),
    Route('POST', '/deployments/teardown', tear_down),
)
