# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Log lines and telemetry samples (protocol h.6, h.7): checked, counted and forgotten.

The bounds are ours; the real ones are not known.
"""

from __future__ import annotations

import base64
import binascii

from reflex_ros.sim.service.http.functions.base import Args, Function, NUMBER, Types, Value
from reflex_ros.sim.service.http.functions.nested import check_objects
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.state import ServiceState

MOST_LINES = 50
LONGEST_LINE = 2000
MOST_CAMERAS = 8
LARGEST_JPEG = 1 << 20
MOST_MOTORS = 64
MOST_VALUES = 256

_LINE: Types = {'ts': NUMBER, 'seq': int, 'level': str, 'logger': str, 'message': str}
_CAMERA: Types = {'name': str, 'jpegBase64': str}
_MOTOR: Types = dict.fromkeys(
    ('pos', 'vel', 'eff', 'tempMos', 'tempRotor', 'voltage', 'errorCode'), NUMBER)


def append_lines(state: ServiceState, args: Args) -> Value:
    """Count a batch of log lines."""
    lines = check_objects(args, 'lines', MOST_LINES, _LINE)
    for line in lines:
        if len(line.text('message')) > LONGEST_LINE or line.integer('seq') < 1:
            raise Refusal(Reason.INVALID_PARAMETERS,
                          f'a line has a seq from 1 on and at most {LONGEST_LINE} characters')
    state.counters.log_lines += len(lines)
    return {'accepted': len(lines)}


def append_sample(state: ServiceState, args: Args) -> Value:
    """Count a sample."""
    if args.integer('seq') < 0:
        raise Refusal(Reason.INVALID_PARAMETERS, 'seq must not be negative')
    for camera in check_objects(args, 'cameras', MOST_CAMERAS, _CAMERA):
        _check_jpeg(camera.text('jpegBase64'))
    check_objects(args, 'motorStates', MOST_MOTORS, {'id': int | str}, _MOTOR)
    for name in ('actions', 'stateVec', 'actionShape'):
        numbers = [item for item in args.items(name)
                   if isinstance(item, (int, float)) and not isinstance(item, bool)]
        if len(numbers) != len(args.items(name)) or len(numbers) > MOST_VALUES:
            raise Refusal(Reason.INVALID_PARAMETERS,
                          f'{name} must be a list of at most {MOST_VALUES} numbers')
    state.counters.telemetry_samples += 1
    return {}


def _check_jpeg(text: str) -> None:
    try:
        image = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        image = b''
    if not image.startswith(b'\xff\xd8') or len(image) > LARGEST_JPEG:
        raise Refusal(Reason.INVALID_PARAMETERS,
                      f'jpegBase64 must hold a JPEG of at most {LARGEST_JPEG} bytes')


FUNCTIONS = (
    Function('connectSessionLogs:appendForApiKey', append_lines,
             required={'sessionId': str, 'lines': list}),
    Function(
        'inferenceStreamSamples:appendForApiKey', append_sample,
        required={'sessionId': str, 'seq': int},
        optional=dict.fromkeys(
            ('deploymentId', 'robotId', 'robotName', 'prompt', 'modelVersion', 'workerRegion'),
            str,
        ) | dict.fromkeys(('serverDtMs', 'netDtMs', 'applyDtMs', 'totalRttMs'), NUMBER)
        | dict.fromkeys(('cameras', 'actions', 'actionShape', 'motorStates', 'stateVec'), list)
        | {'cacheHit': bool},
    ),
)
