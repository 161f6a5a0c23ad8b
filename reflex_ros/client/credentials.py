# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The API key and the file that holds it (protocol reference, section b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """A value that never shows in a log, a message or a traceback."""

    _value: str

    def reveal(self) -> str:
        """Return the value, to be sent and nothing else."""
        return self._value

    def hide_in(self, text: str) -> str:
        """Take the value out of a text that a peer wrote and we are about to show."""
        return text.replace(self._value, HIDDEN) if self._value else text

    def __repr__(self) -> str:
        """Hide the value."""
        return 'Secret([hidden])'

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the file holds."""

    api_key: Secret | None = None
    convex_url: str | None = None
    site_url: str | None = None


def hide_keys(text: str) -> str:
    """Take whatever looks like a key out of a text: one that is new, or was cut in the middle."""
    return re.sub(r'rfx_[A-Za-z0-9_-]+', HIDDEN, text)


def path(environment: Mapping[str, str]) -> Path:
    """Find the credentials file: REFLEX_CONFIG_FILE, REFLEX_CONFIG_DIR, XDG_CONFIG_HOME."""
    if environment.get('REFLEX_CONFIG_FILE'):
        return _home(environment['REFLEX_CONFIG_FILE'])
    if environment.get('REFLEX_CONFIG_DIR'):
        return _home(environment['REFLEX_CONFIG_DIR']) / 'credentials.json'
    return _home(environment.get('XDG_CONFIG_HOME') or '~/.config') / 'reflex' / 'credentials.json'


def load(file: Path) -> Credentials:
    """Read the file; a missing one is empty; errors as :func:`private_file.read`."""
    content = private_file.read(file, WHAT) or {}
    key = content.get('apiKey')
    return Credentials(Secret(key) if isinstance(key, str) and key else None,
                       _text(content.get('convexUrl')), _text(content.get('siteUrl')))


def save(file: Path, saved: Credentials) -> None:
    """
    Write the file (section b.2); errors as :func:`private_file.write`.

    :raises AuthenticationError: for a key that no header can carry; nothing is written then.
    """
    key = api_key(None, {}, saved)
    addresses = {'convexUrl': saved.convex_url, 'siteUrl': saved.site_url}
    private_file.write(file, {'apiKey': key.reveal(), **{
        name: url for name, url in addresses.items() if url}}, WHAT)


def api_key(explicit: str | None, environment: Mapping[str, str],
            saved: Credentials) -> Secret:
    """
    Resolve the key: argument, REFLEX_API_KEY (then its legacy alias), credentials file.

    :raises AuthenticationError: when there is none, or none that a header can carry.
    """
    for value in (explicit, environment.get('REFLEX_API_KEY'), environment.get('RFX_API_KEY'),
                  saved.api_key.reveal() if saved.api_key else None):
        key = (value or '').strip()
        if key and not (key.isascii() and key.isprintable() and ' ' not in key):
            raise AuthenticationError('The API key holds blanks or characters that no key has. '
                                      "Run 'reflex login' or set REFLEX_API_KEY again")
        if key:
            return Secret(key)
    raise AuthenticationError(KEY_MISSING)


def _home(name: str) -> Path:
    # Unlike Path.expanduser, this leaves the home of nobody as it is written.
    return Path(os.path.expanduser(name))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
