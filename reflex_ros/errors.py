# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every exception that this package raises on purpose.

::

    ReflexError
    |- ConfigurationError         fix your settings; nothing was started
    |- ServiceError               the Reflex service
    |  |- ServiceUnavailable      cannot be reached or is overloaded: try again later
    |  |- AuthenticationError     the key is missing or refused: do not retry
    |  |- ServiceRefused          answered with a refusal (carries the reason slug)
    |  |- ServiceProtocolError    sent an answer that violates the protocol
    |  `- StreamClosed            the action stream ended
    |- BusError                   the servo bus
    |  |- PortLost                the port is gone (unplugged) or unusable
    |  |- BusTimeout              a servo did not answer in time (also a TimeoutError)
    |  |- PacketError             bytes arrived that are not a valid answer
    |  `- ServoFault              a servo answers and reports a fault, or is in a wrong state
    |- ChunkRejected              an action chunk that must not be played (domain.cause: it
    |                             carries a fault code)
    |- DamagedMessage             a ROS message that does not hold what its type says (domain.cdr)
    `- FrameRefused               a camera frame that cannot be sent (cameras.frame)

A message names the thing, the reason and, where there is one, the next step.
"""

from __future__ import annotations

from collections.abc import Iterable


class ReflexError(Exception):
    """Root of the tree: catch it to catch every error that is not a bug."""


class ConfigurationError(ReflexError):
    """A setting is wrong: fix it and try again. Nothing was started."""


class ServiceError(ReflexError):
    """The Reflex service did not do what was requested."""


class ServiceUnavailable(ServiceError):
    """
    The service cannot be reached or is overloaded: try again later.

    :param status: HTTP status of the answer, None without an answer.
    :param retry_after_s: how long the service asks to wait before the next attempt [s].
    """

    def __init__(self, message: str, status: int | None = None,
                 retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class AuthenticationError(ServiceError):
    """The API key is missing, unknown or revoked: do not retry with the same key."""


class ServiceRefused(ServiceError):
    """
    The service refused the request.

    :param fact: what was refused and why, without the next step.
    :param reason: reason slug of the service, unchanged; empty if the service sent none.
    :param next_step: the command that helps, for a person at a shell. Where another step helps,
        ``with_next_step`` replaces it: the graph repairs some things by itself.
    """

    def __init__(self, fact: str, reason: str = '', next_step: str = '') -> None:
        super().__init__(f'{fact.rstrip(".")}. {next_step}' if next_step else fact)
        self.fact = fact
        self.reason = reason

    def with_next_step(self, next_step: str) -> ServiceRefused:
        """Return the same refusal with another next step."""
        return ServiceRefused(self.fact, self.reason, next_step)


class ServiceProtocolError(ServiceError):
    """The service sent an answer that violates the protocol."""


class StreamClosed(ServiceError):
    """
    The action stream ended.

    :param code: WebSocket close code; 1006 if the connection broke without one.
    """

    def __init__(self, message: str, code: int = 1006) -> None:
        super().__init__(message)
        self.code = code


class BusError(ReflexError):
    """The servo bus did not do what was requested."""


class PortLost(BusError):
    """The serial port is gone (unplugged, closed by its other end) or cannot be opened."""


class BusTimeout(BusError, TimeoutError):
    """
    One or more servos did not answer in time.

    :param servo_ids: ids of the servos that did not answer.
    """

    def __init__(self, message: str, servo_ids: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.servo_ids = tuple(servo_ids)


class PacketError(BusError):
    """Bytes arrived that are not a valid answer to the request."""


class ServoFault(BusError):
    """
    A servo answers, but reports a fault or is not in the state it should be in.

    :param servo_id: id of the servo, 0 if it is not known.
    """

    def __init__(self, message: str, servo_id: int = 0) -> None:
        super().__init__(message)
        self.servo_id = servo_id
