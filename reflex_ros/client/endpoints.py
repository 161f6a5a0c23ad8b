# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which host: argument, environment, credentials file, default; one resolver for everything.

Pure: the environment and the saved values are passed in. A key only ever travels over TLS, or
to this machine itself. Source: protocol reference, sections a.2 and m 7, 8.
"""

from __future__ import annotations

from collections.abc import Mapping
import ipaddress
from urllib.parse import urlsplit, urlunsplit

from reflex_ros.errors import ConfigurationError

DEFAULT_API = 'https://api.tryreflex.ai'


def rpc_url(explicit: str | None, environment: Mapping[str, str],
            saved: str | None = None) -> str:
    """
    Resolve the base URL of the RPC backend.

    :raises ConfigurationError: when it is no http(s) URL, or would carry the key in the clear.
    """
    candidates = (explicit, environment.get('REFLEX_CONVEX_URL'), environment.get('CONVEX_URL'),
                  environment.get('NEXT_PUBLIC_CONVEX_URL'), saved, DEFAULT_API)
    url = _first(candidates).rstrip('/')
    if urlsplit(url).scheme not in ('http', 'https') or not urlsplit(url).hostname:
        raise ConfigurationError(f'Convex URL must start with http:// or https://. Got {url!r}; '
                                 'fix --convex-url or REFLEX_CONVEX_URL')
    return _guarded(url, 'REFLEX_CONVEX_URL')


def actions_url(explicit: str | None, environment: Mapping[str, str]) -> str:
    """
    Resolve the WebSocket URL of the action stream; table a.2 says how each form is completed.

    :raises ConfigurationError: when it is no http(s) or ws(s) URL, or would carry the key in the
        clear.
    """
    candidates = (explicit, environment.get('REFLEX_ACTIONS_URL'),
                  environment.get('REFLEX_API_URL'), environment.get('RFX_API_URL'), DEFAULT_API)
    url = _first(candidates)
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https', 'ws', 'wss') or not parts.hostname:
        raise ConfigurationError('Actions URL must start with http://, https://, ws://, or '
                                 f'wss://. Got {url!r}; fix service.url or REFLEX_ACTIONS_URL')
    if parts.scheme in ('http', 'https'):
        scheme = 'wss' if parts.scheme == 'https' else 'ws'
        url = urlunsplit((scheme, parts.netloc, '/v1/actions', '', ''))
    elif parts.path in ('', '/') and not parts.query:
        url = urlunsplit((parts.scheme, parts.netloc, '/v1/actions', '', ''))
    return _guarded(url, 'REFLEX_ACTIONS_URL')


def _first(candidates: tuple[str | None, ...]) -> str:
    return next(value.strip() for value in candidates if value and value.strip())


def _guarded(url: str, setting: str) -> str:
    parts = urlsplit(url)
    if parts.scheme in ('https', 'wss') or is_loopback(parts.hostname or ''):
        return url
    raise ConfigurationError(f'{url} would send the API key unencrypted. Use '
                             f'{"wss" if parts.scheme == "ws" else "https"}:// in {setting}; only '
                             'addresses of this machine may do without')


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
