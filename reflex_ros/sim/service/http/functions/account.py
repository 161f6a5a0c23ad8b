# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who the key belongs to."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.state import ORGANISATION, ServiceState


def whoami(state: ServiceState, args: Args) -> Value:
    """Return the organisation and the key's name (b.4)."""
    key = state.key_of(args.text('apiKey'))
    account: Value = {
        'organization': dict(ORGANISATION), 'orgId': ORGANISATION['id'],
        'keyName': key.name, 'keyId': key.id,
        'userId': 'user_sim', 'email': 'owner@example.com',
    }
    return account | ({} if key.expires_ms is None else {'expiresAt': key.expires_ms})


FUNCTIONS = (Function('publicApi:whoami', whoami),)
