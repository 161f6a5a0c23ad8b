# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whatever the host sends: no crash, every byte in the log, and no answer that nobody asked for.

What a frame is, and which servo it asks, is worked out here anew and not by the code under test.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from property_examples import examples

from reflex_ros.sim.arm.settings import Model, Settings
from reflex_ros.sim.arm.virtual import VirtualArm

BROADCAST = 0xFE
SYNC_READ = 0x82
PING = b'\xff\xff\x01\x02\x01\xfb'


def framed(servo_id: int, code: int, params: bytes) -> bytes:
    body = bytes((servo_id, len(params) + 2, code)) + params
    return b'\xff\xff' + body + bytes((~sum(body) & 0xFF,))


def frames_in(data: bytes) -> list[bytes]:
    """Cut a reply stream into status frames; fail when a byte is left over."""
    frames = []
    while data:
        length = data[3] + 4
        frame, data = data[:length], data[length:]
        assert frame[:2] == b'\xff\xff' and len(frame) == length, frame.hex()
        assert ~sum(frame[2:-1]) & 0xFF == frame[-1], frame.hex()
        frames.append(frame)
    return frames


IDS = st.one_of(st.integers(0, 8), st.just(BROADCAST), st.integers(0, 255))
CODES = st.one_of(st.sampled_from((1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 0x82, 0x83)),
                  st.integers(0, 255))
FRAMES = st.builds(framed, IDS, CODES, st.binary(max_size=30))
# Reads and writes of real registers: deeper than bytes at random would get.
WRITES = st.builds(lambda i, address, data: framed(i, 3, bytes((address,)) + data),
                   st.integers(1, 6), st.integers(0, 90), st.binary(min_size=1, max_size=12))
READS = st.builds(lambda i, address, count: framed(i, 2, bytes((address, count))),
                  st.integers(1, 6), st.integers(0, 255), st.integers(0, 255))
CHUNKS = st.lists(st.one_of(st.binary(max_size=40), FRAMES, WRITES, READS), max_size=12)


def new_arm(model: Model) -> VirtualArm:
    return VirtualArm(Settings(fast=True, model=model, boot_s=0.0))


@examples(300)
@example(chunks=[bytes.fromhex('ffff010803080000780078fb'),
                 bytes.fromhex('ffff010503290000cd')], model=Model.IDENTIFIED)
@given(chunks=CHUNKS, model=st.sampled_from(Model))
@example(chunks=[framed(5, 3, b'\x12\xff'), framed(5, 3, b'\x2a\xff\xff\xff\xff\xff\xff')],
         model=Model.PHYSICAL)
@example(chunks=[framed(1, 2, b'\x00\xfe'), framed(1, 2, b'\x00\xf8')], model=Model.INSTANT)
def test_any_bytes_are_survived_logged_and_answered_in_form(chunks: list[bytes],
                                                            model: Model) -> None:
    arm = new_arm(model)
    port = arm.open()
    answers = b''
    for chunk in chunks:
        port.write(chunk)
        answers += port.read(10_000)
        arm.clock.sleep(0.05)
    frames_in(answers)
    # Silence ends a half frame: then everything has been accounted for.
    arm.clock.sleep(1.0)
    port.write(PING)
    answers += port.read(10_000)
    log = arm.control.log(limit=10_000)
    sent = b''.join(bytes.fromhex(data) for _, kind, data in log if kind in ('request', 'noise'))
    assert sorted(sent) == sorted(b''.join(chunks) + PING)
    assert b''.join(bytes.fromhex(data) for _, kind, data in log if kind == 'reply') == answers
    assert arm.control.state()['bus']['bytes_in'] == len(sent)


@examples(300)
@given(servo_id=st.integers(0, 255), code=CODES, params=st.binary(max_size=30))
def test_only_who_was_asked_answers(servo_id: int, code: int, params: bytes) -> None:
    arm = new_arm(Model.INSTANT)
    port = arm.open()
    request = framed(servo_id, code, params)
    port.write(request)
    answers = frames_in(port.read(10_000))
    if servo_id == BROADCAST:
        asked = list(params[2:]) if code == SYNC_READ else list(range(1, 7)) * (code == 1)
    else:
        asked = [servo_id] if 1 <= servo_id <= 6 and code != SYNC_READ else []
    answered = [frame[2] for frame in answers]
    assert [i for i in asked if i in answered] == answered
    # A reply has the length that was asked for.
    if code == 2 and answers:
        assert len(answers[0]) == params[1] + 6
    elif code == SYNC_READ:
        assert all(len(frame) == params[1] + 6 for frame in answers)
    else:
        assert all(len(frame) == 6 for frame in answers)


@examples(200)
@given(request=FRAMES.filter(lambda frame: len(frame) > 6), at=st.integers(2, 40),
       change=st.integers(1, 255))
def test_a_request_with_one_wrong_byte_is_not_answered(request: bytes, at: int,
                                                       change: int) -> None:
    arm = new_arm(Model.INSTANT)
    port = arm.open()
    at = 2 + at % (len(request) - 2)
    spoilt = request[:at] + bytes((request[at] ^ change,)) + request[at + 1:]
    port.write(spoilt)
    answers = frames_in(port.read(10_000))
    # A frame may hide in the payload of another: then that one is answered.
    hidden = any(spoilt[k:k + 2] == b'\xff\xff' for k in range(2, len(spoilt) - 5))
    # A wrong LEN may end a shorter frame with a right check byte.
    end = spoilt[3] + 4
    shorter = end < len(spoilt) and ~sum(spoilt[2:end - 1]) & 0xFF == spoilt[end - 1]
    assert not answers or hidden or shorter
