# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Logins that wait for a person: the state machine behind ``cliAuth:*`` (protocol b.3).

    pending --approve--> approved --poll--> consumed
       |                    |
       +------ deny --------+--> denied       (clients know no such word: they see ``expired``)
       +---- 10 minutes ----+--> expired
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import secrets

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# [ms] that a person has to approve.
LIFE_MS = 600_000
# Anybody may ask, so that the number of requests must have an end; the oldest go first.
MOST_LOGINS = 200
MOST_LETTERS = 100


class Stage(str, Enum):
    """What has happened to a login request; time is not counted in."""

    PENDING = 'pending'
    APPROVED = 'approved'
    DENIED = 'denied'
    CONSUMED = 'consumed'


@dataclass
class Login(Row):
    """
    One request for a key.

    :param hostname: what the client calls its machine; anything.
    :param form_token: proves that an approval comes from the page that we served.
    """

    id: str
    hostname: str
    form_token: str
    created_ms: int
    expires_ms: int
    stage: Stage = Stage.PENDING

    @property
    def code(self) -> str:
        """What a person compares with the request id in the terminal."""
        return f'{self.id[-8:-4]}-{self.id[-4:]}'.upper()


class Logins:
    """
    The latest login requests.

    :param clock: decides about expiry.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start without any."""
        self._clock = clock
        self.table = Table(Login, Reason.INVALID_PARAMETERS, limit=MOST_LOGINS)

    def create(self, hostname: str) -> Login:
        """Add a request that waits."""
        now_ms = self._clock.now_ms()
        # Half characters cannot be shown, and turned directions would lie.
        shown = ''.join(char if char.isprintable() else '?' for char in hostname[:MOST_LETTERS])
        return self.table.add(Login(
            new_id('login'), shown, secrets.token_urlsafe(24), now_ms, now_ms + LIFE_MS))

    def status(self, login_id: str) -> str:
        """Return what a poll says: pending, approved, consumed, expired or unknown."""
        login = self.table.find(login_id)
        if login is None:
            return 'unknown'
        if login.stage is Stage.CONSUMED:
            return 'consumed'
        is_over = self._clock.now_ms() >= login.expires_ms
        return 'expired' if is_over or login.stage is Stage.DENIED else login.stage.value

    def decide(self, login_id: str, *, approve: bool) -> None:
        """
        Approve or deny a request; to say the same twice is no error.

        :raises ValueError: when there is nothing to decide any more.
        """
        status = self.status(login_id)
        login = self.table.find(login_id)
        if login is None or status not in ('pending', 'approved'):
            raise ValueError(f'the login request is {status}')
        login.stage = Stage.APPROVED if approve else Stage.DENIED

    def consume(self, login_id: str) -> bool:
        """Say once whether the request is approved."""
        if self.status(login_id) != 'approved':
            return False
        self.table.get(login_id).stage = Stage.CONSUMED
        return True
