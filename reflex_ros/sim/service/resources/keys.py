# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The API keys: the one of the settings, and others for tests; and which model each serves.

Of the others only a digest is kept, as a service would do it (protocol b.1, b.4, i.7).
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import secrets

from reflex_ros.sim.service.calls import Json, rpc
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.storage.table import new_id, Row

OWN_KEY = 'key_sim'
ORGANISATION = {'id': 'org_sim', 'name': 'Simulated Robotics', 'slug': 'simulated-robotics'}


@dataclass
class Key(Row):
    """
    One key; the secret itself is not here.

    :param model_id: what ``/v1/infer`` serves to it, empty for the base model.
    :param digest: SHA-256 of the secret; empty for the key of the settings.
    :param expires_at: epoch [ms]; None for never.
    """

    id: str
    name: str
    model_id: str = ''
    digest: str = ''
    expires_at: int | None = None
    is_revoked: bool = False


class Keys:
    """Every key; at the start only that of the settings."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table = context.add_table('keys', Key, Reason.KEY_NOT_FOUND)
        self.table.add(Key(OWN_KEY, 'simulated key'))

    @rpc('publicApi:whoami')
    def whoami(self, *, key: Key) -> Json:
        """Return the organisation and the key's name (b.4)."""
        account: Json = {
            'organization': dict(ORGANISATION), 'orgId': ORGANISATION['id'],
            'keyName': key.name, 'keyId': key.id,
            'userId': 'user_sim', 'email': 'owner@example.com',
        }
        return account | ({} if key.expires_at is None else {'expiresAt': key.expires_at})

    def make(self, name: str, life_s: float | None = None) -> tuple[Key, str]:
        """Add a key, for ever or not; its secret cannot be read again."""
        secret = f'rfx_{secrets.token_urlsafe(24)}'
        now_ms = self._context.clock.now_ms()
        expires_at = None if life_s is None else now_ms + round(life_s * 1e3)
        key = Key(new_id('key'), name, digest=_digest(secret), expires_at=expires_at)
        return self.table.add(key), secret

    def find(self, secret: str) -> Key:
        """Return the key of a secret; refuse one that is unknown, has expired or is revoked."""
        # JSON and HTTP can both carry texts that are not valid UTF-8.
        asked = secret.encode(errors='surrogatepass')
        if secrets.compare_digest(asked, self._context.settings.key.encode()):
            if self._context.key_revoked:
                raise Refusal(Reason.UNKNOWN_KEY)
            return self.table.get(OWN_KEY)
        digest = _digest(secret)
        key = self.table.first(lambda row: row.digest == digest)
        if key is None:
            raise Refusal(Reason.UNKNOWN_KEY)
        if key.is_revoked:
            raise Refusal(Reason.KEY_REVOKED)
        if key.expires_at is not None and self._context.clock.now_ms() >= key.expires_at:
            raise Refusal(Reason.UNKNOWN_KEY, 'the key has expired')
        return key

    def revoke(self, key_id: str) -> None:
        """Refuse a key from now on; only one from ``make`` can be revoked."""
        key = self.table.find(key_id)
        if key is None or not key.digest:
            raise ValueError(f'{key_id[:100]!r} cannot be revoked: only a key from /admin/key '
                             'can; the fault revoke_key_after revokes the key of the settings')
        key.is_revoked = True

    def unbind_model(self, model_id: str) -> None:
        """Let the keys of a model that is gone serve the base model again."""
        for key in self.table.all():
            if key.model_id == model_id:
                key.model_id = ''


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors='surrogatepass')).hexdigest()
