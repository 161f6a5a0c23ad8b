# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refusals: a reason slug inside an RPC answer of HTTP 200, an HTTP status of REST (c.2, l.3)."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """
    The slugs that clients may see in ``reason``.

    The first three and ``already_deleting`` are known from the vendor's clients; the others are
    the protocol reference's proposal (l.3) and may be spelled differently by the real service.
    """

    UNKNOWN_KEY = 'unknown_key'
    BALANCE_TOO_LOW = 'balance_too_low'
    NO_INFERENCE_NODE = 'no_inference_node_available'
    KEY_REVOKED = 'key_revoked'
    INVALID_PARAMETERS = 'invalid_parameters'
    DATASET_NOT_FOUND = 'dataset_not_found'
    DATASET_NOT_VALIDATED = 'dataset_not_validated'
    DATASET_INVALID = 'dataset_invalid'
    TRAINING_RUN_NOT_FOUND = 'training_run_not_found'
    TRAINING_RUN_FINISHED = 'training_run_finished'
    MODEL_NOT_FOUND = 'model_not_found'
    MODEL_NOT_READY = 'model_not_ready'
    ALREADY_DELETING = 'already_deleting'
    DEPLOYMENT_NOT_FOUND = 'deployment_not_found'
    DEPLOYMENT_NOT_READY = 'deployment_not_ready'
    ROBOT_NOT_FOUND = 'robot_not_found'
    SCHEMA_NOT_FOUND = 'schema_not_found'
    PAIRING_EXPIRED = 'pairing_token_expired'
    PAIRING_CLAIMED = 'pairing_token_claimed'
    SESSION_NOT_FOUND = 'session_not_found'
    SESSION_DRY_RUN = 'session_dry_run'
    SESSION_CLOSED = 'session_closed'
    SESSION_EXPIRED = 'session_expired'
    SESSION_FAILED = 'session_failed'
    RECORDING_NOT_FOUND = 'recording_not_found'
    # Of our own: cases that l.3 has no slug for.
    UPLOAD_NOT_FOUND = 'upload_not_found'
    UPLOAD_INCOMPLETE = 'upload_incomplete'
    KEY_NOT_FOUND = 'key_not_found'
    INSTANCE_NOT_FOUND = 'instance_not_found'
    NO_GRADIENTS = 'no_gradients'


class Refusal(Exception):
    """A well-formed request is refused: a slug, and perhaps a sentence for a person."""

    def __init__(self, reason: Reason, message: str = '') -> None:
        super().__init__(message or reason.value)
        self.reason = reason
        self.message = message


def invalid(message: str) -> Refusal:
    """Return a refusal with the reason ``invalid_parameters``."""
    return Refusal(Reason.INVALID_PARAMETERS, message)
