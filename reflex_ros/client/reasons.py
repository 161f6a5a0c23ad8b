# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reason slugs with which the service refuses a call, and the next step for each; pure."""

from __future__ import annotations

from collections.abc import Mapping

from reflex_ros.client.credentials import Secret
from reflex_ros.client.texts import printable
from reflex_ros.errors import AuthenticationError

KEY_REASONS = frozenset({'unknown_key', 'invalid_key', 'key_revoked'})
"""Reasons that mean: the API key is not valid."""
FRESH_SESSION = 'Start a fresh session: `reflex sessions authorize`'
NEXT_STEPS = {
    'already_deleting': 'Nothing is left to do: it is being deleted already',
    'balance_too_low': 'Top up the balance at the dashboard, under Billing (at least 5 USD)',
    'below_minimum_balance': 'Top up the balance at the dashboard, under Billing (at least 5 USD)',
    'dataset_not_found': 'Run `reflex datasets list`',
    'deployment_not_found': 'Run `reflex deployments list`',
    'deployment_not_ready': 'Run `reflex doctor <deployment-id>`, fix each failed check, then try '
                            'again',
    'model_not_found': 'Run `reflex models list`',
    'model_not_ready': 'Wait until it is ready: `reflex models get <model-id> --wait`',
    'no_inference_node_available': 'No worker runs this model now. Try again in a few minutes',
    'pairing_token_claimed': 'Make a new token with `reflex robots pair <robot-id>`',
    'pairing_token_expired': 'Make a new token with `reflex robots pair <robot-id>`',
    'robot_not_found': 'Run `reflex robots list`',
    'schema_not_found': 'Run `reflex robots schemas`',
    'session_closed': FRESH_SESSION,
    'session_dry_run': 'The session is still in dry_run. Run `reflex sessions promote '
                       '<session-id> --to apply_actions`',
    'session_expired': FRESH_SESSION,
    'session_failed': FRESH_SESSION,
    'session_not_found': 'Run `reflex sessions list`',
    'training_run_not_found': 'Run `reflex training list --all`',
}


SUBJECTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    'dataset_not_found': ('data set', ('datasetId',)),
    'deployment_not_found': ('deployment', ('deploymentId',)),
    'key_not_found': ('key', ('keyId',)),
    'model_not_found': ('model', ('modelId', 'baseModelId')),
    'robot_not_found': ('robot', ('robotId',)),
    'schema_not_found': ('robot schema', ('robotSchemaId',)),
    'session_not_found': ('session', ('sessionId',)),
    'training_run_not_found': ('training run', ('trainingRunId',)),
}
"""Reason that something does not exist -> its noun, and the arguments that name it."""


def absent(reason: str, arguments: Mapping[str, object]) -> str:
    """Say what the service has not found, as the caller named it; empty for other reasons."""
    noun, names = SUBJECTS.get(reason, ('', ()))
    for name in names:
        if isinstance(value := arguments.get(name), str):
            return f'There is no {noun} {printable(value, 80)!r}'
    return ''


def key_refused(reason: str, key: Secret | None = None) -> AuthenticationError:
    """
    Make the error for a key that the service refuses.

    :param key: the refused key; if it is not that of the saved login, the text says where it is.
    """
    text = f'Reflex API key is not valid: {reason}. Run `reflex login`.'
    if key is not None and key.source:
        text += f' The refused key is that of {key.source}: remove or replace it there'
    return AuthenticationError(text)


def next_step(reason: str, arguments: Mapping[str, object]) -> str:
    """
    Return what to do about a refusal; empty for a reason that is not in the table.

    :param arguments: of the refused call; ids among them replace the placeholders of the text.
    """
    text = NEXT_STEPS.get(reason, '')
    for name, places in (('sessionId', {'The session': 'Session {}', '<session-id>': '{}'}),
                         ('deploymentId', {'<deployment-id>': '{}'}),
                         ('robotId', {'<robot-id>': '{}'})):
        value = arguments.get(name)
        if isinstance(value, str):
            for place, form in places.items():
                text = text.replace(place, form.format(printable(value, 80)))
    return text
