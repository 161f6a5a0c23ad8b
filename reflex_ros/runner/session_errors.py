# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a session ends: errors of its own, and the fault code of every error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
from reflex_ros.runner.policy_fit import PolicyMisfit


class InputLost(ReflexError):
    """The inputs of the policy are missing for too long."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.code = cause.code


class ArmStopped(ReflexError):
    """The arm was stopped by a fault that it has latched."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
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


@dataclass(frozen=True, slots=True)
class NextSteps:
    """
    What helps when the service refuses something, where the session runs.

    :param refusals: reason of the service -> next step; others keep the step for a shell.
    :param latched: next step when a stop was latched.
    :param key: what to do when the key is valid again.
    """

    refusals: Mapping[str, str]
    latched: str
    key: str


_STAYS_DRY = ('The service refuses the promotion: look at the deployment with `reflex doctor` and '
              'at the dashboard')
_ENDED = ('session_closed', 'session_expired', 'session_failed', 'session_not_found')
IN_GRAPH = NextSteps(
    {'session_dry_run': _STAYS_DRY,
     **dict.fromkeys(_ENDED, 'Another session opens by itself')},
    'Another session opens after the reset', 'then start the graph again')
"""In a running graph, which the command for a shell would disturb."""
IN_PROCESS = NextSteps(
    {'session_dry_run': _STAYS_DRY,
     **dict.fromkeys(_ENDED, 'Run `reflex connect` again: it opens a new session')},
    'Run `reflex connect` again: it opens a new session', 'then run `reflex connect` again')
"""In ``reflex connect``, where nobody resets anything."""
_REASONS = {
    'session_expired': FaultCode.SESSION_EXPIRED, 'session_closed': FaultCode.SESSION_EXPIRED,
    'session_failed': FaultCode.SERVER_ERROR, 'session_dry_run': FaultCode.MODE_MISMATCH,
    'deployment_not_ready': FaultCode.NOT_READY}
_CLOSE_CODES = {1007: FaultCode.BAD_FRAME, 1009: FaultCode.OVERSIZE, 1011: FaultCode.SERVER_ERROR}


def cause_of(exc: Exception, *, is_applying: bool, steps: NextSteps = IN_GRAPH) -> Cause:
    """
    Return why a session ended, with a next step that fits where it ran.

    :param is_applying: whether actions were applied: then a stop is latched.
    """
    if not isinstance(exc, ReflexError):
        return Cause(fault_code(exc), repr(exc))
    if isinstance(exc, AuthenticationError):
        text = f'{str(exc).rstrip(".")}, {steps.key}'
        return Cause(fault_code(exc), text)
    if isinstance(exc, ServiceRefused) and exc.reason in steps.refusals:
        step = steps.refusals[exc.reason]
        if is_applying and exc.reason != 'session_dry_run':
            step = steps.latched
        exc = exc.with_next_step(step)
    return Cause(fault_code(exc), str(exc))


def fault_code(exc: Exception) -> FaultCode:
    """Return the fault code of an error that ends a session; INTERNAL for an unknown error."""
    if isinstance(exc, (ArmStopped, ChunkRejected, InputLost, PolicyMismatch)):
        return exc.code
    if isinstance(exc, PolicyMisfit):
        return FaultCode.BAD_SHAPE
    if isinstance(exc, AuthenticationError):
        return FaultCode.AUTH_REVOKED
    if isinstance(exc, ServiceRefused):
        return _REASONS.get(exc.reason, FaultCode.REFUSED)
    if isinstance(exc, StreamClosed):
        return _CLOSE_CODES.get(exc.code, FaultCode.NET_CLOSED)
    if isinstance(exc, ServiceProtocolError):
        return FaultCode.BAD_FRAME
    return FaultCode.NET_SILENT if isinstance(exc, ServiceUnavailable) else FaultCode.INTERNAL
