# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Beats, permit and safety state as pairs of text: what is written is what is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
import json
import types
from typing import Any, get_args, get_origin, get_type_hints, Union

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain import key_values
from reflex_ros.domain.cause import Cause, one_line
from reflex_ros.domain.command_tag import CommandTag
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import GateItem
from reflex_ros.domain.heartbeats import (
    Beat,
    DriverBeat,
    Lifecycle,
    Link,
    MotionState,
    SessionMode,
    StreamBeat,
    SupervisorBeat,
)
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.safe_stop import CauseRecord, State
from reflex_ros.domain.supervision import SafetyState, StateChange

BEATS = (Beat, DriverBeat, StreamBeat, SupervisorBeat)
WITH_DEFAULTS = (*BEATS, SafetyState)

NUMBERS = st.integers(-10 ** 10, 10 ** 10).map(lambda tenths: tenths / 10 ** 4)
LINES = st.text(max_size=20).map(one_line)
GARBAGE = st.one_of(st.text(), st.sampled_from([
    'nan', '-inf', '1e999', '9' * 5000, '\u00b2', '-1', '1.5', 'TRUE', 'null', '[]', '{}', '[[1]]',
    '[' * 3000, '{"OP_STOP": "x"}', '[{"code": "OP_STOP"}]', '[null, 1]', 'ok', 'ACTIVE',
    'active']))


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Make any value of a hinted type that can be written exactly."""
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of(*map(values_of, get_args(hint)))
    kind = get_origin(hint) or hint
    if kind is types.NoneType:
        return st.none()
    if kind is float:
        return NUMBERS
    if kind is Cause:
        return st.builds(Cause, st.sampled_from(FaultCode), LINES)
    if kind is Mapping:
        return st.dictionaries(*map(values_of, get_args(hint)), max_size=4)
    if kind is tuple:
        items = get_args(hint)
        if items[-1] is not Ellipsis:
            return st.tuples(*map(values_of, items))
        if items[0] is GateItem:
            return st.dictionaries(LINES, LINES.filter(lambda text: text != 'ok')).map(
                lambda pairs: tuple(GateItem(name, text == '0', '' if text == '0' else text)
                                    for name, text in pairs.items()))
        return st.lists(values_of(items[0]), max_size=4).map(tuple)
    if kind is int:
        return st.integers(-10 ** 12, 10 ** 12)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if kind in (CauseRecord, StateChange, *WITH_DEFAULTS):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: values_of(hints[field.name])
                                  for field in fields(kind)})
    return LINES if kind is str else st.from_type(kind)


# Made once: the strategy of thirty fields takes longer to build than to draw from.
VALUES = {kind: values_of(kind) for kind in WITH_DEFAULTS}


@pytest.mark.parametrize('kind', WITH_DEFAULTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@examples(25)
def test_what_is_written_is_what_is_read(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(VALUES[kind])
    pairs = key_values.encode(value)
    assert key_values.decode(kind, pairs) == value
    assert all(isinstance(text, str) for text in pairs.values())


@given(st.data())
@examples(25)
def test_empty_texts_may_be_left_out(data: st.DataObject) -> None:
    value = data.draw(VALUES[StreamBeat])
    pairs = key_values.encode(value, with_empty=False)
    assert '' not in pairs.values()
    assert key_values.decode(StreamBeat, pairs) == value


@pytest.mark.parametrize('kind', [*WITH_DEFAULTS, Permit], ids=lambda kind: kind.__name__)
@given(data=st.data())
@examples(25)
def test_garbage_is_never_an_error(kind: type[Any], data: st.DataObject) -> None:
    keys = [field.name for field in fields(kind)] + ['fault_text', 'gate.bus', 'unknown']
    pairs = data.draw(st.dictionaries(st.sampled_from(keys), GARBAGE))
    key_values.decode_complete(kind, pairs)
    if kind is not Permit:
        read = key_values.decode(kind, pairs)
        # What was read is a value of the right type: it can be written again.
        assert key_values.decode(kind, key_values.encode(read)) == read


@examples(25)
@given(st.builds(Permit, st.integers(0, 10 ** 9), st.sampled_from(Mode),
                 st.integers(0, 100).map(lambda percent: percent / 100)))
def test_permit_is_read_as_it_was_written(permit: Permit) -> None:
    assert key_values.decode_complete(Permit, key_values.encode(permit)) == permit


@pytest.mark.parametrize('change', [
    {'epoch': None}, {'mode': None}, {'speed_scale': None}, {'epoch': 'x'}, {'mode': 'HOLD'},
    {'mode': ''}, {'speed_scale': 'nan'}, {'speed_scale': '1.1'}, {'speed_scale': '-0.1'}])
def test_permit_that_is_not_whole_is_none(change: dict[str, str | None]) -> None:
    pairs = key_values.encode(Permit(7, Mode.APPLY_ACTIONS, 0.5)) | change
    assert key_values.decode_complete(
        Permit, {key: text for key, text in pairs.items() if text is not None}) is None


def test_text_on_the_wire_is_as_documented() -> None:
    assert key_values.encode(Permit(7, Mode.APPLY_ACTIONS, 0.5)) == {
        'epoch': '7', 'mode': 'apply_actions', 'speed_scale': '0.5'}
    beat = DriverBeat(
        '12-34', Lifecycle.ACTIVE, motion=MotionState.PLAYING, torque=True, epoch=7,
        gripper_closed_rad=-0.17453, cause=Cause(FaultCode.OVERLOAD, 'elbow'), cycles=5,
        rate_hz=99.98765, rejected={FaultCode.SEQ_OLD: 2}, setpoint=(0.1, -0.25, 1 / 3))
    pairs = key_values.encode(beat, with_empty=False)
    assert list(pairs)[:2] == ['instance', 'lifecycle']
    assert {key: pairs[key] for key in (
        'instance', 'lifecycle', 'motion', 'torque', 'at_rest', 'gripper_closed_rad', 'cause',
        'cause_text', 'cycles', 'rate_hz', 'foreign_s', 'rejected', 'setpoint')} == {
            'instance': '12-34', 'lifecycle': 'active', 'motion': 'playing', 'torque': 'true',
            'at_rest': 'false', 'gripper_closed_rad': '-0.1745', 'cause': 'OVERLOAD',
            'cause_text': 'elbow', 'cycles': '5', 'rate_hz': '99.9877', 'foreign_s': '-1',
            'rejected': '{"SEQ_OLD": 2}', 'setpoint': '[0.1, -0.25, 0.3333]'}
    assert not {'problem', 'gripper_open_rad'} & pairs.keys()
    stream = key_values.encode(StreamBeat(link=Link.OPEN, session_mode=SessionMode.DRY_RUN))
    assert (stream['link'], stream['session_mode'], stream['fault']) == ('open', 'dry_run', '')
    safety = key_values.encode(SafetyState(
        State.LATCHED, 7, True, (CauseRecord(FaultCode.OP_STOP, 'asked', 1.5, 2),),
        ((State.READY, 1.25), (State.LATCHED, 2.5)), 'stopped', 0.5,
        gate=(GateItem('latch', True, ''), GateItem('bus', False, 'the port is gone'))))
    assert safety.items() >= {
        'state': 'LATCHED', 'epoch': '7', 'latched': 'true',
        'causes': '[{"code": "OP_STOP", "text": "asked", "at": 1.5, "count": 2}]',
        'history': '[["READY", 1.25], ["LATCHED", 2.5]]', 'why': 'stopped', 'for_s': '0.5',
        'gate.latch': 'ok', 'gate.bus': 'the port is gone'}.items()


KEYS = {
    DriverBeat: """instance lifecycle problem gripper_closed_rad gripper_open_rad motion torque
        epoch at_rest parked cause cause_text port_lost cycles missed_cycles late_cycles
        refused_samples degraded rate_hz cycle_ms_p50 cycle_ms_p99 late_ms_p99 late_ms_max
        max_step_rad playback_rate starved lead_slowdowns accepted foreign_s rejected setpoint""",
    StreamBeat: """instance lifecycle problem progress link remark session_mode prompt fault
        fault_text lost lost_text gap gap_text session_received session_accepted sent received
        accepted superseded in_flight rejected since_chunk_s open_s age_ms age_ms_p95 rtt_ms_p50
        expires_s""",
    SupervisorBeat: 'instance lifecycle problem state epoch',
    SafetyState: 'state epoch latched causes history why for_s',
}


@pytest.mark.parametrize('kind', KEYS, ids=lambda kind: kind.__name__)
def test_keys_are_an_interface(kind: type[Any]) -> None:
    filled = {'gripper_closed_rad': 0.0, 'gripper_open_rad': 1.0} if kind is DriverBeat else {}
    missing = set(KEYS[kind].split()) - key_values.encode(kind(**filled)).keys()
    assert not missing, 'readers outside rely on these keys'


def test_code_of_another_version_is_still_a_fault() -> None:
    beat = key_values.decode(StreamBeat, {'fault': 'NEW_FAULT', 'fault_text': 'of tomorrow'})
    assert beat.fault is not None and beat.fault.code is FaultCode.INTERNAL
    assert 'NEW_FAULT' in beat.fault.text and 'of tomorrow' in beat.fault.text
    safety = key_values.decode(SafetyState, {'causes': json.dumps([
        {'code': 'NEW_FAULT', 'text': 'x', 'at': 1.0, 'count': 1}])})
    assert safety.causes == (CauseRecord(FaultCode.INTERNAL, 'x', 1.0, 1),)


def test_beat_without_a_progress_that_is_a_number_names_none() -> None:
    for text in ('', '\u00b2', '1e3', '9' * 5000, '0x1'):
        assert key_values.decode(StreamBeat, {'progress': text}).progress < 0
    assert key_values.decode(StreamBeat, {'progress': '12'}).progress == 12


def test_gripper_travel_that_is_none_is_not_used() -> None:
    for pairs in ({}, {'gripper_closed_rad': '0'}, {'gripper_closed_rad': '1',
                                                    'gripper_open_rad': '1'}):
        assert key_values.decode(DriverBeat, pairs).gripper_travel is None
    travel = DriverBeat(gripper_closed_rad=-0.1, gripper_open_rad=2.0).gripper_travel
    assert travel is not None and (travel.closed, travel.opened) == (-0.1, 2.0)


@given(st.builds(StateChange, st.sampled_from(State), NUMBERS,
                 values_of(tuple[CauseRecord, ...]), LINES))
def test_change_of_state_travels_as_json(change: StateChange) -> None:
    data = json.loads(json.dumps(key_values.to_plain(change)))
    assert data.keys() == {'state', 'at', 'causes', 'why'}
    assert key_values.from_plain(StateChange, data) == change


@pytest.mark.parametrize('data', [None, 1, [], {}, {'state': 'ACTIVE'}, {
    'state': 'NOWHERE', 'at': 1.0, 'causes': [], 'why': ''}, {
        'state': 'ACTIVE', 'at': '1', 'causes': [], 'why': ''}])
def test_json_of_another_shape_is_refused(data: object) -> None:
    with pytest.raises(ValueError):
        key_values.from_plain(StateChange, data)


@given(st.builds(CommandTag, st.integers(0, 10 ** 9), st.integers(0, 10 ** 12),
                 st.integers(0, 10 ** 8 - 1).map(lambda tenths: tenths / 10)))
def test_tag_of_a_command_is_one_line(tag: CommandTag) -> None:
    line = key_values.to_line(tag)
    assert line.startswith(f'epoch={tag.epoch} seq={tag.seq} age_ms=')
    assert key_values.from_line(CommandTag, line) == tag


@pytest.mark.parametrize('line', [
    '', 'base_link', 'epoch=1 seq=2', 'seq=2 epoch=1 age_ms=3', 'epoch=1 seq=2 age_ms=3 more=4',
    'epoch=-1 seq=2 age_ms=3', 'epoch=1 seq=-2 age_ms=3', 'epoch=1 seq=2 age_ms=-3',
    'epoch=1 seq=2 age_ms=nan', 'epoch=1 seq=2 age_ms=1e9', 'epoch=1.5 seq=2 age_ms=3',
    'epoch=1  seq=2 age_ms=3'])
def test_line_that_is_no_tag_is_none(line: str) -> None:
    assert key_values.from_line(CommandTag, line) is None


@given(st.text())
def test_no_line_is_an_error(line: str) -> None:
    key_values.from_line(CommandTag, line)


def test_text_from_another_node_is_one_line() -> None:
    pairs = {'problem': 'red\x1b[2J\nALL IS WELL', 'fault': 'OP_STOP', 'fault_text': 'a\nb',
             'gate.x\r': 'no\x07'}
    beat = key_values.decode(StreamBeat, pairs)
    assert beat.problem == 'red [2J ALL IS WELL'
    assert beat.fault == Cause(FaultCode.OP_STOP, 'a b')
    assert key_values.decode(SafetyState, pairs).gate == (GateItem('x ', False, 'no '),)
