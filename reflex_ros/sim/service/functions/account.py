# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who the key belongs to."""

from __future__ import annotations

from reflex_ros.sim.service.functions.base import Args, Function, Value
from reflex_ros.sim.service.state import ORGANISATION, ServiceState


def whoami(state: ServiceState, args: Args) -> Value:
    """Return the organisation and the key's name (b.4)."""
    return {
        'organization': dict(ORGANISATION), 'orgId': ORGANISATION['id'],
        'keyName': 'simulated key', 'keyId': 'key_sim',
        'userId': 'user_sim', 'email': 'owner@example.com',
    }


FUNCTIONS = (Function('publicApi:whoami', whoami),)
