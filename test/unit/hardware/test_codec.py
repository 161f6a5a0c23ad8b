# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Servo packets against bytes written by hand, and the parser against everything else.

The frames are those of the SO-101 reference, section 1.6; none was made by the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
import re

from hypothesis import example, given
from hypothesis import strategies as st
import more_instructions
import pytest

from reflex_ros.hardware import codec
from reflex_ros.hardware.codec import Status, StatusError, StatusParser

ALL = (1, 2, 3, 4, 5, 6)
BLOCK = '00 08 64 80 2C 05 78 26 00 00 01 00 00 1F 00'
NOTHING_FOLLOWS = bytes(codec.MAX_FRAME)
"""Enough bytes without a header to complete every frame that a header can announce."""

REQUESTS: tuple[tuple[str, Callable[[], bytes], str], ...] = (
    ('ping', lambda: codec.ping(1), 'FF FF 01 02 01 FB'),
    ('broadcast ping', lambda: codec.ping(codec.BROADCAST), 'FF FF FE 02 01 FE'),
    ('read model', lambda: codec.read(3, 3, 2), 'FF FF 03 04 02 03 02 F1'),
    ('read position', lambda: codec.read(1, 56, 2), 'FF FF 01 04 02 38 02 BE'),
    ('sync read 2', lambda: codec.sync_read(ALL, 56, 2),
     'FF FF FE 0A 82 38 02 01 02 03 04 05 06 26'),
    ('sync read 4', lambda: codec.sync_read(ALL, 56, 4),
     'FF FF FE 0A 82 38 04 01 02 03 04 05 06 24'),
    ('sync read 8', lambda: codec.sync_read(ALL, 56, 8),
     'FF FF FE 0A 82 38 08 01 02 03 04 05 06 20'),
    ('sync read 15', lambda: codec.sync_read(ALL, 56, 15),
     'FF FF FE 0A 82 38 0F 01 02 03 04 05 06 19'),
    ('sync write goal', lambda: codec.sync_write(42, dict.fromkeys(ALL, b'\x00\x08')),
     'FF FF FE 16 83 2A 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08 F7'),
    ('sync write torque on', lambda: codec.sync_write(40, dict.fromkeys(ALL, b'\x01')),
     'FF FF FE 10 83 28 01 01 01 02 01 03 01 04 01 05 01 06 01 2A'),
    ('sync write torque off', lambda: codec.sync_write(40, dict.fromkeys(ALL, b'\x00')),
     'FF FF FE 10 83 28 01 01 00 02 00 03 00 04 00 05 00 06 00 30'),
    ('write goal, time, speed', lambda: codec.write(1, 42, bytes.fromhex('00 08 00 00 E8 03')),
     'FF FF 01 09 03 2A 00 08 00 00 E8 03 D5'),
    ('write acceleration and goal',
     lambda: codec.write(1, 41, bytes.fromhex('32 E8 03 00 00 E8 03')),
     'FF FF 01 0A 03 29 32 E8 03 00 00 E8 03 C0'),
    ('torque off', lambda: codec.write(2, 40, b'\x00'), 'FF FF 02 04 03 28 00 CE'),
    ('unlock', lambda: codec.write(1, 55, b'\x00'), 'FF FF 01 04 03 37 00 C0'),
    ('lock', lambda: codec.write(1, 55, b'\x01'), 'FF FF 01 04 03 37 01 BF'),
    ('broadcast unlock', lambda: codec.write(codec.BROADCAST, 55, b'\x00'),
     'FF FF FE 04 03 37 00 C3'),
    ('offset +953', lambda: codec.write(1, 31, b'\xb9\x03'), 'FF FF 01 05 03 1F B9 03 1B'),
    ('offset -1047', lambda: codec.write(1, 31, b'\x17\x0c'), 'FF FF 01 05 03 1F 17 0C B4'),
    ('limits', lambda: codec.write(1, 9, bytes.fromhex('FD 02 89 0D')),
     'FF FF 01 07 03 09 FD 02 89 0D 56'),
    ('middle is here', lambda: codec.write(1, 40, b'\x80'), 'FF FF 01 04 03 28 80 4F'),
    ('reg write', lambda: more_instructions.reg_write(1, 42, b'\x00\x08'),
     'FF FF 01 05 04 2A 00 08 C3'),
    ('action', more_instructions.action, 'FF FF FE 02 05 FA'),
    ('action of one', lambda: more_instructions.action(1), 'FF FF 01 02 05 F7'),
    ('recovery', lambda: more_instructions.recovery(1), 'FF FF 01 02 06 F6'),
    ('reboot', lambda: more_instructions.reboot(1), 'FF FF 01 02 08 F4'),
    ('backup', lambda: more_instructions.backup(1), 'FF FF 01 02 09 F3'),
    ('reset turns', lambda: more_instructions.reset_turns(1), 'FF FF 01 02 0A F2'),
    ('calibrate', lambda: more_instructions.calibrate(1), 'FF FF 01 02 0B F1'),
    ('calibrate to 1024', lambda: more_instructions.calibrate(1, 1024), 'FF FF 01 04 0B 00 04 EB'),
)

REPLIES = (
    ('pong', 'FF FF 01 02 00 FC', Status(1, 0, b'')),
    ('model 777', 'FF FF 03 04 00 09 03 EC', Status(3, 0, b'\x09\x03')),
    ('position 1304', 'FF FF 01 04 00 18 05 DD', Status(1, 0, b'\x18\x05')),
    ('position 2048', 'FF FF 01 04 00 00 08 F2', Status(1, 0, b'\x00\x08')),
    ('overloaded', 'FF FF 06 04 20 08 07 C6',
     Status(6, StatusError.OVERLOAD, b'\x08\x07')),
    ('feedback block', f'FF FF 01 11 00 {BLOCK} 12', Status(1, 0, bytes.fromhex(BLOCK))),
    ('acknowledged', 'FF FF 02 02 00 FB', Status(2, 0, b'')),
    ('acknowledged in overload', 'FF FF 02 02 20 DB', Status(2, StatusError.OVERLOAD, b'')),
)


def frame(status: Status) -> bytes:
    """Build a status frame as the manual draws it, independent of the codec's own encoder."""
    body = [status.servo_id, len(status.data) + 2, status.error, *status.data]
    return bytes([0xFF, 0xFF, *body, (255 - sum(body) % 256)])


def scan(data: bytes) -> list[Status]:
    """
    Find the frames of a whole recording: the specification of the parser, with hindsight.

    From left to right; what begins a valid frame is one, anything else is skipped byte by byte.
    """
    found, at = [], 0
    while at < len(data):
        match = re.match(rb'\xff\xff([\x00-\xfd])([\x02-\xf6])', data[at:at + 4], re.DOTALL)
        end = at + 4 + match[2][0] if match else len(data) + 1
        body = data[at + 2:end - 1]
        if end <= len(data) and (sum(body) + data[end - 1]) % 256 == 255:
            found.append(Status(body[0], body[2], body[3:]))
            at = end
        else:
            at += 1
    return found


statuses = st.builds(Status, st.integers(0, 253), st.integers(0, 255),
                     st.binary(max_size=40))
# Difficult bytes: headers and lengths, far more often than by chance.
noise = st.lists(st.sampled_from([b'\xff', b'\xff\xff', b'\xff\xff\x01', b'\xff\xff\x01\x04',
                                  b'\xff\xff\x01\xf6', b'\x00', b'\x02', b'\xfe'])
                 | st.binary(max_size=6), max_size=6).map(b''.join)


@pytest.mark.parametrize('make, wire', [row[1:] for row in REQUESTS],
                         ids=[row[0] for row in REQUESTS])
def test_instruction_is_the_bytes_of_the_manual(make: Callable[[], bytes], wire: str) -> None:
    assert make().hex(' ').upper() == wire


@pytest.mark.parametrize('wire, status', [row[1:] for row in REPLIES],
                         ids=[row[0] for row in REPLIES])
def test_reply_of_the_manual_is_understood(wire: str, status: Status) -> None:
    assert StatusParser().parse(bytes.fromhex(wire)) == [status]
    assert frame(status) == bytes.fromhex(wire)


def test_all_replies_of_the_manual_are_understood_in_one_stream() -> None:
    parser = StatusParser()
    assert parser.parse(bytes.fromhex(' '.join(row[1] for row in REPLIES))) == [
        row[2] for row in REPLIES]
    assert (parser.discarded, parser.bad_checksums) == (0, 0)


@pytest.mark.parametrize('servo_id', (-1, 255, 1000))
def test_id_that_no_servo_can_have_is_refused(servo_id: int) -> None:
    with pytest.raises(ValueError, match='is not in 0..254'):
        codec.ping(servo_id)


def test_frame_is_at_most_250_bytes() -> None:
    assert len(codec.write(1, 0, bytes(243))) == codec.MAX_FRAME
    with pytest.raises(ValueError, match='do not fit into one frame'):
        codec.write(1, 0, bytes(244))


@pytest.mark.parametrize('data', ({}, {1: b'\x00', 2: b'\x00\x00'}))
def test_sync_write_needs_one_length(data: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match='one length'):
        codec.sync_write(42, data)


@pytest.mark.parametrize('address, length', ((-1, 2), (256, 2), (0, 256)))
def test_address_and_length_are_bytes(address: int, length: int) -> None:
    with pytest.raises(ValueError):
        codec.read(1, address, length)


@given(st.integers(0, 254), st.integers(0, 255), st.binary(max_size=244))
def test_every_instruction_checks_out(servo_id: int, instruction: int, params: bytes) -> None:
    wire = codec.encode(servo_id, instruction, params)
    assert wire[:5] == bytes([255, 255, servo_id, len(params) + 2, instruction])
    assert wire[5:-1] == params
    assert sum(wire[2:]) % 256 == 255


@given(st.lists(statuses, max_size=5), st.lists(st.integers(0, 200), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_frames(sent: list[Status],
                                                      cuts: list[int]) -> None:
    wire = b''.join(map(frame, sent))
    parser, found, at = StatusParser(), [], 0
    for cut in [*sorted(cuts), len(wire)]:
        found += parser.parse(wire[at:cut])
        at = max(at, cut)
    assert found == sent
    assert (parser.discarded, parser.bad_checksums) == (0, 0)


@given(statuses)
def test_frame_is_given_out_with_its_last_byte(status: Status) -> None:
    parser, wire = StatusParser(), frame(status)
    assert [parser.parse(wire[k:k + 1]) for k in range(len(wire))] == [
        *[[]] * (len(wire) - 1), [status]]


@given(st.lists(st.tuples(noise, statuses), max_size=4), noise)
@example([(b'\xff\xff\x01', Status(1, 0, b''))], b'')
@example([(b'\xff\xff\x01\xf6', Status(1, 0, b'')), (b'\xff', Status(2, 0, b'\x07'))], b'\xff')
def test_parser_finds_what_a_scan_with_hindsight_finds(pairs: list[tuple[bytes, Status]],
                                                       rest: bytes) -> None:
    """
    State the guarantee of the resynchronisation exactly.

    A frame is lost only where noise forms a *valid* frame that overlaps it. Noise that only looks
    like the beginning of one (FF FF, an id, a length) delays what is behind it, by no more bytes
    than it announces, at most 250.
    """
    wire = b''.join(before + frame(status) for before, status in pairs) + rest
    parser = StatusParser()
    assert parser.parse(wire) + parser.parse(NOTHING_FOLLOWS) == scan(wire + NOTHING_FOLLOWS)


@given(st.binary(max_size=60).map(lambda data: data.replace(b'\xff', b'\x7f')), statuses)
@example(b'\xff', Status(1, 0, b''))
@example(b'\xff\xff', Status(1, 0, b''))
@example(b'\xff\xff\xff', Status(1, 0, b''))
@example(b'\xff\xff\x01', Status(1, 0, b''))
@example(b'\x00\xff\xff\xfe', Status(1, 0, b''))
def test_noise_without_a_header_costs_and_delays_nothing(before: bytes, status: Status) -> None:
    parser = StatusParser()
    assert parser.parse(before + frame(status)) == [status]
    assert parser.discarded == len(before)


def test_cut_reply_does_not_take_the_next_one_with_it() -> None:
    parser, second = StatusParser(), Status(2, 0, bytes(15))
    cut = frame(Status(1, 0, bytes(15)))[:4]
    assert parser.parse(cut + frame(second)) == [second]
    assert parser.discarded == len(cut)


@pytest.mark.parametrize('at', range(2, 8))
def test_corrupt_byte_costs_one_frame_and_is_counted(at: int) -> None:
    good, wire = Status(2, 0, b'\x01\x02'), bytearray(frame(Status(1, 0, b'\x18\x05')))
    wire[at] ^= 0x10
    parser = StatusParser()
    found = parser.parse(bytes(wire) + frame(good)) + parser.parse(NOTHING_FOLLOWS)
    assert found == [good]
    assert parser.bad_checksums >= 1


@given(st.lists(st.binary(max_size=80) | noise, max_size=8))
def test_arbitrary_bytes_raise_nothing_and_leave_the_parser_usable(parts: list[bytes]) -> None:
    parser = StatusParser()
    for part in parts:
        parser.parse(part)
        assert len(parser._buffer) < codec.MAX_FRAME
    parser.clear()
    assert parser.parse(frame(Status(3, 0, b'\x09\x03'))) == [Status(3, 0, b'\x09\x03')]


@given(st.lists(st.binary(max_size=80) | noise | statuses.map(frame), max_size=8))
def test_every_byte_is_part_of_a_frame_or_counted(parts: list[bytes]) -> None:
    parser = StatusParser()
    used = sum(len(frame(status)) for part in parts for status in parser.parse(part))
    parser.clear()
    assert used + parser.discarded == sum(map(len, parts))


def test_buffer_stays_bounded_under_endless_headers() -> None:
    parser = StatusParser()
    for data in (b'\xff' * 10_000, b'\xff\xff\x01\xf6' * 1_000, b'\xff\xff\x01\xf6' + bytes(240)):
        parser.parse(data)
        assert len(parser._buffer) < codec.MAX_FRAME
