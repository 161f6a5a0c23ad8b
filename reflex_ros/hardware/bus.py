# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One half-duplex exchange at a time over a port: deadlines, retries, matching of replies.

Not thread-safe: only one thread may use a bus. A reply counts when its id and its length match
the request. Before each request, all received bytes are discarded, so that a late reply is never
matched with the next request. The echo of an adapter that repeats sent bytes is discarded too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
import logging
import time

from reflex_ros.errors import BusTimeout, PacketError
from reflex_ros.hardware import codec
from reflex_ros.hardware.clock import Clock
from reflex_ros.hardware.codec import Status, StatusParser
from reflex_ros.hardware.port import Port
from reflex_ros.hardware.registers import MODEL_NUMBER, Register

_log = logging.getLogger(__name__)

ECHO_TIMEOUT_S = 0.015
EXCHANGE_TIMEOUT_S = 0.06
"""Longest wait for all replies to one request, on a line that is never silent: six cycle blocks
at the slowest baud rate take 60 ms."""
RETRIES = 2
LAST_PATIENCE = 8
"""Silences of 5 ms that end the last of all ``RETRIES``. Only bring-up and tools ask so often, and
a host that is busy for 20 ms is no broken cable. Who cannot wait asks for fewer tries."""


@dataclass(slots=True)
class BusCounters:
    """
    Counters of the bus since it was opened.

    :param damaged: exchanges that indicate trouble on the line: damaged or foreign bytes, or a
        missing reply although a later one arrived. A late reply is not counted: then the host or
        its adapter was delayed.
    """

    exchanges: int = 0
    timeouts: int = 0
    retries: int = 0
    bad_checksums: int = 0
    discarded_bytes: int = 0
    damaged: int = 0

    @property
    def corrupted(self) -> int:
        """Number of damaged frames and of bytes that belong to none."""
        return self.bad_checksums + self.discarded_bytes


class Bus:
    """
    The servos behind one port. Not thread-safe.

    :param clock: clock for the deadlines.
    """

    def __init__(self, port: Port, clock: Clock = time) -> None:
        self.port = port
        self.clock = clock
        self.counters = BusCounters()
        self._echoes = False

    def close(self) -> None:
        """Close the port; may be called twice."""
        self.port.close()

    def detect_echo(self, servo_id: int) -> bool:
        """
        Find out whether the adapter echoes the bytes that are sent.

        A READ of four bytes is eight bytes long and its reply ten, so an echo cannot be mistaken
        for the reply.
        """
        self.port.drain()
        request = codec.read(servo_id, MODEL_NUMBER.address, 4)
        self.port.write(request)
        received = self._collect(len(request) + codec.OVERHEAD + 4, ECHO_TIMEOUT_S)
        self._echoes = received.startswith(request)
        return self._echoes

    def ping(self, servo_id: int) -> Status:
        """
        Ping a servo.

        :raises BusTimeout: when the servo does not answer.
        """
        return self._ask(servo_id, codec.ping(servo_id))

    def ping_all(self) -> list[Status]:
        """
        Ping all servos at once; return the replies until 5 ms of silence.

        Replies may be missing when servos send at the same time; each returned reply is valid.
        """
        self.counters.exchanges += 1
        if not self._send(codec.ping(codec.BROADCAST)):
            return []
        parser = StatusParser()
        answers: list[Status] = []
        # A line that is never silent must not block for ever.
        deadline = self.clock.monotonic() + EXCHANGE_TIMEOUT_S
        while self.clock.monotonic() < deadline:
            data = self.port.read(codec.MAX_FRAME)
            if not data:
                break
            answers += parser.parse(data)
        return answers

    def read(self, servo_id: int, register: Register) -> int:
        """Read one register (signed, in its raw unit); raises the errors of ``read_block``."""
        return register.decode(self.read_block(servo_id, register.address, register.size))

    def read_block(self, servo_id: int, address: int, length: int) -> bytes:
        """
        Read contiguous bytes of one servo.

        :raises BusTimeout: when the servo does not answer, after two more tries.
        :raises PacketError: when an adapter that echoes stops echoing.
        """
        return self._ask(servo_id, codec.read(servo_id, address, length), length).data

    def write(self, servo_id: int, register: Register, value: int) -> Status:
        """
        Write one register and wait for the acknowledgement.

        The error bits of the reply report the state of the servo; the write succeeded anyway.

        :raises BusTimeout: when the servo does not acknowledge, after two more tries.
        """
        return self._ask(servo_id, codec.write(servo_id, register.address,
                                               register.encode(value)))

    def sync_read(self, servo_ids: Sequence[int], address: int, length: int, *,
                  retries: int = RETRIES, patience: int = 1) -> dict[int, Status]:
        """
        Read the same bytes of several servos in one exchange.

        :param retries: further tries; the last of 2 or more waits for up to 40 ms of silence.
        :param patience: the first try ends after ``patience`` times 5 ms of silence. A reply that
            is missing although a later one arrived is requested again at once.
        :raises BusTimeout: naming the servos that do not answer, after the retries.
        """
        return self._exchange(
            lambda missing: _sync_read_request(tuple(missing), address, length), servo_ids, length,
            retries=retries, patience=patience)

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Write one register of several servos, without a reply; only a read verifies it."""
        self._send(codec.sync_write(
            register.address, {id_: register.encode(value) for id_, value in values.items()}))

    def _ask(self, servo_id: int, request: bytes, length: int = 0) -> Status:
        return self._exchange(lambda _: request, [servo_id], length)[servo_id]

    def _exchange(self, request: Callable[[Sequence[int]], bytes], servo_ids: Sequence[int],
                  length: int, *, retries: int = RETRIES,
                  patience: int = 1) -> dict[int, Status]:
        answers: dict[int, Status] = {}
        missing = list(servo_ids)
        for attempt in range(retries + 1):
            if attempt:
                self.counters.retries += 1
                patience = LAST_PATIENCE if attempt == retries >= RETRIES else 1
            answers |= self._try(request(missing), missing, length, patience)
            missing = [id_ for id_ in servo_ids if id_ not in answers]
            if not missing:
                return answers
        self.counters.timeouts += 1
        names = ', '.join(map(str, missing))
        raise BusTimeout(f'port {self.port.name}: no valid answer from servo {names} in '
                         f'{retries + 1} tries', missing)

    def _try(self, request: bytes, servo_ids: Sequence[int], length: int,
             patience: int) -> dict[int, Status]:
        self.counters.exchanges += 1
        if not self._send(request):
            return {}
        parser = StatusParser()
        answers: dict[int, Status] = {}
        deadline = self.clock.monotonic() + EXCHANGE_TIMEOUT_S
        silences, has_gap = 0, False
        while len(answers) < len(servo_ids) and silences < patience and not has_gap:
            data = self.port.read((codec.OVERHEAD + length) * (len(servo_ids) - len(answers)))
            for status in parser.parse(data):
                if status.servo_id in servo_ids and len(status.data) == length:
                    answers[status.servo_id] = status
            silences += not data
            came = [servo_id in answers for servo_id in servo_ids]
            # Servos answer in order: a reply that a later one has overtaken will not arrive.
            has_gap = sorted(came, reverse=True) != came
            if self.clock.monotonic() >= deadline:
                break
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug('%s: %s', self.port.name, _answers_text(answers, servo_ids, parser))
        self.counters.damaged += has_gap or parser.discarded > 0 or parser.bad_checksums > 0
        parser.clear()
        self.counters.bad_checksums += parser.bad_checksums
        self.counters.discarded_bytes += parser.discarded
        return answers

    def _send(self, request: bytes) -> bool:
        """
        Discard received bytes, then send a request.

        :returns: false when the adapter's echo differs from the request; true without an echo.
        :raises PacketError: when an adapter that echoes has stopped echoing.
        """
        self.port.drain()
        self.port.write(request)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug('%s: sent %s', self.port.name, request.hex(' '))
        if not self._echoes:
            return True
        received = self._collect(len(request), ECHO_TIMEOUT_S)
        if len(received) < len(request):
            raise PacketError(f'port {self.port.name}: the adapter stopped echoing the bytes that '
                              'are sent. Check the adapter and its cable')
        if received != request:
            self.counters.discarded_bytes += len(received)
            self.counters.damaged += 1
        return received == request

    def _collect(self, count: int, timeout_s: float) -> bytes:
        deadline = self.clock.monotonic() + timeout_s
        received = b''
        while len(received) < count and self.clock.monotonic() < deadline:
            received += self.port.read(count - len(received))
        return received


def _answers_text(answers: Mapping[int, Status], servo_ids: Sequence[int],
                  parser: StatusParser) -> str:
    """Describe the replies to one request, for the log."""
    parts = [f'servo {id_} {answers[id_].data.hex(" ") or "acknowledged"}'
             + (f' (error bits {answers[id_].error:#04x})' if answers[id_].error else '')
             if id_ in answers else f'servo {id_} silent' for id_ in servo_ids]
    if parser.bad_checksums or parser.discarded:
        parts.append(f'{parser.discarded} bytes discarded, {parser.bad_checksums} bad checksums')
    return 'received ' + ', '.join(parts)


@lru_cache(maxsize=64)
def _sync_read_request(servo_ids: tuple[int, ...], address: int, length: int) -> bytes:
    # Cached, because every cycle sends the same request.
    return codec.sync_read(servo_ids, address, length)
