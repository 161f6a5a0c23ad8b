# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``POST /v1/infer``: one observation, one answer (protocol d.8).

Refusals have the order of the hosts on the way: the front door checks key and balance, the gateway
behind it whether a worker is up, the worker the observation. The schema of their bodies is not
known; ours have ``error`` with a slug and ``detail`` with a sentence.

Our extension: an observation with ``"robot": "so101"`` has six numbers in degrees and percent, and
is answered with ``actions_so101``.
"""

from __future__ import annotations

from collections.abc import Sequence
import json
import secrets
import time

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from reflex_ros.sim.service.calls import complaint, Json
from reflex_ros.sim.service.faults import corruption
from reflex_ros.sim.service.http.access import bearer, refusal
from reflex_ros.sim.service.oneshot.oneshot import OneShot
from reflex_ros.sim.service.policy.adapters import Adapter, ADAPTERS
from reflex_ros.sim.service.refusals import Refusal
from reflex_ros.sim.service.resources.keys import Key
from reflex_ros.sim.service.so101 import Rows
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream import messages
from reflex_ros.sim.service.stream.inference import check_length
from reflex_ros.sim.service.stream.messages import BadInput, Observation

ROWS = 50
BASE_MODEL = 'lerobot/pi05_base'
DEFAULT_PROMPT = 'do something'
# [s] after which the platform stops an unused worker, so that the next call finds it cold.
IDLE_S = 600.0

_SO101 = ADAPTERS['so101_joint']
_PI = ADAPTERS['pi_native']
_ALOHA = ADAPTERS['aloha_joint']


class _Request(BaseModel):
    observation: Json
    request_id: str = Field(default_factory=lambda: f'req_{secrets.token_hex(8)}')


class Infer:
    """Serve ``/v1/infer``."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._one_shot = OneShot(state)
        self._used_s = state.clock.now_s()

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one observation, or refuse it with 401, 402, 408 or 422."""
        answer = await self._answer(bearer(request), await request.read())
        return web.Response(text=corruption.write(answer), content_type='application/json')

    async def _answer(self, secret: str, raw: bytes) -> corruption.Frame:
        began_s = time.monotonic()
        model_id = self._check_access(secret).model_id
        self._check_worker()
        request_id, adapter, observation = _parse(raw)
        rows, infer_ms = await self._one_shot.infer(
            secret, observation.prompt or DEFAULT_PROMPT, adapter.to_pose(observation.state),
            observation.capture_time_ns, ROWS)
        layouts = _layouts(adapter, rows, observation.state)
        frame: corruption.Frame = {
            'ok': True, 'request_id': request_id, 'session_id': f'sess_{secrets.token_hex(12)}',
            'action_shape': [len(rows), len(layouts['actions'][0])],
        }
        corruption.corrupt_frame(frame, layouts, self._state.faults)
        values = [value for row in layouts['actions'] for value in row]
        return frame | {
            'infer_ms': infer_ms, 'total_ms': round((time.monotonic() - began_s) * 1e3, 3),
            'max_minus_min': round(max(values) - min(values), 6), 'all_zero': not any(values),
            'model_evals': 10, 'model_id': BASE_MODEL, 'num_steps': ROWS, 'chunk_size': ROWS,
        } | self._adapter_path(model_id)

    def _check_access(self, secret: str) -> Key:
        try:
            key = self._state.keys.find(secret)
        except Refusal as exc:
            raise refusal(401, 'invalid_key', exc.message) from exc
        if self._state.is_balance_low():
            raise refusal(402, 'below_minimum_balance', 'the balance is below 5 USD')
        return key

    def _adapter_path(self, model_id: str) -> corruption.Frame:
        """Return the path of the adapter that answered, nothing for the base model."""
        model = self._state.models.table.find(model_id)
        if model is None or model.status != 'ready' or model.kind == 'base':
            return {}
        return {'adapter_path': f'/models/customer_models/{model.id}/pretrained_model/'}

    def _check_worker(self) -> None:
        """Refuse a call that finds the worker cold; the next call finds it warm."""
        now_s, faults = self._state.clock.now_s(), self._state.faults
        is_cold, self._used_s = now_s - self._used_s > IDLE_S, now_s
        if fault := faults.consume('cold_start'):
            is_cold = True
            if fault.fired >= fault.number:
                faults.clear('cold_start')
        if is_cold:
            raise refusal(408, 'cold_start', 'the worker is starting; ask again in a while')


def _parse(raw: bytes) -> tuple[str, Adapter, Observation]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise refusal(400, 'invalid_json', f'not JSON: {type(exc).__name__}') from exc
    try:
        request = _Request.model_validate(body)
        adapter = _SO101 if request.observation.get('robot') == 'so101' else _PI
        observation = messages.parse_observation(request.observation)
        check_length(observation.state, adapter)
    except ValidationError as exc:
        raise refusal(422, 'invalid_observation', complaint(exc)) from exc
    except BadInput as exc:
        raise refusal(422, exc.code, exc.message) from exc
    return request.request_id, adapter, observation


def _layouts(adapter: Adapter, rows: Rows, state: Sequence[float]) -> dict[str, Rows]:
    """Return the rows by the names of their layouts."""
    if adapter is _SO101:
        return {'actions': rows, _SO101.twin: rows}
    pi = _PI.to_rows(rows, state)
    return {'actions': pi, _PI.twin: pi, _ALOHA.twin: _ALOHA.to_rows(rows, state)}
