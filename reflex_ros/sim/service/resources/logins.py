# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Login requests that wait for a person: the state machine behind ``cliAuth:*`` (protocol b.3).

    pending --approve--> approved --poll--> consumed
       |                    |
       +------ deny --------+--> denied       (clients know no such word: they see ``expired``)
       +---- 10 minutes ----+--> expired
"""

from __future__ import annotations

from dataclasses import dataclass
import secrets
from typing import Literal

from reflex_ros.sim.service.calls import Json, rpc, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.storage.table import new_id

# [ms] that a person has to approve.
LIFE_MS = 600_000
# No key is needed to ask, so that the number of requests must be bounded.
MOST_LOGINS = 200
MOST_LETTERS = 100


# What has happened to a login request, apart from the passing of time.
Stage = Literal['pending', 'approved', 'denied', 'consumed']


@dataclass
class Login(WireRow):
    """
    One request for a key.

    :param hostname: what the client calls its machine, made printable.
    :param form_token: proves that an approval comes from the page that we served.
    """

    ID_NAME = 'requestId'

    id: str
    hostname: str
    form_token: str
    created_at: int
    expires_at: int
    stage: Stage = 'pending'

    @property
    def code(self) -> str:
        """What a person compares with the request id in the terminal."""
        return f'{self.id[-8:-4]}-{self.id[-4:]}'.upper()


class Logins:
    """The latest login requests."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table = context.add_table('logins', Login, limit=MOST_LOGINS)

    @rpc('cliAuth:createRequest', needs_key=False)
    def create_request(self, *, hostname: str) -> Json:
        """Add a login request."""
        login = self.create(hostname)
        return login.ids() | {'expiresAt': login.expires_at}

    @rpc('cliAuth:poll', needs_key=False)
    def poll(self, *, id: str) -> Json:
        """Return what became of a request; hand out the key once."""
        status = self.status(id)
        if status != 'approved':
            return {'status': status}
        self.table.get(id).stage = 'consumed'
        return {'status': status, 'apiKey': self._context.settings.key}

    def create(self, hostname: str) -> Login:
        """Add a request that is pending."""
        now_ms = self._context.clock.now_ms()
        # Lone surrogates cannot be encoded, and marks of writing direction would mislead.
        printable = ''.join(
            char if char.isprintable() else '?' for char in hostname[:MOST_LETTERS])
        return self.table.add(Login(new_id('login'), printable, secrets.token_urlsafe(24), now_ms,
                                    now_ms + LIFE_MS))

    def status(self, login_id: str) -> str:
        """Return what a poll says: pending, approved, consumed, expired or unknown."""
        login = self.table.find(login_id)
        if login is None:
            return 'unknown'
        if login.stage == 'consumed':
            return 'consumed'
        is_over = self._context.clock.now_ms() >= login.expires_at
        return 'expired' if is_over or login.stage == 'denied' else login.stage

    def decide(self, login_id: str, *, approve: bool) -> None:
        """Approve or deny a request that is not over; repeating a decision is no error."""
        status = self.status(login_id)
        if status not in ('pending', 'approved'):
            raise ValueError(f'the login request is {status}')
        self.table.get(login_id).stage = 'approved' if approve else 'denied'
