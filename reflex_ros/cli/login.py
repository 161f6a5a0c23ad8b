# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex login``: get a key that a person approves in a browser (section b.3)."""

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

from reflex_ros.cli import browser, dotenv, options, text
from reflex_ros.cli.options import CommonOptions, local
from reflex_ros.cli.remote import ask_at
from reflex_ros.client import credentials, pending_login, private_file
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Credentials, Secret
from reflex_ros.client.messages import printable
from reflex_ros.client.messages.logins import LoginStatus
from reflex_ros.client.pending_login import PendingLogin
from reflex_ros.client.resources import logins

SHORTEST_POLL_S = 0.25
NEXT = ['reflex whoami', 'reflex datasets list']


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    timeout_s: float
    poll_s: float
    hostname: str
    common: CommonOptions


@click.command(epilog=options.example('reflex login', 'reflex login --timeout 0'))
@click.option('--convex-url', help='Address of the backend.')
@click.option('--site-url', help='Address of the dashboard.')
@click.option('--timeout', 'timeout_s', type=float, default=600.0, show_default=True,
              metavar='SECONDS', help='How long to wait for the approval; 0 prints the link and '
              'ends, and the next `reflex login` collects what was approved.')
@click.option('--poll-interval', 'poll_s', type=float, default=2.0, show_default=True,
              metavar='SECONDS', help='How often to ask, at the shortest each 0.25 s.')
@click.option('--hostname', help='What this machine is called on the approval page.')
@local
def login(common: CommonOptions, site_url: str | None, timeout_s: float, poll_s: float,
          hostname: str | None) -> None:
    """
    Get an API key: open a link, approve it, done.

    A login that was begun and not finished is resumed. With --json it prints one document when
    it begins to wait, and one when it ends.
    """
    file = credentials.path(os.environ)
    # Before anything is asked for: a key that is approved and cannot be kept is lost.
    private_file.prepare(file, credentials.WHAT)
    wish = Wish(timeout_s, max(SHORTEST_POLL_S, poll_s), hostname or socket.gethostname(), common)
    is_done = ask_at(common, lambda service: _login(service, wish, file), site_url=site_url,
                     saved=_saved(file), is_anonymous=True)
    if not is_done:
        sys.exit(1)


def _saved(file: Path) -> Credentials:
    """Read the addresses in the file that this login replaces; one that is broken has none."""
    try:
        return credentials.load(file)
    except private_file.BrokenFile:
        return Credentials()


async def _login(service: AsyncReflex, wish: Wish, file: Path) -> bool:
    place = pending_login.path(file)
    site = service.site_url
    request, answer = await _resume(service, wish, place, site)
    is_resumed = request is not None
    if request is None:
        request = await _begin(service, wish, site)
        pending_login.save(place, request)
    if answer is None or answer.status != 'approved':
        url = logins.approval_url(site, request.request_id)
        is_opened = not is_resumed and browser.opened(url)
        _tell_pending(wish, request, url, is_resumed=is_resumed, is_opened=is_opened)
        if wish.timeout_s <= 0:
            return True
        answer = await _wait(service, wish, request.request_id)
        if answer is None:
            _tell_waiting(wish, request, url)
            return False
    if answer.status == 'approved':
        credentials.save(file, Credentials(
            Secret(answer.api_key or ''), service.rpc.url, site))
    pending_login.drop(place)
    _tell_end(wish, request.request_id, answer, file)
    return answer.status == 'approved'


async def _resume(service: AsyncReflex, wish: Wish, place: Path,
                  site: str) -> tuple[PendingLogin | None, LoginStatus | None]:
    """Find the login that was begun before, and what became of it; forget it when it is over."""
    request = pending_login.load(place)
    if request is None:
        return None, None
    answer = None
    is_alive = request.may_be_resumed(service.rpc.url, site, time.time() * 1e3)
    if is_alive and wish.timeout_s > 0:
        answer = await logins.poll(service, request.request_id)
        is_alive = answer.status not in logins.OVER
    if not is_alive:
        pending_login.drop(place)
        return None, None
    return request, answer


async def _begin(service: AsyncReflex, wish: Wish, site: str) -> PendingLogin:
    created = await logins.create(service, wish.hostname)
    return PendingLogin(created.request_id, created.expires_at, service.rpc.url, site)


async def _wait(service: AsyncReflex, wish: Wish, request_id: str) -> LoginStatus | None:
    """Poll until it is decided; None when the time is over, and then it can be resumed."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wish.timeout_s
    while True:
        answer = await logins.poll(service, request_id)
        if answer.status == 'approved' or answer.status in logins.OVER:
            return answer
        left = end - loop.time()
        if left <= 0:
            return None
        await asyncio.sleep(min(wish.poll_s, left))


def _tell_pending(wish: Wish, request: PendingLogin, url: str, *, is_resumed: bool,
                  is_opened: bool) -> None:
    lines = [f'{url}\n', f'Expires: {_expiry(request.expires_at)}']
    if is_resumed:
        lines.insert(0, 'This login was begun before; it goes on. The link is still:')
    if wish.common.is_verbose:
        lines += [f'Request ID: {request.request_id}',
                  f'Browser: {"opened" if is_opened else "not opened; open the link yourself"}']
    lines.append('Waiting for approval...\n' if wish.timeout_s > 0 else
                 'This command is not waiting. Approve the link, then run\n\n  reflex login')
    text.report(wish.common, {
        'ok': True, 'status': 'pending', 'requestId': request.request_id, 'approvalUrl': url,
        'expiresAt': request.expires_at, 'browserOpened': is_opened},
        'Reflex CLI login\n', *lines)


def _tell_waiting(wish: Wish, request: PendingLogin, url: str) -> None:
    title = 'Still waiting for Reflex CLI approval'
    remedy = 'Approve the link, then run `reflex login` again'
    text.report(wish.common, {
        'ok': False, 'status': 'timeout', 'requestId': request.request_id, 'approvalUrl': url,
        'expiresAt': request.expires_at, 'error': f'{title}. {remedy}'},
        f'{title}\n\n{url}\n\nExpires: {_expiry(request.expires_at)}',
        f'Request ID: {request.request_id}', remedy)


def _tell_end(wish: Wish, request_id: str, answer: LoginStatus, file: Path) -> None:
    if answer.status != 'approved':
        title, remedy = 'Reflex CLI login was not completed', 'Run `reflex login` again'
        text.report(wish.common, {
            'ok': False, 'status': answer.status, 'requestId': request_id,
            'error': f'{title}: {answer.status}. {remedy}'},
            f'{title}\n', f'Status: {answer.status}', f'Request ID: {printable(request_id)}',
            remedy)
        return
    is_overridden = any(os.environ.get(name) for name in dotenv.KEYS)
    text.report(wish.common, {
        'ok': True, 'status': 'approved', 'requestId': request_id, 'configPath': str(file),
        'next': NEXT},
        'Reflex CLI login complete\n', f'Credentials saved: {file}',
        *(['REFLEX_API_KEY or RFX_API_KEY is set, and goes before the saved key']
          if is_overridden else []),
        '\nNext:', *(f'  {command}' for command in NEXT))


def _expiry(expires_at: float | None) -> str:
    """Write a time as ``in 10 minutes (2030-01-01 00:00:00 UTC)``."""
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
