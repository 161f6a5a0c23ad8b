# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The servo's side of the wire format, against frames written by hand."""

from __future__ import annotations

import random

import pytest

from reflex_ros.sim.arm.framing import InstructionParser, SILENCE_NS, status_frame

# Frame, id, instruction, parameters: the golden frames of the SO-101 reference, section 1.6.
REQUESTS = (
    ('FF FF 01 02 01 FB', 1, 0x01, ''),
    ('FF FF FE 02 01 FE', 0xFE, 0x01, ''),
    ('FF FF 03 04 02 03 02 F1', 3, 0x02, '03 02'),
    ('FF FF FE 0A 82 38 02 01 02 03 04 05 06 26', 0xFE, 0x82, '38 02 01 02 03 04 05 06'),
    ('FF FF FE 0A 82 38 0F 01 02 03 04 05 06 19', 0xFE, 0x82, '38 0F 01 02 03 04 05 06'),
    ('FF FF FE 16 83 2A 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08 F7', 0xFE, 0x83,
     '2A 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08'),
    ('FF FF 01 09 03 2A 00 08 00 00 E8 03 D5', 1, 0x03, '2A 00 08 00 00 E8 03'),
    ('FF FF 01 0A 03 29 32 E8 03 00 00 E8 03 C0', 1, 0x03, '29 32 E8 03 00 00 E8 03'),
    ('FF FF 02 04 03 28 00 CE', 2, 0x03, '28 00'),
    ('FF FF 01 05 03 1F B9 03 1B', 1, 0x03, '1F B9 03'),
    ('FF FF 01 05 04 2A 00 08 C3', 1, 0x04, '2A 00 08'),
    ('FF FF FE 02 05 FA', 0xFE, 0x05, ''),
    ('FF FF 01 02 08 F4', 1, 0x08, ''),
    ('FF FF 01 02 0A F2', 1, 0x0A, ''),
)


@pytest.mark.parametrize('frame, servo_id, code, params', REQUESTS)
def test_golden_request_is_understood(frame: str, servo_id: int, code: int, params: str) -> None:
    raw = bytes.fromhex(frame)
    assert InstructionParser().parse(raw, 0) == [(servo_id, code, bytes.fromhex(params), raw)]


@pytest.mark.parametrize('servo_id, error, params, frame', (
    (1, 0x00, '', 'FF FF 01 02 00 FC'),
    (3, 0x00, '09 03', 'FF FF 03 04 00 09 03 EC'),
    (1, 0x00, '18 05', 'FF FF 01 04 00 18 05 DD'),
    (1, 0x00, '00 08', 'FF FF 01 04 00 00 08 F2'),
    (6, 0x20, '08 07', 'FF FF 06 04 20 08 07 C6'),
    (2, 0x20, '', 'FF FF 02 02 20 DB'),
    (1, 0x00, '00 08 64 80 2C 05 78 26 00 00 01 00 00 1F 00',
     'FF FF 01 11 00 00 08 64 80 2C 05 78 26 00 00 01 00 00 1F 00 12'),
))
def test_golden_reply_is_built(servo_id: int, error: int, params: str, frame: str) -> None:
    assert status_frame(servo_id, error, bytes.fromhex(params)) == bytes.fromhex(frame)


def test_any_split_gives_the_same_frames() -> None:
    noise = bytes.fromhex('00 FF 12 FF FF FF 37')
    stream = noise + b''.join(noise[:k % 4] + bytes.fromhex(row[0])
                              for k, row in enumerate(REQUESTS))
    whole = InstructionParser().parse(stream, 0)
    assert len(whole) == len(REQUESTS)
    single = InstructionParser()
    assert [f for byte in stream for f in single.parse(bytes((byte,)), 0)] == whole
    rng = random.Random(1)
    for _ in range(50):
        parser, frames, at = InstructionParser(), [], 0
        while at < len(stream):
            size = rng.randint(1, 17)
            frames += parser.parse(stream[at:at + size], 0)
            at += size
        assert frames == whole


@pytest.mark.parametrize('bad', (
    'FF FF 01 02 01 FA',
    'FF FF 01 01 01 FC',
    'FF FF 01 00 FE',
    'FF FF FF 02 01 FD',
    'FF FF 01 04 02 38 02 BF',
))
def test_broken_frame_is_ignored_and_the_next_one_is_found(bad: str) -> None:
    good = bytes.fromhex('FF FF 01 02 01 FB')
    frames = InstructionParser().parse(bytes.fromhex(bad) + good, 0)
    assert [frame.frame for frame in frames] == [good]


def test_half_frame_is_dropped_after_silence() -> None:
    parser = InstructionParser()
    ping = bytes.fromhex('FF FF 01 02 01 FB')
    assert parser.parse(ping[:4], 0) == []
    assert len(parser.parse(ping, SILENCE_NS + 1)) == 1
    assert parser.dropped_half_frames == 1


def test_half_frame_is_completed_within_the_silence_limit() -> None:
    parser = InstructionParser()
    ping = bytes.fromhex('FF FF 01 02 01 FB')
    assert parser.parse(ping[:4], 0) == []
    assert len(parser.parse(ping[4:], SILENCE_NS)) == 1


def test_arbitrary_bytes_leave_the_parser_usable_and_small() -> None:
    rng, parser = random.Random(2), InstructionParser()
    for k in range(200):
        parser.parse(rng.randbytes(100), k)
    parser.parse(bytes(300), 200)
    assert len(parser.parse(bytes.fromhex('FF FF 01 02 01 FB'), 200)) == 1
