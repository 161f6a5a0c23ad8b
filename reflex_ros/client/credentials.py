# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The API key, and the files that hold the saved logins (protocol reference, section b).

The credentials file has one login, as the vendor's client reads it. Logins at other addresses are
in a file beside it, so that neither client destroys a login of the other. The last login that was
replaced at an address is there too, after the one that is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
import re

from reflex_ros.client import private_file
from reflex_ros.client.endpoints import Address, DEFAULT_API, given, SAVED, without_secrets
from reflex_ros.client.user_folders import base, expanded
from reflex_ros.errors import AuthenticationError

WHAT = 'Reflex credentials'
HIDDEN = '[hidden]'
QUOTES = '"\'`'
KEY_MISSING = "API key is required. Run 'reflex login' or set REFLEX_API_KEY."


SHORTEST = 8
"""Shorter values are no keys, and would be found in every text [characters]."""
_known: set[str] = set()


def hide_known(text: str) -> str:
    """
    Replace every secret that this process has had, in what is about to be printed or logged.

    The errors of other libraries repeat what a service said, which may be a key: the address of a
    redirect, a header, the reason of a close.
    """
    for value in _known:
        text = text.replace(value, HIDDEN)
    return text


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """
    A text whose value never appears in a log, an error text or a traceback.

    :param source: where a person gave it: a flag, a variable; empty for a saved key.
    """

    _value: str
    source: str = field(default='', compare=False)

    def __post_init__(self) -> None:
        if len(self._value) >= SHORTEST:
            _known.add(self._value)

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
class Login:
    """A saved key, the address that it is for, and the dashboard of that service."""

    api_key: Secret | None = None
    convex_url: str | None = None
    site_url: str | None = None

    @property
    def address(self) -> str:
        """URL of the RPC backend; the default one where none was saved."""
        return (self.convex_url or DEFAULT_API).rstrip('/')


@dataclass(frozen=True, slots=True)
class Credentials(Login):
    """
    The saved logins.

    The login itself is that of the credentials file, which the vendor's client reads too: its
    address is used when no other is given.

    :param others: logins at other addresses, from a file beside it.
    :param file: path of the credentials file, for texts.
    """

    others: tuple[Login, ...] = ()
    file: str = field(default='', compare=False)

    @property
    def home_url(self) -> Address | None:
        """URL of the RPC backend to use when no other is given."""
        where = f'{SAVED} ({self.file})' if self.file else SAVED
        return given(self.convex_url, where)

    @property
    def addresses(self) -> list[str]:
        """Addresses with a key, that of the default login first."""
        return list(dict.fromkeys(login.address for login in (self, *self.others)
                                  if login.api_key is not None))

    def at(self, rpc_url: str) -> Login | None:
        """Return the login for an address; None without one."""
        return next(iter(self._all_at(rpc_url)), None)

    def replaced_at(self, rpc_url: str) -> Login | None:
        """Return the login that the one for an address has replaced; None without one."""
        return next(iter(self._all_at(rpc_url)[1:]), None)

    def _all_at(self, rpc_url: str) -> list[Login]:
        return [login for login in (self, *self.others)
                if login.api_key is not None and login.address == rpc_url.rstrip('/')]


def hide_keys(text: str) -> str:
    """Replace everything that looks like an API key, also a new one or a part of one."""
    return re.sub(r'rfx_[A-Za-z0-9_-]+', HIDDEN, text)


def path(environment: Mapping[str, str]) -> Path:
    """
    Return the path of the file, from REFLEX_CONFIG_FILE, _DIR or XDG_CONFIG_HOME.

    :raises ConfigurationError: if the folder of the user is not known.
    """
    if environment.get('REFLEX_CONFIG_FILE'):
        return expanded(environment['REFLEX_CONFIG_FILE'], 'REFLEX_CONFIG_FILE')
    if environment.get('REFLEX_CONFIG_DIR'):
        return expanded(environment['REFLEX_CONFIG_DIR'], 'REFLEX_CONFIG_DIR') / 'credentials.json'
    return base(environment, 'XDG_CONFIG_HOME', '~/.config') / 'reflex' / 'credentials.json'


def others_path(file: Path) -> Path:
    """Return the path of the file with the logins at other addresses."""
    return file.with_name(f'{file.stem}.others.json')


def load(file: Path) -> Credentials:
    """Read the saved logins; empty if none are. Errors as in :func:`private_file.read`."""
    home = _login(private_file.read(file, WHAT) or {})
    return Credentials(home.api_key, home.convex_url, home.site_url, _others(file), str(file))


def save(file: Path, saved: Login, *, is_default: bool = True) -> None:
    """
    Save a login; logins at other addresses stay, and the one that it replaces is kept.

    Errors as in :func:`private_file.write`.

    :param is_default: whether its address is used when no other is given. A login that was the
        default moves to the others, unless it is at the same address.
    :raises AuthenticationError: if an HTTP header cannot carry the key; all files stay as they
        are.
    """
    _check(saved.api_key.reveal() if saved.api_key else '', '')
    private_file.prepare(file, WHAT)
    try:
        before = load(file)
    except private_file.BrokenFile:
        before = Credentials()
    kept = [login for login in before.others if login.address != saved.address]
    old = before.at(saved.address)
    if old is not None and old.api_key == saved.api_key:
        old = before.replaced_at(saved.address)
    replaced = [Login(old.api_key, old.convex_url, old.site_url)] if old is not None else []
    if not is_default:
        _save_others(file, [*kept, saved, *replaced])
        return
    kept += replaced
    if before.api_key is not None and before.address != saved.address:
        kept.append(Login(before.api_key, before.convex_url, before.site_url))
    if tuple(kept) != before.others:
        _save_others(file, kept)
    private_file.write(file, _fields(saved), WHAT)


def restore(file: Path, address: str) -> bool:
    """
    Use the login again that the last one at an address has replaced; that one is kept instead.

    Errors as in :func:`save`.

    :returns: whether there was one.
    """
    saved = load(file)
    old = saved.replaced_at(address)
    if old is not None:
        save(file, old, is_default=saved.api_key is not None and saved.address == old.address)
    return old is not None


def forget(file: Path, address: str | None) -> list[str]:
    """
    Delete saved logins, and return their addresses.

    :param address: None deletes all.
    :raises ConfigurationError: if a file cannot be read or deleted.
    """
    try:
        saved = load(file)
    except private_file.BrokenFile:
        private_file.remove(file, WHAT)
        saved = Credentials(others=_others(file))
    gone = [each for each in saved.addresses if address in (None, each)]
    if address in (None, saved.address) and private_file.remove(file, WHAT) and not gone:
        gone.append(saved.address)
    left = [login for login in saved.others if login.address not in gone]
    if not left:
        private_file.remove(others_path(file), WHAT)
    elif len(left) < len(saved.others):
        _save_others(file, left)
    return gone


def given_key(explicit: str | None, environment: Mapping[str, str]) -> Secret | None:
    """
    Return the key that a person gave: argument, REFLEX_API_KEY, RFX_API_KEY (old name).

    :param environment: its ``sources``, if it has them, say which value is from which file.
    :raises AuthenticationError: if an HTTP header cannot carry the key.
    """
    sources: Mapping[str, str] = getattr(environment, 'sources', {})
    for value, source in ((explicit, '--api-key (api_key)'), *(
            (environment.get(name), sources.get(name, name))
            for name in ('REFLEX_API_KEY', 'RFX_API_KEY'))):
        key = (value or '').strip()
        if key:
            return _check(key, source)
    return None


def saved_key(saved: Credentials, rpc_url: str) -> Secret:
    """
    Return the saved key for an address.

    :raises AuthenticationError: if none is saved for it, or an HTTP header cannot carry it.
    """
    login = saved.at(rpc_url)
    if login is not None and login.api_key is not None:
        return _check(login.api_key.reveal().strip(), '')
    known = saved.addresses
    if not known:
        raise AuthenticationError(KEY_MISSING)
    source = getattr(rpc_url, 'source', '')
    raise AuthenticationError(
        f'{KEY_MISSING} The saved login{"s are" if len(known) > 1 else " is"} that of '
        f'{" and ".join(known)}: a key is never sent to another address, here '
        f'{without_secrets(rpc_url)}{f" ({source})" if source else ""}')


def api_key(explicit: str | None, environment: Mapping[str, str],
            saved: Credentials, rpc_url: str | None = None) -> Secret:
    """
    Resolve the API key: argument, REFLEX_API_KEY, RFX_API_KEY (old name), credentials file.

    :param rpc_url: address that it is for; None: that of the credentials file.
    :raises AuthenticationError: if there is no key, or an HTTP header cannot carry it.
    """
    return given_key(explicit, environment) or saved_key(
        saved, saved.address if rpc_url is None else rpc_url)


def _check(key: str, source: str) -> Secret:
    where = source or 'the credentials file'
    if not key:
        raise AuthenticationError(KEY_MISSING)
    if not (key.isascii() and key.isprintable() and ' ' not in key):
        raise AuthenticationError(f'The API key contains spaces or other characters that are '
                                  f"not allowed. It is that of {where}. Run 'reflex login' or set "
                                  'REFLEX_API_KEY again')
    if key[0] in QUOTES or key[-1] in QUOTES:
        raise AuthenticationError(f'The API key of {where} has quotes around it, which do not '
                                  'belong to the key. Set it again without them')
    if re.match(r'(export\s+)?[A-Z_]+=', key):
        raise AuthenticationError(f'The API key of {where} is a whole setting (NAME=value). Set '
                                  'it again with the part behind the = only')
    return Secret(key, source)


def _login(content: Mapping[str, object]) -> Login:
    key = content.get('apiKey')
    return Login(Secret(key) if isinstance(key, str) and key else None,
                 _text(content.get('convexUrl')), _text(content.get('siteUrl')))


def _fields(login: Login) -> dict[str, object]:
    fields = {'apiKey': login.api_key.reveal() if login.api_key else None,
              'convexUrl': login.convex_url, 'siteUrl': login.site_url}
    return {name: value for name, value in fields.items() if value}


def _others(file: Path) -> tuple[Login, ...]:
    rows = (private_file.read(others_path(file), WHAT) or {}).get('logins')
    if not isinstance(rows, list):
        return ()
    found = (_login(row) for row in rows if isinstance(row, dict))
    return tuple(login for login in found if login.api_key is not None)


def _save_others(file: Path, logins: Sequence[Login]) -> None:
    private_file.write(others_path(file), {'logins': list(map(_fields, logins))}, WHAT)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
