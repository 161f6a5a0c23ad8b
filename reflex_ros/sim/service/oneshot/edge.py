# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``POST /act``: an inference server in the robot's own network (protocol g).

No key, no session. A state of six numbers belongs to an SO-101, one of fourteen to an ALOHA. The
caller chooses where the answer has the rows: ``/act?actions_path=prediction.actions``.
"""

from __future__ import annotations

import time

from aiohttp import web

from reflex_ros.sim.service.calls import parse_object
from reflex_ros.sim.service.faults import corruption
from reflex_ros.sim.service.http.access import refusal
from reflex_ros.sim.service.oneshot import numpy_json
from reflex_ros.sim.service.oneshot.oneshot import OneShot
from reflex_ros.sim.service.policy import adapters
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream import messages
from reflex_ros.sim.service.stream.messages import BadInput, Observation

Body = dict[str, object]

# The names of the reference's two example servers.
_STATE_FIELDS = ('state', 'proprio')
_PROMPT_FIELDS = ('instruction', 'prompt')


class Edge:
    """Serve ``/act``."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._one_shot = OneShot(state)

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one observation; refuse bad JSON with 400, a bad observation with 422."""
        began_s = time.monotonic()
        try:
            body = parse_object(await request.read())
            decoded = numpy_json.decode(body)
        except (ValueError, RecursionError) as exc:
            raise refusal(400, 'invalid_json', str(exc)) from exc
        assert isinstance(decoded, dict)
        try:
            adapter, observation = _parse(decoded)
        except BadInput as exc:
            raise refusal(422, exc.code, exc.message) from exc
        rows, infer_ms = await self._one_shot.infer(
            request.remote or '', observation.prompt or '', adapter.to_pose(observation.state),
            observation.capture_time_ns)
        answer: Body = {}
        actions = adapter.to_rows(rows, observation.state)
        corruption.corrupt_frame(answer, {'actions': actions}, self._state.faults)
        if decoded != body and answer.get('actions') is actions:
            answer['actions'] = numpy_json.encode(actions)
        answer = _move(answer, request.query.get('actions_path', 'actions'))
        total_ms = round((time.monotonic() - began_s) * 1e3, 3)
        answer |= {'dt_ms': infer_ms, 'infer_ms': infer_ms, 'total_ms': total_ms}
        return web.Response(text=corruption.write(answer), content_type='application/json')


def _parse(body: Body) -> tuple[adapters.Adapter, Observation]:
    """Read the fields of either example server; cameras are ignored as unknown fields."""
    state = next((body[name] for name in _STATE_FIELDS if name in body), None)
    prompt = next((body[name] for name in _PROMPT_FIELDS if name in body), None)
    if isinstance(state, numpy_json.Array):
        state = state.numbers()
    stamp = body.get('timestamp')
    if isinstance(stamp, numpy_json.Array):
        stamp = next(iter(stamp.numbers()), None)
    frame: Body = {'state': state, 'prompt': prompt}
    if isinstance(stamp, (int, float)) and 0.0 <= stamp < 1e12:
        frame['capture_time_ns'] = int(stamp * 1e9)
    observation = messages.parse_observation(frame)
    if len(observation.state) not in (6, 14):
        raise BadInput(
            'invalid_state', f'a state must have 6 or 14 numbers, got {len(observation.state)}')
    return adapters.for_state(len(observation.state)), observation


def _move(answer: Body, path: str) -> Body:
    """Move the rows to a dotted path."""
    if 'actions' not in answer:
        return answer
    value = answer.pop('actions')
    for name in reversed(path.split('.')):
        value = {name: value}
    assert isinstance(value, dict)
    return answer | value
