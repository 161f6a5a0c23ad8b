# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Log lines and telemetry samples (protocol h.6, h.7): checked and counted, not kept.

The bounds are our choice; those of the real service are not known.
"""

from __future__ import annotations

import base64

from pydantic import Field

from reflex_ros.sim.service.calls import ABSENT, check_parts, Json, rpc, StrictCamel
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid

LARGEST_JPEG = 1 << 20
MOST_VALUES = 256


class _Line(StrictCamel):
    ts: float
    seq: int = Field(ge=1)
    level: str
    logger: str
    message: str = Field(max_length=2000)


class _Camera(StrictCamel):
    name: str
    jpeg_base64: str


class _Motor(StrictCamel):
    id: int | str
    pos: float = 0.0
    vel: float = 0.0
    eff: float = 0.0
    temp_mos: float = 0.0
    temp_rotor: float = 0.0
    voltage: float = 0.0
    error_code: float = 0.0


class Telemetry:
    """What robots report of themselves."""

    def __init__(self, context: Context) -> None:
        self._counters = context.counters

    @rpc('connectSessionLogs:appendForApiKey')
    def append_lines(self, *, session_id: str, lines: list[object]) -> Json:
        """Count a batch of log lines."""
        accepted = len(check_parts('lines', _Line, lines, most=50))
        self._counters.log_lines += accepted
        return {'accepted': accepted}

    @rpc('inferenceStreamSamples:appendForApiKey')
    def append_sample(
        self, *, session_id: str, seq: int, deployment_id: str = '', robot_id: str = '',
        robot_name: str = '', prompt: str = '', model_version: str = '', worker_region: str = '',
        server_dt_ms: float = 0.0, net_dt_ms: float = 0.0, apply_dt_ms: float = 0.0,
        total_rtt_ms: float = 0.0, cameras: list[object] = ABSENT, actions: list[object] = ABSENT,
        action_shape: list[object] = ABSENT, motor_states: list[object] = ABSENT,
        state_vec: list[object] = ABSENT, cache_hit: bool = False,
    ) -> Json:
        """Count a sample."""
        if seq < 0:
            raise invalid('seq must not be negative')
        for camera in check_parts('cameras', _Camera, cameras or [], most=8):
            _check_jpeg(camera.jpeg_base64)
        check_parts('motorStates', _Motor, motor_states or [], most=64)
        for name, values in (
            ('actions', actions), ('actionShape', action_shape), ('stateVec', state_vec),
        ):
            # A bool is an int to Python, and only to Python.
            if values and (len(values) > MOST_VALUES
                           or not all(type(each) in (int, float) for each in values)):
                raise invalid(f'{name} must be a list of at most {MOST_VALUES} numbers')
        self._counters.telemetry_samples += 1
        return {}


def _check_jpeg(text: str) -> None:
    try:
        image = base64.b64decode(text, validate=True)
    except ValueError:
        image = b''
    if not image.startswith(b'\xff\xd8') or len(image) > LARGEST_JPEG:
        raise invalid(f'jpegBase64 must hold a JPEG of at most {LARGEST_JPEG} bytes')
