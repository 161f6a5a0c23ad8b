# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The API key and the file that holds it (protocol reference, section b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import stat

from reflex_ros.errors import AuthenticationError, ConfigurationError

MAX_SIZE = 64 * 1024
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
        return text.replace(self._value, '[hidden]')

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


def path(environment: Mapping[str, str]) -> Path:
    """Find the credentials file: REFLEX_CONFIG_FILE, REFLEX_CONFIG_DIR, XDG_CONFIG_HOME."""
    if environment.get('REFLEX_CONFIG_FILE'):
        return _home(environment['REFLEX_CONFIG_FILE'])
    if environment.get('REFLEX_CONFIG_DIR'):
        return _home(environment['REFLEX_CONFIG_DIR']) / 'credentials.json'
    return _home(environment.get('XDG_CONFIG_HOME') or '~/.config') / 'reflex' / 'credentials.json'


def load(file: Path) -> Credentials:
    """
    Read the file; a missing one is empty.

    :raises ConfigurationError: when it is a link, belongs to somebody else, can be read by
        others, is too large, or is not a JSON object.
    """
    try:
        # Without O_NONBLOCK a pipe in this place would keep us waiting for its writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Credentials()
    except OSError as exc:
        raise ConfigurationError(f'Failed to read Reflex credentials at {file}: {exc.strerror}'
                                 '. It must be a regular file, not a link') from exc
    try:
        _check_file(file, os.fstat(descriptor))
        text = os.read(descriptor, MAX_SIZE + 1)
    finally:
        os.close(descriptor)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f'Failed to read Reflex credentials at {file}: {exc}. Run '
                                 "'reflex login' again") from exc
    if not isinstance(content, dict):
        raise ConfigurationError(f'Reflex credentials at {file} must be a JSON object.')
    key = content.get('apiKey')
    return Credentials(Secret(key) if isinstance(key, str) and key else None,
                       _text(content.get('convexUrl')), _text(content.get('siteUrl')))


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


def _check_file(file: Path, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise ConfigurationError(f'Reflex credentials at {file} are not a regular file')
    if info.st_uid != os.getuid():
        raise ConfigurationError(f'Reflex credentials at {file} belong to user {info.st_uid}, not '
                                 'to you. Remove the file and log in again')
    if info.st_mode & 0o077:
        raise ConfigurationError(f'Reflex credentials at {file} can be read by others. Run '
                                 f'chmod 600 {file}')
    if info.st_size > MAX_SIZE:
        raise ConfigurationError(f'Reflex credentials at {file} are larger than 64 KiB')


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
