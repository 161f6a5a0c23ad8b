# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One request to a server of one's own: its fields, its arrays, and what may go wrong."""

import base64
import json
import time

import numpy as np
import pytest

from reflex_ros.client import edge
from reflex_ros.client.edge import EdgeSettings
from reflex_ros.client.transport import Transport
from reflex_ros.errors import ConfigurationError, ServiceProtocolError, ServiceUnavailable

pytestmark = pytest.mark.usefixtures('no_leaks')

STATE = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]


@pytest.fixture
def ask(run):
    """Return a function that sends one observation and returns rows and answer."""
    def go(url, state=STATE, instruction='wave', cameras=None, **settings):
        async def main():
            async with Transport(window_s=0.0) as transport:
                return await edge.infer(transport, EdgeSettings(url, **settings), state,
                                        instruction, cameras)

        return run(main())

    return go


@pytest.fixture
def server(listen):
    """Return a function that starts a server with one answer; ``body()`` is what it was sent."""
    def start(answer, status='200 OK'):
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        made = listen(lambda peer: peer.answer(content, status))
        made.body = lambda: json.loads(made.peers[0].body)
        return made

    return start


@pytest.mark.parametrize('encoding', ['json', 'json_numpy'])
def test_simulated_server_answers_in_both_encodings(service, ask, encoding):
    rows, answer = ask(f'{service.url}/act', encoding=encoding)
    assert len(rows) == 50 and len(rows[0]) == 6
    assert answer['infer_ms'] >= 0.0
    assert isinstance(answer['actions'], np.ndarray) == (encoding == 'json_numpy')


def test_fields_are_sent_in_the_order_of_the_reference(server, ask):
    place = server({'actions': [[1.0]]})
    began = time.time()
    ask(f'{place.url}/act', cameras={'right': 'R', 'top': 'T', 'other': 'O'}, encoding='json',
        extra_payload={'num_steps': 5})
    body = place.body()
    assert list(body) == ['state', 'instruction', 'top_cam', 'right_cam', 'timestamp',
                          'num_steps']
    assert body['state'] == STATE and body['top_cam'] == 'T'
    assert began <= body['timestamp'] <= time.time()


def test_server_of_another_shape_is_described_by_its_fields(server, ask):
    place = server({'prediction': {'actions': [0.5, 1.5]}})
    rows, _ = ask(f'{place.url}/x/y?z=1', cameras={'top': 'T'}, encoding='json',
                  state_field='proprio', instruction_field='prompt',
                  camera_field_map={'top': 'image'}, actions_path='prediction.actions',
                  auto_timestamp_field='', headers={'X-Token': 'abc'})
    # One row is wrapped.
    assert rows == [[0.5, 1.5]]
    assert place.body() == {'proprio': STATE, 'prompt': 'wave', 'image': 'T'}
    peer = place.peers[0]
    assert peer.head.startswith(b'POST /x/y?z=1 ')
    assert (peer.header(b'x-token'), peer.header(b'content-type')) == (b'abc', b'application/json')
    assert not peer.header(b'authorization')


def test_empty_names_leave_fields_out(server, ask):
    place = server({'actions': [[1.0]]})
    ask(place.url, encoding='json', state_field='', instruction_field='', auto_timestamp_field='')
    assert place.body() == {}


def test_arrays_are_written_as_json_numpy_does(server, ask):
    place = server({'actions': {'__numpy__': base64.b64encode(
        np.array([[1, 2]], '>i2').tobytes()).decode(), 'dtype': '>i2', 'shape': [1, 2]}})
    # Not contiguous: a view of every second column.
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::2]
    rows, _ = ask(place.url, cameras={'top': picture})
    assert rows == [[1.0, 2.0]]
    sent = place.body()['top_cam']
    assert (sent['dtype'], sent['shape']) == ('|u1', [2, 2, 3])
    assert base64.b64decode(sent['__numpy__']) == picture.tobytes()
    assert place.body()['state']['dtype'] == '<f4'


@pytest.mark.parametrize('answer, status, kind, message', [
    ({}, '500 Broken', ServiceUnavailable, r'returned 500: \{\}'),
    (b'x' * 900, '201 Created', ServiceUnavailable, r'returned 201: x{200}$'),
    ({'a': 1, 'b': 2}, '200 OK', ServiceProtocolError,
     r"missing field at path 'actions'. Top-level keys: \['a', 'b'\]"),
    ({'actions': 'text'}, '200 OK', ServiceProtocolError, "'actions' must be a list, got str"),
    ({'actions': [['x']]}, '200 OK', ServiceProtocolError, "'actions' must hold numbers"),
    ([1], '200 OK', ServiceProtocolError, 'answered with list, expected an object'),
    (b'<html>', '200 OK', ServiceProtocolError, 'answered with no JSON'),
    ({'actions': {'__numpy__': 'AAAA', 'dtype': '<f4', 'shape': [9]}}, '200 OK',
     ServiceProtocolError, 'array of the answer is malformed'),
    ({'actions': {'__numpy__': 'AAAA', 'dtype': 'O', 'shape': [1]}}, '200 OK',
     ServiceProtocolError, 'dtype object is not a number'),
])
def test_answers_that_cannot_be_used_are_said(server, ask, answer, status, kind, message):
    with pytest.raises(kind, match=message):
        ask(server(answer, status).url, encoding='json')


def test_server_that_is_not_there_or_too_slow_is_said(ask, listen, closed_port):
    with pytest.raises(ServiceUnavailable, match='Cannot reach the edge inference server at '
                       f'http://127.0.0.1:{closed_port}/act: .*refused'):
        ask(f'http://127.0.0.1:{closed_port}/act')
    silent = listen(lambda peer: peer.is_over.wait(10.0))
    with pytest.raises(ServiceUnavailable, match='no whole answer within 0.2 s'):
        ask(silent.url, timeout_s=0.2)


def test_unknown_encoding_is_refused():
    with pytest.raises(ConfigurationError, match="Unknown encoding 'xml'; expected 'json_numpy' "
                       "or 'json'"):
        EdgeSettings('http://x', encoding='xml')
