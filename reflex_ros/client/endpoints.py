# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
URLs of the service: from argument, environment, credentials file or default; pure.

Environment and saved values are arguments. A URL must use TLS or lead to this machine, because
the API key is sent there; only ``REFLEX_ALLOW_INSECURE=1`` in the environment allows other URLs,
with a warning. Source: protocol reference, sections a.2 and m 7, 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
import ipaddress
import logging
from urllib.parse import parse_qs, SplitResult, urlsplit, urlunsplit

from reflex_ros.errors import ConfigurationError

DEFAULT_API = 'https://api.tryreflex.ai'
DEFAULT_SITE = 'https://app.tryreflex.ai'
DEFAULT, SAVED = 'the default', 'the saved login'
"""Sources of an address that nobody gave in this run."""
ALLOW_INSECURE = 'REFLEX_ALLOW_INSECURE'

_log = logging.getLogger(__name__)


class Address(str):
    """
    A URL that knows where it came from.

    :param source: a flag, a variable, ``the default``, or the saved login with its file.
    """

    __slots__ = ('source',)
    source: str

    def __new__(cls, url: str, source: str) -> Address:
        """Make the text, and keep its source."""
        made = super().__new__(cls, url)
        made.source = source
        return made


def given(url: str | None, source: str) -> Address | None:
    """Return a URL that a person gave, with its source; None for an empty one."""
    return Address(url, source) if url and url.strip() else None


def advice(url: str) -> str:
    """Return the next step for an address that cannot be reached."""
    fix = _fix(url)
    return f'Check the network, or {fix}' if fix else 'Check the network'


def blame(url: str) -> str:
    """Return the next step for an address where something else answers; empty for a default."""
    fix = _fix(url)
    return f'The address is probably wrong: {fix}' if fix else ''


def _fix(url: str) -> str:
    source = getattr(url, 'source', '')
    if not source or source == DEFAULT:
        return ''
    if source.startswith(SAVED):
        return (f'leave {source}: run `reflex logout`, or `reflex login --convex-url '
                f'{DEFAULT_API}`')
    is_variable = source.isupper()
    return f'{"unset" if is_variable else "fix"} {source}'


def rpc_url(explicit: str | None, environment: Mapping[str, str],
            saved: str | None = None) -> Address:
    """
    Resolve the base URL of the RPC backend.

    :param explicit: what a person gave, with its source if it is an :class:`Address`.
    :param saved: URL of the saved login, with its source if it is an :class:`Address`.
    :raises ConfigurationError: if it is not an http or https URL, or the API key would be sent
        unencrypted.
    """
    candidates = (*_named(explicit, 'convex_url'), *_variables(environment, (
        'REFLEX_CONVEX_URL', 'CONVEX_URL', 'NEXT_PUBLIC_CONVEX_URL')),
        *_named(saved, SAVED), Address(DEFAULT_API, DEFAULT))
    return _base(candidates, environment, 'Convex URL')


def api_url(explicit: str | None, environment: Mapping[str, str], rpc: str) -> Address:
    """
    Resolve the base URL of the REST endpoints.

    :param rpc: URL of the RPC backend. Its host serves REST too, unless it is a Convex host. So
        one changed URL moves all requests, and the key of one service does not reach another.
    :raises ConfigurationError: as in :func:`rpc_url`.
    """
    candidates = (*_named(explicit, 'api_url'), *_variables(environment, (
        'REFLEX_API_URL', 'RFX_API_URL')), _shared(rpc))
    return _base(candidates, environment, 'API URL')


def infer_url(explicit: str | None, environment: Mapping[str, str], rpc: str) -> Address:
    """
    Resolve the base URL of ``/v1/infer``; a Convex host has a sister host for it (section d.8).

    :raises ConfigurationError: as in :func:`rpc_url`.
    """
    sister = rpc.removesuffix('.cloud') + '.site' if _is_convex(rpc) else rpc
    candidates = (*_named(explicit, 'infer_url'),
                  *_variables(environment, ('REFLEX_INFER_URL',)), Address(sister, _source(rpc)))
    return _base(candidates, environment, 'Inference URL')


def site_url(explicit: str | None, environment: Mapping[str, str],
             saved: str | None = None) -> Address:
    """
    Resolve the base URL of the dashboard.

    :raises ConfigurationError: as in :func:`rpc_url`, because sign-up sends a password there.
    """
    candidates = (*_named(explicit, 'site_url'), *_variables(environment, (
        'REFLEX_PLATFORM_URL', 'NEXT_PUBLIC_SITE_URL', 'BETTER_AUTH_URL',
        'NEXT_PUBLIC_BETTER_AUTH_URL')), *_named(saved, SAVED), Address(DEFAULT_SITE, DEFAULT))
    return _base(candidates, environment, 'Platform URL')


def _named(url: str | None, source: str) -> tuple[Address, ...]:
    """Return a URL with its source, which it may know better than the caller; none if empty."""
    if url is None or not url.strip():
        return ()
    return (url if isinstance(url, Address) else Address(url, source),)


def _variables(environment: Mapping[str, str], names: tuple[str, ...]) -> Iterator[Address]:
    for name in names:
        yield from _named(environment.get(name), name)


def _source(url: str) -> str:
    return getattr(url, 'source', '')


def _base(candidates: tuple[Address, ...], environment: Mapping[str, str],
          name: str) -> Address:
    source = candidates[0].source
    url = candidates[0].strip().rstrip('/')
    parts = _split(url, ('http', 'https'), f'{name} must start with http:// or https://.', source)
    return Address(_require_encryption(parts, url, environment, source), source)


def _shared(rpc: str) -> Address:
    """Return the base URL for REST and stream that belongs to an RPC backend."""
    return Address(DEFAULT_API if _is_convex(rpc) else rpc, _source(rpc))


def _is_convex(url: str) -> bool:
    return (urlsplit(url).hostname or '').endswith('.convex.cloud')


def actions_url(explicit: str | None, environment: Mapping[str, str],
                rpc: str = DEFAULT_API) -> Address:
    """
    Resolve the WebSocket URL of the action stream; table a.2 shows how each form is completed.

    :param rpc: URL of the RPC backend, as in :func:`api_url`.
    :raises ConfigurationError: if it is not an http, https, ws or wss URL, or the API key would
        be sent unencrypted.
    """
    chosen = (*_named(explicit, 'url'), *_variables(environment, (
        'REFLEX_ACTIONS_URL', 'REFLEX_API_URL', 'RFX_API_URL')), _shared(rpc))[0]
    url = chosen.strip()
    parts = _split(url, ('http', 'https', 'ws', 'wss'), 'Actions URL must start with http://, '
                   'https://, ws://, or wss://.', chosen.source)
    if parts.scheme in ('http', 'https'):
        scheme = 'wss' if parts.scheme == 'https' else 'ws'
        url = urlunsplit((scheme, parts.netloc, '/v1/actions', '', ''))
    elif parts.path in ('', '/') and not parts.query:
        url = urlunsplit((parts.scheme, parts.netloc, '/v1/actions', '', ''))
    return Address(_require_encryption(parts, url, environment, chosen.source), chosen.source)


def token_in(url: str) -> str:
    """Return the token in the query of a URL; empty without a token (section d.2)."""
    return parse_qs(urlsplit(url).query).get('token', [''])[0]


def _split(url: str, schemes: tuple[str, ...], rule: str, setting: str) -> SplitResult:
    try:
        if not url.isprintable() or ' ' in url:
            raise ValueError('it contains a space or a control character')
        parts = urlsplit(url)
        # Reading the port checks it: urlsplit does not.
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise ConfigurationError(f'{rule} Got a text that is not a URL ({exc}). '
                                 f'Fix {setting}') from exc
    if not is_good:
        raise ConfigurationError(f'{rule} Got {without_secrets(url)!r}. Fix {setting}')
    if parts.username is not None:
        raise ConfigurationError(f'{without_secrets(url)} contains a user name, but only the API '
                                 f'key is sent. Remove the name from {setting}')
    return parts


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query, which can contain a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], parts.path, '', ''))


def origin(url: str) -> str:
    """Return scheme and host of a URL: the path of an upload URL is a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], '', '', ''))


def _require_encryption(parts: SplitResult, url: str, environment: Mapping[str, str],
                        setting: str) -> str:
    if parts.scheme in ('https', 'wss') or is_loopback(parts.hostname or ''):
        return url
    if environment.get(ALLOW_INSECURE) == '1':
        _warn(without_secrets(url))
        return url
    raise ConfigurationError(f'{without_secrets(url)} would send the API key unencrypted. Use '
                             f'{"wss" if parts.scheme == "ws" else "https"}:// in {setting}. '
                             'Without TLS only an address of this machine is allowed, or any '
                             f'address on a network that you trust, with {ALLOW_INSECURE}=1')


@cache
def _warn(place: str) -> None:
    """Warn once per address."""
    _log.warning('%s: the API key is sent unencrypted, because %s is 1', place, ALLOW_INSECURE)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
