# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of a frame are read from the bytes of its message, and nothing beyond them."""

from __future__ import annotations

import struct

from camera_pictures import compressed_message, image_message
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.cameras.frame import Frame, read_compressed_image, read_image
from reflex_ros.domain.cdr import DamagedMessage

STAMPS = st.integers(-2 ** 31 * 10 ** 9, 2 ** 31 * 10 ** 9 - 1)
TEXTS = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=20)


@given(st.sampled_from('<>'), STAMPS, TEXTS, TEXTS,
       st.tuples(st.integers(0, 2 ** 32 - 1), st.integers(0, 2 ** 32 - 1)),
       st.integers(0, 2 ** 32 - 1), st.binary(max_size=64))
def test_image_is_read_back(order: str, stamp_ns: int, frame_id: str, encoding: str,
                            size: tuple[int, int], step: int, data: bytes) -> None:
    frame = read_image(image_message(order, stamp_ns, frame_id, encoding, size, step, data))
    assert (frame.stamp_ns, frame.encoding, bytes(frame.data)) == (stamp_ns, encoding, data)
    assert (frame.width, frame.height, frame.step) == (*size, step)
    assert not frame.is_compressed


@given(st.sampled_from('<>'), STAMPS, TEXTS, TEXTS, st.binary(max_size=64))
def test_compressed_image_is_read_back(order: str, stamp_ns: int, frame_id: str, form: str,
                                       data: bytes) -> None:
    frame = read_compressed_image(compressed_message(order, stamp_ns, frame_id, form, data))
    assert (frame.stamp_ns, frame.encoding, bytes(frame.data)) == (stamp_ns, form, data)
    assert frame.is_compressed


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_or_read(message: bytes) -> None:
    for read in (read_image, read_compressed_image):
        for prefix in (b'', b'\0\1\0\0'):
            try:
                frame = read(prefix + message)
            except DamagedMessage:
                continue
            assert len(frame.data) <= len(message) and len(frame.encoding) <= 256


WHOLE = image_message('<', 1, 'front', 'rgb8', (2, 1), 6, b'abcdef')


@given(st.integers(0, len(WHOLE) - 1))
def test_message_that_was_cut_is_refused_with_its_size(length: int) -> None:
    with pytest.raises(DamagedMessage, match=r'ends early: \d+ bytes, \d+ expected|not plain CDR'):
        read_image(WHOLE[:length])


def test_length_beyond_the_message_is_refused() -> None:
    lying = bytearray(WHOLE)
    lying[-10:-6] = struct.pack('<I', 2 ** 32 - 1)
    with pytest.raises(DamagedMessage, match='4294967343 expected'):
        read_image(bytes(lying))


def test_frames_of_one_picture_are_equal_whatever_their_stamps() -> None:
    data = bytes(range(256)) * 400
    frame = Frame(1, 'rgb8', memoryview(data), False, 640, 53, 1920)
    assert frame == Frame(2, 'rgb8', memoryview(bytearray(data)), False, 640, 53, 1920)
    for index in (0, 1, 50_000, len(data) - 1):
        other = bytearray(data)
        other[index] ^= 1
        assert frame != Frame(1, 'rgb8', memoryview(other), False, 640, 53, 1920)
    assert frame != Frame(1, 'bgr8', memoryview(data), False, 640, 53, 1920)
    assert frame != Frame(1, 'rgb8', memoryview(data[:-1]), False, 640, 53, 1920)
    assert frame != data
