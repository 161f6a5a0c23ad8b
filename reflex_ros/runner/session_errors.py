# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a session ends: errors of its own, and the fault code of every error."""

from __future__ import annotations

from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import (
    AuthenticationError,
    ReflexError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
    StreamClosed,
)


class InputLost(ReflexError):
    """The inputs of the policy are missing for too long."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.code = cause.code


class PolicyMismatch(ReflexError):
    """
    The chunks of a policy in dry run are always refused: it does not fit the arm.

    :param refusal: the newest refusal.
    :param count: refused chunks in a row.
    """

    def __init__(self, refusal: ChunkRejected, count: int) -> None:
        super().__init__(f'{count} chunks in a row were refused. {refusal}. Set a deployment '
                         'for this arm and its adapter, then start again')
        self.code = refusal.code


class ModeMismatch(ReflexError):
    """The service's session is in another mode than it was brought to."""


_REASONS = {
    'session_expired': FaultCode.SESSION_EXPIRED, 'session_closed': FaultCode.SESSION_EXPIRED,
    'session_failed': FaultCode.SERVER_ERROR, 'session_dry_run': FaultCode.MODE_MISMATCH,
    'deployment_not_ready': FaultCode.NOT_READY}
_CLOSE_CODES = {1009: FaultCode.OVERSIZE, 1011: FaultCode.SERVER_ERROR}


def fault_code(exc: Exception) -> FaultCode:
    """Return the fault code of an error that ends a session; INTERNAL for an unknown error."""
    if isinstance(exc, (ChunkRejected, InputLost, PolicyMismatch)):
        return exc.code
    if isinstance(exc, AuthenticationError):
        return FaultCode.AUTH_REVOKED
    if isinstance(exc, ModeMismatch):
        return FaultCode.MODE_MISMATCH
    if isinstance(exc, ServiceRefused):
        return _REASONS.get(exc.reason, FaultCode.REFUSED)
    if isinstance(exc, StreamClosed):
        return _CLOSE_CODES.get(exc.code, FaultCode.NET_CLOSED)
    if isinstance(exc, ServiceProtocolError):
        return FaultCode.BAD_FRAME
    return FaultCode.NET_SILENT if isinstance(exc, ServiceUnavailable) else FaultCode.INTERNAL
