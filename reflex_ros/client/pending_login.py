# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The login request that waits for approval, saved beside the credentials file.

With it, a later ``reflex login`` gets the key of a request that was approved in the meantime,
instead of making a new request (protocol reference, m 16). The id of a request is enough to get
its key, so the file is as private as the credentials.
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
    A login request that may still be approved.

    :param expires_at: end of the request [ms since 1970]; None if the service did not send it.
    :param convex_url: URL of the RPC backend that issued the request.
    """

    request_id: str
    expires_at: float | None
    convex_url: str
    site_url: str

    def may_be_resumed(self, convex_url: str, site_url: str, now_ms: float) -> bool:
        """Whether the request belongs to these URLs and has not expired."""
        is_alive = self.expires_at is None or now_ms < self.expires_at
        return is_alive and (self.convex_url, self.site_url) == (convex_url, site_url)


def path(credentials_file: Path) -> Path:
    """Return the path of the file that belongs to a credentials file."""
    return credentials_file.with_name(f'{credentials_file.stem}.pending.json')


def load(file: Path) -> PendingLogin | None:
    """
    Read the request; None if there is no file, or its content is not a request.

    :raises ConfigurationError: if the file is not safe, as in :func:`private_file.read`.
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
    """Save the request; errors as in :func:`private_file.write`."""
    private_file.write(file, {
        'requestId': pending.request_id, 'expiresAt': pending.expires_at,
        'convexUrl': pending.convex_url, 'siteUrl': pending.site_url}, WHAT)


def drop(file: Path) -> bool:
    """Delete the file of the request; return whether there was one."""
    return private_file.remove(file, WHAT)


def _time(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    # A time this far in the future is an error; the request would never expire.
    return value if abs(value) < MAX_TIME_MS else None
