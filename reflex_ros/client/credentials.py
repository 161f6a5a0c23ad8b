# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The API key, and the credentials file that holds it (protocol reference, section b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import re

from reflex_ros.client import private_file
from reflex_ros.errors import AuthenticationError

WHAT = 'Reflex credentials'
HIDDEN = '[hidden]'
KEY_MISSING = "API key is required. Run 'reflex login' or set REFLEX_API_KEY."


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """
    A text whose value never appears in a log, an error text or a traceback.

    :param source: where a person gave it: a flag, a variable; empty for a saved key.
    """

    _value: str
    source: str = field(default='', compare=False)

    def reveal(self) -> str:
        """Return the value; use it only to send it."""
        return self._value

    def hide_in(self, text: str) -> str:
        """Replace the value in a text that the service wrote, before the text is shown."""
        return text.replace(self._value, HIDDEN) if self._value else text

    def __repr__(self) -> str:
        return 'Secret([hidden])'

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Credentials:
    """Content of the credentials file."""

    api_key: Secret | None = None
    convex_url: str | None = None
    site_url: str | None = None


def hide_keys(text: str) -> str:
    """Replace everything that looks like an API key, also a new one or a part of one."""
    return re.sub(r'rfx_[A-Za-z0-9_-]+', HIDDEN, text)


def path(environment: Mapping[str, str]) -> Path:
    """Return the path of the file, from REFLEX_CONFIG_FILE, _DIR or XDG_CONFIG_HOME."""
    if environment.get('REFLEX_CONFIG_FILE'):
        return _home(environment['REFLEX_CONFIG_FILE'])
    if environment.get('REFLEX_CONFIG_DIR'):
        return _home(environment['REFLEX_CONFIG_DIR']) / 'credentials.json'
    return _home(environment.get('XDG_CONFIG_HOME') or '~/.config') / 'reflex' / 'credentials.json'


def load(file: Path) -> Credentials:
    """Read the file; empty if it is missing. Errors as in :func:`private_file.read`."""
    content = private_file.read(file, WHAT) or {}
    key = content.get('apiKey')
    return Credentials(Secret(key) if isinstance(key, str) and key else None,
                       _text(content.get('convexUrl')), _text(content.get('siteUrl')))


def save(file: Path, saved: Credentials) -> None:
    """
    Write the file (section b.2); errors as in :func:`private_file.write`.

    :raises AuthenticationError: if an HTTP header cannot carry the key; the file stays as it is.
    """
    key = api_key(None, {}, saved)
    addresses = {'convexUrl': saved.convex_url, 'siteUrl': saved.site_url}
    private_file.write(file, {'apiKey': key.reveal(), **{
        name: url for name, url in addresses.items() if url}}, WHAT)


def api_key(explicit: str | None, environment: Mapping[str, str],
            saved: Credentials) -> Secret:
    """
    Resolve the API key: argument, REFLEX_API_KEY, RFX_API_KEY (old name), credentials file.

    :raises AuthenticationError: if there is no key, or an HTTP header cannot carry it.
    """
    for value in (explicit, environment.get('REFLEX_API_KEY'), environment.get('RFX_API_KEY'),
                  saved.api_key.reveal() if saved.api_key else None):
        key = (value or '').strip()
        if key and not (key.isascii() and key.isprintable() and ' ' not in key):
            raise AuthenticationError('The API key contains spaces or other characters that '
                                      "are not allowed. Run 'reflex login' or set "
                                      'REFLEX_API_KEY again')
        if key:
            return Secret(key)
    raise AuthenticationError(KEY_MISSING)


def _home(name: str) -> Path:
    # Path.expanduser raises for an unknown user; this leaves the name as it is.
    return Path(os.path.expanduser(name))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
