# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex login``: get an API key that a person approves in a browser (section b.3)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timezone
import os
from pathlib import Path
import socket
import sys
import time

import click

from reflex_ros.cli import browser, dotenv, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.options import CommonOptions, local_command, site_url_option
from reflex_ros.cli.remote import ask_at
from reflex_ros.client import credentials, endpoints, pending_login, private_file
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Credentials, Login, Secret
from reflex_ros.client.endpoints import given
from reflex_ros.client.messages.logins import LoginStatus
from reflex_ros.client.pending_login import PendingLogin
from reflex_ros.client.resources import logins
from reflex_ros.client.texts import printable
from reflex_ros.errors import ConfigurationError

SHORTEST_POLL_S = 0.25
NEXT = ['reflex whoami', 'reflex datasets list']


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """The options of the command line, with their defaults filled in."""

    timeout_s: float
    poll_s: float
    hostname: str
    is_default: bool
    common: CommonOptions


@local_command('reflex login', 'reflex login --timeout 0')
@click.option('--convex-url', help='Backend URL (default: REFLEX_CONVEX_URL, then the saved '
              'login).')
@site_url_option
@click.option('--timeout', 'timeout_s', type=FiniteRange(0.0), default=600.0, show_default=True,
              metavar='SECONDS', help='Seconds to wait for the approval. 0 prints the link and '
              'exits; the next `reflex login` fetches the approved key.')
@click.option('--poll-interval', 'poll_s', type=FiniteRange(0.0), default=2.0, show_default=True,
              metavar='SECONDS', help='Seconds between polls, at least 0.25.')
@click.option('--hostname', help='Name of this machine on the approval page (default: its host '
              'name).')
@click.option('--default', 'is_default', is_flag=True,
              help='Use the address of this login when no other is given.')
@click.option('--previous', 'is_previous', is_flag=True,
              help='Use the key again that the last login at this address replaced. Nothing is '
              'asked for.')
def login(common: CommonOptions, site_url: str | None, timeout_s: float, poll_s: float,
          hostname: str | None, is_default: bool, is_previous: bool) -> None:
    """
    Get an API key by approving a link in the browser.

    A key is saved for the address where it was made. The first login is the default; logins at
    other addresses are kept beside it. The key that a login replaces is kept as well. A login
    that is still pending is resumed. With --json, the command prints one document when it begins
    to wait and one when it ends.
    """
    file = credentials.path(os.environ)
    # Before any request: an approved key that cannot be saved is lost.
    private_file.prepare(file, credentials.WHAT)
    if is_previous:
        _use_previous(common, file)
        return
    settings = LoginSettings(timeout_s, max(SHORTEST_POLL_S, poll_s),
                             hostname or socket.gethostname(), is_default, common)
    is_done = ask_at(common, lambda service: _login(service, settings, file), site_url=site_url,
                     saved=_saved(file), is_anonymous=True)
    if not is_done:
        sys.exit(1)


def _use_previous(common: CommonOptions, file: Path) -> None:
    """Go back to the key that the last login at an address replaced."""
    home = credentials.load(file).home_url
    address = endpoints.rpc_url(given(common.convex_url, '--convex-url'), os.environ, home)
    if not credentials.restore(file, address):
        raise ConfigurationError(f'No earlier key is kept for {address}. Run `reflex login` to '
                                 'get a new one')
    text.report(common, {'ok': True, 'status': 'restored', 'address': str(address),
                         'configPath': str(file), 'next': NEXT},
                f'The earlier key for {address} is used again. The other one is kept: '
                '`reflex login --previous` goes back to it',
                *text.next_lines(NEXT))


def _saved(file: Path) -> Credentials:
    """Return the saved login with its addresses, or an empty one if the file is broken."""
    try:
        return credentials.load(file)
    except private_file.BrokenFile:
        return Credentials()


async def _login(service: AsyncReflex, settings: LoginSettings, file: Path) -> bool:
    place = pending_login.path(file)
    site = service.site_url
    request, answer = await _resume(service, settings, place, site)
    is_resumed = request is not None
    if request is None:
        request = await _begin(service, settings, site)
        pending_login.save(place, request)
    if answer is None or answer.status != 'approved':
        url = logins.approval_url(site, request.request_id)
        is_opened = not is_resumed and browser.open_link(url)
        _print_pending(settings, request, url, is_resumed=is_resumed, is_opened=is_opened)
        if settings.timeout_s <= 0:
            return True
        answer = await _wait(service, settings, request.request_id)
        if answer is None:
            _print_timeout(settings, request, url)
            return False
    lines: list[str] = []
    if answer.status == 'approved':
        lines = _save(settings, file, Login(Secret(answer.api_key or ''), service.rpc.url, site))
    pending_login.drop(place)
    _print_end(settings, request.request_id, answer, file, lines)
    return answer.status == 'approved'


def _save(settings: LoginSettings, file: Path, login: Login) -> list[str]:
    """Save a new login beside those at other addresses; return what became of them."""
    before = _saved(file)
    is_first = before.api_key is None or before.address == login.address
    is_default = settings.is_default or is_first
    credentials.save(file, login, is_default=is_default)
    old = before.at(login.address)
    lines = []
    if old is not None and old.api_key != login.api_key:
        lines.append(f'It replaces the key that was saved for {login.address}. That key is kept: '
                     '`reflex login --previous` goes back to it')
    if not is_default:
        lines.append(f'The login at {before.address} is kept and stays the default. The new one '
                     f'is used with --convex-url {login.address} or REFLEX_CONVEX_URL; to make it '
                     'the default, run `reflex login --default` at that address')
    elif not is_first:
        lines.append(f'The login at {before.address} is kept: it is used with --convex-url '
                     f'{before.address} or REFLEX_CONVEX_URL')
    return lines


async def _resume(service: AsyncReflex, settings: LoginSettings, place: Path,
                  site: str) -> tuple[PendingLogin | None, LoginStatus | None]:
    """Return the pending login and its status; delete it and return None when it is over."""
    request = pending_login.load(place)
    if request is None:
        return None, None
    answer = None
    is_alive = request.may_be_resumed(service.rpc.url, site, time.time() * 1e3)
    if is_alive and settings.timeout_s > 0:
        answer = await logins.poll(service, request.request_id)
        is_alive = answer.status not in logins.OVER
    if not is_alive:
        pending_login.drop(place)
        return None, None
    return request, answer


async def _begin(service: AsyncReflex, settings: LoginSettings, site: str) -> PendingLogin:
    created = await logins.create(service, settings.hostname)
    return PendingLogin(created.request_id, created.expires_at, service.rpc.url, site)


async def _wait(service: AsyncReflex, settings: LoginSettings,
                request_id: str) -> LoginStatus | None:
    """Poll until the login is decided; return None after the timeout, then it can be resumed."""
    loop = asyncio.get_running_loop()
    end = loop.time() + settings.timeout_s
    while True:
        answer = await logins.poll(service, request_id)
        if answer.status == 'approved' or answer.status in logins.OVER:
            return answer
        left = end - loop.time()
        if left <= 0:
            return None
        await asyncio.sleep(min(settings.poll_s, left))


def _print_pending(settings: LoginSettings, request: PendingLogin, url: str, *, is_resumed: bool,
                   is_opened: bool) -> None:
    lines = [f'{url}\n', f'Expires: {_expiry(request.expires_at)}']
    if is_resumed:
        lines.insert(0, 'Resuming the login that is still pending. Its link:')
    if settings.common.is_verbose:
        lines += [f'Request ID: {request.request_id}',
                  f'Browser: {"opened" if is_opened else "not opened, open the link yourself"}']
    lines.append('Waiting for approval...\n' if settings.timeout_s > 0 else
                 'This command does not wait. Approve the link, then run\n\n  reflex login')
    text.report(settings.common, {
        'ok': True, 'status': 'pending', 'requestId': request.request_id, 'approvalUrl': url,
        'expiresAt': request.expires_at, 'browserOpened': is_opened},
        'Reflex CLI login\n', *lines)


def _print_timeout(settings: LoginSettings, request: PendingLogin, url: str) -> None:
    title = 'Still waiting for Reflex CLI approval'
    remedy = 'Approve the link, then run `reflex login` again'
    text.report(settings.common, {
        'ok': False, 'status': 'timeout', 'requestId': request.request_id, 'approvalUrl': url,
        'expiresAt': request.expires_at, 'error': f'{title}. {remedy}'},
        f'{title}\n\n{url}\n\nExpires: {_expiry(request.expires_at)}',
        f'Request ID: {request.request_id}', remedy)


def _print_end(settings: LoginSettings, request_id: str, answer: LoginStatus, file: Path,
               lines: list[str]) -> None:
    if answer.status != 'approved':
        title, remedy = 'Reflex CLI login was not completed', 'Run `reflex login` again'
        text.report(settings.common, {
            'ok': False, 'status': answer.status, 'requestId': request_id,
            'error': f'{title}: {answer.status}. {remedy}'},
            f'{title}\n', f'Status: {answer.status}', f'Request ID: {printable(request_id)}',
            remedy)
        return
    is_overridden = any(os.environ.get(name) for name in dotenv.KEYS)
    text.report(settings.common, {
        'ok': True, 'status': 'approved', 'requestId': request_id, 'configPath': str(file),
        'next': NEXT, **({'notes': lines} if lines else {})},
        'Reflex CLI login complete\n', f'Credentials saved: {file}', *lines,
        *(['REFLEX_API_KEY or RFX_API_KEY is set and overrides the saved key']
          if is_overridden else []),
        '\nNext:', *(f'  {command}' for command in NEXT))


def _expiry(expires_at: float | None) -> str:
    """Format a time [ms since 1970] as ``in 10 minutes (2030-01-01 00:00:00 UTC)``."""
    try:
        moment = datetime.fromtimestamp((expires_at or 0) / 1e3, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return text.MISSING
    if expires_at is None:
        return text.MISSING
    left_s = expires_at / 1e3 - time.time()
    minutes = round(left_s / 60)
    when = ('now' if left_s <= 0 else 'in less than a minute' if minutes < 1
            else f'in {minutes} minute{"s" if minutes > 1 else ""}')
    return f'{when} ({moment:%Y-%m-%d %H:%M:%S} UTC)'
