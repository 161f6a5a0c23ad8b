# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The API keys: the one that the service was started with, others for tests, and what each serves.

Of the others only a digest is kept, as a service would do it (protocol b.1, i.7).
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import secrets

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row, Table

OWN_KEY = 'key_sim'


@dataclass
class Key(Row):
    """
    One key; the secret itself is not here.

    :param model_id: what ``/v1/infer`` serves to it, empty for the base model.
    :param digest: SHA-256 of the secret; empty for the key of the settings.
    :param expires_ms: epoch [ms]; None for never.
    """

    id: str
    name: str
    model_id: str = ''
    digest: str = ''
    expires_ms: int | None = None
    is_revoked: bool = False


class Keys:
    """
    Every key.

    :param clock: decides about expiry.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start with the key that the service accepts."""
        self._clock = clock
        self.table = Table(Key, Reason.KEY_NOT_FOUND)
        self.table.add(Key(OWN_KEY, 'simulated key'))

    def make(self, name: str, life_s: float | None = None) -> tuple[Key, str]:
        """
        Add a key and return it with its secret, which nobody can ask for again.

        :param life_s: None for one that does not expire.
        """
        secret = f'rfx_{secrets.token_urlsafe(24)}'
        expires_ms = None if life_s is None else self._clock.now_ms() + round(life_s * 1e3)
        key = Key(new_id('key'), name, digest=_digest(secret), expires_ms=expires_ms)
        return self.table.add(key), secret

    def check(self, secret: str) -> Key:
        """
        Return the key that a secret belongs to; not for that of the settings.

        :raises Refusal: ``unknown_key``, also when it has expired, or ``key_revoked``.
        """
        digest = _digest(secret)
        key = next((key for key in self.table.all() if key.digest == digest), None)
        if key is None:
            raise Refusal(Reason.UNKNOWN_KEY)
        if key.is_revoked:
            raise Refusal(Reason.KEY_REVOKED)
        if key.expires_ms is not None and self._clock.now_ms() >= key.expires_ms:
            raise Refusal(Reason.UNKNOWN_KEY, 'the key has expired')
        return key

    def revoke(self, key_id: str) -> None:
        """
        Let a key open nothing any more.

        :raises ValueError: for an unknown key, and for that of the settings.
        """
        key = self.table.find(key_id)
        if key is None or not key.digest:
            raise ValueError(f'{key_id[:100]!r} cannot be revoked; the key of the settings goes '
                             'with the fault revoke_key_after')
        key.is_revoked = True

    def bind(self, key_id: str, model_id: str) -> Key:
        """
        Let a key serve a model, or the base model again when the id is empty.

        :raises Refusal: ``key_not_found``.
        """
        key = self.table.get(key_id)
        key.model_id = model_id
        return key

    def unbind_model(self, model_id: str) -> None:
        """Let nobody serve a model that is gone."""
        for key in self.table.all():
            if key.model_id == model_id:
                key.model_id = ''


def _digest(secret: str) -> str:
    # JSON and HTTP can both carry texts that are no UTF-8.
    return hashlib.sha256(secret.encode(errors='surrogatepass')).hexdigest()
