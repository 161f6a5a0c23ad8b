# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decoders that are fuzzed: each place where bytes of others come in, and what must hold there.

``fuzz_systems`` has the whole parts behind them, ``fuzz_messages`` what needs ROS. A target takes
the bytes of one case and either returns or raises an ``AssertionError`` (a promise is broken) or
anything else that is not an error of ours (a finding too).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
import json
import math
from pathlib import Path
import tempfile
from typing import Any

import yaml

from reflex_ros.cameras.frame import read_compressed_image, read_image
from reflex_ros.client import messages
from reflex_ros.client.messages import datasets, logins, models, robots, training
from reflex_ros.client.stream_protocol import ChunkFrame, parse_frame
from reflex_ros.config.robot import file as robot_file
from reflex_ros.domain import key_values
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.heartbeats import DriverBeat, StreamBeat, SupervisorBeat
from reflex_ros.domain.permit import Permit
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.errors import ReflexError
from reflex_ros.hardware import codec

CONFIG = Path(__file__).parents[1] / 'config' / 'robot.yaml'
ANSWERS = (
    messages.Account, messages.Grant, messages.SessionList, messages.Readiness,
    messages.Deployment, datasets.Dataset, datasets.DatasetAnswer, datasets.DatasetList,
    datasets.UploadTicket, logins.LoginRequest, logins.LoginStatus, models.ModelAnswer,
    models.ModelList, robots.RobotSchemaList, robots.RobotList, robots.Pairing,
    training.TrainingRunAnswer, training.TrainingRunList, training.StepwiseRun)
VALUES: tuple[type[Any], ...] = (DriverBeat, StreamBeat, SupervisorBeat, SafetyState)
WHOLE: tuple[type[Any], ...] = (*VALUES, Permit)
LONGEST_STATUS = 255


@dataclass(frozen=True)
class Target:
    """
    One place.

    :param seeds: inputs that are as they should be.
    :param share: percent of the time that it gets.
    """

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    share: int


def frame(data: bytes) -> None:
    """Decode a frame of the action stream, as text when it is one; rows are finite numbers."""
    try:
        text: str | bytes = data.decode()
    except UnicodeDecodeError:
        text = data
    try:
        event = parse_frame(text)
    except ReflexError as exc:
        assert len(str(exc)) < 2000, 'the error repeats what came'
        return
    if isinstance(event, ChunkFrame):
        assert all(math.isfinite(value) for row in event.rows for value in row), 'not finite'
        assert len({len(row) for row in event.rows}) == 1, 'rows of several lengths'


def servo(data: bytes) -> None:
    """Find status frames in what came over the line; each has the checksum that it must have."""
    parser = codec.StatusParser()
    found = []
    for begin in range(0, len(data), 7):
        found += parser.parse(data[begin:begin + 7])
    for status in found:
        body = bytes((status.servo_id, len(status.data) + 2, status.error)) + status.data
        assert b'\xff\xff' + body + bytes((codec.checksum(body),)) in data, 'made up'
    assert parser.discarded <= len(data)


def answer(data: bytes) -> None:
    """Read an answer of the service as each of the messages; it fits, or is refused in a line."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    for kind in ANSWERS:
        try:
            messages.parse(kind, value, kind.__name__)
        except ReflexError as exc:
            assert len(str(exc)) < 2000, 'the error repeats what came'


def beat(data: bytes) -> None:
    """Read a message of another node; nothing is raised, and a terminal may show its texts."""
    words = data.decode(errors='replace').split('\x1f')
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    for kind in VALUES:
        value = key_values.decode(kind, pairs)
        for field in fields(value):
            found = getattr(value, field.name)
            text = found.text if isinstance(found, Cause) else found
            assert not isinstance(text, str) or text.isprintable(), f'{field.name}: {text!r:.80}'
    for kind in WHOLE:
        key_values.decode_complete(kind, pairs)


def picture(data: bytes) -> None:
    """Read the fields of an image message."""
    for read in (read_image, read_compressed_image):
        try:
            read(data)
        except ReflexError:
            continue


def config(data: bytes) -> None:
    """Read a robot.yaml; it is read, or refused with its lines."""
    with tempfile.NamedTemporaryFile(suffix='.yaml') as file:
        file.write(data)
        file.flush()
        try:
            robot_file.read(Path(file.name))
        except ReflexError as exc:
            assert str(exc), 'refused without a reason'


def json_lines(*values: object) -> list[bytes]:
    """Return each value as JSON without line breaks."""
    return [json.dumps(value).encode() for value in values]


def _beats() -> list[bytes]:
    return ['\x1f'.join(part for pair in key_values.encode(value).items()
                        for part in pair).encode() for value in (
                            *(kind() for kind in VALUES), Permit(7))]


def _configs() -> list[bytes]:
    small = {'prompt': 'wave', 'mode': 'dry_run', 'target': {'kind': 'stream'},
             'hardware': {'kind': 'so101', 'config': {'port': '/dev/ttyACM0'}},
             'cameras': {'front': {'kind': 'v4l2', 'device': 0}}, 'deployment': {'id': 'd'}}
    return [yaml.safe_dump(small).encode(), CONFIG.read_bytes()]


DECODERS = {
    'frame': Target(frame, json_lines(
        {'type': 'session.ready', 'session_id': 'sess_1', 'accepts': ['action_prefix']},
        {'type': 'action_chunk', 'seq': 3, 'actions': [[0.1, -20.0, 3, 4, 5, 60.0]] * 4,
         'infer_ms': 20.5, 'total_ms': 30},
        {'type': 'error', 'code': 'session_expired', 'message': 'over'},
        {'type': 'action_chunk', 'seq': 4, 'actions_so101': [[1e-9] * 6], 'actions': None}), 8),
    'servo': Target(servo, [
        codec.encode(1, 0, bytes(8)), codec.encode(6, 32, b'\x01\x02'),
        b''.join(codec.encode(each, 0, bytes(range(each, each + 15))) for each in range(1, 7)),
        b'\xff\xff\xff\xff\x01\x02\x00\xfc'], 6),
    'answer': Target(answer, json_lines(
        {'ok': True, 'sessionId': 's', 'token': 't', 'expiresAt': 1.7e12, 'model': 'pi0.5'},
        {'ok': True, 'robots': [{'_id': 'r', 'id': 'r', 'robotId': 'r', 'name': 'bench'}]},
        {'ok': True, 'trainingRun': {'_id': 'run', 'status': 'running', 'progressPercent': 40}},
        {'ok': True, 'checks': [{'name': 'a', 'status': 'failed', 'message': 'why'}],
         'status': 'blocked'}, {'status': 'approved', 'apiKey': 'rfx_x'}), 6),
    'beat': Target(beat, _beats(), 5),
    'picture': Target(picture, [
        b'\x00\x01\x00\x00' + bytes(8) + b'\x01\x00\x00\x00\x00\x00\x00\x00'
        + b'\x05\x00\x00\x00jpeg\x00\x00\x00\x00' + b'\x04\x00\x00\x00\xff\xd8\xff\xd9'], 3),
    'config': Target(config, _configs(), 7),
}
