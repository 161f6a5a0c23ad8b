# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which service is meant, and which key is for it: the one place where both are decided.

A key that a person gives (a flag, a variable) goes where the person says. A saved key goes to the
address of its login only, and to hosts of the same domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import ipaddress
from urllib.parse import urlsplit

from reflex_ros.client import credentials, endpoints
from reflex_ros.client.credentials import Credentials, Secret
from reflex_ros.client.endpoints import Address
from reflex_ros.errors import AuthenticationError, ConfigurationError

SHARED_DOMAINS = frozenset({'convex.cloud', 'convex.site', 'modal.direct'})
"""Domains in which the hosts belong to different people."""


@dataclass(frozen=True, slots=True)
class Access:
    """
    A service and its key.

    :param key: None for calls that need none.
    :param saved: content of the credentials file.
    """

    rpc_url: Address
    key: Secret | None
    saved: Credentials

    @property
    def saved_site(self) -> Address | None:
        """URL of the dashboard that belongs to the saved login of this address."""
        login = self.saved.at(self.rpc_url)
        return endpoints.given(login.site_url, endpoints.SAVED) if login else None

    def key_for(self, url: str) -> Secret | None:
        """
        Return the key for another address of the service, such as that of the stream.

        :raises AuthenticationError: if the address is that of somebody else, and only a saved key
            is known.
        """
        if self.key is None or self.key.source or self._is_related(url):
            return self.key
        login = self.saved.at(_base(url))
        if login is not None and login.api_key is not None:
            return login.api_key
        place = endpoints.without_secrets(url)
        source = getattr(url, 'source', '') or 'the address'
        raise AuthenticationError(
            f'The saved login is that of {self.rpc_url}, so its key is not sent to {place} '
            f'({source}). Set REFLEX_API_KEY to the key for it, or run `reflex login --convex-url '
            f'{_base(url)}`')

    def only_key(self, url: str) -> Secret | None:
        """Return the key, if it is also the one for another address; errors as ``key_for``."""
        key = self.key_for(url)
        if key is not self.key:
            raise AuthenticationError(
                f'{endpoints.without_secrets(url)} and {self.rpc_url} have logins of their own. '
                'Set both addresses to the same service')
        return key

    def _is_related(self, url: str) -> bool:
        if getattr(url, 'source', None) == self.rpc_url.source:
            return True    # derived from the address of the backend
        own, other = (urlsplit(each).hostname or '' for each in (self.rpc_url, url))
        return own == other or (_domain(own) == _domain(other) != '')


def resolve(environment: Mapping[str, str], *, api_key: str | Secret | None = None,
            convex_url: str | None = None, saved: Credentials | None = None,
            is_anonymous: bool = False) -> Access:
    """
    Find the address of the backend and the key for it (sections a.2 and b.1).

    :param saved: content of the credentials file; None reads the file.
    :param is_anonymous: work without a key.
    :raises AuthenticationError: if there is no key for the address.
    :raises ConfigurationError: if the address is not valid, or the file cannot be read and is
        needed.
    """
    given = api_key if isinstance(api_key, Secret) else credentials.given_key(
        api_key, environment)
    if saved is None:
        try:
            saved = credentials.load(credentials.path(environment))
        except ConfigurationError:
            # A key that a person gives must work where the file of another user is in the way.
            if given is None:
                raise
            saved = Credentials()
    rpc_url = endpoints.rpc_url(convex_url, environment, saved.home_url)
    if is_anonymous:
        return Access(rpc_url, None, saved)
    return Access(rpc_url, given or credentials.saved_key(saved, rpc_url), saved)


def for_stream(environment: Mapping[str, str], url: str, *, api_key: str | Secret | None = None,
               convex_url: str | None = None) -> Secret | None:
    """Find the key for a stream alone: it needs no login at the backend. Errors as ``resolve``."""
    try:
        return resolve(environment, api_key=api_key, convex_url=convex_url).key_for(url)
    except AuthenticationError:
        found = resolve(environment, convex_url=convex_url, is_anonymous=True)
        login = found.saved.at(_base(url))
        if login is None or login.api_key is None:
            raise
        return login.api_key


def _base(url: str) -> str:
    """Return the URL of the backend that a URL of a stream belongs to."""
    parts = urlsplit(url)
    scheme = {'ws': 'http', 'wss': 'https'}.get(parts.scheme, parts.scheme)
    return f'{scheme}://{parts.netloc}'


def _domain(host: str) -> str:
    """Return the domain whose hosts belong together; empty if there is none."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        domain = '.'.join(host.split('.')[-2:])
        return domain if '.' in domain and domain not in SHARED_DOMAINS else ''
    return ''
