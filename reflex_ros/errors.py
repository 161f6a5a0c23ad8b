# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every exception that this package raises on purpose.

::

    ReflexError
    |- ConfigurationError         fix your settings; nothing was started
    |- ServiceError               the Reflex service
    |  |- ServiceUnavailable      not reachable or overloaded: try again later
    |  |- AuthenticationError     the key is missing or refused: do not retry
    |  |- ServiceRefused          it answered, and said no (carries the reason slug)
    |  |- ServiceProtocolError    it answered something that the protocol does not allow
    |  `- StreamClosed            the action stream ended
    |- BusError                   the servo bus
    |  |- PortLost                the port is gone (unplugged) or unusable
    |  |- BusTimeout              a servo did not answer in time (also a TimeoutError)
    |  |- PacketError             bytes arrived, and they are not an answer
    |  `- ServoFault              a servo answers, and reports or shows a fault
    `- ChunkRejected              an action chunk that must not be played (domain.cause: it
                                  carries a fault code)

A message names the thing, the reason and, where there is one, the next step.
"""

from __future__ import annotations

from collections.abc import Iterable


class ReflexError(Exception):
    """Root of the tree: catch this to catch everything that is not a programming mistake."""


class ConfigurationError(ReflexError):
    """A setting is wrong: fix it and configure again."""


class ServiceError(ReflexError):
    """The Reflex service did not do what was asked."""


class ServiceUnavailable(ServiceError):
    """
    The service cannot be reached or is overloaded: worth another try later.

    :param status: with which HTTP status it said so, None when it said nothing.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AuthenticationError(ServiceError):
    """The API key is missing, unknown or revoked: another try will not help."""


class ServiceRefused(ServiceError):
    """
    The service answered, and refused.

    :param reason: the service's slug, verbatim.
    """

    def __init__(self, message: str, reason: str = '') -> None:
        super().__init__(message)
        self.reason = reason


class ServiceProtocolError(ServiceError):
    """The service answered something that the protocol does not allow."""


class StreamClosed(ServiceError):
    """
    The action stream ended.

    :param code: WebSocket close code, 1006 when the connection just broke.
    """

    def __init__(self, message: str, code: int = 1006) -> None:
        super().__init__(message)
        self.code = code


class BusError(ReflexError):
    """The servo bus did not do what was asked."""


class PortLost(BusError):
    """The serial port is gone (unplugged, closed by its other end) or cannot be opened."""


class BusTimeout(BusError, TimeoutError):
    """
    One or more servos did not answer in time.

    :param servo_ids: the silent ones.
    """

    def __init__(self, message: str, servo_ids: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.servo_ids = tuple(servo_ids)


class PacketError(BusError):
    """Bytes arrived that are not a valid answer to what was asked."""


class ServoFault(BusError):
    """
    A servo answers, but reports a fault or is not in the state it should be in.

    :param servo_id: which one.
    """

    def __init__(self, message: str, servo_id: int = 0) -> None:
        super().__init__(message)
        self.servo_id = servo_id
