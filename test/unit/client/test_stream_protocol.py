# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the service, valid (section d.3 of the protocol reference) and refused."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import stream_protocol as protocol
from reflex_ros.client.adapters import row_keys
from reflex_ros.client.stream_protocol import (
    ChunkFrame,
    parse_frame,
    Ready,
    ServerError,
    Unknown,
)
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode

ROW = [0.1, -11.0, 33.0, 4.5, 0.0, 50.0]
ROWS = [ROW, [0.1, -10.0, 33.0, 4.5, 0.0, 50.0]]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(('type', 'seq', 'actions', 'actions_so101', 'code', 'detail', 'x')),
        inner, max_size=4),
    max_leaves=20)
NUMBERS = st.one_of(
    st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=2),
    st.sampled_from((10**400, -10**400, 1e6, 1e6 + 1, 1e308)), st.lists(st.none(), max_size=1))


def chunk(**fields):
    """Encode a chunk; a field that is Ellipsis is left out."""
    message = {'type': 'action_chunk', 'seq': 0, 'actions_so101': ROWS} | fields
    return json.dumps({name: value for name, value in message.items() if value is not ...})


def refused(text):
    """Return the code with which a frame is refused."""
    with pytest.raises(ChunkRejected) as caught:
        parse_frame(text)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
    return caught.value.code


@pytest.mark.parametrize('text, expected', [
    ('{"type":"session.ready","session_id":"sess_01"}', Ready('sess_01')),
    ('{"type":"session.ready"}', Ready('')),
    ('{"type":"session.ready","session_id":null,"more":1}', Ready('')),
    ('{"type":"session.ready","session_id":5}', Ready('')),
    ('{"type":"error","detail":"boom"}', ServerError('boom')),
    ('{"type":"error","code":"c","detail":"d","message":"m"}', ServerError('c: d: m', 'c')),
    ('{"type":"error","other":1}', ServerError('{"other": 1, "type": "error"}')),
    ('{"type":"error","code":503}', ServerError('503')),
    ('{"type":"error","detail":{"a":[1]}}', ServerError("{'a': [1]}")),
    ('{"type":"progress","percent":3}', Unknown('progress')),
    ('{"type":null}', Unknown('None')),
    ('{}', Unknown('None')),
])
def test_message_becomes_an_event(text, expected):
    assert parse_frame(text) == expected


def test_chunk_of_the_reference_is_read():
    assert parse_frame(
        '{"type":"action_chunk","seq":0,"actions":[[0.1,-11.0,33.0,4.5,0.0,50.0],'
        '[0.1,-10.0,33.0,4.5,0.0,50.0]],"infer_ms":80.0,"total_ms":95.0}') == ChunkFrame(
        0, tuple(map(tuple, ROWS)), 80.0, 95.0)


@pytest.mark.parametrize('fields, rows', [
    ({'actions_so101': [[1, 2]], 'actions': [[3, 4]]}, ((1.0, 2.0),)),
    ({'actions_so101': ..., 'actions': [[3, 4]]}, ((3.0, 4.0),)),
    ({'actions_so101': None, 'actions': [[3, 4]]}, ((3.0, 4.0),)),
    ({'actions_so101': [[0]] * 1000}, ((0.0,),) * 1000),
    ({'actions_so101': [[1e6, -1e6]]}, ((1e6, -1e6),)),
])
def test_rows_are_taken_from_the_adapters_own_name_first(fields, rows):
    frame = parse_frame(chunk(**fields))
    assert isinstance(frame, ChunkFrame)
    assert frame.rows == rows
    assert all(type(value) is float for row in frame.rows for value in row)


@pytest.mark.parametrize('value', [None, 'x', -1.0, 1e300, [], {}])
def test_invalid_times_are_unknown(value):
    frame = parse_frame(chunk(infer_ms=value, total_ms=value))
    assert frame.infer_ms is None and frame.total_ms is None


@pytest.mark.parametrize('literal', [
    'NaN', 'Infinity', '-Infinity', '1e999', '-1e999', 'true', 'false', 'null', '"12.5"', '[]',
    '{}', '1' + '0' * 400, '-1' + '0' * 400, '1000001', '1.0e7'])
@pytest.mark.parametrize('row', [0, 1])
def test_value_that_is_no_position_is_refused(row, literal):
    rows = [['1'] * 6, ['1'] * 6]
    rows[row][3] = literal
    text = '[' + ','.join('[' + ','.join(values) + ']' for values in rows) + ']'
    code = refused(f'{{"type":"action_chunk","seq":0,"actions":{text}}}')
    is_json = literal.strip('-') not in ('NaN', 'Infinity')
    assert code is (FaultCode.BAD_NUMBER if is_json else FaultCode.BAD_FRAME)


@pytest.mark.parametrize('rows', [
    [], [[]], [[], []], [ROW, ROW[:5]], [ROW[:5], ROW], [ROW, []], [[], ROW], ROW, [ROW, 5],
    [5, ROW], [ROW, None], 'rows', {'0': ROW}, 7, True, None, [ROW] * 1001, [[ROW]] + [ROW],
    [{'a': 1}], ...])
def test_rows_of_the_wrong_shape_are_refused(rows):
    assert refused(chunk(actions_so101=rows)) in (FaultCode.BAD_SHAPE, FaultCode.BAD_NUMBER)


@given(st.lists(st.lists(st.floats() | st.sampled_from((10**400, -10**400, math.nan, 1, True)),
                         min_size=2, max_size=2), min_size=1, max_size=4))
def test_rows_are_finite_from_every_json_parser(rows):
    # The parser of HTTP answers accepts NaN.
    is_good = all(type(value) in (int, float) and abs(value) <= 1e6
                  for row in rows for value in row)
    try:
        frame = protocol.chunk({'seq': 0, 'actions': rows}, ('actions',))
    except ChunkRejected as exc:
        assert exc.code == FaultCode.BAD_NUMBER and not is_good
    else:
        assert is_good and frame.rows == tuple(map(tuple, rows))


@pytest.mark.parametrize('seq', [None, '0', 0.0, True, [], {}, ..., -1, 2**63, 10**400])
def test_chunk_needs_a_sequence_number(seq):
    assert refused(chunk(seq=seq)) == FaultCode.BAD_SHAPE


@pytest.mark.parametrize('asked, fields, expected', [
    (('aloha_joint',), {'actions': [[1]], 'actions_aloha': [[2]]}, 2.0),
    (('aloha_joint',), {'actions': [[1]], 'actions_so101': [[2]]}, 1.0),
    (('pi_native', 'so101'), {'actions_so101': [[1]], 'actions_pi': [[2]]}, 2.0),
    ((None, 'so101'), {'actions': [[1]], 'actions_so101': [[2]]}, 2.0),
    ((None, 'yam'), {'actions': [[1]], 'actions_so101': [[2]]}, 1.0),
    ((None,), {'actions_aloha': [[1]], 'actions_pi': [[2]]}, 1.0),
    (('of_tomorrow',), {'actions': [[1]], 'actions_pi': [[2]]}, 1.0),
    (('of_tomorrow',), {'actions_pi': [[2]]}, None),
    (('aloha_joint',), {'actions_so101': [[2]]}, None),
])
def test_rows_are_those_of_the_adapter_that_was_asked_for(asked, fields, expected):
    text = json.dumps({'type': 'action_chunk', 'seq': 0} | fields)
    if expected is None:
        with pytest.raises(ChunkRejected, match='no list of 1 to 1000 rows'):
            parse_frame(text, row_keys(*asked))
    else:
        assert parse_frame(text, row_keys(*asked)).rows == ((expected,),)


def test_chunk_is_the_mapping_of_the_documentation_too():
    frame = parse_frame(chunk(actions_so101=[[1, 2.5]], timing={'infer_ms': 3}))
    assert frame['actions'] is frame.rows == ((1.0, 2.5),)
    assert frame['timing'] == {'infer_ms': 3}
    assert frame.get('nothing') is None and 'nothing' not in frame
    with pytest.raises(KeyError):
        frame['nothing']
    assert dict(frame) == {'type': 'action_chunk', 'seq': 0, 'actions_so101': [[1, 2.5]],
                           'timing': {'infer_ms': 3}, 'actions': frame.rows}
    assert len(frame) == len(list(frame)) == 5
    frame = parse_frame(chunk(actions=[[9]]))
    assert len(frame) == len(list(frame)) == 4
    assert json.loads(json.dumps(dict(frame)))['actions'] == ROWS


def test_greeting_is_kept_whole():
    event = parse_frame('{"type":"session.ready","session_id":"s","mode":"dry_run"}')
    assert event.fields == {'type': 'session.ready', 'session_id': 's', 'mode': 'dry_run'}


def test_rows_under_the_name_of_another_adapter_are_refused():
    assert refused(chunk(actions_so101=..., actions_aloha=[[0.0] * 14] * 2)) == FaultCode.BAD_SHAPE


@pytest.mark.parametrize('text', [
    '', ' ', 'null', '5', '"text"', '[]', '[{"type":"action_chunk"}]', '{', '{"type":',
    'Internal Server Error', '{"a":1}{"b":2}', "{'type':'error'}", '{"type":"error",}',
    '\ufeff{}', '{"seq":0,"seq":1}', '{"type":"error","a":{"x":1,"x":2}}', '{"a":NaN}',
    '{"type":"x","a":' + '[' * 5000 + ']' * 5000 + '}', '[' * 100000,
    '{"a":' * 5000 + '1' + '}' * 5000, '{"a":' + '1' * 5000 + '}',
])
def test_frame_that_is_no_json_object_is_refused(text):
    assert refused(text) == FaultCode.BAD_FRAME


@pytest.mark.parametrize('data', [b'', b'{"type":"error"}', b'\xff\xfe', bytes(100)])
def test_binary_frame_is_refused(data):
    assert refused(data) == FaultCode.BAD_FRAME


@pytest.mark.parametrize('frame', [
    '{{"type":"error","other":{}}}', '{{"type":"error","detail":{}}}',
    '{{"type":"action_chunk","seq":{}}}', '{{"type":"action_chunk","seq":0,"actions":[[{}]]}}',
    '{{"type":{}}}', '{{"type":"x","a":{}}}'])
@pytest.mark.parametrize('opening, closing', [('[', ']'), ('{"a":', '}')])
def test_nesting_breaks_nothing_whatever_its_depth(frame, opening, closing):
    # The parser, repr() and the writer each give up at a depth of their own.
    for depth in (*range(10, 200, 30), *range(900, 1010, 2), 2000):
        text = frame.format(opening * depth + '1' + closing * depth)
        try:
            parse_frame(text)
        except ChunkRejected as exc:
            assert len(str(exc)) < 400, depth


def test_text_of_an_error_is_cut_and_printable():
    event = parse_frame(json.dumps({
        'type': 'error', 'code': 'c\x1b[31m', 'detail': 'a\nb\x00\u202e\ud800' + 'x' * 1000}))
    assert isinstance(event, ServerError)
    assert event.detail.isprintable()
    assert event.detail.startswith('c[31m: abx')
    assert len(event.detail) == 200


def test_name_of_an_unknown_type_is_cut():
    event = parse_frame(json.dumps({'type': 'x' * 1000}))
    assert event == Unknown('x' * 200)


def is_event(value):
    """Whether a value is a valid event, and a chunk a rectangle of finite numbers."""
    if isinstance(value, ChunkFrame):
        width = len(value.rows[0])
        assert 1 <= len(value.rows) <= 1000 and width
        assert all(len(row) == width and all(map(math.isfinite, row)) for row in value.rows)
    return isinstance(value, (Ready, ChunkFrame, ServerError, Unknown))


def check(data):
    """Parse a frame; the result must be an event or a refusal."""
    try:
        assert is_event(parse_frame(data))
    except ChunkRejected as exc:
        assert exc.code in (FaultCode.BAD_FRAME, FaultCode.BAD_SHAPE, FaultCode.BAD_NUMBER)


@given(st.text() | st.binary())
def test_any_text_and_any_bytes_are_an_event_or_refused(data):
    check(data)


@given(JSON)
def test_any_json_is_an_event_or_refused(value):
    check(json.dumps(value))


@given(st.fixed_dictionaries({'type': st.just('action_chunk')}, optional={
    'seq': NUMBERS, 'actions': st.lists(st.lists(NUMBERS, max_size=3) | NUMBERS, max_size=3),
    'actions_so101': JSON, 'infer_ms': NUMBERS, 'total_ms': NUMBERS}))
def test_any_chunk_is_a_finite_rectangle_or_refused(message):
    check(json.dumps(message))


@given(st.data())
def test_any_damage_to_a_good_chunk_is_an_event_or_refused(data):
    text = chunk(infer_ms=80.0)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 8)))
    damage = data.draw(st.text('[]{},:"0123456789eE.-tfn\\ ', max_size=6))
    check(text[:begin] + damage + text[end:])


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 6), min_size=1, max_size=5),
       st.integers(0, 2**62))
def test_good_chunk_is_read_exactly(rows, seq):
    frame = parse_frame(chunk(seq=seq, actions_so101=rows))
    assert frame == ChunkFrame(seq, tuple(rows))


@pytest.mark.parametrize('frame', (
    '[' + ','.join(['[' * 400 + ']' * 400] * 1300) + ']', '[' + '{},' * 300_000 + '1]',
    '{"type": "action_chunk", "seq": 1, "actions_so101": [' + '[1],' * 200_000 + '[1]]}'),
    ids=('deep', 'objects', 'rows'))
def test_frame_full_of_lists_is_refused_before_it_is_read(frame: str) -> None:
    # Reading the first of them took 0.17 s: then the beats of the stream were missing.
    assert len(frame) < 1.25 * protocol.MAX_FRAME
    with pytest.raises(ChunkRejected, match='lists and objects; at most 20000 are read') as caught:
        protocol.parse_frame(frame)
    assert caught.value.code is FaultCode.BAD_FRAME
