# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference over HTTP: one observation, one answer (``/v1/infer``, section d.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
import json
from typing import Any

from reflex_ros.client import adapters, stream_frames
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.retry import Attempt
from reflex_ros.client.stream_frames import Image
from reflex_ros.client.stream_protocol import chunk, ChunkFrame
from reflex_ros.client.stream_settings import DEFAULT_PROMPT
from reflex_ros.client.texts import printable
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.errors import (
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

TIMEOUT_S = 120.0
COLD = 408
COLD_ATTEMPTS = 3
COLD_WAIT_S = 8.0
"""A model starts within 30 to 60 s; the gateway answers 408 before that."""
LEAST_SPREAD = 0.05
SLOW_MS = 5000.0


async def infer(service: AsyncReflex, state: Sequence[float],
                images: Mapping[str, Image] | None = None, *, prompt: str = DEFAULT_PROMPT,
                action_adapter: str | None = None, robot: str | None = None,
                request_id: str | None = None,
                extra: Mapping[str, object] | None = None, timeout_s: float = TIMEOUT_S,
                on_retry: Callable[[Attempt], None] | None = None) -> ChunkFrame:
    """
    Get the actions for one observation.

    A model that was not used for ten minutes has to start first. Then the request is sent up to
    three times, 8 s apart.

    :param state: joint positions, as the model expects them (pi0.5: 14 numbers).
    :param images: camera name -> JPEG bytes, base64 text, or an object with encoding and data.
    :param action_adapter: adapter whose rows to return if the answer has several; None returns
        the first.
    :param robot: kind of robot, e.g. ``so101``; None is the robot of the adapter, if it has one.
    :param extra: more fields of the observation.
    :param timeout_s: limit for each attempt [s].
    :param on_retry: called before each wait between attempts.
    :returns: the rows; as a mapping, all fields of the answer; its ``seq`` is 0.
    :raises ServiceUnavailable: if the model is still starting after three attempts, or the
        service does not answer.
    :raises AuthenticationError: if the service refuses the key.
    :raises ServiceRefused: if it refuses the observation (422) or the balance is too low (402).
    :raises ServiceProtocolError: if the answer has no rows of finite numbers.
    :raises ValueError: if a number is not finite; nothing is sent.
    """
    # Made as a frame of the stream, so that the same observations are valid in both.
    robot = robot or (adapters.ROBOT if action_adapter == adapters.ADAPTER else None)
    observation = json.loads(stream_frames.raw_frame(0, {
        **({'robot': robot} if robot else {}), **(extra or {}), 'prompt': prompt,
        'state': state, 'images': images or {}}))
    body = {'observation': {name: value for name, value in observation.items()
                            if name not in ('type', 'seq')}, 'request_id': request_id}
    began = asyncio.get_running_loop().time()
    for number in range(1, COLD_ATTEMPTS + 1):
        try:
            answer = await service.inference.call('POST', '/v1/infer', body, limit_s=timeout_s)
            return _rows(answer, adapters.row_keys(action_adapter, robot))
        except ServiceUnavailable as exc:
            if exc.status != COLD:
                raise
            if number == COLD_ATTEMPTS:
                raise ServiceUnavailable(
                    f'The model is still starting after {number} attempts: {exc}. Try again in a '
                    'minute', COLD) from exc
        if on_retry is not None:
            elapsed = asyncio.get_running_loop().time() - began
            on_retry(Attempt(number, elapsed, COLD_WAIT_S, 'the model is starting (HTTP 408)'))
        await asyncio.sleep(COLD_WAIT_S)
    raise AssertionError('the last attempt returns or raises')


def doubts(frame: ChunkFrame) -> list[str]:
    """Return what is suspicious in an answer, one line each with a next step (section d.8)."""
    values = [value for row in frame.rows for value in row]
    found = []
    if not any(values):
        found.append('every action is zero: check that the adapter of the model fits the robot')
    elif max(values) - min(values) <= LEAST_SPREAD:
        found.append(f'all actions differ by at most {LEAST_SPREAD:g}: check images, state and '
                     'prompt')
    if (frame.infer_ms or 0.0) >= SLOW_MS:
        found.append(f'the inference took {frame.infer_ms:.0f} ms: try again, the model may have '
                     'been starting')
    return found


def _rows(answer: Mapping[str, Any], names: Sequence[str]) -> ChunkFrame:
    if answer.get('ok') is False or (answer.get('error') and not answer.get('ok')):
        reason = str(answer.get('error') or answer.get('reason') or 'unknown')[:100]
        raise ServiceRefused(f'Unable to infer: {printable(reason)}', reason)
    try:
        return chunk({**answer, 'seq': 0}, names)
    except ChunkRejected as exc:
        raise ServiceProtocolError(f'/v1/infer answered with no actions: {exc}') from exc
