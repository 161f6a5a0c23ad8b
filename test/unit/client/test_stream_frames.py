# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that the client sends, as in section d.3 of the protocol reference."""

import base64
import json
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from reflex_ros.client import stream_frames
from reflex_ros.client.stream_frames import OpenRequest


def test_open_frame_is_the_example_of_the_reference():
    request = OpenRequest('pick up the cube', model='pi0.5', robot='so101',
                          action_adapter='so101_joint', cameras=('wrist',), hz=25.0)
    assert stream_frames.open_frame(request) == (
        '{"type":"session.open","session_id":"","prompt":"pick up the cube","model":"pi0.5",'
        '"robot":"so101","action_adapter":"so101_joint","cameras":["wrist"],"hz":25.0}')


def test_open_frame_can_carry_every_field_and_no_null():
    request = OpenRequest('p', 'sess_1', 'm', 'l@v1', 'r', 'a', ('x', 'y'), 30.0, 50, 0.5)
    assert json.loads(stream_frames.open_frame(request)) == {
        'type': 'session.open', 'session_id': 'sess_1', 'prompt': 'p', 'model': 'm',
        'lora': 'l@v1', 'robot': 'r', 'action_adapter': 'a', 'cameras': ['x', 'y'], 'hz': 30.0,
        'chunk_size': 50, 'max_gpu_seconds': 0.5}
    assert json.loads(stream_frames.open_frame(OpenRequest('p'))) == {
        'type': 'session.open', 'session_id': '', 'prompt': 'p', 'cameras': []}


def test_observation_frame_is_the_example_of_the_reference():
    frame = stream_frames.observation_frame(
        0, [0.1, -12.0, 33.0, 4.5, 0.0, 50.0], {'wrist': b'\xff\xd8\xff\xe0'},
        capture_time_ns=1737830400000000000)
    assert frame == (
        '{"type":"observation","seq":0,"state":[0.1,-12.0,33.0,4.5,0.0,50.0],'
        '"images":{"wrist":{"encoding":"jpeg_base64","data":"/9j/4A=="}},'
        '"capture_time_ns":1737830400000000000}')


def test_observation_frame_can_carry_prompt_and_more():
    frame = stream_frames.observation_frame(
        7, [1.0], {}, prompt='grüß dich',
        extra={'state_units': 'degrees_and_percent', 'none': None})
    assert frame == ('{"type":"observation","seq":7,"state":[1.0],"images":{},'
                     '"prompt":"gr\\u00fc\\u00df dich","state_units":"degrees_and_percent"}')


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_observation_that_is_not_finite_is_not_sent(value):
    with pytest.raises(ValueError, match='observation 3'):
        stream_frames.observation_frame(3, [0.0, value], {})


@pytest.mark.parametrize('image, expected', [
    (b'\xff\xd8\xff\xe0', {'encoding': 'jpeg_base64', 'data': '/9j/4A=='}),
    (bytearray(b'\xff\xd8'), {'encoding': 'jpeg_base64', 'data': '/9g='}),
    (memoryview(b''), {'encoding': 'jpeg_base64', 'data': ''}),
    ('/9j/4A==', '/9j/4A=='), ('quo"te\n', 'quo"te\n'),
    ({'encoding': 'png_base64', 'data': 'x'}, {'encoding': 'png_base64', 'data': 'x'}),
])
def test_image_is_encoded_or_passed_through(image, expected):
    frame = stream_frames.observation_frame(0, [1.0], {'a "b"\n': image, 'c': image})
    assert json.loads(frame)['images'] == {'a "b"\n': expected, 'c': expected}


@pytest.mark.parametrize('images, text', [
    ({'front': 5}, 'the image of front is a int; pass JPEG bytes'),
    ({'front': None}, 'the image of front is a NoneType'),
    ([b'x'], 'images must be a mapping of camera name to image, not a list'),
    (b'x', 'not a bytes')])
def test_invalid_image_is_refused(images, text):
    with pytest.raises(TypeError, match=text):
        stream_frames.observation_frame(0, [1.0], images)


@pytest.mark.parametrize('state', ['0,1', b'0', {'a': 1}, 5, [[1.0]], ['x']])
def test_invalid_state_is_refused(state):
    with pytest.raises((TypeError, ValueError)):
        stream_frames.observation_frame(0, state, {})


def test_numbers_may_be_numpys_and_integers():
    for state in (np.array([1, 2], np.float32), np.array([1, 2]), [1, 2], (1, 2.0)):
        frame = json.loads(stream_frames.observation_frame(0, state, {}))
        assert frame['state'] == [1.0, 2.0]


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_no_field_carries_what_is_no_json(value):
    for fields in ({'extra': value}, {'images': {'a': {'data': value}}}, {'x': [value]}):
        with pytest.raises(ValueError, match='JSON|float'):
            stream_frames.raw_frame(0, fields)


def test_raw_frame_carries_its_fields_and_nothing_else():
    assert stream_frames.raw_frame(4, {}) == '{"type":"observation","seq":4}'
    assert stream_frames.raw_frame(4, {'type': 'x', 'seq': 9, 'a': 1, 'prompt': None}) == (
        '{"type":"observation","seq":4,"a":1}')
    assert stream_frames.raw_frame(4, {'images': {}, 'a': 1}) == (
        '{"type":"observation","seq":4,"images":{},"a":1}')


@given(st.dictionaries(st.text(max_size=8), st.binary(max_size=20) | st.text(max_size=8)),
       st.lists(st.floats(allow_nan=False, allow_infinity=False)),
       st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.booleans()))
def test_any_observation_is_one_json_object_that_says_the_same(images, state, extra):
    extra = {f'x_{name}': value for name, value in extra.items()}
    frame = json.loads(stream_frames.observation_frame(3, state, images, extra=extra))
    assert frame == {'type': 'observation', 'seq': 3, 'state': state, 'images': {
        name: image if isinstance(image, str) else {
            'encoding': 'jpeg_base64', 'data': base64.b64encode(image).decode()}
        for name, image in images.items()}} | extra


def test_close_frame_is_the_example_of_the_reference():
    assert stream_frames.close_frame('sess_01') == (
        '{"type":"session.close","session_id":"sess_01"}')
