# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Log lines and telemetry samples (protocol h.6, h.7): checked and counted, not kept.

The bounds are our choice; those of the real service are not known.
"""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import AfterValidator, Field

from reflex_ros.sim.service.calls import ABSENT, Json, rpc, StrictCamel
from reflex_ros.sim.service.context import Context

LARGEST_JPEG = 1 << 20


def _check_jpeg(text: str) -> str:
    try:
        image = base64.b64decode(text, validate=True)
    except ValueError:
        image = b''
    if not image.startswith(b'\xff\xd8') or len(image) > LARGEST_JPEG:
        raise ValueError(f'must hold a JPEG of at most {LARGEST_JPEG} bytes')
    return text


class _Line(StrictCamel):
    ts: float
    seq: int = Field(ge=1)
    level: str
    logger: str
    message: str = Field(max_length=2000)


class _Camera(StrictCamel):
    name: str
    jpeg_base64: Annotated[str, AfterValidator(_check_jpeg)]


class _Motor(StrictCamel):
    id: int | str
    pos: float = 0.0
    vel: float = 0.0
    eff: float = 0.0
    temp_mos: float = 0.0
    temp_rotor: float = 0.0
    voltage: float = 0.0
    error_code: float = 0.0


_Numbers = Annotated[list[float], Field(max_length=256)]


class Telemetry:
    """What robots report of themselves."""

    def __init__(self, context: Context) -> None:
        self._counters = context.counters

    @rpc('connectSessionLogs:appendForApiKey')
    def append_lines(
        self, *, session_id: str, lines: Annotated[list[_Line], Field(max_length=50)]
    ) -> Json:
        """Count a batch of log lines."""
        self._counters['log_lines'] += len(lines)
        return {'accepted': len(lines)}

    @rpc('inferenceStreamSamples:appendForApiKey')
    def append_sample(
        self, *, session_id: str, seq: Annotated[int, Field(ge=0)], deployment_id: str = '',
        robot_id: str = '', robot_name: str = '', prompt: str = '', model_version: str = '',
        worker_region: str = '',
        server_dt_ms: float = 0.0, net_dt_ms: float = 0.0, apply_dt_ms: float = 0.0,
        total_rtt_ms: float = 0.0,
        cameras: Annotated[list[_Camera], Field(max_length=8)] = ABSENT,
        actions: _Numbers = ABSENT, action_shape: _Numbers = ABSENT,
        motor_states: Annotated[list[_Motor], Field(max_length=64)] = ABSENT,
        state_vec: _Numbers = ABSENT, cache_hit: bool = False,
    ) -> Json:
        """Count a sample."""
        self._counters['telemetry_samples'] += 1
        return {}
