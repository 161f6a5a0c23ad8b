# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fields are read as the CDR specification lays them out, and nothing beyond the message."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain.cdr import CdrReader, DamagedMessage
from reflex_ros.domain.joint_states import JointStateReader

KINDS = {0: ('>', 8), 1: ('<', 8), 6: ('>', 4), 7: ('<', 4)}
NAMES = st.lists(st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']),
                         max_size=8), max_size=5)
DOUBLES = st.lists(st.floats(allow_nan=False), max_size=6)


class Writer:
    """An encoder of its own, written from the specification."""

    def __init__(self, kind: int) -> None:
        self.order, self.largest = KINDS[kind]
        self.head, self.body = bytes([0, kind, 0, 0]), b''

    def number(self, form: str, value: float) -> Writer:
        size = struct.calcsize(self.order + form)
        self.body += bytes(-len(self.body) % min(size, self.largest))
        self.body += struct.pack(self.order + form, value)
        return self

    def text(self, value: str) -> Writer:
        self.number('I', len(value.encode()) + 1)
        self.body += value.encode() + b'\0'
        return self

    def bytes(self) -> bytes:
        return self.head + self.body


def joint_state(kind: int, stamp: tuple[int, int], frame_id: str, names: list[str],
                positions: list[float]) -> bytes:
    writer = Writer(kind).number('i', stamp[0]).number('I', stamp[1]).text(frame_id)
    writer.number('I', len(names))
    for name in names:
        writer.text(name)
    writer.number('I', len(positions))
    for value in positions:
        writer.number('d', value)
    return writer.number('I', 0).number('I', 0).bytes()


MESSAGES = st.tuples(st.sampled_from(sorted(KINDS)), st.tuples(
    st.integers(-2 ** 31, 2 ** 31 - 1), st.integers(0, 10 ** 9 - 1)),
    st.text('abc', max_size=5), NAMES, DOUBLES)


@examples(300)
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_joint_states_are_read_back_in_any_order(messages: list[tuple]) -> None:
    reader = JointStateReader()
    # Each twice: the second time it is read by its positions alone.
    for kind, (seconds, nanoseconds), frame_id, names, positions in messages + messages:
        for shift in (0.0, 1.0):
            values = [value + shift for value in positions]
            stamp = (seconds, (nanoseconds + int(shift)) % 10 ** 9)
            found = reader.read(joint_state(kind, stamp, frame_id, names, values))
            assert found == (stamp[0] * 10 ** 9 + stamp[1], tuple(names), tuple(values))


ARM = joint_state(1, (5, 6), '', ['pan', 'lift', 'gripper'], [0.1, 0.2, 0.3])


@given(st.integers(0, len(ARM) - 9))
def test_joint_state_that_was_cut_is_refused(length: int) -> None:
    fresh, used = JointStateReader(), JointStateReader()
    used.read(ARM)
    for reader in (fresh, used):
        with pytest.raises(DamagedMessage):
            reader.read(ARM[:length])
        assert reader.read(ARM)[1] == ('pan', 'lift', 'gripper')


@examples(300)
@given(st.binary(max_size=120),
       st.sampled_from([b'', *(bytes([0, kind, 0, 0]) for kind in KINDS)]))
def test_hostile_bytes_are_refused_or_read(body: bytes, head: bytes) -> None:
    reader = JointStateReader()
    reader.read(ARM)
    try:
        _, names, positions = reader.read(head + body)
    except DamagedMessage:
        return
    assert len(names) <= len(body) and 8 * len(positions) <= len(body)


@pytest.mark.parametrize(('message', 'words'), [
    (b'', 'not plain CDR: it begins with nothing'), (b'\0\1\0', 'not plain CDR'),
    (b'\0\x0b\0\0' + bytes(20), 'begins with 000b0000'),
    (b'\0\1\0\0' + bytes(7), '7 bytes, 8 expected')])
def test_message_that_is_none_says_how(message: bytes, words: str) -> None:
    with pytest.raises(DamagedMessage, match=words):
        CdrReader(message).header()


@pytest.mark.parametrize('count', [2 ** 32 - 1, 1000])
def test_claimed_numbers_of_names_are_bounded(count: int) -> None:
    message = Writer(1).number('i', 0).number('I', 0).text('').number('I', count).bytes()
    with pytest.raises(DamagedMessage, match=f'claims {count} names|ends early'):
        JointStateReader().read(message)


def test_long_text_is_no_name() -> None:
    with pytest.raises(DamagedMessage, match='a text of 301 bytes'):
        CdrReader(Writer(1).text('x' * 300).bytes()).text()
