# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The bus against a port with a script: late, foreign, cut and corrupt answers, silence, echo.

Frames are written by hand; the ones of the manual are named in ``test_codec``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import itertools
import time

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.errors import BusTimeout, PacketError, PortLost
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus

PONG = bytes.fromhex('FF FF 01 02 00 FC')
READ_POSITION = bytes.fromhex('FF FF 01 04 02 38 02 BE')
POSITION_2048 = bytes.fromhex('FF FF 01 04 00 00 08 F2')
POSITION_1304 = bytes.fromhex('FF FF 01 04 00 18 05 DD')
ACKNOWLEDGED_IN_OVERLOAD = bytes.fromhex('FF FF 02 02 20 DB')
SYNC_READ_1_2_3 = bytes.fromhex('FF FF FE 07 82 38 02 01 02 03 38')
# From servo 1, 2, 3: two zero bytes, no error.
ZERO = {k: bytes([0xFF, 0xFF, k, 4, 0, 0, 0, 0xFF - 4 - k]) for k in (1, 2, 3)}
SILENCE = b''


class ScriptedPort:
    """
    A port whose every written request makes the next bytes of a script appear.

    :param script: what arrives after each write; a callable makes it from the request. When it
        is used up there is silence.
    :param at_once: how many bytes one read returns at most, as a USB packet would cut them.
    """

    name = 'scripted'

    def __init__(self, script: Sequence[bytes | Callable[[bytes], bytes]] = (),
                 at_once: int = 64) -> None:
        self._script = list(script)
        self._at_once = at_once
        self.waiting = b''
        self.written: list[bytes] = []
        self.closed = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if self._script:
            part = self._script.pop(0)
            self.waiting += part(data) if callable(part) else part

    def read(self, count: int) -> bytes:
        size = min(count, self._at_once)
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        return data

    def drain(self) -> None:
        self.waiting = b''

    def close(self) -> None:
        self.closed += 1


def echo(*answers: bytes) -> list[Callable[[bytes], bytes]]:
    """Return a script in which the adapter repeats every request before the answer."""
    return [lambda request, answer=answer: request + answer  # type: ignore[misc]
            for answer in answers]


def test_read_sends_the_request_and_decodes_the_answer() -> None:
    port = ScriptedPort([POSITION_1304])
    assert Bus(port).read(1, reg.PRESENT_POSITION) == 1304
    assert port.written == [READ_POSITION]


def test_write_returns_the_conditions_that_the_servo_reports() -> None:
    port = ScriptedPort([ACKNOWLEDGED_IN_OVERLOAD])
    assert Bus(port).write(2, reg.TORQUE_ENABLE, 0).error == 0x20
    assert port.written == [bytes.fromhex('FF FF 02 04 03 28 00 CE')]


def test_value_that_does_not_fit_is_never_sent() -> None:
    port = ScriptedPort()
    with pytest.raises(ValueError, match='does not fit'):
        Bus(port).write(1, reg.HOMING_OFFSET, 2048)
    with pytest.raises(ValueError, match='does not fit'):
        Bus(port).sync_write(reg.GOAL_POSITION, {1: 0, 2: 40_000})
    assert port.written == []


def test_sync_write_awaits_nothing() -> None:
    port = ScriptedPort()
    Bus(port).sync_write(reg.TORQUE_ENABLE, dict.fromkeys(range(1, 7), 1))
    assert port.written == [bytes.fromhex(
        'FF FF FE 10 83 28 01 01 01 02 01 03 01 04 01 05 01 06 01 2A')]


@pytest.mark.parametrize('at_once', (1, 5, 64))
def test_answers_may_come_in_pieces_of_any_size(at_once: int) -> None:
    port = ScriptedPort([ZERO[1] + ZERO[2] + ZERO[3]], at_once)
    assert sorted(Bus(port).sync_read((1, 2, 3), 56, 2)) == [1, 2, 3]
    assert port.written == [SYNC_READ_1_2_3]


def test_answers_may_come_in_any_order() -> None:
    bus = Bus(ScriptedPort([ZERO[3] + ZERO[1] + ZERO[2]]))
    assert sorted(bus.sync_read((1, 2, 3), 56, 2)) == [1, 2, 3]
    assert bus.counters.retries == 0


@pytest.mark.parametrize('before', (
    pytest.param(bytes.fromhex('FF FF 02 04 00 18 05 DC'), id='of another servo'),
    pytest.param(PONG, id='of another length: a pong'),
    pytest.param(bytes.fromhex('FF FF 01 03 00 26 D5'), id='of another length: one byte'),
    pytest.param(POSITION_1304[:5], id='truncated'),
    pytest.param(POSITION_1304[:-1] + b'\x00', id='with a wrong checksum'),
    pytest.param(b'\xff\xff\xff', id='only headers'),
    pytest.param(b'AT\r\n', id='of a modem manager'),
))
def test_foreign_bytes_before_the_answer_are_ignored(before: bytes) -> None:
    bus = Bus(ScriptedPort([before + POSITION_2048]))
    assert bus.read(1, reg.PRESENT_POSITION) == 2048
    assert bus.counters.retries == 0


def test_reply_that_came_after_its_time_is_thrown_away() -> None:
    port = ScriptedPort([SILENCE, POSITION_2048])
    bus = Bus(port)
    port.waiting = POSITION_1304
    assert bus.read(1, reg.PRESENT_POSITION) == 2048


@pytest.mark.parametrize('bad, counted', (
    (SILENCE, (0, 0)),
    (POSITION_1304[:-1], (0, 7)),
    (POSITION_1304[:-1] + b'\x00', (1, 8)),
    (bytes.fromhex('FF FF 02 04 00 18 05 DC'), (0, 0)),
))
def test_failed_answer_is_asked_for_again_and_counted(bad: bytes,
                                                      counted: tuple[int, int]) -> None:
    port = ScriptedPort([bad, bad, POSITION_2048])
    bus = Bus(port)
    assert bus.read(1, reg.PRESENT_POSITION) == 2048
    assert port.written == [READ_POSITION] * 3
    checksums, discarded = counted
    assert (bus.counters.exchanges, bus.counters.retries, bus.counters.timeouts) == (3, 2, 0)
    assert bus.counters.bad_checksums == 2 * checksums
    assert bus.counters.discarded_bytes == 2 * discarded


@pytest.mark.parametrize('answer, damaged', (
    (ZERO[1] + ZERO[2] + ZERO[3], 0),
    (ZERO[3] + ZERO[1] + ZERO[2], 0),
    pytest.param(ZERO[1] + ZERO[2], 0, id='late'),
    pytest.param(ZERO[1] + ZERO[2] + ZERO[3][:5], 0, id='late in the middle of a frame'),
    pytest.param(SILENCE, 0, id='silence'),
    pytest.param(ZERO[1] + ZERO[3], 1, id='a gap'),
    pytest.param(ZERO[1] + ZERO[2][:-1] + b'\x00' + ZERO[3], 1, id='a wrong checksum'),
    pytest.param(ZERO[1] + b'\x55' + ZERO[2] + ZERO[3], 1, id='noise'),
))
def test_what_is_late_is_not_damaged(answer: bytes, damaged: int) -> None:
    bus = Bus(ScriptedPort([answer, ZERO[1] + ZERO[2] + ZERO[3]], at_once=100))
    bus.sync_read((1, 2, 3), 56, 2)
    assert bus.counters.damaged == damaged


class SlowPort(ScriptedPort):
    """A port on which the first reads after a request return nothing."""

    def __init__(self, script: Sequence[bytes | Callable[[bytes], bytes]], silences: int) -> None:
        super().__init__(script, 100)
        self._silences = silences
        self._left = 0

    def write(self, data: bytes) -> None:
        super().write(data)
        self._left = self._silences

    def read(self, count: int) -> bytes:
        if self._left:
            self._left -= 1
            return b''
        return super().read(count)


@pytest.mark.parametrize('silences, requests', ((0, 1), (2, 1), (3, 2)))
def test_patience_waits_for_a_late_answer_instead_of_asking_again(silences: int,
                                                                  requests: int) -> None:
    port = SlowPort([ZERO[1] + ZERO[2] + ZERO[3]] * 3, silences)
    bus = Bus(port)
    if requests == 1:
        bus.sync_read((1, 2, 3), 56, 2, patience=3)
    else:
        with pytest.raises(BusTimeout):
            bus.sync_read((1, 2, 3), 56, 2, patience=3, retries=1)
    assert len(port.written) == requests and bus.counters.damaged == 0


@pytest.mark.parametrize('ask', (
    pytest.param(lambda bus: bus.read(1, reg.PRESENT_POSITION), id='one servo'),
    pytest.param(lambda bus: bus.sync_read((1, 2, 3), 56, 2), id='all servos'),
))
@pytest.mark.parametrize('silences, is_read', ((7, True), (8, False)))
def test_last_of_three_tries_outlasts_a_host_that_is_busy(
        ask: Callable[[Bus], object], silences: int, is_read: bool) -> None:
    port = SlowPort([ZERO[1] + ZERO[2] + ZERO[3]] * 3, silences)
    if is_read:
        ask(Bus(port))
    else:
        with pytest.raises(BusTimeout):
            ask(Bus(port))
    assert len(port.written) == 3


@pytest.mark.parametrize('retries', (0, 1))
def test_who_asks_for_fewer_tries_does_not_wait_for_a_busy_host(retries: int) -> None:
    port = SlowPort([ZERO[1] + ZERO[2] + ZERO[3]] * 3, silences=1)
    with pytest.raises(BusTimeout):
        Bus(port).sync_read((1, 2, 3), 56, 2, retries=retries)
    assert len(port.written) == retries + 1


def test_only_the_missing_servos_are_asked_again() -> None:
    port = ScriptedPort([ZERO[1] + ZERO[3], ZERO[2]])
    assert sorted(Bus(port).sync_read((1, 2, 3), 56, 2)) == [1, 2, 3]
    assert port.written == [SYNC_READ_1_2_3, bytes.fromhex('FF FF FE 05 82 38 02 02 3E')]


def test_cut_answer_of_one_servo_does_not_cost_the_next() -> None:
    port = ScriptedPort([ZERO[1] + ZERO[2][:4] + ZERO[3], ZERO[2]])
    assert sorted(Bus(port).sync_read((1, 2, 3), 56, 2)) == [1, 2, 3]
    assert len(port.written) == 2 and port.written[1][7:-1] == b'\x02'


@pytest.mark.parametrize('ask, silent, text', (
    (lambda bus: bus.ping(4), (4,), 'no valid answer from servo 4 in 3 tries'),
    (lambda bus: bus.read(4, reg.STATUS), (4,), 'servo 4 in 3 tries'),
    (lambda bus: bus.write(4, reg.LOCK, 1), (4,), 'servo 4 in 3 tries'),
    (lambda bus: bus.sync_read((1, 2, 3), 56, 2), (2, 3), 'servo 2, 3 in 3 tries'),
    (lambda bus: bus.sync_read((1, 2, 3), 56, 2, retries=0), (2, 3), 'servo 2, 3 in 1 tries'),
))
def test_silent_servos_are_named(ask: Callable[[Bus], object], silent: tuple[int, ...],
                                 text: str) -> None:
    bus = Bus(ScriptedPort([ZERO[1]]))
    with pytest.raises(BusTimeout, match=f'port scripted: .*{text}') as caught:
        ask(bus)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.servo_ids == silent
    assert bus.counters.timeouts == 1


def test_servo_that_answers_for_two_ids_is_not_taken_for_both() -> None:
    bus = Bus(ScriptedPort([ZERO[1] + ZERO[1]] * 3))
    with pytest.raises(BusTimeout) as caught:
        bus.sync_read((1, 2), 56, 2)
    assert caught.value.servo_ids == (2,)


class EndlessPort(ScriptedPort):
    """A port that is never silent: it repeats `part`, `per_read` bytes every `pause_s`."""

    def __init__(self, part: bytes, per_read: int, pause_s: float) -> None:
        super().__init__()
        self._bytes = itertools.cycle(part)
        self._per_read = per_read
        self._pause_s = pause_s

    def read(self, count: int) -> bytes:
        time.sleep(self._pause_s)
        return bytes(itertools.islice(self._bytes, min(count, self._per_read)))


@pytest.mark.parametrize('part, per_read, pause_s', (
    pytest.param(b'\x00\xa5', 64, 0.0, id='noise at full speed'),
    pytest.param(b'\x00\xa5', 1, 0.004, id='a trickle of noise'),
    pytest.param(ZERO[2], 64, 0.0005, id='frames of somebody else'),
))
def test_exchange_ends_although_the_line_is_never_silent(part: bytes, per_read: int,
                                                         pause_s: float) -> None:
    began = time.monotonic()
    with pytest.raises(BusTimeout):
        Bus(EndlessPort(part, per_read, pause_s)).ping(1)
    assert time.monotonic() - began < 1.0


def test_adapter_without_echo_is_recognised() -> None:
    bus = Bus(ScriptedPort([bytes.fromhex('FF FF 01 06 00 09 03 01 00 EB')]))
    assert bus.detect_echo(1) is False


def test_silent_line_is_no_echo() -> None:
    assert Bus(ScriptedPort()).detect_echo(1) is False


def test_echo_is_detected_and_skipped_from_then_on() -> None:
    answer = bytes.fromhex('FF FF 01 06 00 09 03 01 00 EB')
    port = ScriptedPort(echo(answer, PONG, POSITION_2048, SILENCE, ZERO[1] + ZERO[2]))
    bus = Bus(port)
    assert bus.detect_echo(1) is True
    assert bus.ping(1).servo_id == 1
    assert bus.read(1, reg.PRESENT_POSITION) == 2048
    bus.sync_write(reg.GOAL_POSITION, {1: 2048, 2: 2048})
    assert port.waiting == b''
    assert sorted(bus.sync_read((1, 2), 56, 2)) == [1, 2]
    assert (bus.counters.retries, bus.counters.discarded_bytes) == (0, 0)


def test_echo_of_a_read_is_not_taken_for_its_answer() -> None:
    # The echo of this request is a valid frame of the right id and length, with value 568.
    bus = Bus(ScriptedPort(echo(SILENCE, SILENCE, SILENCE, SILENCE)))
    assert bus.detect_echo(1)
    with pytest.raises(BusTimeout):
        bus.read(1, reg.PRESENT_POSITION)


def test_request_that_was_disturbed_on_the_line_is_sent_again() -> None:
    # The damaged echo shows that no servo understood the request: later bytes are no reply to it.
    port = ScriptedPort(echo(SILENCE, SILENCE, POSITION_2048))
    bus = Bus(port)
    assert bus.detect_echo(1)
    port._script[0] = lambda request: b'\x55' + request[1:] + POSITION_1304
    assert bus.read(1, reg.PRESENT_POSITION) == 2048
    assert (bus.counters.retries, bus.counters.discarded_bytes) == (1, 8)


@examples(30)
@given(st.integers(0, 253), st.integers(0, 255), st.integers(1, 240))
def test_echo_alone_is_never_an_answer(servo_id: int, address: int, length: int) -> None:
    bus = Bus(ScriptedPort(echo(*[SILENCE] * 4), at_once=250))
    assert bus.detect_echo(servo_id)
    with pytest.raises(BusTimeout):
        bus.read_block(servo_id, address, length)


@pytest.mark.parametrize('heard, ids', (
    (SILENCE, []), (PONG, [1]), (PONG + PONG, [1, 1]),
    (PONG + b'\xff\xff\x02' + bytes.fromhex('FF FF 05 02 00 F8'), [1, 5]),
))
def test_every_whole_answer_to_a_broadcast_ping_is_returned(heard: bytes, ids: list[int]) -> None:
    port = ScriptedPort([heard], at_once=4)
    assert [status.servo_id for status in Bus(port).ping_all()] == ids
    assert port.written == [bytes.fromhex('FF FF FE 02 01 FE')]


def test_echo_that_stops_is_named() -> None:
    bus = Bus(ScriptedPort(echo(SILENCE)))
    assert bus.detect_echo(1)
    with pytest.raises(PacketError, match='the adapter stopped echoing'):
        bus.ping(1)


def test_lost_port_ends_an_exchange_at_once() -> None:
    class LostPort(ScriptedPort):
        def write(self, data: bytes) -> None:
            self.written.append(data)
            raise PortLost('gone')

    port = LostPort()
    with pytest.raises(PortLost, match='gone'):
        Bus(port).ping(1)
    assert len(port.written) == 1


def test_close_closes_the_port() -> None:
    port = ScriptedPort()
    bus = Bus(port)
    bus.close()
    bus.close()
    assert port.closed == 2
