# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages carry what the dataclasses say, and nothing that anybody sends is an error."""

import numpy as np
import pytest

from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import Lifecycle, StreamBeat
from reflex_ros.domain.permit import Mode, Permit

pytest.importorskip('diagnostic_msgs')

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402

from reflex_ros.nodes import convert, status_codec  # noqa: E402

ROWS = [[0.0, 0.5], [0.1, 0.6], [0.2, 0.7]]


@pytest.fixture
def chunk():
    return ActionChunk(41, np.array(ROWS), 50.0, observed_at=9.75, epoch=7, joint_names=('a', 'b'))


def test_beat_shows_its_level_and_message_and_leaves_empty_texts_out():
    beat = StreamBeat('1-2', Lifecycle.ACTIVE, '', progress=3, fault=Cause(
        FaultCode.NET_CLOSED, 'gone'))
    message = status_codec.encode('action_stream', beat, level=DiagnosticStatus.ERROR,
                                  message='gone', with_empty=False)
    assert (message.name, message.level, message.message) == (
        'action_stream', DiagnosticStatus.ERROR, 'gone')
    assert '' not in status_codec.pairs(message).values()
    assert status_codec.decode(StreamBeat, message) == beat


@pytest.mark.parametrize('data', [b'', b'\0', b'\0\1\0\0', b'\0\1\0\0' + b'\xff' * 40])
def test_bytes_that_are_no_message_are_no_beat(data):
    assert status_codec.decode_bytes(StreamBeat, data) is None


def test_serialized_beat_is_read():
    beat = StreamBeat('1-2', progress=3)
    data = serialize_message(status_codec.encode('action_stream', beat))
    assert status_codec.decode_bytes(StreamBeat, data) == beat


def test_permit_that_is_not_whole_is_no_permit():
    message = status_codec.encode('safety/permit', Permit(7, Mode.PARK, 0.25))
    assert status_codec.decode_complete(Permit, message) == Permit(7, Mode.PARK, 0.25)
    del message.values[0]
    assert status_codec.decode_complete(Permit, message) is None


def test_last_of_two_values_under_one_key_counts():
    message = DiagnosticStatus(values=[KeyValue(key='progress', value=text) for text in '12'])
    assert status_codec.decode(StreamBeat, message).progress == 2


def test_entry_for_people_has_text_of_every_kind():
    entry = status_codec.entry('so101: x', {
        'text': 'a', 'number': 1 / 3, 'count': 3, 'flag': True, 'enum': Lifecycle.ACTIVE,
        'list': [1, 2]}, message='ok', hardware_id='port')
    assert status_codec.pairs(entry) == {
        'text': 'a', 'number': '0.3333', 'count': '3', 'flag': 'true', 'enum': 'active',
        'list': '[1, 2]'}
    assert (entry.message, entry.hardware_id) == ('ok', 'port')


def test_public_chunk_has_standard_meaning_only(chunk):
    stamp = convert.to_time(1_700_000_000_250_000_000)
    message = convert.to_trajectory(chunk, stamp)
    assert message.header.frame_id == ''
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 250_000_000)
    assert list(message.joint_names) == ['a', 'b']
    assert [list(point.positions) for point in message.points] == ROWS
    assert [point.time_from_start.nanosec for point in message.points] == [
        0, 20_000_000, 40_000_000]


def test_command_is_the_chunk_with_its_tag(chunk):
    message = convert.to_trajectory(chunk, convert.to_time(0))
    message.header.frame_id = convert.command_tag(chunk, 0.25)
    read = convert.from_command(message, now=20.0)
    assert (read.seq, read.epoch, read.joint_names) == (41, 7, ('a', 'b'))
    assert read.observed_at == pytest.approx(19.75) and read.rate_hz == pytest.approx(50.0)
    assert read.rows.tolist() == ROWS


@pytest.mark.parametrize('frame', ['', 'base_link', 'epoch=7 seq=41', 'epoch=x seq=1 age_ms=1'])
def test_command_without_a_tag_is_refused(chunk, frame):
    message = convert.to_trajectory(chunk, convert.to_time(0))
    message.header.frame_id = frame
    with pytest.raises(ChunkRejected, match='header.frame_id') as caught:
        convert.from_command(message, now=20.0)
    assert caught.value.code is FaultCode.SEQ_EPOCH


@pytest.mark.parametrize('damage', ['one point', 'short row', 'no time'])
def test_command_that_is_no_chunk_is_refused(chunk, damage):
    message = convert.to_trajectory(chunk, convert.to_time(0))
    message.header.frame_id = convert.command_tag(chunk, 0.0)
    if damage == 'one point':
        del message.points[1:]
    elif damage == 'short row':
        message.points[1].positions = [0.0]
    else:
        message.points[-1].time_from_start.nanosec = 0
    with pytest.raises(ChunkRejected) as caught:
        convert.from_command(message, now=20.0)
    assert caught.value.code is FaultCode.BAD_SHAPE


def test_command_from_the_future_has_no_negative_age(chunk):
    assert convert.command_tag(chunk, -0.5).endswith('age_ms=0')
