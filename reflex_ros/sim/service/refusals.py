# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The service's polite no: a reason slug inside a call that worked (protocol c.2, l.3)."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """
    The slugs that clients may see in ``reason``.

    The first three are known from the vendor's clients; the others are the protocol reference's
    proposal (l.3) and may be spelled differently by the real service.
    """

    UNKNOWN_KEY = 'unknown_key'
    BALANCE_TOO_LOW = 'balance_too_low'
    NO_INFERENCE_NODE = 'no_inference_node_available'
    INVALID_PARAMETERS = 'invalid_parameters'
    DEPLOYMENT_NOT_FOUND = 'deployment_not_found'
    DEPLOYMENT_NOT_READY = 'deployment_not_ready'
    SESSION_NOT_FOUND = 'session_not_found'
    SESSION_CLOSED = 'session_closed'
    SESSION_EXPIRED = 'session_expired'
    SESSION_FAILED = 'session_failed'


class Refusal(Exception):
    """
    Say no to a well-formed request.

    :param reason: the slug.
    :param message: one sentence for a person, optional.
    """

    def __init__(self, reason: Reason, message: str = '') -> None:
        """Keep the slug and the sentence."""
        super().__init__(message or reason.value)
        self.reason = reason
        self.message = message
