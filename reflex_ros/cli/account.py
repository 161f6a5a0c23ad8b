# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex signup``, ``reflex whoami``, ``reflex logout``."""

from __future__ import annotations

import os
import sys

import click

from reflex_ros.cli import dotenv, text
from reflex_ros.cli.options import (
    CommonOptions,
    local_command,
    service_command,
    site_url_option,
)
from reflex_ros.cli.remote import ask_at
from reflex_ros.client import credentials, endpoints, pending_login, private_file
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.endpoints import given
from reflex_ros.client.messages import Account
from reflex_ros.client.resources import account

MAX_LINE = 4096


@local_command('reflex signup --name "Ada Lovelace" --email ada@example.com',
               'pass show reflex | reflex signup --name "Ada Lovelace" --email ada@example.com')
@click.option('--name', default='', help='Your name (required).')
@click.option('--email', default='', help='Your e-mail address (required).')
@click.option('--password', help='Password, at least 8 characters. Better leave it out, because '
              'other users can see it: then the command asks for it or, in a script, reads one '
              'line from stdin.')
@site_url_option
@click.option('--callback-url', help='Page that the link in the confirmation mail opens.')
def signup(common: CommonOptions, name: str, email: str, password: str | None,
           site_url: str | None, callback_url: str | None) -> None:
    """
    Create a Reflex account.

    Then run `reflex login` to get an API key.
    """
    is_complete = bool(name.strip() and email.strip())
    is_piped = password == '-'  # noqa: S105 (the usual name of stdin)
    if is_piped or (password is None and is_complete and not _is_terminal()):
        password = _first_line()
    elif password is None and is_complete and not common.as_json:
        password = click.prompt('Password', hide_input=True, confirmation_prompt=True, err=True)
    secret = Secret(password or '')
    address = ask_at(
        common, lambda service: account.sign_up(service, name, email, secret, callback_url),
        site_url=site_url, is_anonymous=True)
    commands = ['reflex login', 'reflex whoami']
    if common.as_json:
        text.document({'ok': True, 'status': 'created', 'email': address, 'next': commands})
    else:
        text.show(common, 'Reflex account created', {'email': address}, 'account', next=commands)


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _first_line() -> str:
    """Read a password from a pipe; empty when there is none."""
    line = '' if sys.stdin is None else sys.stdin.readline(MAX_LINE)
    return line.rstrip('\r\n')


@service_command('reflex whoami --json')
@site_url_option
def whoami(common: CommonOptions, site_url: str | None) -> None:
    """Show the organization that the API key belongs to."""
    async def request(service: AsyncReflex) -> tuple[Account, str]:
        return await account.whoami(service), service.site_url

    found, site = ask_at(common, request, site_url=site_url)
    organization = found.organization
    lines = {
        'Organization': organization and organization.name,
        'Organization slug': organization and organization.slug,
        'Organization ID': (organization and organization.id) or found.org_id,
        'API key': found.key_name, 'Dashboard': site}
    following = ['reflex datasets list']
    text.report(common, {'ok': True, 'account': found.as_sent(), 'next': following},
                'Logged in to Reflex\n', *(
                    f'{label}: {value or text.MISSING}' for label, value in lines.items()),
                *text.next_lines(following))


@local_command('reflex logout', 'reflex logout --all')
@click.option('--convex-url', help='Backend URL of the login (default: REFLEX_CONVEX_URL, then '
              'the default login).')
@click.option('--all', 'is_all', is_flag=True, help='Delete the keys of all addresses.')
def logout(common: CommonOptions, is_all: bool) -> None:
    """
    Delete the saved API key.

    The key stays valid until you revoke it in the dashboard.
    """
    file = credentials.path(os.environ)
    pending_login.drop(pending_login.path(file))
    try:
        home = credentials.load(file).home_url
    except private_file.BrokenFile:
        home = None
    address = endpoints.rpc_url(given(common.convex_url, '--convex-url'), os.environ, home)
    gone = credentials.forget(file, None if is_all else address)
    kept = credentials.load(file).addresses
    text.report(
        common, {'ok': True, 'deleted': bool(gone), 'addresses': gone, 'kept': kept,
                 'configPath': str(file)},
        'Logged out of Reflex\n',
        *((f'Credentials deleted: {file} ({each})' for each in gone) if gone else [
            f'No credentials found at {file}' if is_all or not kept
            else f'No credentials for {address} found at {file}']),
        *(f'Kept: the login at {each}. `reflex logout --all` deletes it too' for each in kept),
        'The API key stays valid until you revoke it in the dashboard, under Keys',
        *(f'{name} is still set, and commands still use it' for name in dotenv.KEYS
          if os.environ.get(name)))
