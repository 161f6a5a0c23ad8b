# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which requests are accepted: by their bearer, or because a program of this machine sent them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


class Ended(Exception):
    """The request ends here, with this answer; a middleware of the server sends it."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refusal(status: int, slug: str, message: str = '') -> Ended:
    """Build the refusal of a request; the sentence stands under both names that clients know."""
    sentence = {'message': message, 'detail': message} if message else {}
    return Ended(web.json_response({'error': slug} | sentence, status=status))


def bearer(request: web.Request) -> str:
    """Return what follows ``Authorization: Bearer``; empty without it."""
    scheme, _, key = request.headers.get('Authorization', '').partition(' ')
    return key.strip() if scheme.lower() == 'bearer' else ''


def refusal_reason(request: web.Request) -> str | None:
    """
    Return why a request to the admin endpoint or the approval page is refused, or None.

    A page of any site can make the browser of this machine send requests to 127.0.0.1. It cannot
    read the answers, and it cannot hide its origin: browsers put ``Origin`` on every POST.
    """
    if not _is_local(request.remote or ''):
        return 'loopback only'
    # A foreign name that resolves to 127.0.0.1 (DNS rebinding) would make foreign pages ours.
    if not _is_local(request.host):
        return 'the Host must be 127.0.0.1'
    origin = request.headers.get('Origin')
    if origin is not None and origin != f'http://{request.host}':
        return 'not from a web page'
    return None


def _is_local(host: str) -> bool:
    # Not request.url.host: aiohttp 3.8 cannot build that URL with a newer yarl.
    try:
        name = urlsplit(f'//{host}').hostname or ''
        return name == 'localhost' or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
