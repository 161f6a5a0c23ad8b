# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask for a key that a person approves in a browser (protocol b.3); no key needed."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.resources.rows import ids
from reflex_ros.sim.service.state import ServiceState


def create_request(state: ServiceState, args: Args) -> Value:
    """Add a login request."""
    login = state.logins.create(args.text('hostname'))
    return ids('requestId', login.id) | {'expiresAt': login.expires_ms}


def poll(state: ServiceState, args: Args) -> Value:
    """Say what became of a request; hand out the key once."""
    login_id = args.text('id')
    status = state.logins.status(login_id)
    if state.logins.consume(login_id):
        return {'status': status, 'apiKey': state.settings.key}
    return {'status': status}


FUNCTIONS = (
    Function('cliAuth:createRequest', create_request, required={'hostname': str},
             needs_key=False),
    Function('cliAuth:poll', poll, required={'id': str}, needs_key=False),
)
