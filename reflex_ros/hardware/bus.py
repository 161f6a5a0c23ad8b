# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One half-duplex exchange at a time over a port: deadlines, retries, matching of answers.

Only one thread may use a bus. A reply counts when its id *and* its length are what was asked
for; everything received before a request is thrown away first, so that a late answer is never
taken for the next one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import time

from reflex_ros.errors import BusTimeout, PacketError
from reflex_ros.hardware import codec
from reflex_ros.hardware.codec import Status, StatusParser
from reflex_ros.hardware.port import Port
from reflex_ros.hardware.registers import MODEL_NUMBER, Register

ECHO_TIMEOUT_S = 0.015
EXCHANGE_TIMEOUT_S = 0.06
"""For all answers of one request, on a line that is never silent: six feedback blocks at the
slowest baud rate take 40 ms."""
RETRIES = 2


@dataclass(slots=True)
class BusCounters:
    """What happened on the bus so far."""

    exchanges: int = 0
    timeouts: int = 0
    retries: int = 0
    bad_checksums: int = 0
    discarded_bytes: int = 0


class Bus:
    """The servos behind one port."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.counters = BusCounters()
        self._echoes = False

    def close(self) -> None:
        """Close the port; may be called twice."""
        self.port.close()

    def detect_echo(self, servo_id: int) -> bool:
        """
        Find out whether the adapter repeats what we send.

        A READ of four bytes has eight bytes, its answer ten: an echo cannot pass for it.
        """
        self.port.drain()
        request = codec.read(servo_id, MODEL_NUMBER.address, 4)
        self.port.write(request)
        received = self._collect(len(request) + codec.OVERHEAD + 4, ECHO_TIMEOUT_S)
        self._echoes = received.startswith(request)
        return self._echoes

    def ping(self, servo_id: int) -> Status:
        """
        Ask a servo whether it is there.

        :raises BusTimeout: when it does not answer.
        """
        return self._exchange(lambda _: codec.ping(servo_id), [servo_id], 0)[servo_id]

    def read(self, servo_id: int, register: Register) -> int:
        """Read one register (signed, in its raw unit); errors as ``read_block``."""
        return register.decode(self.read_block(servo_id, register.address, register.size))

    def read_block(self, servo_id: int, address: int, length: int) -> bytes:
        """
        Read contiguous bytes of one servo.

        :raises BusTimeout: when it does not answer, after two more tries.
        :raises PacketError: when something else answers.
        """
        return self._exchange(lambda _: codec.read(servo_id, address, length), [servo_id],
                              length)[servo_id].data

    def write(self, servo_id: int, register: Register, value: int) -> Status:
        """
        Write one register and wait for the acknowledgement.

        The error bits of the answer are conditions of the servo, not of the write: it was done.

        :raises BusTimeout: when the servo does not acknowledge, after two more tries.
        """
        frame = codec.write(servo_id, register.address, register.encode(value))
        return self._exchange(lambda _: frame, [servo_id], 0)[servo_id]

    def sync_read(self, servo_ids: Sequence[int], address: int, length: int, *,
                  retries: int = RETRIES) -> dict[int, Status]:
        """
        Read the same bytes of several servos in one exchange.

        :raises BusTimeout: naming the servos that stayed silent, after the retries.
        """
        return self._exchange(lambda missing: codec.sync_read(missing, address, length),
                              servo_ids, length, retries=retries)

    def sync_write(self, register: Register, values: Mapping[int, int]) -> None:
        """Write one register of several servos; nobody answers, so only a read proves it."""
        self.port.write(codec.sync_write(
            register.address, {id_: register.encode(value) for id_, value in values.items()}))
        self._skip_echo(codec.OVERHEAD + 2 + len(values) * (register.size + 1))

    def _exchange(self, request: Callable[[Sequence[int]], bytes], servo_ids: Sequence[int],
                  length: int, *, retries: int = RETRIES) -> dict[int, Status]:
        answers: dict[int, Status] = {}
        missing = list(servo_ids)
        for attempt in range(retries + 1):
            if attempt:
                self.counters.retries += 1
            answers |= self._try(request(missing), missing, length)
            missing = [id_ for id_ in servo_ids if id_ not in answers]
            if not missing:
                return answers
        self.counters.timeouts += 1
        names = ', '.join(map(str, missing))
        raise BusTimeout(f'port {self.port.name}: no valid answer from servo {names} in '
                         f'{retries + 1} tries', missing)

    def _try(self, request: bytes, servo_ids: Sequence[int], length: int) -> dict[int, Status]:
        self.counters.exchanges += 1
        self.port.drain()
        self.port.write(request)
        self._skip_echo(len(request))
        parser = StatusParser()
        answers: dict[int, Status] = {}
        deadline = time.monotonic() + EXCHANGE_TIMEOUT_S
        while len(answers) < len(servo_ids) and time.monotonic() < deadline:
            data = self.port.read((codec.OVERHEAD + length) * (len(servo_ids) - len(answers)))
            if not data:
                break
            for status in parser.feed(data):
                if status.servo_id in servo_ids and len(status.data) == length:
                    answers[status.servo_id] = status
        parser.clear()
        self.counters.bad_checksums += parser.bad_checksums
        self.counters.discarded_bytes += parser.discarded
        return answers

    def _skip_echo(self, count: int) -> None:
        if self._echoes and len(self._collect(count, ECHO_TIMEOUT_S)) < count:
            raise PacketError(f'port {self.port.name}: the adapter stopped repeating what is sent')

    def _collect(self, count: int, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        received = b''
        while len(received) < count and time.monotonic() < deadline:
            received += self.port.read(count - len(received))
        return received
