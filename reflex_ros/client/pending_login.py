# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The login that waits for its approval, kept beside the credentials.

So a later ``reflex login`` collects what was approved in the meantime, instead of asking for
another approval (protocol reference, m 16). Who has the id of a request can collect its key, so
the file is as private as the credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reflex_ros.client import private_file
from reflex_ros.client.private_file import BrokenFile

WHAT = 'Reflex login requests'
MAX_TIME_MS = 1e14


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """
    A request that may still be approved.

    :param expires_at: milliseconds since 1970; None when the service did not say.
    :param convex_url: the backend that knows the request.
    """

    request_id: str
    expires_at: float | None
    convex_url: str
    site_url: str

    def may_be_resumed(self, convex_url: str, site_url: str, now_ms: float) -> bool:
        """Whether it is of this backend and site, and its time is not over."""
        is_alive = self.expires_at is None or now_ms < self.expires_at
        return is_alive and (self.convex_url, self.site_url) == (convex_url, site_url)


def path(credentials_file: Path) -> Path:
    """Name the file that belongs to a credentials file."""
    return credentials_file.with_name(f'{credentials_file.stem}.pending.json')


def load(file: Path) -> PendingLogin | None:
    """
    Read the request; None when there is none, or nothing that could be one.

    :raises ConfigurationError: when the file is unsafe, as :func:`private_file.read`.
    """
    try:
        content = private_file.read(file, WHAT) or {}
    except BrokenFile:
        return None
    texts = [content.get(name) for name in ('requestId', 'convexUrl', 'siteUrl')]
    request_id, convex_url, site_url = (
        each if isinstance(each, str) else '' for each in texts)
    if not request_id or not request_id.isprintable():
        return None
    return PendingLogin(request_id, _time(content.get('expiresAt')), convex_url, site_url)


def save(file: Path, pending: PendingLogin) -> None:
    """Keep the request; errors as :func:`private_file.write`."""
    private_file.write(file, {
        'requestId': pending.request_id, 'expiresAt': pending.expires_at,
        'convexUrl': pending.convex_url, 'siteUrl': pending.site_url}, WHAT)


def drop(file: Path) -> bool:
    """Forget the request; say whether there was one."""
    return private_file.remove(file, WHAT)


def _time(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    # A time that no clock will show is none, and would keep the request for ever.
    return value if abs(value) < MAX_TIME_MS else None
